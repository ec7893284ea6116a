"""The side information of a section's channels: which live, the levels of their codes, and their step sizes.

Rows of matrices that follow one another (a hypernetwork's heads) are alike, and where codes are large step sizes are
small: both are used where they help. Everything is coded in a handful of calls for all tensors together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray
from . import side_info
from .quantisation import step_of_index
from .range_coder import Coder, IntArray

MIN_STEP = 8  # the smallest normal float32
MAX_STEP = (127 + 84) * 8  # a code times a step size stays below 2 ** 99


@dataclass(frozen=True)
class Side:
    """What is sent of one tensor's channels.

    Attributes:
        levels: (channels,) even indices into `LEVELS`, -1 for a channel of zeros.
        step_indices: (channels,) as `quantisation.step_index` gives them; without meaning for a channel of zeros.
    """

    levels: IntArray
    step_indices: IntArray

    def step_sizes(self) -> FloatArray:
        """float32 step sizes, zero for channels of zeros."""
        return np.where(self.levels >= 0, step_of_index(self.step_indices), np.float32(0))


@dataclass
class _Tensor:
    """One tensor while its side information is coded; deviations are from the tensor's own bases."""

    kind: str
    model: int | None  # the tensor that it is predicted from
    live: IntArray
    mode: int = 0
    level_base: int = 0
    step_base: int = 0
    levels: IntArray | None = None
    step_indices: IntArray | None = None


def code(coder: Coder, tensors: Sequence[tuple[str, int]], sides: Sequence[Side] | None) -> list[Side]:
    """Codes the side information.

    Args:
        coder: encoder, decoder or meter.
        tensors: kind and number of channels of each tensor.
        sides: side information of each tensor, None when decoding.
    """
    work = [_Tensor(kind, _model(tensors, k), np.ones(count, np.int32)) for k, (kind, count) in enumerate(tensors)]
    if sides is not None:
        for one, given in zip(work, sides, strict=True):
            one.live = (given.levels >= 0).astype(np.int32)
            _analyse(one, given, work)
    _code_live(coder, work, sides is not None)
    heads = None
    if sides is not None:
        bases = _differences(work, [[one.level_base, one.step_base] for one in work])
        heads = np.concatenate([np.array([one.mode for one in work]), bases.ravel()]).astype(np.int32)
    modes = side_info.code_numbers(coder, len(work), None if heads is None else heads[: len(work)])
    levels = side_info.code_numbers(coder, len(work), None if heads is None else heads[len(work) :: 2])
    steps = side_info.code_numbers(coder, len(work), None if heads is None else heads[len(work) + 1 :: 2])
    side_info.check(bool(((modes >= 0) & (modes < 8)).all()))
    if sides is None:
        for one, mode, (level, step) in zip(work, modes.tolist(), _sums(work, levels, steps), strict=True):
            one.mode, one.level_base, one.step_base = mode, level, step
    _code_deviations(coder, work, sides is not None)
    return [_side(one) for one in work]


def _model(tensors: Sequence[tuple[str, int]], k: int) -> int | None:
    """The latest matrix before matrix k with as many rows."""
    kind, count = tensors[k]
    alike = [j for j in range(k) if tensors[j] == (kind, count)] if kind == "matrix" else []
    return alike[-1] if alike else None


def _code_live(coder: Coder, work: list[_Tensor], known: bool) -> None:
    """Codes which channels live, as differences from the model's, or from all living."""
    flags = None
    if known:
        flags = np.concatenate([np.zeros(0, np.int32), *(one.live ^ _expected(one, work) for one in work)])
    found = side_info.code_numbers(coder, sum(one.live.size for one in work), flags)
    side_info.check(bool(((found == 0) | (found == 1)).all()))
    if not known:
        start = 0
        for one in work:
            stop = start + one.live.size
            one.live = found[start:stop] ^ _expected(one, work)
            start = stop


def _expected(one: _Tensor, work: list[_Tensor]) -> IntArray:
    return np.ones(one.live.size, np.int32) if one.model is None else work[one.model].live


def _differences(work: list[_Tensor], bases: list[list[int]]) -> IntArray:
    """Each tensor's bases less those of the latest tensor of its kind."""
    last: dict[str, list[int]] = {}
    rows = []
    for one, base in zip(work, bases, strict=True):
        before = last.get(one.kind, _START)
        rows.append([base[0] - before[0], base[1] - before[1]])
        last[one.kind] = base
    return np.array(rows, np.int32).reshape(-1, 2)


