"""The calls that are interrupted, each run in a process of its own (`processes`), which has this module's imports.

Importing it uses neither torch nor MongoDB: threads and connections begin in the processes that are forked.
"""

from __future__ import annotations

import gc
import importlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fiftyone as fo
import fiftyone.core.models as fom
import fiftyone.zoo as foz
import numpy as np
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.encoding import checkpoint
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.model import Level
from fiftyone_latent_inr.pretraining.config import PretrainConfig
from fiftyone_latent_inr.resources import bundled_clips

from . import states
from .disks import own_disk
from .effects import BALLAST, Plan, Watch
from .given import KEYS, Given

# What calls load on their way; the first optimiser of a process loads torch._dynamo, which takes seconds.
for _name in (
    *("fiftyone.brain", "torch._dynamo", "fiftyone_latent_inr.datasets.fit.fit_dataset"),
    *("fiftyone_latent_inr.datasets.drawings.draw_dataset", "fiftyone_latent_inr.datasets.priors.pretrain_dataset"),
    *("fiftyone_latent_inr.encoding.fit", "fiftyone_latent_inr.cli.encode", "fiftyone_latent_inr.cli.decode"),
):
    importlib.import_module(_name)

SIZE = (18, 32)
# Good for nothing but to be stored; the long clip is of several groups.
_SMALL = replace(PRESETS["fast"].architecture, planes=1, levels=(Level(8, 2, 1),))
TINY = replace(
    PRESETS["fast"],
    **{"architecture": _SMALL, "steps": 4, "steps_growth": 0.0, "points_per_step": 256, "group_frames": 4},
)
TRAINING = PretrainConfig(steps=4, drawing_steps=4, clips_per_step=1, window=4, frames_per_step=2, sizes=((16, 16),))


_QUIET = {"device": "cpu", "progress": False}


class Colours:
    """A teacher that sees mean colours: what matters here is that there are vectors; OpenCLIP takes seconds to load."""

    name, id, embedding_dim = "small", "colours@1", 12

    def embed_frames(self, frames: Any, batch_size: int = 32, progress: Any = None) -> Any:
        """(T, 12) of frames (T, H, W, 3), of unit norm."""
        parts = [part.mean((1, 2)) for half in np.array_split(frames, 2, 1) for part in np.array_split(half, 2, 2)]
        found = np.concatenate(parts, 1).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def zoo(self) -> tuple[str, dict[str, Any]]:
        """As the small teacher's."""
        return "latent-inr/small-teacher", {}


class Words(fom.Model, fom.EmbeddingsMixin, fom.PromptMixin):
    """What the index takes for the text tower of `Colours`; nothing is asked of it in words."""

    @property
    def can_embed_prompts(self) -> bool:
        """What the index asks before it is built."""
        return True


def make_clips(folder: Path, lengths: Sequence[int]) -> list[str]:
    """Writes videos of so many frames."""
    paths = []
    for k, (length, source) in enumerate(zip(lengths, bundled_clips() * len(lengths), strict=False)):
        paths.append(str(folder / f"clip{k}.mp4"))
        video.write(paths[-1], video.read(source, size=SIZE, max_frames=length).array, 10.0)
    return paths


def make_dataset(name: str, given: Given, folder: Path) -> fo.Dataset:
    """Makes the dataset of a call, and the folder of its files."""
    dataset = fo.Dataset(name, persistent=True)
    dataset.add_samples([fo.Sample(filepath=path) for path in given.clips])
    (folder / "out").mkdir(exist_ok=True)
    if given.fitted:
        (folder / "fitted").mkdir()
        dataset.set_values("latent_inr_path", [shutil.copy(path, folder / "fitted") for path in given.fitted])
    return dataset


def _fit(dataset: fo.Dataset, folder: Path, **options: Any) -> str:
    torch.set_num_threads(1)
    settings: dict[str, Any] = {"config": TINY, "teacher": Colours(), "prior": "none", **_QUIET, **options}
    return str(linr.fit_dataset(dataset, output_dir=folder / "out", **settings))


def _draw(dataset: fo.Dataset, folder: Path, **options: Any) -> str:
    torch.set_num_threads(1)
    settings: dict[str, Any] = {"output_dir": folder / "out", **_QUIET, **options}
    return str(linr.interpolate(dataset, 2, **settings))


def _pretrain(dataset: fo.Dataset, folder: Path) -> str:
    torch.set_num_threads(1)
    options: dict[str, Any] = {"config": TRAINING, "teacher": None, **_QUIET}
    return linr.pretrain(dataset, name="prior", output_dir=folder / "out", **options).id


def _encode(clip: str, folder: Path) -> str:
    torch.set_num_threads(1)
    PRESETS["fast"] = replace(TINY, prior=None)  # of this process
    status = main(["encode", clip, str(folder / "out" / "out.linr"), "--preset", "fast", "--quiet", "--device", "cpu"])
    if status:
        raise SystemExit(status)
    return ""


