"""Which instants and which size to draw: the arithmetic of decoding, super-resolution, interpolation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .. import arguments
from ..errors import InputError

# Frames drawn for each stored one; bounds the memory that their instants take
MAX_FACTOR = 1000


def frame_times(
    num_frames: int, span: tuple[int | None, int | None] = (None, None), fps_factor: float = 1.0
) -> npt.NDArray[np.float64]:
    """The instants that play frames A to B-1 at `fps_factor` times their rate.

    Drawn between the first and the last frame, never beyond: at factor 2, N frames become 2N - 1.

    Args:
        num_frames: T of the stored video.
        span: (A, B) as in Python's slices; None or negative ends count as they do there.
        fps_factor: above 1 draws frames in between, below 1 leaves some out; at most 1000.

    Returns:
        (N,) float64 frame indices in [0, T - 1], ascending, at least one.

    Raises:
        InputError: the span holds no frame, or reaches beyond the video; the factor is out of range.
    """
    fps_factor = arguments.number("fps_factor", fps_factor, 0, MAX_FACTOR, above=True)
    first, last = (bound if bound is None or bound >= 0 else num_frames + bound for bound in span)
    first, last = first or 0, num_frames if last is None else last
    if not 0 <= first < last <= num_frames:
        raise InputError(
            f"frames {first}:{last} are not in this video, which has frames 0:{num_frames}; give A:B with 0 <= A < B"
        )
    steps = math.floor((last - 1 - first) * fps_factor + 1e-9)
    return np.minimum(first + np.arange(steps + 1) / fps_factor, last - 1)


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


def play_times(num_frames: int, fps_factor: float = 1.0) -> npt.NDArray[np.float64]:
    """The instants that play the whole video at `fps_factor` times its rate and for as long as before.

    Frame k, counted from 0, is shown at the same second as before, as frame `fps_factor * k`; after the last one,
    which nothing follows to draw towards, it holds. N frames become N times the factor.

    Args:
        num_frames: T of the stored video.
        fps_factor: 1 or more.

    Returns:
        (N,) float64 frame indices in [0, T - 1], ascending, the last one repeated at the end.
    """
    count = max(1, round(num_frames * fps_factor))
    return np.minimum(np.arange(count) / fps_factor, num_frames - 1)


def drawn_frame_number(frame_number: int, fps_factor: float) -> int:
    """Which frame of an interpolated video shows a frame of the original; both count from 1, as FiftyOne does.

    At factor 2, frames 1, 2, 3 are frames 1, 3, 5. Where the factor is no whole number, it is the nearest one.
    """
    return round((frame_number - 1) * fps_factor) + 1
