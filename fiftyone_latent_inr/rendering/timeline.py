"""Which instants and which size to draw: the arithmetic of decoding, super-resolution, interpolation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from .. import arguments
from ..errors import InputError

Drawn = TypeVar("Drawn")

# Frames drawn for each stored one, and in all, of which each takes 8 bytes: 3 hours at 30 a second, times 64
MAX_FACTOR, MAX_INSTANTS = 1000, 30_000_000


def play_times(
    num_frames: int, fps_factor: float = 1.0, span: tuple[int | None, int | None] = (None, None)
) -> tuple[npt.NDArray[np.float64], int]:
    """The instants that play frames A to B-1 at `fps_factor` times their rate and for as long as before.

    Frame k, counted from A, is shown at the same second as before, as frame `fps_factor * k`; the last one, which
    nothing follows to draw towards, holds. N frames become N times the factor, rounded.

    Args:
        num_frames: T of the stored video.
        fps_factor: above 1 draws frames in between, below 1 leaves some out; at most 1000.
        span: (A, B) as in Python's slices; None or negative ends count as they do there.

    Returns:
        (N,) float64 frame indices in [A, B - 1], ascending, at least one; and for how many more frames the last holds.

    Raises:
        InputError: the span holds no frame, or reaches beyond the video; the factor is out of range, or makes more
            than 30 million frames.

    Example:
        >>> play_times(3, 2)
        (array([0. , 0.5, 1. , 1.5, 2. ]), 1)
    """
    fps_factor = arguments.number("fps_factor", fps_factor, 0, MAX_FACTOR, above=True)
    first, last = (bound if bound is None or bound >= 0 else num_frames + bound for bound in span)
    first, last = first or 0, num_frames if last is None else last
    if not 0 <= first < last <= num_frames:
        raise InputError(
            f"frames {first}:{last} are not in this video, which has frames 0:{num_frames}; give A:B with 0 <= A < B"
        )
    drawn, held = _counts(first, last, fps_factor)
    if drawn > MAX_INSTANTS:
        raise InputError(
            f"{drawn:,} frames are more than the {MAX_INSTANTS:,} that can be drawn in one go; draw a part of them, or "
            "fewer in between"
        )
    return np.minimum(first + np.arange(drawn) / fps_factor, last - 1), held


def num_drawn(num_frames: int, fps_factor: float = 1.0) -> int:
    """How many instants `play_times` gives of a whole video, however many."""
    return _counts(0, num_frames, fps_factor)[0]


def _counts(first: int, last: int, factor: float) -> tuple[int, int]:
    """How many instants there are, and for how many more frames the last of them holds."""
    count = max(1, math.floor((last - first) * factor + 0.5))
    ends = np.arange(max(0, count - math.ceil(factor) - 2), count)  # all that may be the last instant
    times = np.minimum(first + ends / factor, last - 1)
    held = int(np.count_nonzero(times == times[-1])) - 1
    return count - held, held


def hold(frames: Iterable[Drawn], count: int) -> Iterator[Drawn]:
    """The frames, and the last of them `count` times more."""
    frame = None
    for frame in frames:
        yield frame
    if frame is not None:
        yield from repeat(frame, count)


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """(H, W) times `scale`, rounded, at least one pixel a side.

    Raises:
        InputError: the scale is no number above 0, or a side would be longer than frames can be drawn.
    """
    scale = arguments.number("scale", scale, 0, above=True)
    if max(size) * scale > arguments.MAX_SIDE:
        raise InputError(
            f"scale {scale:g} makes frames of {size[0]}x{size[1]} larger than the {arguments.MAX_SIDE} pixels that a "
            f"side may have; at most {arguments.MAX_SIDE / max(size):.4g}"
        )
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def drawn_frame_number(frame_number: int, fps_factor: float) -> int:
    """Which frame of an interpolated video shows a frame of the original; both count from 1, as FiftyOne does.

    At factor 2, frames 1, 2, 3 are frames 1, 3, 5. Where the factor is no whole number, it is the nearest one.
    """
    return round((frame_number - 1) * fps_factor) + 1
