"""`fit`: a video in, a `LatentVideo` out. Reads, asks the teacher, fits, stores, and measures what was stored."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from . import metrics
from .cuts import find_cuts
from .drawing import draw
from .errors import InputError
from .fitting import FitConfig, Fitted, fit_frames, resolve
from .latent_video import LatentVideo, from_bytes, pick_device, to_bytes
from .motion import LEAST_SIDE, Motion, optical_flow
from .progress import FitProgress, ProgressCallback
from .resize import area_resize

if TYPE_CHECKING:
    from .semantics.teachers import Teacher

# The steps' tensors are small: on a busy machine a second thread gained nothing, and where waiting threads spin it cost
# many times the work. One thread also makes a fit independent of the number of cores (`benchmarks/notes.md`).
_THREADS = 1
# What the metrics, which are measured last, add to a file.
_METRICS_BYTES = 120

Source = str | os.PathLike[str] | npt.NDArray[np.uint8]


def fit(
    source: Source,
    *,
    preset: str = "balanced",
    config: FitConfig | None = None,
    quality: float | None = None,
    bpp: float | None = None,
    teacher: str | Teacher | None = None,
    prior: str | None = None,
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: bool | ProgressCallback = True,
    fps: float = 30.0,
    metadata: Mapping[str, Any] | None = None,
) -> LatentVideo:
    """Fits a video: per-frame latents, a hypernetwork and a field (Latent-INR, arXiv 2408.02672).

    Args:
        source: path of a video, or its frames, uint8 (T, H, W, 3) RGB.
        preset: `fast`, `balanced` or `best`; `paper` is the network of the Latent-INR paper, to compare with.
        config: settings to use instead of the preset's.
        quality: 0 to 100; 50 is the preset as it is, ten more halve the weight of the bytes.
        bpp: bits per pixel that the file should take (8 * bytes / (T * H * W)), instead of a quality.
        teacher: what the latents are aligned with: a name (`small`, `ARCH/PRETRAINED`), a directory, or a loaded
            teacher; None for no alignment.
        prior: reserved for pretrained hypernetworks.
        size: (H, W) to resize to before fitting, by area averaging.
        max_frames: fit the first frames only.
        device: torch device; by default the GPU where there is one.
        seed: a seed gives the same file, on the same kind of CPU.
        progress: a bar on standard error, a callback for `FitProgress` events, or nothing.
        fps: frames a second of an array; a file knows its own.
        metadata: JSON-able notes to keep in the file.

    Returns:
        The fitted video. Its metrics are measured on what is stored.

    Raises:
        InputError: a bad video or argument.
        TeacherUnavailableError: the teacher's weights cannot be had.

    Example:
        >>> video = linr.fit("clip.mp4", preset="fast", size=(90, 160))  # doctest: +SKIP
        >>> video.metrics["psnr"], video.save("clip.linr")               # doctest: +SKIP
    """
    settings = resolve(preset, config, quality, bpp)
    return _fit(source, [settings], teacher, prior, size, max_frames, device, seed, progress, fps, metadata)[0]


def fit_rates(
    source: Source,
    *,
    qualities: Sequence[float],
    preset: str = "balanced",
    config: FitConfig | None = None,
    teacher: str | Teacher | None = None,
    prior: str | None = None,
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: bool | ProgressCallback = True,
    fps: float = 30.0,
    metadata: Mapping[str, Any] | None = None,
) -> list[LatentVideo]:
    """Fits a video once and stores it at several qualities: only the last part of the fit is done for each.

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
    return _fit(source, settings, teacher, prior, size, max_frames, device, seed, progress, fps, metadata)


