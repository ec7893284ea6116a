"""Grids in passes from coarse to fine: where each node lies between nodes already coded, and what they say of it.

The nodes at multiples of 16 in both directions come first (of fewer in small grids). Then the spacing is halved, again
and again, in three passes:

    o . o . o      o: known,   1: the middles of the squares,
    . 1 3 1 .                  2: between two known nodes in a row,
    o 2 o 2 o                  3: between two known nodes in a column

All nodes of a pass are predicted at once from what came before, so that a pass is a few operations on whole arrays. A
prediction is two linear sums: of the neighbours' codes, for the location, and of how far the neighbours lay from their
own locations, for the spread. Their weights are fitted by the encoder and travel with the grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .coder import Coder, IntArray
from .distributions import LEVELS

_COARSEST = 16
_SMALL = 1 << 17
_FARTHEST = (1 << 17) - 1  # distances are cut here, so that sums stay within 32 bits
MAX_WEIGHT = 255  # in 1/64

# Groups of neighbours that share a weight: (row, column) in units of half the spacing.
_GROUPS = (
    (
        ((-1, -1), (1, 1)),
        ((-1, 1), (1, -1)),
        ((-1, -3), (-1, 3), (1, -3), (1, 3)),
        ((-3, -1), (-3, 1), (3, -1), (3, 1)),
    ),
    (
        ((0, -1), (0, 1)),
        ((-1, 0), (1, 0)),
        ((-1, -2), (-1, 2), (1, -2), (1, 2)),
        ((0, -3), (0, 3)),
        ((-2, -1), (-2, 1), (2, -1), (2, 1)),
    ),
    (
        ((-1, 0), (1, 0)),
        ((0, -1), (0, 1)),
        ((-1, -1), (-1, 1), (1, -1), (1, 1)),
        ((-3, 0), (3, 0)),
        ((0, -3), (0, 3)),
    ),
)
_ORIGINS = ((1, 1), (0, 1), (1, 0))  # of the three passes, in units of half the spacing
# In another channel, which is wholly known: the same node, and those around it.
_OTHER = (((0, 0),), ((-1, 0), (1, 0), (0, -1), (0, 1)))


@dataclass(frozen=True)
class Pass:
    """One pass: its index among the weights of its class, half the spacing, and its nodes."""

    kind: int
    half: int
    rows: slice
    cols: slice


def coarsest(rows: int, cols: int) -> int:
    """The spacing of the nodes that are coded first."""
    # margins are a part of the grid's size: a small part where the grid is large, as memory is bounded
    fits = 2 if rows * cols <= _SMALL else 8
    spacing = 1
    while spacing < _COARSEST and 2 * spacing * fits <= min(rows, cols):
        spacing *= 2
    return spacing


def passes(rows: int, cols: int) -> Iterator[Pass]:
    """The passes after the first nodes, in order, without empty ones."""
    spacing = coarsest(rows, cols)
    while spacing > 1:
        half = spacing // 2
        for kind, (y, x) in enumerate(_ORIGINS):
            if y * half < rows and x * half < cols:
                yield Pass(kind, half, slice(y * half, rows, spacing), slice(x * half, cols, spacing))
        spacing = half


def weight_class(half: int, classes: int) -> int:
    """Which set of weights a spacing uses: the finest has one of its own, the next too, where there are so many."""
    return min(half.bit_length() - 1, classes - 1)


def num_weights(kind: int, other: bool) -> tuple[int, int]:
    """How many weights a pass has for its locations, and for its spreads."""
    count = len(_GROUPS[kind]) + len(_OTHER) * other
    return count, count + 1


class Plane:
    """Some channels of one grid while they are coded: their codes so far, and how far off the predictions were.

    Args:
        shape: (channels, rows, cols).
        level: (channels,) each channel's index into `LEVELS`.
        other: codes (channels, rows, cols) of the channels that these are predicted from, or None.
    """

    def __init__(self, shape: tuple[int, int, int], level: IntArray, other: IntArray | None = None) -> None:
        channels, self.rows, self.cols = shape
        self._margin = coarsest(self.rows, self.cols) // 2 * 3  # the farthest neighbour
        padded = (channels, self.rows + 2 * self._margin, self.cols + 2 * self._margin)
        self.codes = np.zeros(padded, np.int32)
        self.errors = np.zeros(padded, np.int32)
        self._level = LEVELS[level][:, None, None]
        self._other = None
        if other is not None:
            self._other = np.pad(other.astype(np.int32), ((0, 0), (1, 1), (1, 1)))

    @property
    def inner(self) -> IntArray:
        """The codes (channels, rows, cols), a view."""
        return self._inside(self.codes)

    def start(self, coder: Coder, shape: int, values: IntArray | None) -> None:
        """Codes the first nodes, around zero with their channel's spread."""
        spacing = coarsest(self.rows, self.cols)
        view = self.inner[:, ::spacing, ::spacing]
        spread = np.broadcast_to(self._level, view.shape).ravel()
        wanted = None if values is None else values[:, ::spacing, ::spacing].ravel()
        found = coder.code(np.zeros(view.size, np.int32), spread, shape, wanted)
        view[...] = found.reshape(view.shape)
        self._inside(self.errors)[:, ::spacing, ::spacing] = np.minimum(np.abs(view) << 4, _FARTHEST)

    def code(self, coder: Coder, shape: int, step: Pass, weights: IntArray, values: IntArray | None) -> None:
        """Codes the nodes of a pass.

        Args:
            coder: encoder, decoder or meter.
            shape: of the distributions.
            step: the pass.
            weights: for the locations, then for the spreads; see `num_weights`.
            values: all codes of the channels, None when decoding.
        """
        here = self.inner[:, step.rows, step.cols]
        rows_together = max(1, (1 << 17) // max(1, here.shape[0] * here.shape[2]))
        for first in range(0, here.shape[1], rows_together):
            part = slice(first, first + rows_together)
            mean, spread = self._predict(step, weights, part)
            wanted = None if values is None else values[:, step.rows, step.cols][:, part].ravel()
            found = coder.code(mean.ravel(), spread.ravel(), shape, wanted).reshape(mean.shape)
            here[:, part] = found
            off = np.minimum(np.abs((found << 4) - mean), _FARTHEST)
            self._errors(step)[:, part] = off

    def features(self, step: Pass, exact: bool = True) -> tuple[list[IntArray], list[IntArray]]:
        """The sums that a pass's weights weigh: of codes, and of distances (in 1/16); for the encoder's fit.

        Args:
            step: the pass.
            exact: take the distances noted so far; otherwise the neighbours' magnitudes stand for them.
        """
        everything = slice(0, self.inner[:, step.rows, step.cols].shape[1])
        distances = self.errors if exact else np.minimum(np.abs(self.codes) << 4, _FARTHEST)
        codes = [self._sum(self.codes, step, group, everything) for group in _GROUPS[step.kind]]
        far = [self._sum(distances, step, group, everything) for group in _GROUPS[step.kind]]
        if self._other is not None:
            there = [self._beside(self._other, step, group, everything) for group in _OTHER]
            codes += there
            sizes = np.minimum(np.abs(self._other) << 4, _FARTHEST)
            far += [self._beside(sizes, step, group, everything) for group in _OTHER]
        far.append(np.broadcast_to(self._level >> 2, codes[0].shape).astype(np.int32))
        return codes, far

    def _predict(self, step: Pass, weights: IntArray, part: slice) -> tuple[IntArray, IntArray]:
        """Locations in 1/16 and spreads in 1/64 of some rows of a pass."""
        groups = _GROUPS[step.kind]
        half = weights.size // 2
        mean = self._sum(self.codes, step, groups[0], part) * weights[0]
        spread = self._sum(self.errors, step, groups[0], part) * weights[half]
        for k, group in enumerate(groups[1:], 1):
            mean += self._sum(self.codes, step, group, part) * weights[k]
            spread += self._sum(self.errors, step, group, part) * weights[half + k]
        if self._other is not None:
            for k, group in enumerate(_OTHER, len(groups)):
                mean += self._beside(self._other, step, group, part) * weights[k]
                sizes = np.minimum(np.abs(self._other) << 4, _FARTHEST)
                spread += self._beside(sizes, step, group, part) * weights[half + k]
        spread += (self._level >> 2) * weights[-1]
        mean += 2
        mean >>= 2
        spread >>= 4
        return mean, np.maximum(spread, 1, out=spread)

    def _sum(self, array: IntArray, step: Pass, group: tuple[tuple[int, int], ...], part: slice) -> IntArray:
        """The sum over a group of neighbours, for the nodes of some rows of a pass."""
        return self._around(array, step, group, part, self._margin, step.half)

    def _beside(self, array: IntArray, step: Pass, group: tuple[tuple[int, int], ...], part: slice) -> IntArray:
        """The same in another channel, whose margin is one node wide."""
        return self._around(array, step, group, part, 1, 1)

    def _around(
        self, array: IntArray, step: Pass, group: tuple[tuple[int, int], ...], part: slice, margin: int, unit: int
    ) -> IntArray:
        picked = range(step.rows.start, self.rows, step.rows.step)[part]
        width, spacing = self.cols - step.cols.start, step.cols.step
        total: IntArray | None = None
        for dy, dx in group:
            top, left = margin + picked.start + dy * unit, margin + step.cols.start + dx * unit
            view = array[:, top : top + picked.step * len(picked) : picked.step, left : left + width : spacing]
            if total is None:
                total = view.copy()
            else:
                total += view
        assert total is not None
        return total

    def _errors(self, step: Pass) -> IntArray:
        return self._inside(self.errors)[:, step.rows, step.cols]

    def _inside(self, array: IntArray) -> IntArray:
        return array[:, self._margin : self._margin + self.rows, self._margin : self._margin + self.cols]
