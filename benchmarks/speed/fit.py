"""Parts of `speed` that fit: PSNR against seconds, memory by size, and what a library of videos costs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.fitting import PRESETS, FitConfig
from fiftyone_latent_inr.fitting.objective import SWITCH, compile_mode

from ..shared.clips import Video, clip_frames, noise
from ..shared.clocks import Clock, Row, peaks, size_in_words
from ..shared.sizes import at_most, in_words

_WARM_UP = 20  # steps
CROP = (640, 1280)


@dataclass(frozen=True)
class FitCase:
    """A clip and a preset, at most so many parameters (None: as many as the preset has)."""

    size: tuple[int, int]
    frames: int
    preset: str
    parameters: int | None = None

    def config(self, share: float) -> FitConfig:
        """The preset's settings with a share of its steps."""
        config = PRESETS[self.preset]
        if self.parameters is not None:
            shape = at_most(config.architecture, self.parameters, self.frames, *self.size)
            config = replace(config, architecture=shape)
        return shortened(config, share)


def shortened(config: FitConfig, share: float) -> FitConfig:
    """Settings with a share of the steps."""
    return replace(config, steps=max(1, round(config.steps * share)))


def warm_up(device: str, frames: Video | None = None, config: FitConfig | None = None) -> None:
    """A fit of next to nothing: what is loaded or tried out once must not count.

    Nor must compiling: of a fit to come, whose frames and settings are given, a few steps are compiled as its own are.
    """
    linr.fit(noise(4, 32, 48), config=replace(PRESETS["fast"], steps=_WARM_UP), device=device, progress=False)
    if frames is None or config is None or compile_mode(device, config.steps_for(*frames.shape[:3])) is None:
        return
    with patch.dict(os.environ, {SWITCH: os.environ.get(SWITCH, "1")}):
        short = replace(config, steps=_WARM_UP, steps_growth=0.0)
        linr.fit(frames, config=short, device=device, progress=False)


def measure_fit(case: FitCase, source: Path, share: float, device: str, name: str) -> Row:
    """One point of PSNR against seconds."""
    frames = clip_frames(source, case.frames, case.size, CROP if case.size == CROP else None)
    config = case.config(share)
    warm_up(device, frames, config)
    fitted, seconds = timed_fit(frames, config, device)
    return {
        "device": name,
        "clip": source.stem if source.exists() else "noise",
        "frames": size_in_words(*case.size, len(frames)),
        "preset": case.preset,
        "at_most": in_words(case.parameters) if case.parameters else "",
        "share": share,
        "steps": config.steps_for(*frames.shape[:3]),
        "psnr": round(fitted.metrics["psnr"], 2),
        "bytes": int(fitted.metrics["bytes"]),
        "parameters": fitted.num_parameters,
        **seconds,
        **peaks(device),
    }


def timed_fit(
    frames: Video, config: FitConfig, device: str, teacher: str | None = None
) -> tuple[linr.LatentVideo, Row]:
    """A fit, and its seconds; `fit_seconds` are the wall's without measuring the result."""
    clock = Clock(device)
    fitted = linr.fit(frames, config=config, device=device, teacher=teacher, progress=False)
    return fitted, {
        "seconds": round(clock.seconds(), 1),
        "clock": clock.name,
        "fit_seconds": round(fitted.metrics["seconds"], 1),
    }


def measure_size(size: tuple[int, int], count: int, preset: str, steps: int, device: str, name: str) -> Row:
    """Peak of memory of a fit of a few large frames; a few steps show it."""
    frames = noise(count, *size)
    config = replace(PRESETS[preset], steps=steps, steps_growth=0.0)
    _, seconds = timed_fit(frames, config, device)
    return {
        "device": name,
        "size": size_in_words(*size),
        "frames": count,
        "preset": preset,
        "steps": steps,
        **seconds,
        **peaks(device),
    }


def measure_throughput(
    source: Path, size: tuple[int, int], count: int, videos: int, config: FitConfig, device: str, name: str
) -> Row:
    """Videos an hour: read, fitted, aligned with the small teacher, stored, and measured."""
    clips = [clip_frames(source, count, size) for _ in range(videos)]
    warm_up(device)
    clock, start = Clock(device), time.monotonic()
    fitted, how = fit_all(clips, config, device)
    seconds = clock.seconds()
    worst = min(one.metrics["psnr"] for one in fitted)
    return {
        "device": name,
        "clip": source.stem if source.exists() else "noise",
        "frames": size_in_words(*size, count),
        "preset": config.preset,
        "videos": videos,
        "how": how,
        "psnr": round(worst, 2),
        "bytes": int(sum(one.metrics["bytes"] for one in fitted) / videos),
        "seconds": round(seconds, 1),
        "clock": clock.name,
        "wall_seconds": round(time.monotonic() - start, 1),
        "videos_an_hour": round(3600 * videos / seconds, 1),
        "of": "extrapolated from one, a core" if videos == 1 else f"{videos} videos",
        **peaks(device),
    }


def fit_all(clips: Sequence[Video], config: FitConfig, device: str) -> tuple[list[linr.LatentVideo], str]:
    """Fits several clips together; one has nobody to share a step with."""
    if len(clips) > 1:
        fitted = linr.fit_many(clips, config=config, teacher="small", device=device, progress=False)
        for one in fitted:
            if isinstance(one, linr.InputError):
                raise one
        return [one for one in fitted if isinstance(one, linr.LatentVideo)], "together"
    return [timed_fit(frames, config, device, "small")[0] for frames in clips], "alone"
