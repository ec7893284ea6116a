"""`fit`: a video in, a `LatentVideo` out. Reads, asks the teacher, fits, stores, and measures what was stored.

source --scan--> plan, embeddings --> VideoFit: its groups of frames, one after the other --> LatentVideo
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from .. import arguments
from ..devices import one_thread, or_too_small
from ..errors import InputError
from ..fitting import FitConfig, Fitted, GroupTask, fit_frames, resolve
from ..held_folder import held
from ..latent_video.video import LatentVideo
from ..progress import FitProgress, ProgressCallback, drive, lets_listener_raise, reporting, tell
from ..torch_settings import plain_torch
from ..video.footage import Footage, Source
from .checkpoint import Checkpoint
from .memory import fit_in_memory
from .request import FitRequest
from .scan import Scan, scan
from .video_fit import VideoFit

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..semantics.teachers import Teacher


@lets_listener_raise
def fit(  # noqa: PLR0913
    source: Source,
    *,
    preset: str = "balanced",
    config: FitConfig | None = None,
    quality: float | None = None,
    bpp: float | None = None,
    teacher: str | Teacher | None = None,
    prior: str | Prior | None = None,
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: bool | ProgressCallback = True,
    fps: float | None = None,
    metadata: Mapping[str, Any] | None = None,
    residual: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    if_busy: str = "refuse",
) -> LatentVideo:
    """Fits a video: per-frame latents, a hypernetwork and a field (Latent-INR, arXiv 2408.02672).

    A long video is fitted in groups of frames, each with networks of its own, whose length follows its content
    (NIRVANA, arXiv 2212.14593). Of a file, no more than a group is ever in memory.

    Args:
        source: path of a video, or of a folder of numbered images, or its frames, uint8 (T, H, W, 3) RGB.
        preset: `fast`, `balanced` or `best`; `instant` takes no optimiser step and hardly longer than reading the video
            and showing every fourth frame to the teacher; `paper` is the network of the Latent-INR paper, to compare
            with.
        config: settings to use instead of the preset's.
        quality: 0 to 100; 50 is the preset as it is, ten more halve the weight of the bytes.
        bpp: bits per pixel that the file should take (8 * bytes / (T * H * W)), instead of a quality.
        teacher: what the latents are aligned with: a name (`small`, `ARCH/PRETRAINED`), a directory, or a loaded
            teacher; None for no alignment.
        prior: pretrained networks to start from instead of noise: a `Prior`, a bundled one's name, a folder, or a
            repository of the Hugging Face Hub (`user/name` or `user/name@revision`). The configuration's architecture
            must be the prior's, and the teacher, if there is one, too. None for the preset's own, if it has one (`fast`
            starts from the bundled `fast-prior`); `"none"` for noise.
        size: (H, W) to resize to before fitting, by area averaging.
        max_frames: fit the first frames only.
        device: torch device; by default the GPU where there is one.
        seed: a seed gives the same file, on the same kind of CPU.
        progress: a bar on standard error, a callback for `FitProgress` events, or nothing.
        fps: frames a second of images, by default 25, or of an array, by default 30; a video file knows its own.
        metadata: JSON-able notes to keep in the file.
        residual: store the field's layers as the difference from the prior's: fewer bytes after few steps, but nothing
            can be drawn from the file where the prior is not at hand.
        checkpoint: a folder in which the finished groups of a long video are kept, so that the same call goes on where
            it was stopped. It is the caller's to remove once the result is saved (`checkpoint.discard`).
        if_busy: what to do while another fit is going on in that folder: `refuse`, or `wait` until it has ended.

    Returns:
        The fitted video. Its metrics are measured on what is stored; with `instant` PSNR alone, on every fourth frame.

    Raises:
        InputError: a bad video or argument; a prior that cannot be had or is for something else; a checkpoint's folder
            that another fit works in (`BusyError`).
        TeacherUnavailableError: the teacher's weights cannot be had.

    Example:
        >>> video = linr.fit("clip.mp4", preset="fast", size=(90, 160))  # doctest: +SKIP
        >>> video.metrics["psnr"], video.save("clip.linr")               # doctest: +SKIP
    """
    began, footage = time.monotonic(), Footage(source, size, max_frames, fps)
    aims = [resolve(preset, config, quality, bpp)]
    named: dict[str, Any] = {"teacher": teacher, "prior": prior, "residual": residual, "device": device}
    arguments.choice("if_busy", if_busy, ("refuse", "wait"))
    with reporting(progress, began) as report, plain_torch(), ExitStack() as stack:
        if checkpoint is not None:
            checkpoint = stack.enter_context(held(checkpoint, if_busy, lambda line: tell(report, [line])))
        request = FitRequest.settle(aims, report, **named, seed=seed, metadata=metadata)
        return _fit(footage, request, checkpoint, report, began)[0]


@lets_listener_raise
def fit_rates(  # noqa: PLR0913
    source: Source,
    *,
    qualities: Sequence[float],
    preset: str = "balanced",
    config: FitConfig | None = None,
    teacher: str | Teacher | None = None,
    prior: str | Prior | None = None,
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: bool | ProgressCallback = True,
    fps: float | None = None,
    metadata: Mapping[str, Any] | None = None,
    residual: bool = False,
) -> list[LatentVideo]:
    """Fits a video once and stores it at several qualities: only the last part of the fit is done for each.

    A video of several groups of frames is fitted anew for each, since groups start from what is stored of others.
    Of `qualities`, each as `quality` of `fit`, there must be at least one; all other arguments are as in `fit`.

    Returns:
        The fitted videos, in the order of the qualities; each is what `fit` gives at that quality.

    Raises:
        InputError: a bad video or argument.
        TeacherUnavailableError: the teacher's weights cannot be had.
    """
    if isinstance(qualities, str) or not hasattr(qualities, "__len__") or not len(qualities):
        raise InputError(f"qualities must be a list of numbers from 0 to 100, at least one, not {qualities!r}")
    began, footage = time.monotonic(), Footage(source, size, max_frames, fps)
    aims = [resolve(preset, config, quality) for quality in qualities]
    named: dict[str, Any] = {"teacher": teacher, "prior": prior, "residual": residual, "device": device}
    with reporting(progress, began) as report, plain_torch():
        request = FitRequest.settle(aims, report, **named, seed=seed, metadata=metadata)
        return _fit(footage, request, None, report, began)


def _fit(
    footage: Footage,
    request: FitRequest,
    folder: str | os.PathLike[str] | None,
    report: ProgressCallback,
    began: float,
) -> list[LatentVideo]:
    """One fit, stored once for each aim of the request."""
    with one_thread(request.device):
        checkpoint = Checkpoint(folder, "" if folder is None else request.key(footage))
        found, frames = checkpoint.scan(), None
        if found is None:
            found, frames = scan(footage, request.config, request.teacher, report)
            footage.check_unchanged()
        else:
            tell(report, ["going on with a fit that was stopped", *found.warnings])
        if frames is not None and len(found.plan.spans) == 1:
            return _fit_group(request, found, frames, report, began)
        checkpoint.keep_scan(found)
        video = VideoFit(request, found, checkpoint=checkpoint, report=report)
        videos = [video, *(video.at(aim) for aim in request.aims[1:])]
        return [fit_groups(footage, one, report, frames) for one in videos]


def _fit_group(
    request: FitRequest, found: Scan, frames: npt.NDArray[np.uint8], report: ProgressCallback, began: float
) -> list[LatentVideo]:
    """Fits a video of one group: only the last part of the fit is done for each aim."""
    video = VideoFit(request, found, frames=frames, began=began, report=report)
    report(FitProgress("motion", 0, 1))
    fitted, ended = _fitted(partial(video.prepare, 0), request.aims, request.device, report), time.monotonic()
    videos = [video.at(aim) for aim in request.aims]
    for one, result in zip(videos, fitted, strict=True):
        report(FitProgress("measure", 0, 1))
        one.keep(0, result, ended)
    return [one.finish() for one in videos]


def fit_groups(
    footage: Footage, video: VideoFit, report: ProgressCallback, frames: npt.NDArray[np.uint8] | None = None
) -> LatentVideo:
    """Fits the groups that are not finished yet, one after the other; but one is in memory, unless all frames are."""
    request, scan, config = video.request, video.scan, video.config
    steps = [config.steps_for(span.count, *scan.size, warm=span.parent is not None) or 1 for span in scan.plan.spans]
    total, done = sum(steps), 0

    def heard(event: FitProgress) -> None:
        """A group's event as one of the whole video."""
        step = done + event.step
        left = event.seconds / event.step * (total - step) if event.step else None
        report(replace(event, step=step, total_steps=total, seconds_left=left))

    counts = [span.count for span in scan.plan.spans]
    groups = footage.groups(counts, scan.size) if frames is None else np.split(frames, np.cumsum(counts)[:-1])
    for index, own in enumerate(groups):
        if not video.is_kept(index):
            footage.check_unchanged()  # groups are read at different times, and hours after the first look
            (fitted,) = _fitted(partial(video.prepare, index, own), [video.aim_of(index)], request.device, heard)
            video.keep(index, fitted)
        done += steps[index]
    return video.finish()


def _fitted(
    prepare: Callable[[], GroupTask], aims: Sequence[FitConfig], device: torch.device, report: ProgressCallback
) -> list[Fitted]:
    """A group fitted for each aim, with fewer pixels a step where the memory is too small."""
    rates = [aim.rate for aim in aims]

    def run(tasks: Sequence[GroupTask], config: FitConfig) -> list[Fitted]:
        return drive(fit_frames(tasks[0], config, device=device, rates=rates), report)

    # what a group starts from is made on the card as well
    return fit_in_memory(run, [or_too_small(prepare, "a start from the prior")], aims[0])
