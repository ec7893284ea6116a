"""`pretrain`: videos in, a `Prior` out. Reads windows of them, asks the teacher, trains, and measures on other videos.

Named unlike its function: a submodule of that name would take the function's place in the package.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..devices import describe_device, one_thread, pick_device
from ..errors import InputError
from ..files import atomic_target, writable_folder
from ..fitting import resolve
from ..frames.metrics import psnr
from ..frames.resize import area_resize
from ..priors.networks import PriorConfig, PriorNetworks
from ..progress import FitProgress, ProgressCallback, reporting
from ..video.footage import Footage, Source
from .trainer import Frames, PretrainConfig, Pretraining, Views, drawn_unseen
from .windows import Reel, WindowPool, name_of, named_reels

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..semantics.teachers import Teacher

VIDEO_SUFFIXES = frozenset(
    [".avi", ".flv", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"]
)
STATE_FILE = "pretrain.safetensors"

# Of the videos' names, one in so many is held out, once there are so many videos.
_HELD_OUT, _LEAST_TO_HOLD_OUT = 20, 40
# What is measured: the first frames of so many videos, at this shorter side.
_VALIDATION_VIDEOS, _VALIDATION_FRAMES, _VALIDATION_SIDE = 16, 16, 90
_EVALUATE_EVERY = 1000
_STORE_EVERY = 500
# Width of the semantic encoder's latents, at most: what a video then stores of each frame.
_SEMANTIC_DIM = 32


def pretrain(
    sources: str | os.PathLike[str] | Iterable[Source],
    *,
    preset: str = "fast",
    config: PretrainConfig | None = None,
    teacher: str | Teacher | None = None,
    validation: str | os.PathLike[str] | Iterable[Source] | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    resume: bool = True,
    device: str | None = None,
    seed: int = 0,
    progress: bool | ProgressCallback = True,
    width: int = 24,
    licences: Mapping[str, str] | None = None,
) -> Prior:
    """Trains hypernetwork, field and encoders over many videos; `fit(..., prior=...)` then starts from them.

    The videos may be many and long: windows of them are read by a thread while training goes on, and about half a
    gigabyte of them is in memory at a time. A video that cannot be read is left out, with a warning.

    Args:
        sources: paths, arrays uint8 (T, H, W, 3), or both; or a folder, whose videos are taken, those in folders in it
            included.
        preset: of the models that are to be started, see `fit`.
        config: how to train; the default takes about half an hour of one core, and a few minutes of a GPU.
        teacher: what the semantic encoder imitates, as in `fit`; None for a prior without one.
        validation: videos to measure on, as `sources`; by default one in twenty of the sources is held out by the hash
            of its name, once there are forty of them.
        output_dir: where the state is stored every 500 steps, so that the same call goes on after a stop, and the
            prior in the end. None stores nothing.
        resume: whether to go on with what `output_dir` holds of the same settings, rather than beginning anew.
        device: torch device; by default the GPU where there is one.
        seed: a seed gives the same prior, on the same kind of CPU.
        progress: as in `fit`; events are of stage `pretrain`.
        width: channels of the encoder of grids.
        licences: of videos by name, for the prior's notes.

    Returns:
        The prior; its `notes` say what it was trained on and what was measured.

    Raises:
        InputError: there is no video that can be read, or a bad argument.
        TeacherUnavailableError: the teacher's weights cannot be had.
    """
    held, train = _split(list_sources(sources), None if validation is None else list_sources(validation))
    where = pick_device(device)
    start = time.monotonic()
    with reporting(progress, start) as report, one_thread(where):
        report(FitProgress("pretrain", 0, 1, message=f"pretraining on {describe_device(where)}"))
        from ..semantics.teachers import load_teacher

        loaded = load_teacher(teacher, device=str(where)) if isinstance(teacher, str) else teacher
        networks, notes = train_networks(
            named_reels(train),
            prior_config(preset, width, loaded),
            config or PretrainConfig(),
            teacher=loaded,
            validation=held,
            folder=output_dir,
            resume=resume,
            device=where,
            seed=seed,
            report=report,
            licences=licences,
        )
    prior = as_prior(networks, notes)
    if output_dir is not None:
        prior.save_pretrained(Path(output_dir))
        (Path(output_dir) / STATE_FILE).unlink(missing_ok=True)
    return prior


def as_prior(networks: PriorNetworks, notes: dict[str, Any]) -> Prior:
    """A prior of trained networks, on the CPU."""
    from ..priors.prior import Prior

    return Prior(networks.config, notes, networks).to("cpu")


def prior_config(preset: str, width: int = 24, teacher: Teacher | None = None, semantic_width: int = 24) -> PriorConfig:
    """The shape of networks for a preset and a teacher.

    Raises:
        InputError: there is no such preset, or none that can be pretrained.
    """
    named: dict[str, Any] = {}
    if teacher is not None:
        named = {
            "teacher": teacher.name,
            "teacher_id": teacher.id,
            "embedding_dim": teacher.embedding_dim,
            "semantic_dim": min(_SEMANTIC_DIM, teacher.embedding_dim),
            "semantic_width": semantic_width,
        }
    return PriorConfig(preset, resolve(preset).architecture, width=width, **named)


@dataclass(frozen=True)
class Validation:
    """Videos to measure on.

    Attributes:
        clips: by name, uint8 (T, H, W, 3).
        targets: (N, E) the teacher's embeddings of all their frames, one clip after another; None without a teacher.
    """

    clips: dict[str, Frames]
    targets: npt.NDArray[np.float32] | None = None

    def psnr(self, networks: PriorNetworks) -> dict[str, float]:
        """PSNR without a fit, by name."""
        return {name: round(psnr(drawn_unseen(networks, clip), clip), 3) for name, clip in self.clips.items()}

    def measure(self, networks: PriorNetworks) -> dict[str, float]:
        """Mean PSNR without a fit, and how the embeddings follow the teacher's (centred cosine)."""
        if not self.clips:
            return {}
        each = self.psnr(networks)
        measured = {"psnr": round(float(np.mean(list(each.values()))), 3)}
        if self.targets is not None and len(self.targets) > 1 and networks.config.embedding_dim:
            from ..semantics.scores import centred_cosine

            embeddings = np.concatenate([networks.embed_frames(clip) for clip in self.clips.values()])
            measured["alignment"] = round(float(centred_cosine(embeddings, self.targets)), 4)
        return measured


