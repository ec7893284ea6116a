"""Arrays: names for those that are handed around, the check of frames, and unit norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError

Frame = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Frames = npt.NDArray[np.uint8]  # (T, H, W, 3) RGB
FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]


def check_frames(frames: Any, what: str = "frames", single: bool = False) -> None:
    """Checks that something is frames: a uint8 array (T, H, W, 3) that is not empty.

    Args:
        frames: object of any kind.
        what: name of the frames in the message.
        single: True for one frame, (H, W, 3).

    Raises:
        InputError: it is anything else; the message says what.
    """
    kind, shape = getattr(frames, "dtype", type(frames).__name__), tuple(getattr(frames, "shape", ()))
    if kind != np.uint8 or len(shape) != 4 - single or shape[-1] != 3 or 0 in shape:
        raise InputError(f"{what} must be uint8 {'(H, W, 3)' if single else '(T, H, W, 3)'}, not {kind} {shape}")


def as_frames(value: Any) -> Frames:
    """Frames of an array, a list of arrays, or a tensor on any device, as a checked array.

    Raises:
        InputError: it is anything else than uint8 (T, H, W, 3); the message says what.
    """
    try:
        if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor, which may need gradients or lie on a card
            value = value.detach().cpu()
        frames = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged, or of a device without memory
        raise InputError(f"frames must be uint8 (T, H, W, 3), all of one size, not {type(value).__name__}") from error
    check_frames(frames)
    return frames


def unit_norm(vectors: npt.NDArray[np.floating[Any]]) -> FloatArray:
    """Vectors (..., E) scaled to unit norm, float32; those of zeros stay as they are."""
    with np.errstate(under="ignore"):  # which a host program may have made an error
        norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