def _fit(
    source: Source,
    settings: Sequence[FitConfig],
    teacher: str | Teacher | None,
    prior: str | None,
    size: tuple[int, int] | None,
    max_frames: int | None,
    device: str | None,
    seed: int,
    progress: bool | ProgressCallback,
    fps: float,
    metadata: Mapping[str, Any] | None,
) -> list[LatentVideo]:
    """One fit, stored once for each of the settings, which differ in their rate only."""
    if prior is not None:
        raise InputError("pretrained hypernetworks (prior=...) are not there yet in this version")
    where = pick_device(device)
    start = time.monotonic()
    with _reporting(progress, start) as report, _threads(where):
        report(FitProgress("decode", 0, 1, message=f"fitting on {describe_device(where)}"))
        frames, fps, warnings = _frames(source, size, max_frames, fps, report)
        teacher = _teacher(teacher, where)
        targets = None
        if teacher is not None:
            report(FitProgress("embed", 0, 1))
            targets = torch.from_numpy(teacher.embed_frames(frames))
        notes: dict[str, Any] = {
            "fps": fps,
            "preset": settings[0].preset,
            "teacher": None if teacher is None else teacher.name,
            "teacher_id": None if teacher is None else teacher.id,
        }
        notes["cuts"] = cuts = find_cuts(frames)
        pixels = torch.from_numpy(frames).to(where)
        running = fit_frames(
            pixels,
            settings[0],
            targets=targets,
            motion=_motion(frames, pixels, cuts, settings[0], report),
            seed=seed,
            device=where,
            rates=[one.rate for one in settings],
            size_of=lambda model, steps: len(to_bytes(model, steps=steps, **notes)) + _METRICS_BYTES,
        )
        fitted = _drive(running, report)
        seconds = time.monotonic() - start
        results = []
        for one, aim in zip(fitted, settings, strict=True):
            kept = {"config": aim.digest(), "seed": seed, "steps": aim.steps_for(*frames.shape[:3])}
            notes["metadata"] = {**kept, **({"warnings": list(warnings)} if warnings else {}), **(metadata or {})}
            stored = from_bytes(to_bytes(one.model, steps=one.steps, bits=aim.bits, **notes))
            measured = _measure(one, stored, frames, targets, where, report)
            measured["seconds"] = seconds
            results.append(from_bytes(to_bytes(one.model, steps=one.steps, bits=aim.bits, metrics=measured, **notes)))
        return results


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
    steps = settings.steps_for(num_frames, height, width)
    on_gpu = pick_device(device).type != "cpu"
    # drawing grows with the points of a step, planes and layers, the optimiser and the rate with the grids
    planes = settings.architecture.planes
    points = settings.points_per_step / settings.architecture.patch**2 * settings.architecture.layers / 3
    step = 0.008 if on_gpu else 4e-7 * points * (1 + planes) + 3e-8 * planes * height * width
    between = 0.002 if on_gpu else 1e-6 * settings.points_per_step
    drawing = num_frames * height * width * (5e-9 if on_gpu else 6e-7)
    return steps * (step + settings.between * between) + 2 * drawing