def _decode(stored: str, folder: Path) -> str:
    torch.set_num_threads(1)
    status = main(["decode", stored, str(folder / "out" / "out.mp4"), "--quiet", "--device", "cpu"])
    if status:
        raise SystemExit(status)
    return ""


CALLS: dict[str, Callable[..., str]] = {
    "fit": _fit,
    "draw": _draw,
    "pretrain": _pretrain,
    "encode": _encode,
    "decode": _decode,
}


def first(call: str, name: str, given: Given, folder: Path, plan: Plan) -> str:
    """Makes what a call begins with, and does it under a plan.

    Args:
        call: one of `CALLS`.
        name: name for the dataset.
        given: what it begins with.
        folder: folder of this try.
        plan: at which side effect what is to happen.
    """
    if call in KEYS:
        _cheap_search()
        make_dataset(name, given, folder)
        (folder / "before.json").write_text(json.dumps(states.counts()), encoding="utf-8")
    else:
        (folder / "out").mkdir()
    subject = _subject(call, name, given)
    Watch(folder / "out", folder / "first.effects", plan).begin()
    return CALLS[call](subject, folder)


def again(call: str, name: str, given: Given, folder: Path) -> states.State:
    """Does a call again and to its end, reads what is there then, and forgets the dataset."""
    _cheap_search()
    subject = _subject(call, name, given)
    Watch(folder / "out", folder / "again.effects", Plan()).begin()
    text = CALLS[call](subject, folder)
    state = look(call, name, folder)
    if call in KEYS:
        forget(name)
    return {"said": text, **state}


def look(call: str, name: str, folder: Path) -> states.State:
    """Reads what is there."""
    if call not in KEYS:
        return states.read_state("", folder / "out", "")
    before = json.loads((folder / "before.json").read_text(encoding="utf-8"))
    made = {name: number - before.get(name, 0) for name, number in states.counts().items()}
    made = {name: number for name, number in made.items() if number}
    state = states.read_state(name, folder / "out", KEYS[call])
    return {**state, "documents": made}


def forget(name: str) -> None:
    """Deletes a dataset, and what is of nobody."""
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    states.remove_strays()


def _cheap_search() -> None:
    foz.load_zoo_model = lambda *_args, **_options: Words()


def fit_view(name: str, folder: Path, chosen: list[int], number: int, options: dict[str, Any]) -> list[str]:
    """Fits some samples of a dataset that is there, by their places in it; gives what the summary says of failures."""
    _cheap_search()
    torch.set_num_threads(1)
    dataset = fo.load_dataset(name)
    view = dataset.select([dataset.values("id")[k] for k in chosen])
    Watch(folder / "out", folder / f"{number}.effects", Plan()).begin()
    settings: dict[str, Any] = {"config": TINY, "teacher": Colours(), "prior": "none", **_QUIET, **options}
    summary = linr.fit_dataset(view, output_dir=folder / "out", **settings)
    return [str(failure) for failure in summary.failed]


def prepare(name: str, given: Given, folder: Path) -> None:
    """Makes a dataset for calls that others begin."""
    (folder / "out").mkdir(exist_ok=True)
    dataset = fo.Dataset(name, persistent=True)
    dataset.add_samples([fo.Sample(filepath=path) for path in given.clips])
    (folder / "before.json").write_text(json.dumps(states.counts()), encoding="utf-8")


def fit_seed(clip: str, seed: int, parts: Path | None, path: Path) -> str:
    """Fits a long video with its finished groups in a folder, as the command line does, and gives what it comes to."""
    torch.set_num_threads(1)
    found = linr.fit(clip, config=TINY, prior="none", teacher=None, seed=seed, checkpoint=parts, **_QUIET)
    found.save(path)
    if parts is not None:
        checkpoint.discard(parts)
    return states.linr_digest(path)


def on_full_disk(call: str, name: str, given: Given, folder: Path, plan: Plan) -> dict[str, Any]:
    """Does a call on a disk that is full from a side effect on, and again with room; in one process, as the App does.

    Returns:
        `error` of the first, or None, and the `state` after the second.
    """
    (folder / "out").mkdir()
    own_disk(folder / "out")
    if call in KEYS:
        _cheap_search()
        make_dataset(name, given, folder)
        (folder / "before.json").write_text(json.dumps(states.counts()), encoding="utf-8")
    subject = _subject(call, name, given)
    Watch(folder / "out", folder / "first.effects", plan).begin()
    error, said = None, ""
    try:
        said = CALLS[call](subject, folder)
    except (Exception, SystemExit) as found:
        error = f"{type(found).__name__}: {found}"
    (folder / "out" / BALLAST).unlink(missing_ok=True)
    text = CALLS[call](subject, folder)
    return {"error": error, "first": said, "said": text, "state": look(call, name, folder)}


def _subject(call: str, name: str, given: Given) -> Any:
    """The dataset, or the last one of the files."""
    return fo.load_dataset(name) if call in KEYS else given.fitted[-1] if call == "decode" else given.clips[-1]


# What is imported is nobody's garbage: processes that are forked need not look through it.
gc.freeze()
