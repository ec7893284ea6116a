"""Grids to a coder and back: which channels are predicted together, from which, and with which weights.

    plan (shape, classes, apart, distance) + weights, then the codes, channel by channel or all at once

A channel may be predicted from one that is known already: with a distance d, channels 0 to d - 1 come before channels
d to 2d - 1, each of which looks at the one d before it, and so on in blocks of 2d.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from . import side
from .coder import Coder, IntArray, Meter
from .distributions import SHAPES
from .lattice import MAX_WEIGHT, Pass, Plane, num_weights, passes, weight_class

FloatArray = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int16]

MAX_CLASSES = 3
MAX_APART = 64  # channels that may have weights of their own
_FEW = 1 << 15  # nodes of a grid that may do with one class of weights
_TOGETHER = 1 << 17  # nodes of channels that are coded at once
_SPREAD_OF_WEIGHTS = 8 * 64


@dataclass(frozen=True)
class Plan:
    """How a grid is coded.

    Attributes:
        shape: of the distributions.
        classes: sets of weights by spacing, 1 to MAX_CLASSES.
        apart: whether each channel has weights of its own.
        distance: to the channel that is looked at, 0 for none.
    """

    shape: int = 0
    classes: int = MAX_CLASSES
    apart: bool = False
    distance: int = 0

    def sets(self, channels: list[int]) -> list[list[int]]:
        """The channels that share weights, in the order in which they are coded."""
        first = [c for c in channels if not self.looks_back(c)]
        second = [c for c in channels if self.looks_back(c)]
        if self.apart:
            return [[c] for c in first + second]
        return [part for part in (first, second) if part]

    def looks_back(self, channel: int) -> bool:
        """Whether a channel is predicted from the one `distance` before it."""
        return self.distance > 0 and channel // self.distance % 2 == 1


def code(coder: Coder, levels: IntArray, size: tuple[int, ...], codes: npt.NDArray[np.int16] | None) -> Codes:
    """Codes a grid and, before it, its plan and weights.

    Args:
        coder: encoder, decoder or meter.
        levels: (channels,) indices into `LEVELS`, -1 for channels that are zero.
        size: rows and cols.
        codes: (channels, rows, cols), None when decoding.

    Returns:
        int16 (channels, rows, cols).
    """
    plan, weights = (None, None) if codes is None else choose(levels, codes)
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
        plan: how.
        weights: one array for each of the plan's sets; see `num_plan_weights`.
        codes: (channels, rows, cols), None when decoding.

    Returns:
        the codes, int16 (channels, rows, cols).
    """
    found = np.zeros((levels.size, *size), np.int16)
    together = max(1, _TOGETHER // (size[0] * size[1]))
    for members, own in zip(plan.sets(np.flatnonzero(levels >= 0).tolist()), weights, strict=True):
        for k in range(0, len(members), together):
            part = members[k : k + together]
            plane = _plane(plan, found, levels, part)
            values = None if codes is None else codes[part].astype(np.int32)
            plane.start(coder, plan.shape, values)
            for step in passes(*size):
                plane.code(coder, plan.shape, step, _pick(own, step, plan, part[0]), values)
            found[part] = plane.inner
    return found


def num_plan_weights(plan: Plan, looks_back: bool) -> int:
    """How many weights a set of channels has."""
    return plan.classes * sum(sum(num_weights(kind, looks_back)) for kind in range(3))


def code_plan(
    coder: Coder, levels: IntArray, plan: Plan | None, weights: list[IntArray] | None
) -> tuple[Plan, list[IntArray]]:
    """Codes a plan and its weights; both None when decoding."""
    wanted = None if plan is None else np.array([plan.shape, plan.classes - 1, plan.apart, plan.distance], np.int32)
    shape, classes, apart, distance = side.code_fixed(coder, 4, 64, wanted).tolist()
    side.check(0 <= shape < SHAPES and 0 <= classes < MAX_CLASSES and apart in (0, 1))
    side.check(0 <= distance <= levels.size and (not apart or levels.size <= MAX_APART))
    plan = Plan(shape, classes + 1, bool(apart), distance)
    sets = plan.sets(np.flatnonzero(levels >= 0).tolist())
    sizes = [num_plan_weights(plan, plan.looks_back(members[0])) for members in sets]
    flat = None if weights is None else np.concatenate([*weights, np.zeros(0, np.int32)])
    flat = side.code_fixed(coder, sum(sizes), _SPREAD_OF_WEIGHTS, flat)
    side.check(flat.size == 0 or int(np.abs(flat).max()) <= MAX_WEIGHT)
    return plan, np.split(flat, np.cumsum(sizes)[:-1]) if sizes else []


def choose(levels: IntArray, codes: Codes) -> tuple[Plan, list[IntArray]]:
    """The plan and weights that code a grid in the fewest bits, of those that are tried."""
    channels = levels.size
    live = np.flatnonzero(levels >= 0).tolist()
    if not live:
        return Plan(), []
    best: tuple[float, Plan, list[IntArray]] | None = None

    def attempt(plan: Plan, weights: list[IntArray] | None = None) -> None:
        nonlocal best
        weights = weights or [_fit(plan, levels, codes, members) for members in plan.sets(live)]
        meter = Meter()
        code_plan(meter, levels, plan, weights)
        code_grid(meter, levels, (codes.shape[1], codes.shape[2]), plan, weights, codes)
        if best is None or meter.bits < best[0]:
            best = meter.bits, plan, weights

    attempt(Plan())
    assert best is not None
    for distance in sorted({1, channels // 2} if channels > 1 and channels % 2 == 0 else ()):
        attempt(replace(Plan(), distance=distance))
    if codes.size <= _FEW:
        attempt(replace(best[1], classes=1))
    if 1 < channels <= MAX_APART and not (channels == 2 and best[1].distance):
        attempt(replace(best[1], apart=True))
    for shape in range(1, SHAPES):
        attempt(replace(best[1], shape=shape), best[2])
    return best[1], best[2]


def _plane(plan: Plan, found: Codes, levels: IntArray, members: list[int]) -> Plane:
    other = found[[c - plan.distance for c in members]].astype(np.int32) if plan.looks_back(members[0]) else None
    return Plane((len(members), found.shape[1], found.shape[2]), levels[members], other)


def _pick(weights: IntArray, step: Pass, plan: Plan, channel: int) -> IntArray:
    """The weights of one pass."""
    looks_back = plan.looks_back(channel)
    sizes = [sum(num_weights(kind, looks_back)) for kind in range(3)]
    start = weight_class(step.half, plan.classes) * sum(sizes) + sum(sizes[: step.kind])
    return weights[start : start + sizes[step.kind]]


def _fit(plan: Plan, levels: IntArray, codes: Codes, members: list[int]) -> IntArray:
    """Weights for one set of channels, found by weighted least squares pass by pass."""
    looks_back = plan.looks_back(members[0])
    sizes = [sum(num_weights(kind, looks_back)) for kind in range(3)]
    weights = np.zeros(plan.classes * sum(sizes), np.int32)
    values = codes[members].astype(np.int32)
    whole = _plane(plan, codes, levels, members)
    whole.inner[...] = values
    steps = list(passes(codes.shape[1], codes.shape[2]))
    plane = _plane(plan, codes, levels, members)
    plane.start(Meter(), 0, values)
    fitted = set()
    for step in steps:
        number = weight_class(step.half, plan.classes)
        if (number, step.kind) not in fitted:
            fitted.add((number, step.kind))
            alike = [s for s in steps if s.kind == step.kind and weight_class(s.half, plan.classes) == number]
            # where several spacings share weights, most distances are not known yet
            source, exact = (plane, True) if len(alike) == 1 else (whole, False)
            rows = [source.features(s, exact) for s in alike]
            near = np.concatenate([np.stack([f.ravel() for f in codes_], 1) for codes_, _ in rows])
            far = np.concatenate([np.stack([f.ravel() for f in far_], 1) for _, far_ in rows])
            wanted = np.concatenate([values[:, s.rows, s.cols].ravel() for s in alike])
            start = number * sum(sizes) + sum(sizes[: step.kind])
            weights[start : start + sizes[step.kind]] = _fit_pass(near, far, wanted)
        plane.code(Meter(), 0, step, _pick(weights, step, plan, members[0]), values)
    return weights


def _fit_pass(near: IntArray, far: IntArray, values: IntArray) -> IntArray:
    """Weights of one pass: locations by least squares weighted with the spreads, and spreads given the locations.

    The spreads' fit repeats least squares weighted by 1 / spread ** 2, which ends at the most likely spreads of double
    exponentials.
    """
    x, d, y = near.astype(np.float64), far.astype(np.float64) / 16, values.astype(np.float64)
    spread = np.ones_like(y)
    location = np.zeros(x.shape[1])
    distance = np.zeros(d.shape[1])
    for _ in range(3):
        location = np.clip(np.rint(64 * _solve(x, y, spread)), -MAX_WEIGHT, MAX_WEIGHT)
        off = np.abs(y - x @ location / 64)
        for _ in range(4):
            distance = np.clip(np.rint(64 * _solve(d, off, spread)), -MAX_WEIGHT, MAX_WEIGHT)
            spread = np.maximum(d @ distance / 64, 1 / 16)
    return np.concatenate([location, distance]).astype(np.int32)


def _solve(a: FloatArray, b: FloatArray, spread: FloatArray) -> FloatArray:
    weighted = a / spread[:, None] ** 2
    ridge = 1e-3 * float((1 / spread**2).sum()) + 1e-9
    return np.asarray(np.linalg.solve(a.T @ weighted + ridge * np.eye(a.shape[1]), weighted.T @ b), np.float64)
