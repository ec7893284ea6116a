"""Payload of a section: quantised tensors of known shapes to one string of bytes, and back.

    modes of side information | levels, step sizes of all channels | numbers of matrices and vectors | sequences | grids

A channel is what has a step size of its own: a grid's channel, a sequence's column, a matrix's row, a whole vector. Its
level says how large its codes are; a channel of zeros has neither level nor step size. One coder runs through the whole
section, so that nothing is rounded up to bytes in between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray
from . import channels, grids, sequences, side_info
from .distributions import LEVELS, SHAPES
from .quantisation import step_index
from .range_coder import Coder, Decoder, Encoder, IntArray, Meter
from .version import VERSION

Kind = Literal["grid", "sequence", "matrix", "vector"]
Codes = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Layout:
    """What both sides know of a tensor: `model.tensors.TensorSpec` without its name."""

    kind: Kind
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """How many step sizes it has."""
        return {"grid": self.shape[0], "sequence": self.shape[-1], "matrix": self.shape[0], "vector": 1}[self.kind]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    def by_channel(self, codes: Codes) -> Codes:
        """(channels, numbers of each)."""
        return np.ascontiguousarray(codes.T) if self.kind == "sequence" else codes.reshape(self.channels, -1)

    def step_shape(self) -> tuple[int, ...]:
        """The shape in which its step sizes broadcast against it."""
        axis = {"grid": 0, "sequence": 1, "matrix": 0, "vector": None}[self.kind]
        return tuple(size if k == axis else 1 for k, size in enumerate(self.shape))


@dataclass(frozen=True)
class Quantised:
    """One tensor's codes, int16 in its shape, and its step sizes, float32 (channels,)."""

    codes: Codes
    step_sizes: FloatArray


def encode(
    layouts: Sequence[Layout], tensors: Sequence[Quantised], version: int = VERSION, quick: bool = False
) -> bytes:
    """Codes a section.

    Args:
        layouts: kind and shape of each tensor.
        tensors: their codes, and step sizes as `round_step_sizes` leaves them.
        version: version of the format; files are written in the latest, older ones serve to test that they are read.
        quick: do not try several ways to code a grid, which takes most of the time and saves a few percent.
    """
    coder = Encoder(version)
    _run(coder, layouts, tensors, quick=quick)
    return coder.data()


def measure(layouts: Sequence[Layout], tensors: Sequence[Quantised], version: int = VERSION) -> float:
    """The bits that the section's own probabilities assign to it."""
    meter = Meter(version)
    _run(meter, layouts, tensors)
    return meter.bits


def decode(
    layouts: Sequence[Layout], data: bytes, version: int = VERSION, wanted: int | None = None
) -> list[Quantised]:
    """The tensors of a section.

    Args:
        layouts: kind and shape of each tensor.
        data: the section.
        version: its entry's.
        wanted: number of tensors from the first on that are wanted; None for all.

    Raises:
        BitstreamError: the data cannot be such a section.
    """
    return _run(Decoder(data, version), layouts, None, wanted)


def _run(
    coder: Coder,
    layouts: Sequence[Layout],
    tensors: Sequence[Quantised] | None,
    wanted_tensors: int | None = None,
    quick: bool = False,
) -> list[Quantised]:
    """Codes a section with any coder; without tensors it is decoded, in part if so many are wanted."""
    known = [None if tensors is None else tensors[k].codes for k in range(len(layouts))]
    plans: list[sequences.Plan | None] = [None] * len(layouts)
    wanted = None
    if tensors is not None:
        wanted = []
        for k, (layout, tensor) in enumerate(zip(layouts, tensors, strict=True)):
            rows = layout.by_channel(tensor.codes)
            levels = np.array([side_info.even_level(np.abs(row.astype(np.int32))) if row.any() else -1 for row in rows])
            if layout.kind == "sequence":
                levels, plans[k] = sequences.choose(tensor.codes)
            wanted.append(channels.Side(levels.astype(np.int32), step_index(tensor.step_sizes)))
    sides = channels.code(coder, [(layout.kind, layout.channels) for layout in layouts], wanted)
    codes = _code_plain(coder, layouts, [s.levels for s in sides], known)
    for k, (layout, own) in enumerate(list(zip(layouts, sides, strict=True))[:wanted_tensors]):
        if layout.kind == "sequence":
            plan = sequences.code_plan(coder, own.levels, plans[k])
            codes[k] = sequences.code(coder, own.levels, layout.shape[0], plan, known[k])
        elif layout.kind == "grid":
            codes[k] = grids.code(coder, own.levels, layout.shape[1:], known[k], quick)
    return [Quantised(c, own.step_sizes()) for c, own in list(zip(codes, sides, strict=True))[:wanted_tensors]]


def _code_plain(
    coder: Coder, layouts: Sequence[Layout], levels: list[IntArray], known: Sequence[Codes | None]
) -> list[Codes]:
    """Codes the matrices and vectors, all in one go: each number around zero with its channel's spread.

    Returns:
        One array for each layout, empty for those that are neither.
    """
    plain = [k for k, layout in enumerate(layouts) if layout.kind in ("matrix", "vector")]
    codes: list[Codes] = [np.zeros(x.shape if k in plain else (0,), np.int16) for k, x in enumerate(layouts)]
    spreads, values = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for k in plain:
        live = levels[k] >= 0
        each = layouts[k].size // max(1, layouts[k].channels)
        spreads.append(np.repeat(LEVELS[levels[k][live]], each))
        tensor = known[k]
        if tensor is not None:
            values.append(layouts[k].by_channel(tensor)[live].ravel().astype(np.int32))
    spread = np.concatenate(spreads)
    wanted = np.concatenate(values) if len(values) > len(plain) else None
    mean = np.zeros(spread.size, np.int32)
    choice = None
    if wanted is not None:
        costs = []
        for candidate in range(SHAPES):
            meter = Meter()
            meter.code(mean, spread, candidate, wanted)
            costs.append(meter.bits)
        choice = np.array([int(np.argmin(costs))], np.int32)
    shape = int(side_info.code_fixed(coder, 1, 64, choice)[0])
    side_info.check(0 <= shape < SHAPES)
    found = coder.code(mean, spread, shape, wanted)
    start = 0
    for k in plain:
        live = levels[k] >= 0
        rows = layouts[k].by_channel(codes[k])
        stop = start + int(live.sum()) * rows.shape[1]
        rows[live] = found[start:stop].reshape(-1, rows.shape[1])
        start = stop
    return codes
