"""Rate-distortion curves compared: quality at a given rate, and Bjontegaard's mean differences.

G. Bjontegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001: fit the logarithm of the
rate as a function of quality (or the reverse) to each curve, integrate both over the interval that they share, and
divide the difference by its length. `pchip` interpolates piecewise, as JCT-VC's common test conditions came to do
(JCTVC-L1100); `cubic` is the one polynomial of the original, for curves of at least four points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

Method = Literal["pchip", "cubic"]
Curve = Sequence[tuple[float, float]]  # (rate, quality)
_Array = npt.NDArray[np.float64]
_CUBIC_POINTS = 4


def bd_rate(anchor: Curve, test: Curve, method: Method = "pchip") -> float | None:
    """Mean difference of rate at equal quality, in percent of the anchor's; negative where `test` is smaller.

    Args:
        anchor: (rate, quality) of the codec that is compared with, in any order; rates above zero.
        test: points of the codec in question.
        method: interpolation of the curves between their points.

    Returns:
        Percent, or None where the curves share no interval of quality or have too few points.

    Example:
        >>> curve = [(100, 30), (200, 33), (400, 36), (800, 39)]
        >>> round(bd_rate(curve, [(rate / 2, quality) for rate, quality in curve]), 6)
        -50.0
    """
    difference = _mean_difference(_by_quality(anchor), _by_quality(test), method)
    return None if difference is None else 100 * math.expm1(difference)


def bd_quality(anchor: Curve, test: Curve, method: Method = "pchip") -> float | None:
    """Mean difference of quality at equal rate (BD-PSNR where quality is PSNR); positive where `test` is better.

    Arguments and None as for `bd_rate`; the mean is over the logarithm of the rate.
    """
    return _mean_difference(_by_rate(anchor), _by_rate(test), method)


def quality_at(rate: float, curve: Curve) -> float | None:
    """A curve's quality at a rate, interpolated over the logarithm of the rate; None outside of the curve."""
    rates, qualities = _by_rate(curve)
    if len(rates) < 2 or not rates[0] <= math.log(rate) <= rates[-1]:
        return None
    return float(PchipInterpolator(rates, qualities)(math.log(rate)))


def rate_at(quality: float, curve: Curve) -> float | None:
    """The rate at which a curve reaches a quality, its logarithm interpolated; None outside of the curve."""
    qualities, rates = _by_quality(curve)
    if len(rates) < 2 or not qualities[0] <= quality <= qualities[-1]:
        return None
    return math.exp(float(PchipInterpolator(qualities, rates)(quality)))


def _rising(curve: Curve) -> tuple[_Array, _Array]:
    """Logarithms of the rates and the qualities, without points that cost more than another and give no more."""
    kept: list[tuple[float, float]] = []
    for rate, quality in sorted(curve):
        if not kept or (quality > kept[-1][1] and rate > kept[-1][0]):
            kept.append((rate, quality))
    points = np.array(kept, dtype=np.float64).reshape(-1, 2)
    return np.log(points[:, 0]), points[:, 1]


def _by_rate(curve: Curve) -> tuple[_Array, _Array]:
    return _rising(curve)


def _by_quality(curve: Curve) -> tuple[_Array, _Array]:
    rates, qualities = _rising(curve)
    return qualities, rates


def _shared(a: _Array, b: _Array) -> tuple[float, float] | None:
    if len(a) < 2 or len(b) < 2:
        return None
    low, high = max(a[0], b[0]), min(a[-1], b[-1])
    return (float(low), float(high)) if low < high else None


def _mean_difference(anchor: tuple[_Array, _Array], test: tuple[_Array, _Array], method: Method) -> float | None:
    """Of two curves y(x), the mean of test minus anchor over the x that they share."""
    shared = _shared(anchor[0], test[0])
    if shared is None or (method == "cubic" and min(len(anchor[0]), len(test[0])) < _CUBIC_POINTS):
        return None
    areas = [_antiderivative(x, y, method)(np.array(shared)) for x, y in (anchor, test)]
    return float((np.diff(areas[1]) - np.diff(areas[0]))[0] / (shared[1] - shared[0]))


def _antiderivative(x: _Array, y: _Array, method: Method) -> Callable[[_Array], Any]:
    if method == "pchip":
        return PchipInterpolator(x, y).antiderivative()  # type: ignore[no-any-return]
    return np.polynomial.Polynomial.fit(x, y, 3).integ()
