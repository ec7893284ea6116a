"""Long videos for tests, drawn of waves: scenes that stand still, move or come back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def scene(seed: int, num: int, speed: float = 0.0, height: int = 24, width: int = 32, first: int = 0) -> np.ndarray:
    """Frames uint8 (T, H, W, 3) of a camera that moves over a soft picture by so many pixels a frame."""
    rng = np.random.default_rng(seed)
    level, size = rng.uniform(70, 180, 3), rng.uniform(-40, 40, (5, 3))
    rows, cols, phase = rng.uniform(0.5, 2.5, 5), rng.uniform(-2.5, 2.5, 5), rng.uniform(0, 6.3, 5)
    y, x = np.mgrid[0:height, 0:width] * (2 * np.pi / max(height, width))
    shift = speed * np.arange(first, first + num)[:, None, None, None] * (2 * np.pi / max(height, width))
    waves = np.sin(rows * y[..., None] + cols * (x[..., None] + shift) + phase)  # (T, H, W, 5)
    return (level + waves @ size).round().clip(0, 255).astype(np.uint8)


def scenes(*parts: Sequence[float]) -> np.ndarray:
    """Scenes one after another, each (seed, frames) or (seed, frames, speed)."""
    return np.concatenate([scene(int(part[0]), int(part[1]), *part[2:]) for part in parts])
