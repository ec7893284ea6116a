"""Probability tables of integer codes around a predicted value, made by integer arithmetic alone.

A code x is coded given a location m (in 1/16) and an expected distance mu of x from m (in 1/64). The distance picks
one of `LEVELS`, four an octave; beyond `FIRST_WIDE` the code is split into a quotient and raw low bits, so that sixteen
symbols do for any spread. A table says how probable each quotient is, at eight positions of m between two integers:

    symbol 0..14: quotient minus the integer nearest to m, -7..7;  symbol 15: farther away

Everything is computed with Python's integers and square roots of integers: no exp, no log, nothing that another machine
or another libm might round otherwise.
"""

from __future__ import annotations

import functools
from math import isqrt

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]

SYMBOLS = 16
REACH = 7  # the largest distance from the predicted quotient that has a symbol of its own
FRACTIONS = 8  # positions of the location between two integers
TOTAL = 1 << 16  # a table's frequencies sum to this, so that they are exact as float32
SHAPES = 3  # double exponential, rounder, roundest
NUM_LEVELS = 80

_ONE = 1 << 30  # fixed point of what is computed here
FIRST_WIDE = 20  # LEVELS[20] = 2: beyond it the quotient is coded


def _levels() -> IntArray:
    """The expected distances, 2 ** (k / 4) / 16 in units of 1/64, rounded down."""
    fourth = isqrt(isqrt(2 << 240))  # 2 ** (1/4) * 2 ** 60
    values = []
    for k in range(NUM_LEVELS):
        power = 4 << 60
        for _ in range(k % 4):
            power = power * fourth >> 60
        values.append(power << (k // 4) >> 60)
    return np.array(values, np.int32)


LEVELS = _levels()
_DIRECT = 1 << 12  # spreads below it, nearly all, are looked up
_LEVEL_OF = np.maximum(np.searchsorted(LEVELS, np.arange(_DIRECT), side="right") - 1, 0).astype(np.int32)


def level_of(spread: IntArray) -> IntArray:
    """The index of the largest level that is not above a spread (in 1/64), 0 below the first; int32."""
    if int(spread.max(initial=0)) < _DIRECT:
        return _LEVEL_OF.take(spread)
    return np.maximum(np.searchsorted(LEVELS, spread, side="right") - 1, 0).astype(np.int32)


@functools.cache
def tables(shape: int) -> npt.NDArray[np.float32]:
    """The tables of one shape.

    Args:
        shape: 0 to SHAPES - 1; how round the distribution's peak is.

    Returns:
        (levels * FRACTIONS, SYMBOLS) float32, multiples of 1 / TOTAL that sum to 1: the probabilities of the symbols at
        each level up to the first wide one and, within a level, each fraction -4/8 .. 3/8 of the location.
    """
    made = [[_table(level, fraction, shape) for fraction in range(-4, 4)] for level in range(FIRST_WIDE + 1)]
    return (np.array(made, np.float64) / TOTAL).astype(np.float32).reshape(-1, SYMBOLS)


@functools.cache
def costs(shape: int) -> npt.NDArray[np.float32]:
    """What each symbol of each of a shape's tables costs in bits, flat; for measuring alone."""
    return -np.log2(tables(shape)).ravel()


def _table(level: int, fraction: int, shape: int) -> list[int]:
    """Frequencies of the symbols at a level, where m lies fraction / 8 off an integer."""
    cumulated = _cumulated(level, shape)

    def below(edge: int) -> int:  # mass between the location and an edge, in eighths; negative to its left
        return cumulated[min(edge, len(cumulated) - 1)] if edge >= 0 else -cumulated[min(-edge, len(cumulated) - 1)]

    masses = [below(8 * d + 4 - fraction) - below(8 * d - 4 - fraction) for d in range(-REACH, REACH + 1)]
    total = 2 * cumulated[-1]
    masses.append(total - sum(masses))
    frequencies = [1 + mass * (TOTAL - SYMBOLS) // total for mass in masses]
    frequencies[frequencies.index(max(frequencies))] += TOTAL - sum(frequencies)
    return frequencies


@functools.cache
def _cumulated(level: int, shape: int) -> list[int]:
    """The mass from the location to n eighths from it, n = 0, 1, ..."""
    # rounder peaks have longer shoulders: the same mean distance is that of a faster decay
    mu = (int(LEVELS[level]) << 24) * (12, 9, 8)[shape] // 12
    # A double exponential of ratio t ** 2 a unit, cut into units around 0, has the mean distance t / (1 - t ** 2)
    t = (isqrt(_ONE * _ONE + 4 * mu * mu) - _ONE) * _ONE // (2 * mu)
    ratio = isqrt(isqrt(t * _ONE) * _ONE)  # an eighth of a unit
    masses, power = [0], _ONE
    slope = (_ONE - ratio) * shape // (SHAPES - 1)
    for step in range(8 * 40):
        masses.append(masses[-1] + (power * (_ONE + step * slope) >> 30))
        power = power * ratio >> 30
    return masses
