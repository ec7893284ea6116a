"""Uniform quantisation of tensors to integer codes, one step size a channel.

The rule, which rate-aware fitting follows to the letter for the fit to be what the decoder sees:

    step = round_step_sizes(step)             # a float32 with three bits after the leading one: eight an octave
    code = clip(rint(x / step), -32767, 32767)  # rint: halves go to the even integer, as torch.round
    x'   = float32(code) * float32(step)      # one float32 multiplication, the same on every machine

Zero is a code, exactly. A channel of zero codes is stored without a step size and comes back as zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray

MAX_CODE = (1 << 15) - 1
# Larger values never occur in a fit that converged; refusing them keeps code * step finite in float32.
MAX_MAGNITUDE = 1e29

CodeArray = npt.NDArray[np.int16]

_KEPT = 0xFFF00000  # sign, exponent and three bits of a float32
_SMALLEST = np.float32(2.0**-120)
_LARGEST = np.float32(2.0**84)


def round_step_sizes(step_sizes: npt.ArrayLike) -> FloatArray:
    """Rounds step sizes to the nearest that can be stored: three bits after the leading one, eight an octave.

    Args:
        step_sizes: positive, finite, any shape.

    Returns:
        float32 of the same shape; what is stored already stays what it is.
    """
    return _masked(np.clip(np.asarray(step_sizes, np.float32), _SMALLEST, _LARGEST), 0x80000)


def peak_step_sizes(x: npt.ArrayLike, axis: int | None, bits: int) -> FloatArray:
    """The smallest step sizes with which no code takes more than `bits` bits, zero for channels of zeros.

    Args:
        x: float tensor, any shape.
        axis: the axis whose every index has a step size of its own, or None for one.
        bits: 2 to 16.

    Returns:
        float32 (channels,) or (1,).
    """
    tensor = _checked(x)
    others = tuple(k for k in range(tensor.ndim) if k != axis)
    peaks = np.abs(tensor).max(axis=others, initial=0.0).reshape(-1)
    step_sizes = _masked(peaks / np.float32(2 ** (bits - 1) - 1), 0xFFFFF)
    return np.where(step_sizes < _SMALLEST, np.float32(0), step_sizes)


def quantise(x: npt.ArrayLike, step_sizes: npt.ArrayLike, axis: int | None) -> tuple[CodeArray, FloatArray]:
    """Quantises a tensor.

    Args:
        x: float tensor, any shape, finite, magnitudes up to 1e29.
        step_sizes: (channels,) or (1,), finite and not negative; rounded by `round_step_sizes`. Zero makes zeros.
        axis: the axis whose every index has a step size of its own, or None for one.

    Returns:
        codes int16 of x's shape, and the float32 step sizes.

    Raises:
        ValueError: values that are not finite or too large, or step sizes of the wrong number or sign.

    Example:
        >>> codes, step_sizes = quantise(np.array([-1.0, 0.0, 0.6]), [0.25], None)
        >>> codes.tolist(), dequantise(codes, step_sizes, None).tolist()
        ([-4, 0, 2], [-1.0, 0.0, 0.5])
    """
    tensor = _checked(x)
    given = np.asarray(step_sizes, np.float32).reshape(-1)
    if given.size != (1 if axis is None else tensor.shape[axis]):
        raise ValueError(f"{given.size} step sizes for a tensor of shape {tensor.shape} with axis {axis}")
    if not np.all((given >= 0) & (given < MAX_MAGNITUDE)):
        raise ValueError("step sizes must be finite and not negative")
    rounded = np.where(given > 0, round_step_sizes(given), np.float32(0))
    wide = _broadcast(rounded, tensor.ndim, axis)
    with np.errstate(over="ignore"):  # overflowing quotients are clipped
        ratio = np.divide(tensor, wide, out=np.zeros_like(tensor), where=wide > 0)
    return np.clip(np.rint(ratio), -MAX_CODE, MAX_CODE).astype(np.int16), rounded


def dequantise(codes: npt.NDArray[Any], step_sizes: npt.ArrayLike, axis: int | None) -> FloatArray:
    """The tensor that codes and step sizes stand for, float32; the decoder uses exactly this."""
    result = codes.astype(np.float32)
    result *= _broadcast(np.asarray(step_sizes, np.float32), codes.ndim, axis)
    return result


def step_index(step_sizes: FloatArray) -> npt.NDArray[np.int32]:
    """The numbers that stand for step sizes as `round_step_sizes` leaves them: the upper bits of a float32."""
    return np.ascontiguousarray(step_sizes, np.float32).view(np.int32) >> 20


def step_of_index(index: npt.NDArray[np.int32]) -> FloatArray:
    """The inverse of `step_index`."""
    return (index.astype(np.int32) << 20).view(np.float32)


def _masked(values: FloatArray, rounding: int) -> FloatArray:
    flat = np.array(values, np.float32, ndmin=1, order="C")
    bits = flat.view(np.uint32).astype(np.uint64)
    rounded = ((bits + rounding) & _KEPT).astype(np.uint32)
    return rounded.view(np.float32).reshape(np.shape(values))


def _checked(x: npt.ArrayLike) -> FloatArray:
    tensor = np.asarray(x, dtype=np.float32)
    if tensor.size and not float(np.abs(tensor).max()) <= MAX_MAGNITUDE:  # also catches NaN
        raise ValueError("a tensor to be stored holds a value that is not finite or is larger than 1e29")
    return tensor


def _broadcast(step_sizes: FloatArray, ndim: int, axis: int | None) -> FloatArray:
    shape = [1] * ndim
    if axis is not None:
        shape[axis] = -1
    return step_sizes.reshape(shape)
