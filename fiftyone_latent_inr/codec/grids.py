"""Grids to a coder and back: which channels are predicted together, from which, and with which weights.

    plan (shape, classes, apart, distance, blocks) + weights, the map of blocks, then the codes

A channel may be predicted from one that is known already: with a distance d, channels 0 to d - 1 come before channels
d to 2d - 1, each of which looks at the one d before it, and so on in blocks of 2d.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..arrays import DoubleArray
from . import side_info, zero_blocks
from .distributions import SHAPES
from .lattice import MAX_WEIGHT, Pass, Plane, num_weights, passes, weight_class
from .range_coder import Coder, IntArray, Meter
from .version import VERSION

Codes = npt.NDArray[np.int16]

MAX_CLASSES = 3
MAX_APART = 64  # channels that may have weights of their own
_FEW = 1 << 15  # nodes of a grid that may do with one class of weights
_MANY = 1 << 14  # nodes of a channel that may be worth weights of its own
_LARGE = 1 << 16  # nodes of a grid from which on its middle alone chooses the plan
_SAMPLES = 1 << 11  # nodes of a pass that weights are fitted to; all would save a tenth of a percent
_BITS_OF_TIME = 1 / 128  # what the time of coding a node is worth
_TOGETHER = (1 << 17, 1 << 18)  # nodes of channels that are coded at once, in version 2 and later
_SPREAD_OF_WEIGHTS = 8 * 64


@dataclass(frozen=True)
class Plan:
    """How a grid is coded.

    Attributes:
        shape: index of the distributions' shape.
        classes: sets of weights by spacing, 1 to MAX_CLASSES.
        apart: True if each channel has weights of its own.
        distance: channels back to the one that is looked at, 0 for none.
        block: side of the blocks of zeros that are left out, one of `zero_blocks.SIZES`; 0 to leave none out.
    """

    shape: int = 0
    classes: int = MAX_CLASSES
    apart: bool = False
    distance: int = 0
    block: int = 0

    def sets(self, channels: list[int]) -> list[list[int]]:
        """The channels that share weights, in the order in which they are coded."""
        alike = self.alike(channels)
        return [[c] for part in alike for c in part] if self.apart else alike

    def alike(self, channels: list[int]) -> list[list[int]]:
        """The channels that look back at none, and those that do."""
        parts = ([c for c in channels if self.looks_back(c) == back] for back in (False, True))
        return [part for part in parts if part]

    def looks_back(self, channel: int) -> bool:
        """Whether a channel is predicted from the one `distance` before it."""
        return self.distance > 0 and channel // self.distance % 2 == 1


def code(
    coder: Coder, levels: IntArray, size: tuple[int, ...], codes: npt.NDArray[np.int16] | None, quick: bool = False
) -> Codes:
    """Codes a grid and, before it, its plan and weights.

    Args:
        coder: encoder, decoder or meter.
        levels: (channels,) indices into `LEVELS`, -1 for channels that are zero.
        size: rows and cols.
        codes: (channels, rows, cols), None when decoding.
        quick: take the plan that is best most often, and try no other.

    Returns:
        int16 (channels, rows, cols).
    """
    plan, weights = None, None
    if codes is not None:
        plan, weights = (choose_quickly if quick else choose)(levels, codes, coder.version)
    plan, weights = code_plan(coder, levels, plan, weights)
    return code_grid(coder, levels, (size[0], size[1]), plan, weights, codes)


def code_grid(
    coder: Coder, levels: IntArray, size: tuple[int, int], plan: Plan, weights: list[IntArray], codes: Codes | None
) -> Codes:
    """Codes a grid.

    Args:
        coder: encoder, decoder or meter.
        levels: (channels,) indices into `LEVELS`, -1 for channels that are zero.
        size: rows and cols.
        plan: way to code it.
        weights: one array for each of the plan's sets; see `num_plan_weights`.
        codes: (channels, rows, cols), None when decoding.

    Returns:
        the codes, int16 (channels, rows, cols).
    """
    found = np.zeros((levels.size, *size), np.int16)
    live = np.flatnonzero(levels >= 0).tolist()
    together = max(1, _TOGETHER[coder.version > 2] // (size[0] * size[1]))
    sets = plan.sets(live)
    own = {c: weight for members, weight in zip(sets, weights, strict=True) for c in members}
    flags = _code_blocks(coder, plan, live, size, codes)
    # from version 3 on channels need not share weights to be coded at once
    for members in sets if coder.version < 3 else plan.alike(live):
        for k in range(0, len(members), together):
            part = members[k : k + together]
            plane = _plane(plan, found, levels, part, flags)
            values = None if codes is None else codes[part].astype(np.int32)
            plane.start(coder, plan.shape, values)
            rows = np.stack([own[c] for c in (part if plan.apart else part[:1])])
            for step in passes(*size):
                plane.code(coder, plan.shape, step, _pick(rows, step, plan, part[0]), values)
            found[part] = plane.codes
    return found


def _code_blocks(
    coder: Coder, plan: Plan, live: list[int], size: tuple[int, int], codes: Codes | None
) -> dict[int, zero_blocks.Flags] | None:
    """Codes the map of blocks: by channel, (rows, cols in blocks); None without one."""
    if not plan.block or not live:
        return None
    flags = None if codes is None else zero_blocks.find(codes[live], plan.block)
    shape = (len(live), -(-size[0] // plan.block), -(-size[1] // plan.block))
    return dict(zip(live, zero_blocks.code(coder, shape, flags), strict=True))


def num_plan_weights(plan: Plan, looks_back: bool) -> int:
    """How many weights a set of channels has."""
    return plan.classes * sum(sum(num_weights(kind, looks_back)) for kind in range(3))


def code_plan(
    coder: Coder, levels: IntArray, plan: Plan | None, weights: list[IntArray] | None
) -> tuple[Plan, list[IntArray]]:
    """Codes a plan and its weights; both None when decoding."""
    count = 5 if coder.version > 2 else 4
    wanted = None
    if plan is not None:
        fields = [plan.shape, plan.classes - 1, plan.apart, plan.distance, zero_blocks.SIZES.index(plan.block)]
        wanted = np.array(fields[:count], np.int32)
    shape, classes, apart, distance, *more = side_info.code_fixed(coder, count, 64, wanted).tolist()
    side_info.check(0 <= shape < SHAPES and 0 <= classes < MAX_CLASSES and apart in (0, 1))
    side_info.check(0 <= distance <= levels.size and (not apart or levels.size <= MAX_APART))
    side_info.check(not more or 0 <= more[0] < len(zero_blocks.SIZES))
    plan = Plan(shape, classes + 1, bool(apart), distance, zero_blocks.SIZES[more[0]] if more else 0)
    sets = plan.sets(np.flatnonzero(levels >= 0).tolist())
    sizes = [num_plan_weights(plan, plan.looks_back(members[0])) for members in sets]
    flat = None if weights is None else np.concatenate([*weights, np.zeros(0, np.int32)])
    flat = side_info.code_fixed(coder, sum(sizes), _SPREAD_OF_WEIGHTS, flat)
    side_info.check(flat.size == 0 or int(np.abs(flat).max()) <= MAX_WEIGHT)
    return plan, np.split(flat, np.cumsum(sizes)[:-1]) if sizes else []


def choose(levels: IntArray, codes: Codes, version: int = VERSION) -> tuple[Plan, list[IntArray]]:
    """The plan and weights that code a grid in the fewest bits, of those that are tried; large ones on their middle."""
    live = np.flatnonzero(levels >= 0).tolist()
    if not live:
        return Plan(), []
    middle = _middle(codes)
    best = _choose_plan(levels, middle, codes.size / middle.size, codes[0].size)
    widths = [0, *(zero_blocks.SIZES[1:] if version > 2 else ())]
    plans = [replace(best, block=width) for width in widths]
    plans = [plan for plan in plans if not plan.block or _time(plan, live, codes) < _time(best, live, codes)]
    made = [(plan, [_fit(plan, levels, codes, members) for members in plan.sets(live)]) for plan in plans]
    if len(made) == 1:
        return made[0]
    costs = [_bits(levels, codes, *one, version=version) + _BITS_OF_TIME * _time(one[0], live, codes) for one in made]
    return made[int(np.argmin(costs))]


def choose_quickly(levels: IntArray, codes: Codes, version: int = VERSION) -> tuple[Plan, list[IntArray]]:
    """A plan that is good for planes of pictures, second ones predicted from first ones, and its weights."""
    channels = levels.size
    plan = Plan(distance=0 if channels % 2 else channels // 2)
    live = np.flatnonzero(levels >= 0).tolist()
    if not live:
        return Plan(), []
    blocks = replace(plan, block=zero_blocks.SIZES[1])
    if version > 2 and _time(blocks, live, codes) < _time(plan, live, codes):
        plan = blocks
    return plan, [_fit(plan, levels, codes, members) for members in plan.sets(live)]


def _choose_plan(levels: IntArray, codes: Codes, scale: float, nodes: int) -> Plan:
    """The plan, blocks aside, with the fewest bits for a grid of which these codes are one part in `scale`."""
    channels = levels.size
    live = np.flatnonzero(levels >= 0).tolist()
    tried: list[tuple[float, Plan, list[IntArray]]] = []

    def attempt(plan: Plan, weights: list[IntArray] | None = None) -> None:
        weights = weights or [_fit(plan, levels, codes, members) for members in plan.sets(live)]
        tried.append((_bits(levels, codes, plan, weights, scale), plan, weights))
        tried.sort(key=lambda one: one[0])  # the first of those that cost the same stays first

    attempt(Plan())
    for distance in sorted({1, channels // 2} if channels > 1 and channels % 2 == 0 else ()):
        attempt(replace(Plan(), distance=distance))
    if nodes * channels <= _FEW:
        attempt(replace(tried[0][1], classes=1))
    if 1 < channels <= MAX_APART and nodes >= _MANY and not (channels == 2 and tried[0][1].distance):
        attempt(replace(tried[0][1], apart=True))
    for shape in range(1, SHAPES):
        attempt(replace(tried[0][1], shape=shape), tried[0][2])
    return tried[0][1]


def _bits(
    levels: IntArray, codes: Codes, plan: Plan, weights: list[IntArray], scale: float = 1, version: int = VERSION
) -> float:
    """What a grid takes, of which these codes are one part in `scale`."""
    plain, whole = Meter(version), Meter(version)
    code_plan(plain, levels, plan, weights)
    code_grid(whole, levels, (codes.shape[1], codes.shape[2]), plan, weights, codes)
    return plain.bits + scale * whole.bits


def _middle(codes: Codes) -> Codes:
    """The middle of a large grid, of its proportions."""
    part = (_LARGE / codes.size) ** 0.5
    if part >= 1:
        return codes
    rows, cols = (max(1, round(part * size)) for size in codes.shape[1:])
    top, left = (codes.shape[1] - rows) // 2, (codes.shape[2] - cols) // 2
    return codes[:, top : top + rows, left : left + cols]


def _time(plan: Plan, live: list[int], codes: Codes) -> float:
    """About how long decoding takes, in nodes of a grid without blocks."""
    nodes = len(live) * codes.shape[1] * codes.shape[2]
    if not plan.block:
        return float(nodes)
    flags = zero_blocks.find(codes[live], plan.block)
    rows, cols = (np.diff([*range(0, size, plan.block), size]) for size in codes.shape[1:])
    coded = int((flags * rows[:, None] * cols).sum())
    return float(min(3.5 * coded, 0.4 * nodes + coded))


def _plane(
    plan: Plan, found: Codes, levels: IntArray, members: list[int], flags: dict[int, zero_blocks.Flags] | None
) -> Plane:
    other = found[[c - plan.distance for c in members]].astype(np.int32) if plan.looks_back(members[0]) else None
    flagged = None if flags is None else (np.stack([flags[c] for c in members]), plan.block)
    return Plane((len(members), found.shape[1], found.shape[2]), levels[members], other, flagged)


def _pick(weights: IntArray, step: Pass, plan: Plan, channel: int) -> IntArray:
    """The weights of one pass; `weights` are rows of one set each."""
    looks_back = plan.looks_back(channel)
    sizes = [sum(num_weights(kind, looks_back)) for kind in range(3)]
    start = weight_class(step.half, plan.classes) * sum(sizes) + sum(sizes[: step.kind])
    return weights[:, start : start + sizes[step.kind]]


def _fit(plan: Plan, levels: IntArray, codes: Codes, members: list[int]) -> IntArray:
    """Weights for one set of channels, found by weighted least squares pass by pass."""
    weights = np.zeros((1, num_plan_weights(plan, plan.looks_back(members[0]))), np.int32)
    values = codes[members].astype(np.int32)
    flags = dict(zip(members, zero_blocks.find(codes[members], plan.block), strict=True)) if plan.block else None
    steps = list(passes(codes.shape[1], codes.shape[2]))
    alike: dict[tuple[int, int], list[Pass]] = {}
    for step in steps:
        alike.setdefault((weight_class(step.half, plan.classes), step.kind), []).append(step)
    # where several spacings share weights most distances are not known yet: magnitudes stand for them
    rough = _plane(plan, codes, levels, members, flags)
    rough.start(Meter(), 0, values)
    features: dict[tuple[int, int], list[DoubleArray]] = {}
    for step in steps:
        key = (weight_class(step.half, plan.classes), step.kind)
        if len(alike[key]) == 1:
            break  # the finer ones have weights of their own, too
        features.setdefault(key, []).append(rough.samples(step, values, _SAMPLES))
        rough.know(step, values)
    plane = _plane(plan, codes, levels, members, flags)
    plane.start(Meter(), 0, values)
    fitted = set()
    for step in steps:
        key = (weight_class(step.half, plan.classes), step.kind)
        own = _pick(weights, step, plan, members[0])
        if key not in fitted:
            fitted.add(key)
            own[0] = _fit_pass(np.concatenate(features.get(key) or [plane.samples(step, values, _SAMPLES)]))
        if step.half > 1 or step.kind < 2:
            plane.know(step, values, own)
    return np.asarray(weights[0], np.int32)


def _fit_pass(samples: DoubleArray) -> IntArray:
    """Weights of one pass: locations by least squares weighted with the spreads, and spreads given the locations.

    The spreads' fit repeats least squares weighted by 1 / spread ** 2, which ends at the most likely spreads of double
    exponentials.
    """
    count = samples.shape[1] // 2 - 1
    x, d, y = samples[:, :count], samples[:, count:-1], samples[:, -1]
    spread = np.ones_like(y)
    location = np.zeros(x.shape[1])
    distance = np.zeros(d.shape[1])
    for _ in range(2):
        location = np.clip(np.rint(64 * _solve(x, y, spread)), -MAX_WEIGHT, MAX_WEIGHT)
        off = np.abs(y - x @ location / 64)
        for _ in range(2):
            distance = np.clip(np.rint(64 * _solve(d, off, spread)), -MAX_WEIGHT, MAX_WEIGHT)
            spread = np.maximum(d @ distance / 64, 1 / 16)
    return np.concatenate([location, distance]).astype(np.int32)


def _solve(a: DoubleArray, b: DoubleArray, spread: DoubleArray) -> DoubleArray:
    weight = 1 / spread**2
    weighted = (a * weight[:, None]).T
    ridge = 1e-3 * float(weight.sum()) + 1e-9
    return np.asarray(np.linalg.solve(weighted @ a + ridge * np.eye(a.shape[1]), weighted @ b), np.float64)
