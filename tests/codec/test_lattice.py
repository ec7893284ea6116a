"""The order of a grid's nodes: each once, and predicted only from what is known."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_latent_inr.codec import lattice
from fiftyone_latent_inr.codec.distributions import LEVELS
from fiftyone_latent_inr.codec.lattice import Plane, coarsest, num_weights, passes, weight_class
from fiftyone_latent_inr.codec.range_coder import IntArray

SIZES = [(1, 1), (1, 9), (2, 2), (3, 50), (16, 28), (17, 33), (46, 81), (181, 64)]


class Recorder:
    """Gives each node a number, and keeps what was predicted."""

    def __init__(self) -> None:
        self.means: list[IntArray] = []
        self.spreads: list[IntArray] = []

    def code(self, mean: IntArray, spread: IntArray, shape: int, values: IntArray | None) -> IntArray:
        assert mean.shape == spread.shape and int(spread.min(initial=1)) >= 1
        self.means.append(mean)
        self.spreads.append(spread)
        assert values is not None
        return values


@pytest.mark.parametrize("size", SIZES)
def test_every_node_comes_once(size: tuple[int, int]) -> None:
    seen = np.zeros(size, int)
    spacing = coarsest(*size)
    seen[::spacing, ::spacing] += 1
    for step in passes(*size):
        seen[step.rows, step.cols] += 1
    assert (seen == 1).all()


def test_margins_stay_a_part_of_large_grids() -> None:
    for rows, cols in [(2, 2_000_000), (15, 200_000), (33, 16_384), (130, 16_000), (1081, 1921)]:
        plane = Plane((1, rows, cols), np.zeros(1, np.int32))
        for step in passes(rows, cols):
            plane._enter(step.half)
        assert plane._parts.nbytes <= 1.5 * 8 * rows * cols  # codes and distances, 32 bits each


@pytest.mark.parametrize("size", SIZES)
def test_predictions_use_known_nodes_only(size: tuple[int, int]) -> None:
    """With every weight one, codes that are not coded yet must not change a prediction."""
    rng = np.random.default_rng(0)
    truth = rng.integers(-9, 10, (2, *size)).astype(np.int32)
    plane = Plane((2, *size), np.array([8, 12], np.int32))
    recorder = Recorder()
    plane.start(recorder, 0, truth)
    known = np.zeros(size, bool)
    known[:: coarsest(*size), :: coarsest(*size)] = True
    for step in passes(*size):
        before = plane.codes.copy()
        assert not before[:, ~known].any()
        weights = np.full((1, sum(num_weights(step.kind, False))), 64, np.int32)
        plane.code(recorder, 0, step, weights, truth)
        assert np.array_equal(plane.codes[:, known], truth[:, known])
        known[step.rows, step.cols] = True
    assert np.array_equal(plane.codes, truth)


def slow(
    truth: IntArray, levels: IntArray, weights: list[IntArray], other: IntArray | None, inside: np.ndarray
) -> list[tuple[int, int]]:
    """Location and spread of each node, one after the other, in the words of `docs/format.md`."""
    channels, rows, cols = truth.shape
    codes, far = np.zeros_like(truth), np.zeros_like(truth)
    spacing = coarsest(rows, cols)
    first = np.where(inside, truth, 0)[:, ::spacing, ::spacing]
    codes[:, ::spacing, ::spacing], far[:, ::spacing, ::spacing] = first, 16 * np.abs(first)

    def at(array: IntArray, c: int, y: int, x: int) -> int:
        return int(array[c, y, x]) if 0 <= y < rows and 0 <= x < cols else 0

    found = []
    for step, own in zip(passes(rows, cols), weights, strict=True):
        for c in range(channels):
            mine = own[c if len(own) > 1 else 0].tolist()
            half = len(mine) // 2
            for y in range(rows)[step.rows]:
                for x in range(cols)[step.cols]:
                    if not inside[c, y, x]:
                        continue
                    near, off = [], []
                    for group in lattice._GROUPS[step.kind]:
                        places = [(y + dy * step.half, x + dx * step.half) for dy, dx in group]
                        near.append(sum(at(codes, c, *place) for place in places))
                        off.append(sum(at(far, c, *place) for place in places))
                    if other is not None:
                        for group in lattice._OTHER:
                            there = [at(other, c, y + dy, x + dx) for dy, dx in group]
                            near.append(sum(there))
                            off.append(sum(16 * abs(one) for one in there))
                    off.append(int(LEVELS[levels[c]]) >> 2)
                    mean = (sum(w * n for w, n in zip(mine, near, strict=False)) + 2) >> 2
                    spread = max(1, sum(w * n for w, n in zip(mine[half:], off, strict=True)) >> 4)
                    found.append((mean, spread))
                    codes[c, y, x], far[c, y, x] = truth[c, y, x], abs(16 * int(truth[c, y, x]) - mean)
    return found


@pytest.mark.parametrize("case", range(8))
def test_predictions_are_those_of_one_node_after_the_other(case: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(case)
    size = [(9, 8), (21, 13), (5, 40), (34, 37)][case % 4]
    shape = (3, *size)
    levels = rng.integers(0, 40, 3).astype(np.int32)
    other = rng.integers(-9, 10, shape).astype(np.int32) if case % 2 else None
    flags, inside = None, np.ones(shape, bool)
    if case >= 2:  # some nodes are left out: predicted with all of a pass, or one by one
        monkeypatch.setattr(lattice, "_DENSE", 2.0 if case < 5 else 0.0)
        flags = rng.random((3, -(-size[0] // 8), -(-size[1] // 8))) < 0.5, 8
        inside = np.repeat(np.repeat(flags[0], 8, 1), 8, 2)[:, : size[0], : size[1]]
    truth = np.where(inside, rng.integers(-9, 10, shape), 0).astype(np.int32)
    weights = [
        rng.integers(-50, 51, (1 + 2 * (case % 3 == 0), sum(num_weights(step.kind, other is not None)))).astype(
            np.int32
        )
        for step in passes(*size)
    ]
    recorder = Recorder()
    plane = Plane(shape, levels, other, flags)
    plane.start(recorder, 0, truth)
    assert recorder.means.pop().size == inside[:, :: coarsest(*size), :: coarsest(*size)].sum()
    recorder.spreads.clear()
    for step, own in zip(passes(*size), weights, strict=True):
        plane.code(recorder, 0, step, own, truth)
    found = list(zip(np.concatenate(recorder.means).tolist(), np.concatenate(recorder.spreads).tolist(), strict=True))
    assert found == slow(truth, levels, weights, other, inside)
    assert np.array_equal(plane.codes, truth)


def test_spacings_share_weights() -> None:
    assert [weight_class(half, 3) for half in (1, 2, 4, 8)] == [0, 1, 2, 2]
    assert {weight_class(half, 1) for half in (1, 2, 4, 8)} == {0}
