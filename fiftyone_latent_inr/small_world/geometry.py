"""Geometry of the small world: how far a point is from a shape's edge, and a blur. numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def signed_distance(kind: str, x: Float, y: Float, detail: Float | float) -> Float:
    """Distance to a shape's edge, negative inside, in units of its radius (exact near the edges' middles).

    Args:
        kind: name of one of `SHAPES`.
        x: coordinates in the shape's own frame, of any one shape; the shape fits the unit circle.
        y: coordinates upwards.
        detail: 0 to 1, see `Shape`; broadcast against `x`.
    """
    return np.asarray(_distance(kind, x, y, detail), np.float32)


def _distance(kind: str, x: Float, y: Float, detail: Float | float) -> Any:
    if kind == "circle":
        return np.hypot(x, y) - 0.9
    if kind == "square":
        return np.maximum(np.abs(x), np.abs(y)) - 0.75
    if kind == "diamond":  # taller than wide, more or less
        half = 0.6 + 0.25 * detail
        return (np.abs(x) / half + np.abs(y) - 1) * half / np.sqrt(1 + half * half)
    if kind == "cross":
        arm = 0.16 + 0.2 * detail
        ax, ay = np.abs(x), np.abs(y)
        return np.minimum(np.maximum(ax - 0.95, ay - arm), np.maximum(ax - arm, ay - 0.95))
    if kind == "ring":
        width = 0.1 + 0.14 * detail
        return np.abs(np.hypot(x, y) - (0.95 - width)) - width
    if kind == "heart":  # a square on its corner, and a disc on each of its two upper sides
        half = 0.47
        u, v = (x + y + 0.15) * 0.70711, (y - x + 0.15) * 0.70711
        square = np.maximum(np.abs(u), np.abs(v)) - half
        return np.minimum(square, np.minimum(np.hypot(u - half, v) - half, np.hypot(u, v - half) - half))
    if kind == "star":
        return _radial(x, y, 5, 0.32 + 0.25 * detail)
    corners = {"triangle": 3, "pentagon": 5, "hexagon": 6}[kind]
    return _radial(x, y, corners, float(np.cos(np.pi / corners)))


def _radial(x: Float, y: Float, corners: int, inner: Float | float) -> Any:
    """A star of `corners` points: corners at radius 1 (the first one up), notches at radius `inner`."""
    step = np.pi / corners
    angle = np.abs((np.arctan2(x, y) + step) % (2 * step) - step)  # folded into half a point
    radius = np.hypot(x, y)
    px, py = radius * np.cos(angle), radius * np.sin(angle)
    # the edge runs from the corner (1, 0) to the notch
    ex, ey = inner * np.cos(step) - 1, inner * np.sin(step)
    return ((px - 1) * ey - py * ex) / np.sqrt(ex * ex + ey * ey)


def gaussian_blur(image: Float, sigma: float) -> Float:
    """Separable Gaussian blur of (..., H, W, C) with replicated borders; `sigma` in pixels."""
    reach = max(1, int(np.ceil(3 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (-3, -2):
        length = image.shape[axis]
        pad = [(0, 0)] * image.ndim
        pad[axis] = (reach, reach)
        padded = np.pad(image, pad, mode="edge")
        image = np.zeros_like(image)
        for k, weight in enumerate(kernel):
            window = [slice(None)] * image.ndim
            window[axis] = slice(k, k + length)
            image += weight * padded[tuple(window)]
    return image