def describe_device(device: torch.device) -> str:
    """The device in words, for people."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def _frames(
    source: Source,
    size: tuple[int, int] | None,
    max_frames: int | None,
    fps: float,
    report: ProgressCallback,
) -> tuple[npt.NDArray[np.uint8], float, tuple[str, ...]]:
    """The frames to fit, uint8 (T, H, W, 3), their rate, and what was odd about the file."""
    if max_frames is not None and max_frames < 1:
        raise InputError(f"max_frames must be at least 1, not {max_frames}")
    if isinstance(source, str | os.PathLike):
        from . import video  # PyAV is needed for files alone

        read = video.read(source, size=size, max_frames=max_frames)
        for warning in read.warnings:
            report(FitProgress("decode", 0, 1, message=warning))
        return read.array, read.fps, read.warnings
    frames = np.asarray(source)
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape or frames.dtype != np.uint8:
        raise InputError(f"frames must be uint8 (T, H, W, 3), not {frames.dtype} {frames.shape}")
    if not (np.isfinite(fps) and fps > 0):
        raise InputError(f"fps must be a positive number, not {fps}")
    frames = np.ascontiguousarray(frames[:max_frames])
    return (frames if size is None else area_resize(frames, size)), float(fps), ()


def _motion(
    frames: npt.NDArray[np.uint8],
    pixels: torch.Tensor,
    cuts: Sequence[int],
    settings: FitConfig,
    report: ProgressCallback,
) -> Motion | None:
    """What the steps between frames learn from; None where there are none of them, or nothing between the frames."""
    gaps = [k for k in range(len(frames) - 1) if k + 1 not in set(cuts)]
    if not gaps or settings.between == 0 or min(frames.shape[1:3]) < LEAST_SIDE:
        return None
    report(FitProgress("motion", 0, 1))
    try:
        flows = optical_flow(frames, gaps)
    except ImportError:
        report(FitProgress("motion", 1, 1, message="OpenCV is not installed: frames in between will be poor"))
        return None
    device = pixels.device
    return Motion(pixels, torch.tensor(gaps, device=device), torch.from_numpy(flows).to(device))


def _teacher(teacher: str | Teacher | None, device: torch.device) -> Teacher | None:
    if not isinstance(teacher, str):
        return teacher
    from .semantics.teachers import load_teacher

    return load_teacher(teacher, device=str(device))


def _drive(running: Generator[FitProgress, None, list[Fitted]], report: ProgressCallback) -> list[Fitted]:
    """Runs a fit to its end, reporting each event."""
    while True:
        try:
            event = next(running)
        except StopIteration as stop:
            fitted: list[Fitted] = stop.value
            return fitted
        report(event)


def _measure(
    fitted: Fitted,
    stored: LatentVideo,
    frames: npt.NDArray[np.uint8],
    targets: torch.Tensor | None,
    device: torch.device,
    report: ProgressCallback,
) -> dict[str, float]:
    """PSNR and MS-SSIM of the stored video, and how well its embeddings follow the teacher.

    Where numbers were rounded after the fit only, the PSNR before that as well.
    """
    count, height, width, _ = frames.shape
    times = np.arange(count, dtype=np.float32)
    sums = np.zeros(2)
    for k, drawn in enumerate(draw(stored.model(device), times, height, width)):
        true = frames[k : k + 1]
        sums += metrics.psnr(true, drawn[None]), metrics.ms_ssim(true, drawn[None])
        report(FitProgress("measure", k + 1, count, float(sums[0]) / (k + 1)))
    measured = {"psnr": float(sums[0]) / count, "ms_ssim": float(sums[1]) / count}
    if fitted.steps is None:
        before = zip(frames, draw(fitted.model, times, height, width), strict=True)
        measured["psnr_unquantised"] = sum(metrics.psnr(true[None], drawn[None]) for true, drawn in before) / count
    embeddings = stored.embeddings
    if targets is not None and embeddings is not None and count > 1:
        from .semantics.retrieval import centred_cosine

        measured["alignment"] = float(centred_cosine(embeddings, targets.numpy()))
    return measured


@contextmanager
def _threads(device: torch.device) -> Iterator[None]:
    """One thread while fitting on the CPU; what was set before comes back."""
    before = torch.get_num_threads()
    try:
        if device.type == "cpu":
            torch.set_num_threads(_THREADS)
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _reporting(progress: bool | ProgressCallback, start: float) -> Iterator[ProgressCallback]:
    """What `progress` asks for, as a callback; events get the wall seconds since `start`."""
    if callable(progress):
        callback = progress
        yield lambda event: callback(replace(event, seconds=time.monotonic() - start))
    elif progress:
        from tqdm import tqdm

        with tqdm(total=1, unit="step", leave=True, dynamic_ncols=True) as bar:
            yield lambda event: _draw_bar(bar, event)
    else:
        yield lambda event: None


def _draw_bar(bar: Any, event: FitProgress) -> None:
    """Shows an event on a tqdm bar."""
    if event.message:
        bar.write(event.message, file=sys.stderr)
    if event.stage != bar.desc.removesuffix(": ") or event.total_steps != bar.total:
        bar.reset(total=event.total_steps)
        bar.set_description(event.stage, refresh=False)
    bar.n = event.step
    if event.psnr is not None:
        bar.set_postfix_str(f"{event.psnr:.2f} dB", refresh=False)
    bar.refresh()
