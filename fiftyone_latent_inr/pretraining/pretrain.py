"""`pretrain`: videos in, a `Prior` out; it reads windows of them, asks the teacher, trains, and measures on others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .. import arguments
from ..devices import MemoryTooSmallError, describe_device, one_thread, pick_training_device, unless_full
from ..files import as_path, writable_folder
from ..fitting import resolve
from ..held_folder import held as held_folder
from ..priors.networks import PriorConfig, PriorNetworks
from ..progress import FitProgress, ProgressCallback, lets_listener_raise, reporting
from ..torch_settings import plain_torch
from ..video.footage import Source
from .config import PretrainConfig
from .reels import Reel, named_reels
from .sources import list_sources
from .state import STATE_FILE, RunState
from .trainer import Pretraining, Views
from .validation import Validation, hold_out, read_validation
from .windows import PoolViews, WindowPool

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..semantics.teachers import Teacher

_EVALUATE_EVERY = 1000
# Width of the semantic encoder's latents, at most: what a video then stores of each frame.
_SEMANTIC_DIM = 32


@lets_listener_raise
def pretrain(  # noqa: PLR0913
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
        preset: preset of the fits that are to be initialised, see `fit`.
        config: settings of the training; the default takes about half an hour of one core, and a few minutes of a GPU.
        teacher: teacher that the semantic encoder imitates, as in `fit`; None for a prior without one.
        validation: videos to measure on, as `sources`; by default one in twenty of the sources is held out by the hash
            of its name, once there are forty of them.
        output_dir: folder where the state is stored once a minute and whenever the run is stopped, so that the same
            call goes on, and the prior in the end. None stores nothing.
        resume: whether to go on with what `output_dir` holds of the same settings, rather than beginning anew.
        device: torch device; by default the GPU where there is one.
        seed: the same seed gives the same prior, on the same kind of CPU.
        progress: bar or callback, as in `fit`; events are of stage `pretrain`.
        width: channels of the encoder of grids.
        licences: licences of videos by name, for the prior's notes.

    Returns:
        The prior; its `notes` say what it was trained on and what was measured.

    Raises:
        InputError: there is no video that can be read, a bad argument, or another pretraining works in `output_dir`.
        TeacherUnavailableError: the teacher's weights cannot be had.
    """
    held, train = hold_out(list_sources(sources), None if validation is None else list_sources(validation))
    arguments.seed(seed)
    arguments.whole("width", width, 1)
    if output_dir is not None:
        from ..priors.files import check_folder

        check_folder(as_path(output_dir, "folder"))
    chosen = pick_training_device(device)
    start = time.monotonic()
    with ExitStack() as stack:
        if output_dir is not None:
            output_dir = stack.enter_context(held_folder(output_dir, what="a pretraining"))
        with reporting(progress, start) as report, one_thread(chosen), plain_torch():
            report(FitProgress("pretrain", 0, 1, message=f"pretraining on {describe_device(chosen)}"))
            if isinstance(teacher, str):
                from ..semantics.teachers import load_teacher

                teacher = load_teacher(teacher, device=chosen)
            run = partial(
                train_networks,
                TrainingData(named_reels(train), teacher, held, licences or {}),
                prior_config(preset, width, teacher),
                config or PretrainConfig(),
                folder=output_dir,
                resume=resume,
                device=chosen,
                seed=seed,
                report=report,
            )
            trained = unless_full(run)
            if trained is None:
                raise MemoryTooSmallError(
                    "the GPU's memory is too small for this pretraining; take fewer clips a step (clips_per_step of "
                    "the configuration), or the CPU (device='cpu', --device cpu)"
                )
            networks, notes = trained
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
class TrainingData:
    """What networks are trained on, and measured on.

    Attributes:
        reels: videos that windows are read from.
        teacher: teacher of the networks' name.
        validation: (name, source) of the videos to measure on.
        licences: licences of videos by name, for the notes.
        views: function that makes the views of frames that the teacher has seen, given the pool.
    """

    reels: Sequence[Reel]
    teacher: Teacher | None = None
    validation: Sequence[tuple[str, Source]] = ()
    licences: Mapping[str, str] = field(default_factory=dict)
    views: Callable[[WindowPool], Views] = PoolViews


def train_networks(
    data: TrainingData,
    shape: PriorConfig,
    config: PretrainConfig,
    *,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = True,
    device: torch.device | str = "cpu",
    seed: int = 0,
    report: ProgressCallback = lambda event: None,
) -> tuple[PriorNetworks, dict[str, Any]]:
    """What `pretrain` does, from opened sources to trained networks.

    Args:
        data: videos and their teacher.
        shape: shape of the networks.
        config: settings of the training.
        folder: folder for the state of the run.
        resume: whether to go on with what is there.
        device: torch device to train on.
        seed: seed of everything.
        report: callback that is told of progress.

    Returns:
        The networks, on the device, and notes: `trained_on`, `skipped`, `metrics`, and what was asked for.

    Raises:
        InputError: nothing can be read, or the folder not be written.
    """
    state = None if folder is None else RunState(writable_folder(folder) / STATE_FILE)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # and not the cards, which are the host program's
        networks = PriorNetworks(shape)
    measured_on, warnings = read_validation(data.validation, data.teacher)
    for warning in warnings:
        report(FitProgress("pretrain", 0, 1, message=warning))
    pool = WindowPool(data.reels, seed, data.teacher, clips_per_step=config.clips_per_step)
    try:
        views = None if data.teacher is None else data.views(pool)
        run = Pretraining(networks, config, pool, views, seed=seed, device=device)
        if state is not None and resume and state.path.exists():
            pool.load_state(state.load(run))
            report(FitProgress("pretrain", run.step, run.steps, message=f"going on after step {run.step}"))
        _take_steps(run, pool, state, measured_on, report)
    finally:
        pool.close()
    metrics = measured_on.measure(networks)
    report(FitProgress("pretrain", run.steps, run.steps, run.psnr, message=_in_words(metrics, run)))
    return networks, {**_notes(pool, run, metrics, data.licences), "validated_on": measured_on.psnr(networks)}


def _take_steps(
    run: Pretraining, pool: WindowPool, state: RunState | None, measured_on: Validation, report: ProgressCallback
) -> None:
    """Takes the steps; whatever stops them, they are stored up to the last event."""
    told: set[str] = set()
    try:
        for event in run.run():
            if state is not None:
                state.hold(run, pool.state())
            report(event)
            for name in sorted(set(pool.skipped) - told):
                report(FitProgress("pretrain", run.step, run.steps, message=f"left out: {pool.skipped[name]}"))
                told.add(name)
            if run.step < run.steps and run.step % _EVALUATE_EVERY == 0:
                line = _in_words(measured_on.measure(run.networks), run)
                report(FitProgress("pretrain", run.step, run.steps, run.psnr, message=line))
    except BaseException:
        if state is not None:
            with suppress(Exception):  # what stopped the run is the one to be told
                step = state.store()
                line = f"stopped; {state.path.parent} holds step {step}, and the same call goes on from there"
                if step:
                    report(FitProgress("pretrain", step, run.steps, run.psnr, message=line))
        raise


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