_START = [16, 960]


def _sums(work: list[_Tensor], levels: IntArray, steps: IntArray) -> list[tuple[int, int]]:
    """The inverse of `_differences`."""
    last: dict[str, list[int]] = {}
    result = []
    for one, level, step in zip(work, levels.tolist(), steps.tolist(), strict=True):
        before = last.get(one.kind, _START)
        base = [before[0] + level, before[1] + step]
        last[one.kind] = base
        result.append((base[0], base[1]))
    return result


def _analyse(one: _Tensor, given: Side, work: list[_Tensor]) -> None:
    """Sets a tensor's bases, deviations and the mode that leaves least of them."""
    live = one.live > 0
    if live.any():
        one.level_base = int(np.sort(given.levels[live] // 2)[int(live.sum()) // 2])
        one.step_base = int(np.sort(given.step_indices[live])[int(live.sum()) // 2])
    one.levels = np.where(live, given.levels // 2 - one.level_base, 0).astype(np.int32)
    one.step_indices = np.where(live, given.step_indices - one.step_base, 0).astype(np.int32)
    costs = []
    for mode in range(8):
        one.mode = mode
        levels, steps = one.levels - _guess_levels(one, work), one.step_indices - _guess_step_indices(one, work)
        costs.append(float(np.log2(1 + 2 * np.abs(levels[live])).sum() + np.log2(1 + 2 * np.abs(steps[live])).sum()))
    one.mode = int(np.argmin(costs))


def _guess_levels(one: _Tensor, work: list[_Tensor]) -> IntArray:
    """What the level deviations of a tensor are expected to be: mode bit 0 takes those of its model."""
    model = None if one.model is None else work[one.model].levels
    return model if one.mode & 1 and model is not None else np.zeros(one.live.size, np.int32)


def _guess_step_indices(one: _Tensor, work: list[_Tensor]) -> IntArray:
    """What the deviations of the step indices are expected to be: bit 1 takes the model's, bit 2 follows the levels."""
    guess = np.zeros(one.live.size, np.int32)
    before = None if one.model is None else work[one.model]
    assert one.levels is not None
    if one.mode & 4:
        guess = guess - 2 * one.levels
    if one.mode & 2 and before is not None and before.step_indices is not None and before.levels is not None:
        guess = guess + before.step_indices
        if one.mode & 4:
            guess = guess + 2 * before.levels
    return guess


def _code_deviations(coder: Coder, work: list[_Tensor], known: bool) -> None:
    """Codes the level deviations of all living channels, then those of the step indices; vectors have none."""
    several = [one for one in work if one.kind != "vector"]
    counts = [int(one.live.sum()) for one in several]
    edges = np.cumsum([0, *counts])
    for what in ("levels", "step_indices"):
        guess = _guess_levels if what == "levels" else _guess_step_indices
        values = None
        if known:
            values = np.concatenate(
                [np.zeros(0, np.int32), *((getattr(one, what) - guess(one, work))[one.live > 0] for one in several)]
            )
        found = side_info.code_numbers(coder, int(edges[-1]), values)
        if known:
            continue
        for one in work:
            setattr(one, what, np.zeros(one.live.size, np.int32))
        for one, start, stop in zip(several, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            deviations = np.zeros(one.live.size, np.int32)
            deviations[one.live > 0] = found[start:stop] + guess(one, work)[one.live > 0]
            side_info.check(bool((np.abs(deviations) < 1 << 12).all()))
            setattr(one, what, deviations)


def _side(one: _Tensor) -> Side:
    assert one.levels is not None and one.step_indices is not None
    live = one.live > 0
    levels = np.where(live, 2 * (one.levels + one.level_base), -1).astype(np.int32)
    steps = np.where(live, one.step_indices + one.step_base, 0).astype(np.int32)
    side_info.check(bool(((levels[live] >= 0) & (levels[live] <= side_info.MAX_LEVEL)).all()))
    side_info.check(bool(((steps[live] >= MIN_STEP) & (steps[live] <= MAX_STEP)).all()))
    return Side(levels, steps)
