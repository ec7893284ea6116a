"""Sequences (frames, columns) to a coder and back: each frame is predicted from one before and one after it.

The first frame comes first; then those half way between frames that are known, closer and closer, as in `lattice` but
in time alone. A column follows its neighbours in time wholly, by half or not at all, whichever is shorter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import DoubleArray
from . import side_info
from .distributions import LEVELS, NUM_LEVELS
from .range_coder import Coder, IntArray

Codes = npt.NDArray[np.int16]

MAX_SLOPE = 4


@dataclass(frozen=True)
class Plan:
    """How a sequence's living columns are coded.

    Attributes:
        slope: number of levels that the spread of a following column grows by when the distance in time doubles.
        follow: halves of its neighbours' mean, 0, 1 or 2, that each living column follows.
    """

    slope: int
    follow: IntArray


def halves(count: int) -> list[int]:
    """The distances in time of the passes, in order."""
    half = 1
    while half * 2 < count:
        half *= 2
    found = []
    while half >= 1 and count > 1:
        found.append(half)
        half //= 2
    return found


def code(coder: Coder, levels: IntArray, count: int, plan: Plan, codes: Codes | None) -> Codes:
    """Codes a sequence.

    Args:
        coder: encoder, decoder or meter.
        levels: (columns,) indices into `LEVELS` for the shortest distance, -1 for columns that are zero.
        count: frames.
        plan: way to code it.
        codes: (frames, columns), None when decoding.

    Returns:
        int16 (frames, columns).
    """
    result = np.zeros((count, levels.size), np.int16)
    live = np.flatnonzero(levels >= 0)
    if not live.size:
        return result
    frames = np.zeros((count, live.size), np.int32)
    values = None if codes is None else codes[:, live].astype(np.int32)
    growth = np.where(plan.follow > 0, plan.slope, 0)
    steps = halves(count)

    def spread(doublings: int, rows: int) -> IntArray:
        level = np.minimum(levels[live] + growth * doublings, NUM_LEVELS - 1)
        return np.broadcast_to(LEVELS[level], (rows, live.size)).ravel()

    first = coder.code(np.zeros(live.size, np.int32), spread(len(steps), 1), 0, None if values is None else values[0])
    frames[0] = first
    for half in steps:
        here = frames[half :: 2 * half]
        before = frames[:: 2 * half][: len(here)]
        after = before.copy()
        after[: len(frames[2 * half :: 2 * half])] = frames[2 * half :: 2 * half]
        mean = (4 * plan.follow * (before + after)).ravel()
        wanted = None if values is None else values[half :: 2 * half].ravel()
        here[...] = coder.code(mean, spread(half.bit_length() - 1, len(here)), 0, wanted).reshape(here.shape)
    result[:, live] = frames
    return result


def code_plan(coder: Coder, levels: IntArray, plan: Plan | None) -> Plan:
    """Codes a plan; None when decoding."""
    wanted = None if plan is None else np.array([plan.slope], np.int32)
    slope = int(side_info.code_fixed(coder, 1, 64, wanted)[0])
    follow = side_info.code_numbers(coder, int((levels >= 0).sum()), None if plan is None else plan.follow)
    side_info.check(0 <= slope <= MAX_SLOPE and bool(((follow >= 0) & (follow <= 2)).all()))
    return Plan(slope, follow)


def choose(codes: Codes) -> tuple[IntArray, Plan]:
    """Levels (columns,) and the plan with the fewest bits, as double exponentials would take them."""
    columns = codes.shape[1]
    live = np.flatnonzero(codes.any(0))
    values = codes[:, live].astype(np.int32)
    best: tuple[float, IntArray, Plan] | None = None
    for slope in range(MAX_SLOPE + 1):
        tried = [_fit(values, follow, slope if follow else 0) for follow in range(3)]
        bits = np.stack([own + follow for follow, (own, _) in enumerate(tried)])
        pick = bits.argmin(0).astype(np.int32)
        total = float(bits.min(0).sum())
        if best is None or total < best[0]:
            levels = np.full(columns, -1, np.int32)
            levels[live] = np.stack([found for _, found in tried])[pick, np.arange(live.size)]
            best = total, levels, Plan(slope, pick)
    assert best is not None
    return best[1], best[2]


def _fit(values: IntArray, follow: int, slope: int) -> tuple[DoubleArray, IntArray]:
    """Bits of each column (frames, columns), about, and its level at the shortest distance in time."""
    count = len(values)
    doublings, offs = [len(halves(count))], [np.abs(values[:1]).astype(np.float64)]
    for half in halves(count):
        here, before = values[half :: 2 * half], values[:: 2 * half]
        before = before[: len(here)]
        after = before.copy()
        after[: len(values[2 * half :: 2 * half])] = values[2 * half :: 2 * half]
        doublings.append(half.bit_length() - 1)
        offs.append(np.abs(here - follow * (before + after) / 4))
    scales = [2.0 ** (slope * number / 4) for number in doublings]
    mean = sum(off.sum(0) / scale for off, scale in zip(offs, scales, strict=True)) / count
    bits = sum(len(off) * np.log2(1 + 2 * np.e * mean * scale) for off, scale in zip(offs, scales, strict=True))
    levels = np.array([side_info.even_level(np.array([one])) for one in mean], np.int32)
    return np.asarray(bits), levels
