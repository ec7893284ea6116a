"""Sequences: exact, and smaller where frames follow one another."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_latent_inr.codec import sequences
from fiftyone_latent_inr.codec.range_coder import Decoder, Encoder, Meter
from fiftyone_latent_inr.codec.sequences import Plan

RNG = np.random.default_rng(0)


def bits(codes: np.ndarray) -> float:
    """What coding takes, once it is known to be exact."""
    levels, plan = sequences.choose(codes)
    encoder, meter = Encoder(), Meter()
    for coder in (encoder, meter):
        sequences.code_plan(coder, levels, plan)
        sequences.code(coder, levels, len(codes), plan, codes)
    decoder = Decoder(encoder.data())
    again = sequences.code_plan(decoder, levels, None)
    assert np.array_equal(sequences.code(decoder, levels, len(codes), again, None), codes)
    return meter.bits


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 4), (64, 2), (65, 2), (300, 5)])
def test_round_trip(shape: tuple[int, int]) -> None:
    codes = np.rint(RNG.laplace(size=shape) * 20).astype(np.int16)
    codes[:, 0] = 0
    codes[-1, -1] = 32767
    bits(codes)


def test_every_frame_comes_once() -> None:
    for count in range(1, 70):
        seen = np.zeros(count, int)
        seen[0] += 1
        for half in sequences.halves(count):
            seen[half :: 2 * half] += 1
        assert (seen == 1).all()


def test_slow_columns_take_less() -> None:
    steps = np.rint(RNG.laplace(size=(256, 4)) * 3)
    walk = np.cumsum(steps, 0).astype(np.int16)
    shuffled = RNG.permuted(walk, axis=0)
    assert bits(walk) < 0.75 * bits(shuffled)
    assert (sequences.choose(walk)[1].follow == 2).all()
    assert (sequences.choose(steps.astype(np.int16))[1].follow == 0).all()


def test_a_prediction_is_the_mean_of_the_neighbours() -> None:
    """Frames on a straight line cost next to nothing once two of them are known."""
    line = (np.arange(65)[:, None] * 40).astype(np.int16)
    meter = Meter()
    sequences.code(meter, np.zeros(1, np.int32), 65, Plan(0, np.array([2], np.int32)), line)
    ends = Meter()
    sequences.code(ends, np.zeros(1, np.int32), 2, Plan(0, np.array([2], np.int32)), line[[0, 64]])
    assert meter.bits < ends.bits + 0.2 * 65
