"""Exact area averaging: each new pixel is the mean of the part of the picture that it covers."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import Frame, Frames
from ..errors import InputError


def area_resize(frames: Frames, size: tuple[int, int]) -> Frames:
    """Resizes frames by area averaging, in integer arithmetic, so that every machine gives the same bytes.

    A pixel of the result covers H/h by W/w pixels of the input, fractions counted as such, and is their mean,
    rounded to the nearest level (halves up). Enlarging works by the same rule, which then repeats pixels.

    Args:
        frames: uint8 (T, H, W, C), or one frame (H, W, C).
        size: (h, w) of the result, both at least 1.

    Returns:
        uint8 (T, h, w, C), or (h, w, C).

    Raises:
        InputError: a size below 1, or frames of another type.

    Example:
        >>> area_resize(np.array([[[0], [10], [20]]], np.uint8), (1, 2)).tolist()  # 10 counts half in each
        [[[3], [17]]]
    """
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4) or not frames.size:
        raise InputError(f"frames to resize must be uint8 (T, H, W, C), not {frames.dtype} {frames.shape}")
    height, width = size
    if height < 1 or width < 1:
        raise InputError(f"cannot resize to {height}x{width}: both sides must be at least 1")
    if frames.ndim == 3:
        return _resize_frame(frames, height, width)
    if frames.shape[1:3] == (height, width):
        return frames
    result = np.empty((len(frames), height, width, frames.shape[-1]), np.uint8)
    for frame, out in zip(frames, result, strict=True):
        out[...] = _resize_frame(frame, height, width)
    return result


def _resize_frame(frame: Frame, height: int, width: int) -> Frame:
    if frame.shape[:2] == (height, width):
        return frame
    # Twice the largest sum plus half a unit must fit, for the rounding below.
    divisors = gcd(frame.shape[0], height) * gcd(frame.shape[1], width)
    total = frame.shape[0] * frame.shape[1] // divisors
    kind = np.dtype(np.uint32 if (2 * 255 + 1) * total < 2**32 else np.uint64)
    tall: npt.NDArray[Any] = np.zeros((height, *frame.shape[1:]), kind)
    for index, weight in _taps(frame.shape[0], height, kind):
        tall += frame[index] * weight[:, None, None]
    sums: npt.NDArray[Any] = np.zeros((height, width, frame.shape[2]), kind)
    for index, weight in _taps(frame.shape[1], width, kind):
        sums += tall[:, index] * weight[None, :, None]
    return np.asarray((2 * sums + kind.type(total)) // kind.type(2 * total), dtype=np.uint8)


def _taps(old: int, new: int, kind: np.dtype[Any]) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]]:
    """Which old pixels each new one covers and by how much, in whole units.

    In units in which an old pixel is `new / gcd` long and a new one `old / gcd`, overlaps are whole numbers.

    Returns:
        for k = 0, 1, ...: the index of the k-th old pixel under each new one and its weight, both (new,). The
        weights of a new pixel sum to `old / gcd`.
    """
    divisor = gcd(old, new)
    old_length, new_length = new // divisor, old // divisor
    start = np.arange(new, dtype=np.int64) * new_length
    first = start // old_length
    taps = []
    for k in range((new_length - 1) // old_length + 2):
        index = first + k
        overlap = np.minimum(start + new_length, (index + 1) * old_length) - np.maximum(start, index * old_length)
        weight = np.maximum(overlap, 0)
        if weight.any():
            taps.append((np.minimum(index, old - 1), weight.astype(kind)))
    return taps
