"""Quantisation: the rule that fits follow, steps that can be stored, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fiftyone_latent_inr.codec import dequantise, peak_step_sizes, quantise, round_step_sizes
from fiftyone_latent_inr.codec.quantisation import step_index, step_of_index

RNG = np.random.default_rng(0)


def test_steps_are_the_nearest_of_eight_an_octave() -> None:
    steps = np.exp(RNG.uniform(-20, 20, 2000)).astype(np.float32)
    rounded = round_step_sizes(steps)
    mantissa, _ = np.frexp(rounded)
    assert np.array_equal(mantissa * 16, np.rint(mantissa * 16))
    grid = np.unique(np.outer(np.arange(8, 16) / 8, 2.0 ** np.arange(-31, 31)))
    nearest = np.abs(steps[:, None] - grid).min(1)
    assert np.array_equal(np.abs(steps - rounded).astype(np.float64), nearest)
    assert np.array_equal(round_step_sizes(rounded), rounded)


def test_steps_keep_their_shape_and_stay_in_range() -> None:
    assert round_step_sizes(0.3).shape == () and round_step_sizes(np.ones((2, 1, 3))).shape == (2, 1, 3)
    assert round_step_sizes([1e-44, 1e38]).tolist() == [2.0**-120, 2.0**84]


def test_indices_stand_for_steps() -> None:
    steps = round_step_sizes(np.exp(RNG.uniform(-20, 20, 100)))
    assert np.array_equal(step_of_index(step_index(steps)), steps)
    assert (np.diff(step_index(np.sort(steps))) >= 0).all()
    assert int(step_index(round_step_sizes([1.0]))[0]) == 127 * 8


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("bits", [2, 5, 8, 16])
def test_the_rule(bits: int, axis: int | None) -> None:
    x = RNG.standard_normal((7, 11)).astype(np.float32)
    steps = peak_step_sizes(x, axis, bits)
    codes, stored = quantise(x, steps, axis)
    assert np.array_equal(stored, steps) and steps.shape == ((1,) if axis is None else (x.shape[axis],))
    assert np.abs(codes).max() <= 2 ** (bits - 1) - 1
    wide = steps.reshape([1 if k != axis else -1 for k in range(2)])
    again = dequantise(codes, steps, axis)
    assert again.dtype == np.float32 and np.abs(again - x).max() <= wide.max() / 2 * (1 + 1e-6)
    assert np.array_equal(again, codes.astype(np.float32) * wide)
    assert np.array_equal(quantise(again, steps, axis)[0], codes)


def test_halves_go_to_even_and_far_values_are_cut() -> None:
    codes, _ = quantise(np.array([0.5, 1.5, -0.5, 2.5, 1e9, -1e9]), [1.0], None)
    assert codes.tolist() == [0, 2, 0, 2, 32767, -32767]


def test_channels_of_zeros() -> None:
    x = np.array([[0.0, 0.0], [1e-44, 0.0], [1.0, -2.0]], np.float32)
    steps = peak_step_sizes(x, 0, 8)
    assert steps[:2].tolist() == [0, 0] and steps[2] > 0
    assert np.array_equal(dequantise(*quantise(x, steps, 0), 0)[:2], np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("x", "steps", "axis", "match"),
    [
        ([np.nan], [1], None, "finite"),
        ([np.inf], [1], None, "finite"),
        ([1e30], [1], None, "larger"),
        ([1.0], [-1], None, "negative"),
        ([1.0], [np.nan], None, "finite"),
        ([1.0], [1, 1], None, "2 step sizes"),
        ([[1.0, 2.0]], [1], 1, "1 step sizes"),
    ],
)
def test_what_is_refused(x: Any, steps: Any, axis: int | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        quantise(x, steps, axis)
