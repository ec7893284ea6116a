"""The demo's dataset: made of clips, kept between runs, opened in the App."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import fiftyone as fo

from ..errors import InputError

NAME = "latent-inr-demo"
_MARK = "made_by_latent_inr_demo"


@dataclass(frozen=True)
class Clip:
    """One clip of the demo: its file, what it shows, and whether it is `generated` or `real`."""

    path: Path
    caption: str
    kind: str


def make_dataset(clips: list[Clip], teacher_id: str, name: str = NAME) -> fo.Dataset:
    """The persistent dataset of these clips; one that holds just them already is returned as it is.

    Args:
        clips: what it is to hold.
        teacher_id: the teacher that it will be fitted with; a dataset of another one is made anew, because
            vectors of two teachers cannot be searched together.
        name: its name in FiftyOne.

    Raises:
        InputError: a dataset of this name exists and was not made by the demo.
    """
    wanted = [str(clip.path.absolute()) for clip in clips]
    dataset = find_dataset(name)
    if dataset is not None:
        same_clips = sorted(dataset.values("filepath")) == sorted(wanted)
        if same_clips and dataset.info[_MARK] == teacher_id:
            return dataset
        # Of another checkout, or of an older version: its files may be gone.
        fo.delete_dataset(name)
    dataset = fo.Dataset(name, persistent=True)
    dataset.info[_MARK] = teacher_id
    dataset.save()
    dataset.add_samples(
        [
            fo.Sample(filepath=path, caption=clip.caption, tags=[clip.kind])
            for path, clip in zip(wanted, clips, strict=True)
        ],
        progress=False,
    )
    return dataset


def find_dataset(name: str = NAME) -> fo.Dataset | None:
    """The demo's dataset, or None where there is none yet.

    Raises:
        InputError: a dataset of this name exists and was not made by the demo.
    """
    if not fo.dataset_exists(name):
        return None
    dataset = fo.load_dataset(name)
    if not dataset.info.get(_MARK):
        raise InputError(
            f"FiftyOne has a dataset {name!r} that the demo did not make; rename it first: "
            f"fiftyone.load_dataset({name!r}).name = ..."
        )
    return dataset


def open_app(dataset: fo.Dataset) -> None:
    """Opens the App on a dataset and waits until it is interrupted."""
    session = fo.launch_app(dataset)
    print(f"The App shows {dataset.name!r} at {session.url}; stop it with Ctrl-C")
    try:
        session.wait(-1)
    except KeyboardInterrupt:
        print("\nThe App is closed")
    finally:
        session.close()