def train_networks(
    reels: Sequence[Reel],
    shape: PriorConfig,
    config: PretrainConfig,
    *,
    teacher: Teacher | None = None,
    validation: Sequence[tuple[str, Source]] = (),
    folder: str | os.PathLike[str] | None = None,
    resume: bool = True,
    device: torch.device | str = "cpu",
    seed: int = 0,
    report: ProgressCallback = lambda event: None,
    licences: Mapping[str, str] | None = None,
    views: Callable[[WindowPool], Views] | None = None,
) -> tuple[PriorNetworks, dict[str, Any]]:
    """What `pretrain` does, from opened sources to trained networks.

    Args:
        reels: what windows are read from.
        shape: of the networks.
        config: how to train.
        teacher: of the `shape`'s name.
        validation: (name, source) of the videos to measure on.
        folder: for the state of the run.
        resume: whether to go on with what is there.
        device: where to train.
        seed: of everything.
        report: told of progress.
        licences: of videos by name.
        views: makes the views of frames that the teacher has seen, given the pool; by default the pool's own.

    Returns:
        The networks, on the device, and notes: `trained_on`, `skipped`, `metrics`, and what was asked for.

    Raises:
        InputError: nothing can be read, or the folder not be written.
    """
    state = None if folder is None else writable_folder(folder) / STATE_FILE
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = PriorNetworks(shape)
    measured_on, warnings = _validation(validation, teacher)
    for warning in warnings:
        report(FitProgress("pretrain", 0, 1, message=warning))
    pool = WindowPool(reels, seed, teacher, clips_per_step=config.clips_per_step)
    try:
        seen_by_teacher = None
        if teacher is not None:
            seen_by_teacher = _PoolViews(pool) if views is None else views(pool)
        run = Pretraining(networks, config, pool, seen_by_teacher, seed=seed, device=device)
        if state is not None and resume and state.exists():
            pool.load_state(load_run(run, state))
            report(FitProgress("pretrain", run.step, run.steps, message=f"going on after step {run.step}"))
        told: set[str] = set()
        for event in run.run():
            report(event)
            for name in sorted(set(pool.skipped) - told):
                report(FitProgress("pretrain", run.step, run.steps, message=f"left out: {pool.skipped[name]}"))
                told.add(name)
            if run.step < run.steps and run.step % _EVALUATE_EVERY == 0:
                line = _in_words(measured_on.measure(networks), run)
                report(FitProgress("pretrain", run.step, run.steps, run.psnr, message=line))
            if state is not None and (run.step % _STORE_EVERY == 0 or run.step == run.steps):
                save_run(run, state, pool.state())
    finally:
        pool.close()
    metrics = measured_on.measure(networks)
    report(FitProgress("pretrain", run.steps, run.steps, run.psnr, message=_in_words(metrics, run)))
    return networks, {**_notes(pool, run, metrics, licences or {}), "validated_on": measured_on.psnr(networks)}


