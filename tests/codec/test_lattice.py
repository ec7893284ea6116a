"""The order of a grid's nodes: each once, and predicted only from what is known."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_latent_inr.codec.coder import IntArray
from fiftyone_latent_inr.codec.lattice import Plane, coarsest, num_weights, passes, weight_class

SIZES = [(1, 1), (1, 9), (2, 2), (3, 50), (16, 28), (17, 33), (46, 81), (181, 64)]


class Recorder:
    """Gives each node a number, and keeps what was predicted."""

    def __init__(self) -> None:
        self.means: list[IntArray] = []

    def code(self, mean: IntArray, spread: IntArray, shape: int, values: IntArray | None) -> IntArray:
        assert mean.shape == spread.shape and int(spread.min()) >= 1
        self.means.append(mean)
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
        margin = Plane((1, rows, cols), np.zeros(1, np.int32)).codes.size
        assert margin <= 1.4 * rows * cols


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
        before = plane.inner.copy()
        assert not before[:, ~known].any()
        weights = np.full(sum(num_weights(step.kind, False)), 64, np.int32)
        plane.code(recorder, 0, step, weights, truth)
        assert np.array_equal(plane.inner[:, known], truth[:, known])
        known[step.rows, step.cols] = True
    assert np.array_equal(plane.inner, truth)


def test_a_prediction_is_the_weighted_sum_of_neighbours() -> None:
    truth = np.random.default_rng(1).integers(-9, 10, (1, 8, 8)).astype(np.int32)
    plane = Plane((1, 8, 8), np.array([8], np.int32))
    recorder = Recorder()
    plane.start(recorder, 0, truth)
    for step in passes(8, 8):
        weights = np.zeros(sum(num_weights(step.kind, False)), np.int32)
        weights[0], weights[1] = 16, 8  # in 1/64
        plane.code(recorder, 0, step, weights, truth)
    step = list(passes(8, 8))[-1]
    assert (step.kind, step.half) == (2, 1)
    means = recorder.means[-1].reshape(truth[0, step.rows, step.cols].shape)
    y, x = 3, 4  # a node of the last pass, in the middle
    image = truth[0]
    total = 16 * (image[y - 1, x] + image[y + 1, x]) + 8 * (image[y, x - 1] + image[y, x + 1])
    assert means[(y - 1) // 2, x // 2] == (total + 2) >> 2


def test_spacings_share_weights() -> None:
    assert [weight_class(half, 3) for half in (1, 2, 4, 8)] == [0, 1, 2, 2]
    assert {weight_class(half, 1) for half in (1, 2, 4, 8)} == {0}
