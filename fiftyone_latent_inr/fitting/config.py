"""Fitting configurations: the presets are data, scaled to a video's size and length."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import InputError
from ..model import Architecture, Level

# Counted into `FitConfig.digest`: raise it whenever the same settings and seed would give another result.
FIT_VERSION = 1

# pixels (T * H * W) of the clip at which a preset's `steps` are meant: 160x90, 16 frames
REFERENCE_PIXELS = 16 * 90 * 160


@dataclass(frozen=True)
class FitConfig:
    """How one video is fitted.

    Attributes:
        preset: the preset this came from; a label only.
        architecture: the model's shape before it meets a video.
        steps: optimiser steps at `REFERENCE_PIXELS`; `steps_for` scales them.
        steps_growth: power of the pixel count that steps grow with.
        max_frames_per_step: frames drawn from in each step (all of them in short videos).
        points_per_step: pixels sampled in each step, over all of its frames.
        learning_rate: peak rate of SOAP; linear warm-up, then a cosine to zero.
        warmup: share of the steps spent warming up.
        alignment_weight: lambda of the alignment loss (Latent-INR uses 0.01 on the cosine distance).
        bits: bits of a stored number (grids, networks, latents); see `stored.to_tensors` for what takes more.
    """

    preset: str
    architecture: Architecture
    steps: int
    steps_growth: float = 0.5
    max_frames_per_step: int = 32
    points_per_step: int = 8192
    learning_rate: float = 2e-2
    warmup: float = 0.05
    alignment_weight: float = 1e-2
    bits: int = 8

    def __post_init__(self) -> None:
        for name in ("steps", "max_frames_per_step", "points_per_step"):
            if getattr(self, name) < 1:
                raise InputError(f"fit configuration: {name} must be at least 1, not {getattr(self, name)}")
        if not 4 <= self.bits <= 16:
            raise InputError(f"fit configuration: bits must be from 4 to 16, not {self.bits}")
        if not 0 < self.learning_rate <= 1:
            raise InputError(f"fit configuration: learning_rate must be in (0, 1], not {self.learning_rate}")

    def steps_for(self, num_frames: int, height: int, width: int) -> int:
        """Optimiser steps for a video of T frames of H x W pixels."""
        ratio = num_frames * height * width / REFERENCE_PIXELS
        scale: float = min(max(ratio, 1 / 16), 64) ** self.steps_growth
        return max(1, round(self.steps * scale))

    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any setting that changes the result."""
        data: dict[str, Any] = {**asdict(self), "fit_version": FIT_VERSION}
        del data["preset"]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def _levels(*rows: tuple[float, int, int]) -> tuple[Level, ...]:
    return tuple(Level(*row) for row in rows)


# Few channels on fine grids reach what more do on coarse ones, with fewer parameters (`benchmarks/notes.md`).
_BASE = Architecture(levels=_levels((12, 8, 2), (4, 4, 1), (1, 1, 1)))

PRESETS: dict[str, FitConfig] = {
    "fast": FitConfig("fast", _BASE, steps=2000),
    "balanced": FitConfig("balanced", _BASE, steps=5000),
    "best": FitConfig("best", replace(_BASE, levels=_levels((12, 8, 3), (4, 4, 1), (1, 2, 1))), steps=10000),
}


def resolve(preset: str, config: FitConfig | None = None) -> FitConfig:
    """The configuration to fit with: `config` where one is given, else the named preset.

    Raises:
        InputError: there is no such preset, or `config` is not a `FitConfig`.
    """
    if config is not None:
        if not isinstance(config, FitConfig):
            raise InputError(f"config must be a FitConfig, not {type(config).__name__}")
        return config
    if preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[preset]
