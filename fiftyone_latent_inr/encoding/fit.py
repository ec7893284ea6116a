"""`fit`: a video in, a `LatentVideo` out. Reads, asks the teacher, fits, stores, and measures what was stored.

frames --scan--> one group of frames: fitted here
            |--> several: fitted one by one, `long_fit`
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from ..devices import describe_device, one_thread, pick_device
from ..errors import InputError
from ..files import digest_of
from ..fitting import FitConfig, Fitted, fit_frames, resolve
from ..fitting.prior_start import prior_start
from ..latent_video.video import LatentVideo, from_bytes, to_bytes
from ..progress import FitProgress, ProgressCallback, drive, reporting
from ..video.footage import Footage, Source
from .checkpoint import Checkpoint
from .fit_parts import measure, motion_between, prior_for, with_less_memory
from .scan import Scan, scan
from .video_fit import fit_long

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..semantics.teachers import Teacher

# What the metrics, which are measured last, add to a file.
_METRICS_BYTES = 120


def fit(
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
    fps: float = 30.0,
    metadata: Mapping[str, Any] | None = None,
    residual: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> LatentVideo:
    """Fits a video: per-frame latents, a hypernetwork and a field (Latent-INR, arXiv 2408.02672).

    A long video is fitted in groups of frames, each with networks of its own, whose length follows its content
    (NIRVANA, arXiv 2212.14593). Of a file, no more than a group is ever in memory.

    Args:
        source: path of a video, or its frames, uint8 (T, H, W, 3) RGB.
        preset: `fast`, `balanced` or `best`; `paper` is the network of the Latent-INR paper, to compare with.
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
        fps: frames a second of an array; a file knows its own.
        metadata: JSON-able notes to keep in the file.
        residual: store the field's layers as the difference from the prior's: fewer bytes after few steps, but nothing
            can be drawn from the file where the prior is not at hand.
        checkpoint: a folder in which the finished groups of a long video are kept, so that the same call goes on where
            it was stopped. It is the caller's to remove once the result is saved (`checkpoint.discard`).

    Returns:
        The fitted video. Its metrics are measured on what is stored.

    Raises:
        InputError: a bad video or argument; a prior that cannot be had or is for something else.
        TeacherUnavailableError: the teacher's weights cannot be had.

    Example:
        >>> video = linr.fit("clip.mp4", preset="fast", size=(90, 160))  # doctest: +SKIP
        >>> video.metrics["psnr"], video.save("clip.linr")               # doctest: +SKIP
    """
    settings = resolve(preset, config, quality, bpp)
    footage = Footage(source, size, max_frames, fps)
    return _fit(footage, [settings], teacher, prior, residual, device, seed, progress, metadata, checkpoint)[0]


def fit_rates(
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
    fps: float = 30.0,
    metadata: Mapping[str, Any] | None = None,
    residual: bool = False,
) -> list[LatentVideo]:
    """Fits a video once and stores it at several qualities: only the last part of the fit is done for each.

    A video of several groups of frames is fitted anew for each, since groups start from what is stored of others.

    Args:
        qualities: as `quality` of `fit`, at least one.
        source: as in `fit`, like all others.

    Returns:
        The fitted videos, in the order of the qualities; each is what `fit` gives at that quality.

    Raises:
        InputError: a bad video or argument.
        TeacherUnavailableError: the teacher's weights cannot be had.
    """
    if not qualities:
        raise InputError("qualities must name at least one")
    settings = [resolve(preset, config, quality) for quality in qualities]
    footage = Footage(source, size, max_frames, fps)
    return _fit(footage, settings, teacher, prior, residual, device, seed, progress, metadata, None)


def _fit(
    footage: Footage,
    settings: Sequence[FitConfig],
    teacher: str | Teacher | None,
    prior: str | Prior | None,
    residual: bool,
    device: str | None,
    seed: int,
    progress: bool | ProgressCallback,
    metadata: Mapping[str, Any] | None,
    folder: str | os.PathLike[str] | None,
) -> list[LatentVideo]:
    """One fit, stored once for each of the settings, which differ in their rate only."""
    where = pick_device(device)
    start = time.monotonic()
    with reporting(progress, start) as report, one_thread(where):
        report(FitProgress("decode", 0, 1, message=f"fitting on {describe_device(where)}"))
        teacher = _teacher(teacher, where)
        known = prior_for(prior, settings[0], teacher, residual, where)
        key = "" if folder is None else _key(footage, settings[0], teacher, seed, known, residual)
        checkpoint = Checkpoint(folder, key)
        found, frames = checkpoint.scan(), None
        if found is None:
            found, frames = scan(footage, settings[0], teacher, report)
        else:
            report(FitProgress("decode", 1, 1, message="going on with a fit that was stopped"))
        for warning in found.warnings:
            report(FitProgress("decode", 1, 1, message=warning))
        notes: dict[str, Any] = {
            "preset": settings[0].preset,
            "teacher": None if teacher is None else teacher.name,
            "teacher_id": None if teacher is None else teacher.id,
            **({"prior": known} if residual else {}),
        }
        kept = {
            "seed": seed,
            **({} if known is None else {"started_from": known.id}),
            **({"warnings": list(found.warnings)} if found.warnings else {}),
            **(metadata or {}),
        }
        if frames is not None:
            return _fit_short(frames, found, settings, teacher, known, seed, where, report, start, notes, kept)
        checkpoint.keep_scan(found)
        results = []
        for k, aim in enumerate(settings):
            notes["metadata"] = {"config": aim.digest(), **kept}
            held = checkpoint if k == 0 else Checkpoint(None, "")
            results.append(
                fit_long(footage, found, aim, held, prior=known, seed=seed, device=where, report=report, notes=notes)
            )
        return results


def _fit_short(
    frames: npt.NDArray[np.uint8],
    scan: Scan,
    settings: Sequence[FitConfig],
    teacher: Teacher | None,
    prior: Prior | None,
    seed: int,
    where: torch.device,
    report: ProgressCallback,
    start: float,
    notes: dict[str, Any],
    metadata: Mapping[str, Any],
) -> list[LatentVideo]:
    """Fits the frames of one group."""
    targets = None
    if teacher is not None:
        report(FitProgress("embed", 0, 1))
        targets = torch.from_numpy(teacher.embed_frames(frames))
    notes = {**notes, "fps": scan.fps, "cuts": scan.plan.cuts}
    fitted = _fit_frames(frames, scan, settings, targets, prior, seed, where, report, notes)
    seconds = time.monotonic() - start
    results = []
    for one, aim in zip(fitted, settings, strict=True):
        notes["metadata"] = {"config": aim.digest(), "steps": aim.steps_for(*frames.shape[:3]), **metadata}
        stored = from_bytes(to_bytes(one.model, steps=one.steps, bits=aim.bits, **notes), notes.get("prior"))
        report(FitProgress("measure", 0, 1))
        measured = _measure(one, stored, frames, targets, where)
        measured["seconds"] = seconds
        whole = to_bytes(one.model, steps=one.steps, bits=aim.bits, metrics=measured, **notes)
        results.append(from_bytes(whole, notes.get("prior")))
    return results


def _fit_frames(
    frames: npt.NDArray[np.uint8],
    scan: Scan,
    settings: Sequence[FitConfig],
    targets: torch.Tensor | None,
    prior: Prior | None,
    seed: int,
    where: torch.device,
    report: ProgressCallback,
    notes: Mapping[str, Any],
) -> list[Fitted]:
    config = settings[0]
    while True:
        try:
            pixels = torch.from_numpy(frames).to(where)
            report(FitProgress("motion", 0, 1))
            begun = None
            if prior is not None:
                width = 0 if targets is None else targets.shape[1]
                shape = config.architecture.for_video(len(frames), *scan.size, width)
                begun = prior_start(prior.networks, pixels, shape, seed, residual="prior" in notes)
            running = fit_frames(
                pixels,
                config,
                start=begun,
                targets=targets,
                motion=motion_between(frames, pixels, scan.plan.cuts, config, report),
                seed=seed,
                device=where,
                rates=[one.rate for one in settings],
                size_of=lambda model, steps: len(to_bytes(model, steps=steps, **notes)) + _METRICS_BYTES,
            )
            return drive(running, report)
        except torch.OutOfMemoryError as error:
            config = with_less_memory(config, error)


def _key(
    footage: Footage,
    settings: FitConfig,
    teacher: Teacher | None,
    seed: int,
    prior: Prior | None = None,
    residual: bool = False,
) -> str:
    """What a checkpoint is of."""
    named = None if teacher is None else teacher.id
    cut = footage.size, footage.max_frames, footage.fps
    begun = [] if prior is None else [prior.id, residual]
    return digest_of([footage.key(), *cut, settings.digest(), named, seed, *begun])


def estimate_seconds(
    preset: str,
    num_frames: int,
    height: int,
    width: int,
    device: str | None = None,
    config: FitConfig | None = None,
) -> float:
    """Roughly how many wall seconds a fit takes; from steps alone, good to a factor of about two.

    Args:
        preset: name of a preset; ignored where `config` is given.
        num_frames: T.
        height: H in pixels.
        width: W in pixels.
        device: as in `fit`.
        config: settings to use instead of the preset's.
    """
    settings = resolve(preset, config)
    groups = 1 if num_frames <= settings.group_frames * 9 // 4 else num_frames / settings.group_frames
    steps = groups * settings.steps_for(math.ceil(num_frames / groups), height, width)
    on_gpu = pick_device(device).type != "cpu"
    # drawing grows with the points of a step, planes and layers, the optimiser and the rate with the grids
    planes = settings.architecture.planes
    points = settings.points_per_step / settings.architecture.patch**2 * settings.architecture.layers / 3
    step = 0.008 if on_gpu else 4e-7 * points * (1 + planes) + 3e-8 * planes * height * width
    between = 0.002 if on_gpu else 1e-6 * settings.points_per_step
    drawing = num_frames * height * width * (5e-9 if on_gpu else 6e-7)
    return steps * (step + settings.between * between) + 2 * drawing


def _teacher(teacher: str | Teacher | None, device: torch.device) -> Teacher | None:
    if not isinstance(teacher, str):
        return teacher
    from ..semantics.teachers import load_teacher

    return load_teacher(teacher, device=str(device))


def _measure(
    fitted: Fitted,
    stored: LatentVideo,
    frames: npt.NDArray[np.uint8],
    targets: torch.Tensor | None,
    device: torch.device,
) -> dict[str, float]:
    """PSNR and MS-SSIM of the stored video, and how well its embeddings follow the teacher.

    Where numbers were rounded after the fit only, the PSNR before that as well.
    """
    count = len(frames)
    psnr, similarity = measure(stored.model(device), frames)
    measured = {"psnr": psnr / count, "ms_ssim": similarity / count}
    if fitted.steps is None:
        measured["psnr_unquantised"] = measure(fitted.model, frames)[0] / count
    embeddings = stored.embeddings
    if targets is not None and embeddings is not None and count > 1:
        from ..semantics.scores import centred_cosine

        measured["alignment"] = float(centred_cosine(embeddings, targets.numpy()))
    return measured
