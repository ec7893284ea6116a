"""Which blocks of a grid's channels hold anything but zeros: maps of flags, coded before the codes themselves.

A grid that says little, or little more than another's, is mostly zeros. A node costs its time and at least a twentieth
of a bit even so; a node of a block of zeros costs neither.

    x 2 x 2    x: every second block of every second row comes first,
    2 1 2 1    1: then those between four of them,
    x 2 x 2    2: then all others, between two of each

A flag's chance depends on how many of the four blocks around it that are known are set; chances travel with the map.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import side_info
from .range_coder import CHANCES, Coder, IntArray, flag_chance

Flags = npt.NDArray[np.bool_]

SIZES = (0, 8, 16)  # nodes a side; 0 is no map
_CONTEXTS = 11  # one of the first blocks, five of either other pass: none to four neighbours
_SPREAD_OF_CHANCES = 4 * 64


def find(codes: npt.NDArray[np.int16], size: int) -> Flags:
    """The map (channels, rows, cols in blocks) of a grid's codes (channels, rows, cols)."""
    wide = np.add.reduceat(codes != 0, np.arange(0, codes.shape[1], size), axis=1, dtype=np.int32)
    return np.asarray(np.add.reduceat(wide, np.arange(0, codes.shape[2], size), axis=2) > 0)


def code(coder: Coder, shape: tuple[int, int, int], flags: Flags | None) -> Flags:
    """Codes a map and, before it, its chances.

    Args:
        coder: encoder, decoder or meter.
        shape: channels, rows and cols in blocks.
        flags: the map; None when decoding.
    """
    chances = None if flags is None else _chances(flags)
    chances = side_info.code_fixed(coder, _CONTEXTS, _SPREAD_OF_CHANCES, chances)
    side_info.check(int(np.abs(chances).max()) < len(CHANCES))
    found = np.zeros((shape[0], shape[1] + 2, shape[2] + 2), np.int32)
    inner = found[:, 1:-1, 1:-1]
    for number, where in enumerate(_passes(shape[1], shape[2])):
        context = _context(found, number)[:, where]
        wanted = None if flags is None else flags[:, where].astype(np.int32)
        part = np.zeros(context.shape, np.int32)
        for one in np.flatnonzero(np.bincount(context.ravel())).tolist():
            picked = context == one
            own = None if wanted is None else wanted[picked]
            part[picked] = coder.flags(int(chances[one]), int(picked.sum()), own)
        inner[:, where] = part
    return np.asarray(inner > 0)


def _passes(rows: int, cols: int) -> list[Flags]:
    """The blocks (rows, cols) of each pass."""
    odd_row, odd_col = np.arange(rows)[:, None] % 2 > 0, np.arange(cols) % 2 > 0
    return [~odd_row & ~odd_col, odd_row & odd_col, odd_row ^ odd_col]


def _context(found: IntArray, number: int) -> IntArray:
    """Which chance each block has in a pass, given a map with a margin of one block."""
    if number == 1:
        return 1 + found[:, :-2, :-2] + found[:, :-2, 2:] + found[:, 2:, :-2] + found[:, 2:, 2:]
    if number == 2:
        return 6 + found[:, :-2, 1:-1] + found[:, 2:, 1:-1] + found[:, 1:-1, :-2] + found[:, 1:-1, 2:]
    return np.zeros_like(found[:, 1:-1, 1:-1])


def _chances(flags: Flags) -> IntArray:
    """The chances with which a map takes fewest bits."""
    whole = np.pad(flags.astype(np.int32), ((0, 0), (1, 1), (1, 1)))
    tried = np.arange(1 - len(CHANCES), len(CHANCES))
    one = np.array([flag_chance(chance) for chance in tried.tolist()])
    best = np.zeros(_CONTEXTS, np.int32)
    for number, where in enumerate(_passes(*flags.shape[1:])):
        context = _context(whole, number)[:, where].ravel()
        count = np.bincount(context, minlength=_CONTEXTS)
        ones = np.bincount(context, flags[:, where].ravel(), _CONTEXTS)
        cost = -(ones[:, None] * np.log2(one) + (count - ones)[:, None] * np.log2(1 - one))
        best = np.where(count > 0, tried[cost.argmin(1)], best)
    return best.astype(np.int32)
