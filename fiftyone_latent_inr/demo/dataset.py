"""The demo's dataset: made of clips, kept between runs, read row by row, opened in the App."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import fiftyone as fo

from ..errors import InputError
from ..latent_video.video import LatentVideo, load
from .clips import Clip

NAME = "latent-inr-demo"
_MARK = "made_by_latent_inr_demo"


@dataclass(frozen=True)
class Row:
    """One clip as it was fitted: what its sample and its stored `video` say; `psnr` in dB, `bpp` of the file."""

    path: str
    caption: str
    kind: str
    video: LatentVideo
    psnr: float
    bpp: float

    @property
    def name(self) -> str:
        """The file's name, without its ending."""
        return Path(self.path).stem

    @property
    def seconds(self) -> float:
        """Seconds that its fit took."""
        return float(self.video.metrics.get("seconds", float("nan")))

    @property
    def query(self) -> str:
        """The caption without the motion, which a teacher of single frames cannot see."""
        first, _, rest = self.caption.partition(" moving ")
        return first + rest[len(rest.split(" ")[0]) :]


def make_dataset(clips: list[Clip], teacher_id: str, name: str = NAME) -> fo.Dataset:
    """The persistent dataset of these clips; one that holds just them already is returned as it is.

    Args:
        clips: clips that it is to hold.
        teacher_id: teacher that the generated clips will be fitted with; a dataset of another one is made anew, because
            vectors of two teachers cannot be searched together.
        name: name in FiftyOne.

    Raises:
        InputError: a dataset of this name exists and was not made by the demo.
    """
    wanted = [str(clip.path.absolute()) for clip in clips]
    mark = f"{teacher_id}, generated clips"  # earlier versions embedded the real ones, too
    dataset = find_dataset(name)
    if dataset is not None:
        same_clips = sorted(dataset.values("filepath")) == sorted(wanted)
        if same_clips and dataset.info[_MARK] == mark:
            return dataset
        # Of another checkout, or of an older version: its files may be gone.
        fo.delete_dataset(name)
    dataset = fo.Dataset(name, persistent=True)
    dataset.info[_MARK] = mark
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


def read_rows(dataset: fo.Dataset) -> list[Row]:
    """One row a clip, from the samples' fields and their stored files."""
    return [
        Row(
            path=sample.filepath,
            caption=sample["caption"],
            kind=sample.tags[0],
            video=load(sample["latent_inr_path"]),
            psnr=sample["latent_inr_psnr"],
            bpp=sample["latent_inr_bpp"],
        )
        for sample in dataset.iter_samples()
    ]


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