def save_run(run: Pretraining, path: Path, more: dict[str, Any]) -> None:
    """Stores a run in one file, whole or not at all; `more` is JSON-able and given back by `load_run`."""
    tensors, facts = run.state_dict()
    with atomic_target(path) as temporary:
        save_file(tensors, temporary, metadata={"run": json.dumps({**facts, "more": more})})


def load_run(run: Pretraining, path: Path) -> dict[str, Any]:
    """Goes on with a stored run.

    Raises:
        InputError: it is of other settings, or the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a dict
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); begin anew (resume=False)") from error
    run.load_state_dict(tensors, facts)
    more: dict[str, Any] = facts["more"]
    return more


def list_sources(sources: str | os.PathLike[str] | Iterable[Source]) -> list[tuple[str, Source]]:
    """(name, source) of each video; of a folder all files in it that are named like videos, sorted.

    Raises:
        InputError: there is none, or one is neither a path nor frames.
    """
    if isinstance(sources, np.ndarray):
        sources = [sources]
    if isinstance(sources, str | os.PathLike):
        return [(name_of(path), path) for path in _videos_of(Path(sources).expanduser())]
    found: list[tuple[str, Source]] = []
    for k, source in enumerate(sources):
        if isinstance(source, str | os.PathLike):
            path = Path(source).expanduser()
            found += [(name_of(one), one) for one in (_videos_of(path) if path.is_dir() else [path])]
        elif isinstance(source, np.ndarray):
            found.append((f"array {k}", Footage(source).source))
        else:
            raise InputError(f"a source must be a path or frames, not {type(source).__name__}")
    if not found:
        raise InputError("there is no video to pretrain on: the list of sources is empty")
    return found


def _videos_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file())
    if not found:
        raise InputError(f"{path}: there is no video in this folder; name one that holds some")
    return found


def _split(
    sources: list[tuple[str, Source]], validation: list[tuple[str, Source]] | None
) -> tuple[list[tuple[str, Source]], list[tuple[str, Source]]]:
    """(held out, to train on)."""
    if validation is not None or len(sources) < _LEAST_TO_HOLD_OUT:
        return validation or [], sources
    held = [one for one in sources if zlib.crc32(one[0].encode()) % _HELD_OUT == 0]
    kept = {id(one) for one in held}
    return held, [one for one in sources if id(one) not in kept]


def _validation(sources: Sequence[tuple[str, Source]], teacher: Teacher | None) -> tuple[Validation, list[str]]:
    """The first frames of the first videos that can be read, and warnings."""
    clips: dict[str, Frames] = {}
    warnings: list[str] = []
    for name, source in sources:
        if len(clips) == _VALIDATION_VIDEOS:
            break
        try:
            frames = np.stack(list(Footage(source, max_frames=_VALIDATION_FRAMES).frames()))
        except InputError as error:
            warnings.append(f"not measured on: {error}")
            continue
        height, width = frames.shape[1:3]
        scale = min(1.0, _VALIDATION_SIDE / min(height, width))
        clips[name] = area_resize(frames, (max(1, round(scale * height)), max(1, round(scale * width))))
    targets = None
    if teacher is not None and clips:
        targets = np.concatenate([teacher.embed_frames(clip) for clip in clips.values()])
    return Validation(clips, targets), warnings


def _in_words(measured: dict[str, float], run: Pretraining) -> str:
    parts = [f"step {run.step}:"]
    if run.psnr is not None:
        parts.append(f"{run.psnr:.2f} dB on training clips")
    if run.alignment is not None:
        parts.append(f"alignment loss {run.alignment:.3f}")
    if "psnr" in measured:
        parts.append(f"{measured['psnr']:.2f} dB on videos held out, without a fit")
    if "alignment" in measured:
        parts.append(f"centred cosine {measured['alignment']:.3f}")
    return " ".join([parts[0], ", ".join(parts[1:])])


def _notes(
    pool: WindowPool, run: Pretraining, metrics: dict[str, float], licences: Mapping[str, str]
) -> dict[str, Any]:
    trained_on = [
        {"name": name, "frames": frames, **({"licence": licences[name]} if name in licences else {})}
        for name, frames in sorted(pool.seen.items())
    ]
    return {
        "trained_on": trained_on,
        "skipped": [{"name": name, "reason": reason} for name, reason in sorted(pool.skipped.items())],
        "metrics": metrics,
        "steps": run.step,
        "config": {**asdict(run.config), "digest": run.config.digest()},
        "seed": run.seed,
    }


class _PoolViews:
    """The views of a pool, as `Views`."""

    def __init__(self, pool: WindowPool) -> None:
        self.pool = pool

    def draw(self, step: int, rng: np.random.Generator, count: int) -> tuple[Frames, npt.NDArray[np.float32]]:
        """See `Views`."""
        return self.pool.views(step, rng, count)
