"""A spec of the small world in, frames out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .geometry import gaussian_blur, signed_distance
from .world import ShapeClip


def render(spec: ShapeClip, num_frames: int = 16, size: tuple[int, int] = (96, 128)) -> NDArray[np.uint8]:
    """Draw a clip.

    Args:
        spec: clip to draw.
        num_frames: number of frames, at least 1.
        size: (H, W) in pixels, each at least 8.

    Returns:
        uint8 (T, H, W, 3), RGB. The same spec, length and size give the same pixels.

    Raises:
        InputError: if the size or the length is out of range.
    """
    height, width = size
    if num_frames < 1 or min(size) < 8:
        raise InputError(f"cannot draw {num_frames} frames of {width}x{height}: at least 1 frame of 8x8 pixels")
    rng = np.random.default_rng(spec.seed)
    rows = np.arange(height, dtype=np.float32)[:, None] + 0.5
    columns = np.arange(width, dtype=np.float32)[None, :] + 0.5
    video = np.empty((num_frames, height, width, 3), np.uint8)
    for index in range(num_frames):
        time = index / max(num_frames - 1, 1)
        frame = np.empty((height, width, 3), np.float32)
        frame[:] = spec.background_rgb
        for shape in spec.shapes:
            radius = shape.radius * min(size)
            cx = (shape.start[0] + time * (shape.end[0] - shape.start[0])) * width
            cy = (shape.start[1] + time * (shape.end[1] - shape.start[1])) * height
            dx, dy = (columns - cx) / radius, (cy - rows) / radius
            cos, sin = np.float32(np.cos(shape.rotation)), np.float32(np.sin(shape.rotation))
            distance = signed_distance(shape.kind, dx * cos + dy * sin, dy * cos - dx * sin, shape.detail) * radius
            cover = np.clip(0.5 - distance / spec.softness, 0, 1)[..., None]
            frame += cover * (np.asarray(shape.rgb, np.float32) - frame)
        if spec.blur > 0:
            frame = gaussian_blur(frame, spec.blur)
        if spec.noise > 0:
            frame += rng.normal(0, spec.noise, frame.shape).astype(np.float32)
        video[index] = np.clip(np.rint(frame), 0, 255)
    return video
