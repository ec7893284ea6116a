"""Pictures for tests, drawn of waves: scenes that stand still, move or come back, and a texture that is shifted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


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


def cloud(height: int, width: int, shift: tuple[float, float] = (0, 0)) -> torch.Tensor:
    """(1, 1, H, W) smooth texture, moved by `shift` (x, y) half frame sizes."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    x, y = x - shift[0], y - shift[1]
    waves = torch.sin(5 * x + 1) * torch.cos(4 * y) + torch.sin(7 * x - 6 * y) + torch.cos(9 * y + 3 * x)
    return (0.5 + waves / 8)[None, None]
