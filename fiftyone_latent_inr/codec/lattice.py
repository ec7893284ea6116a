"""Lattice of a grid's nodes, coded in passes from coarse to fine, each node predicted from those around it.

The nodes at multiples of 16 in both directions come first (of fewer in small grids). Then the spacing is halved, again
and again, in three passes:

    o . o . o      o: known,   1: the middles of the squares,
    . 1 3 1 .                  2: between two known nodes in a row,
    o 2 o 2 o                  3: between two known nodes in a column

All nodes of a pass are predicted at once from what came before, so that a pass is a few operations on whole arrays. A
prediction is two linear sums: of the neighbours' codes, for the location, and of how far the neighbours lay from their
own locations, for the spread. Their weights are fitted by the encoder and travel with the grid.

What is known lies in four parts, of even and odd rows and columns at half the spacing: the neighbours of all nodes of a
pass are then a part, shifted by a row or a column or two, and a sum of them runs through memory without gaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import DoubleArray
from .distributions import LEVELS
from .range_coder import Coder, IntArray
from .zero_blocks import Flags

Picked = npt.NDArray[np.intp]  # flat indices of nodes
Group = tuple[tuple[int, int], ...]  # neighbours that share a weight

_COARSEST = 16
_SMALL = 1 << 17
_FARTHEST = (1 << 17) - 1  # distances are cut here, so that sums stay within 32 bits
MAX_WEIGHT = 255  # in 1/64

# Groups of neighbours that share a weight: (row, column) in units of half the spacing.
_GROUPS: tuple[tuple[Group, ...], ...] = (
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
_PARTS = ((0, 2), (3, 1))  # by row and column, even or odd: where the nodes known and those of the three passes lie
_MARGIN = 2  # of the parts: the farthest neighbour is three halves off
_SCATTER = 7919  # a prime: samples of a pass do not line up in columns
_DENSE = 0.15  # of the nodes of a pass; of fewer, each one's neighbours are fetched
# In another channel, which is wholly known: the same node, and those around it.
_OTHER: tuple[Group, ...] = (((0, 0),), ((-1, 0), (1, 0), (0, -1), (0, 1)))


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
        blocks: (channels, rows, cols in blocks) where there are codes that are not zero, and how many nodes wide a
            block is; None for everywhere.

    Attributes:
        codes: int16 (channels, rows, cols) so far.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        level: IntArray,
        other: IntArray | None = None,
        blocks: tuple[Flags, int] | None = None,
    ) -> None:
        _, self.rows, self.cols = shape
        self.codes = np.zeros(shape, np.int16)
        self._level = LEVELS[level]
        self._blocks = blocks
        self._half = coarsest(self.rows, self.cols) // 2
        self._parts = self._empty(self._half) if self._half else np.zeros(0, np.int32)
        self._other = None
        if other is not None:
            self._other = np.zeros((2, shape[0], self.rows + 2, self.cols + 2), np.int32)
            self._other[0, :, 1:-1, 1:-1] = other
            np.minimum(np.abs(self._other[0]) << 4, _FARTHEST, out=self._other[1])

    def start(self, coder: Coder, shape: int, values: IntArray | None) -> None:
        """Codes the first nodes, around zero with their channel's spread."""
        every = slice(0, None, coarsest(self.rows, self.cols))
        step = Pass(-1, self._half, every, every)
        view = self.codes[:, step.rows, step.cols]
        chosen = self._chosen(step, slice(0, view.shape[1]))
        spread = np.broadcast_to(self._level[:, None, None], view.shape).ravel()
        wanted = None if values is None else values[:, step.rows, step.cols].ravel()
        if chosen is not None:
            spread, wanted = spread[chosen], None if wanted is None else wanted[chosen]
        found = coder.code(np.zeros(spread.size, np.int32), spread, shape, wanted)
        self.put(step, slice(0, view.shape[1]), chosen, found, np.abs(found) << 4)

    def code(self, coder: Coder, shape: int, step: Pass, weights: IntArray, values: IntArray | None) -> None:
        """Codes the nodes of a pass.

        Args:
            coder: encoder, decoder or meter.
            shape: index of the distributions' shape.
            step: the pass.
            weights: (channels or 1, n), for the locations, then for the spreads; see `num_weights`.
            values: all codes of the channels, None when decoding.
        """
        for part in self.parts(step):
            chosen = self._chosen(step, part)
            mean, spread = self.predict(step, weights, part, chosen)
            wanted = None if values is None else values[:, step.rows, step.cols][:, part].ravel()
            if wanted is not None and chosen is not None:
                wanted = wanted[chosen]
            found = coder.code(mean, spread, shape, wanted)
            self.put(step, part, chosen, found, np.abs((found << 4) - mean))

    def know(self, step: Pass, values: IntArray, weights: IntArray | None = None) -> None:
        """Notes the codes of a pass without coding them; without weights magnitudes stand for the distances."""
        for part in self.parts(step):
            chosen = self._chosen(step, part)
            found = values[:, step.rows, step.cols][:, part].ravel()
            found = found if chosen is None else found[chosen]
            mean = 0 if weights is None else self.predict(step, weights, part, chosen)[0]
            if weights is None:
                self._enter(step.half)
            self.put(step, part, chosen, found, np.abs((found << 4) - mean))

    def samples(self, step: Pass, values: IntArray, most: int) -> DoubleArray:
        """What the encoder fits a pass's weights to.

        Returns:
            (nodes, 2 K + 2): the sums of codes and of distances, the channel's level, and the codes; of `most` nodes
            that are spread over all where there are more.
        """
        here = values[:, step.rows, step.cols]
        whole = slice(0, here.shape[1])
        inside = self._chosen(step, whole)
        chosen: Picked = np.arange(here.size) if inside is None else inside
        if chosen.size > most:
            chosen = chosen[np.arange(most) * _SCATTER % chosen.size]
        sums = np.stack(list(self.sums(step, whole, chosen)), axis=-1).astype(np.float64)
        level = (self._level >> 2)[chosen // (here.shape[1] * here.shape[2])]
        return np.column_stack([sums[0], sums[1] / 16, level / 16, here.ravel()[chosen]])

    def parts(self, step: Pass) -> Iterator[slice]:
        """The rows of a pass that are predicted at once, as memory is bounded."""
        here = self.codes[:, step.rows, step.cols]
        together = max(1, (1 << 17) // max(1, here.shape[0] * here.shape[2]))
        for first in range(0, here.shape[1], together):
            yield slice(first, min(first + together, here.shape[1]))

    def put(self, step: Pass, part: slice, chosen: Picked | None, found: IntArray, far: IntArray) -> None:
        """Notes the codes of some rows of a pass, and how far from their locations they lie, in 1/16.

        Args:
            step: the pass.
            part: its rows.
            chosen: which of their nodes these are, flat; None for all. The others are zero.
            found: their codes.
            far: their distances.
        """
        here = self.codes[:, step.rows, step.cols][:, part]
        if chosen is not None:
            known = np.zeros((2, here.size), np.int32)
            known[0][chosen], known[1][chosen] = found, far
            found, far = known
        here[...] = found.reshape(here.shape)
        if self._half and not (step.kind == 2 and step.half == 1):
            y, x = _ORIGINS[step.kind] if step.kind >= 0 else (0, 0)
            there = self._cut(self._parts[_PARTS[y][x]], _MARGIN + part.start, _MARGIN, here.shape[1:])
            there[0] = found.reshape(here.shape)
            np.minimum(far.reshape(here.shape), _FARTHEST, out=there[1])

    def predict(
        self, step: Pass, weights: IntArray, part: slice, chosen: Picked | None = None
    ) -> tuple[IntArray, IntArray]:
        """Locations in 1/16 and spreads in 1/64 of the chosen nodes of some rows of a pass, flat."""
        size = self.codes[:, step.rows, step.cols].shape
        sparse = chosen is not None and chosen.size < _DENSE * size[0] * (part.stop - part.start) * size[2]
        count = weights.shape[1] // 2
        pairs = np.stack([weights[:, :count], weights[:, count : 2 * count]])  # (2, channels or 1, sums)
        last = (self._level >> 2) * weights[:, -1]
        if sparse and chosen is not None:
            owner = chosen // ((part.stop - part.start) * size[2])
            scale, last = (pairs[:, owner] if weights.shape[0] > 1 else pairs), last[owner]
        else:
            scale, last = pairs[:, :, None, None], last[:, None, None]
        total: IntArray | None = None
        for k, one in enumerate(self.sums(step, part, chosen if sparse else None)):
            np.multiply(one, scale[..., k], out=one)
            if total is None:
                total = one
            else:
                total += one
        assert total is not None
        total[1] += last
        flat = total.reshape(2, -1)
        if chosen is not None and not sparse:
            flat = flat[:, chosen]
        mean, spread = (flat[0] + 2) >> 2, flat[1] >> 4
        return mean, np.maximum(spread, 1, out=spread)

    def sums(self, step: Pass, part: slice, chosen: Picked | None = None) -> Iterator[IntArray]:
        """The sums that a pass's weights weigh, one a weight: of codes and of distances in 1/16.

        Args:
            step: the pass.
            part: some of its rows.
            chosen: which of their nodes, flat; None for all.

        Yields:
            int32 (2, channels, rows, cols), or (2, nodes) of the chosen ones.
        """
        self._enter(step.half)
        height, width = part.stop - part.start, self.codes[:, step.rows, step.cols].shape[2]
        if chosen is not None:
            channel, node = np.divmod(chosen, height * width)
            row, col = np.divmod(node, width)
        y, x = _ORIGINS[step.kind]
        flat = None if chosen is None else self._flat(self._parts[0], channel, row, col)
        for group in _GROUPS[step.kind]:
            views = []
            for dy, dx in group:
                array = self._parts[_PARTS[(y + dy) & 1][(x + dx) & 1]]
                top, left = _MARGIN + part.start + ((y + dy) >> 1), _MARGIN + ((x + dx) >> 1)
                if flat is None:
                    views.append(self._cut(array, top, left, (height, width)))
                else:
                    views.append(array.reshape(2, -1).take(flat + (top * array.shape[3] + left), axis=1))
            yield _added(views)
        if self._other is None:
            return
        down, right = step.rows.step, step.cols.step
        if chosen is not None:
            flat = self._flat(self._other, channel, row * down, col * right)
        for group in _OTHER:
            views = []
            for dy, dx in group:
                top, left = 1 + step.rows.start + part.start * down + dy, 1 + step.cols.start + dx
                if flat is None:
                    rows, cols = slice(top, top + height * down, down), slice(left, left + width * right, right)
                    views.append(self._other[:, :, rows, cols])
                else:
                    views.append(self._other.reshape(2, -1).take(flat + (top * self._other.shape[3] + left), axis=1))
            yield _added(views)

    def _flat(self, array: IntArray, channel: Picked, row: Picked, col: Picked) -> Picked:
        """Where nodes lie in one of the arrays, flat, its margins not counted."""
        return np.asarray((channel * array.shape[2] + row) * array.shape[3] + col)

    def _cut(self, array: IntArray, top: int, left: int, size: tuple[int, ...]) -> IntArray:
        """A rectangle of one of the arrays, a view."""
        return array[:, :, top : top + size[0], left : left + size[1]]

    def _chosen(self, step: Pass, part: slice) -> Picked | None:
        """Which nodes of some rows of a pass lie in blocks that are not zero, flat; None for all."""
        if self._blocks is None:
            return None
        flags, size = self._blocks
        rows = np.arange(self.rows)[step.rows][part] // size
        cols = np.arange(self.cols)[step.cols] // size
        return np.flatnonzero(flags.take(cols, axis=2).take(rows, axis=1))

    def _empty(self, half: int) -> IntArray:
        """(parts, codes and distances, channels, rows, cols) at half a spacing."""
        rows, cols = (-(-size // (2 * half)) + 2 * _MARGIN for size in (self.rows, self.cols))
        return np.zeros((4, 2, self.codes.shape[0], rows, cols), np.int32)

    def _enter(self, half: int) -> None:
        """Lets all that is known become the even rows and columns of the next smaller spacing."""
        if half == self._half:
            return
        before, self._half = self._parts, half
        self._parts = self._empty(half)
        inner = self._parts[0][:, :, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        for y in (0, 1):
            for x in (0, 1):
                there = inner[:, :, y::2, x::2]
                there[...] = self._cut(before[_PARTS[y][x]], _MARGIN, _MARGIN, there.shape[2:])


def _added(views: list[IntArray]) -> IntArray:
    """The sum of some arrays, a new one."""
    total = views[0].copy() if len(views) == 1 else views[0] + views[1]
    for view in views[2:]:
        total += view
    return total
