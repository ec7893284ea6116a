"""Side information: exact, and next to nothing where tensors are alike."""

from __future__ import annotations

import numpy as np

from fiftyone_latent_inr.codec import channels
from fiftyone_latent_inr.codec.channels import Side
from fiftyone_latent_inr.codec.range_coder import Decoder, Encoder

RNG = np.random.default_rng(0)


def size(tensors: list[tuple[str, int]], sides: list[Side]) -> int:
    encoder = Encoder()
    channels.code(encoder, tensors, sides)
    data = encoder.data()
    for wanted, found in zip(sides, channels.code(Decoder(data), tensors, None), strict=True):
        live = wanted.levels >= 0
        assert np.array_equal(found.levels, wanted.levels)
        assert np.array_equal(found.step_indices[live], wanted.step_indices[live])
        assert not found.step_sizes()[~live].any()
    return len(data)


def side(count: int, dead: float = 0.2) -> Side:
    levels = np.where(RNG.random(count) < dead, -1, 2 * RNG.integers(0, 20, count)).astype(np.int32)
    return Side(levels, RNG.integers(800, 1100, count).astype(np.int32))


def test_round_trip() -> None:
    tensors = [("sequence", 5), ("matrix", 7), ("vector", 1), ("matrix", 7), ("matrix", 3), ("grid", 4), ("vector", 1)]
    for _ in range(20):
        size(tensors, [side(count) for _, count in tensors])


def test_nothing_and_all_zeros() -> None:
    assert size([], []) <= 8
    dead = Side(np.full(9, -1, np.int32), np.zeros(9, np.int32))
    size([("matrix", 9), ("matrix", 9), ("vector", 1)], [dead, dead, Side(dead.levels[:1], dead.step_indices[:1])])


def test_rows_that_are_alike_cost_little() -> None:
    """A hypernetwork's heads have the same dead and loud rows."""
    first = side(60)
    same = [Side(np.where(first.levels >= 0, first.levels, -1), first.step_indices + 5 * k) for k in range(6)]
    other = [side(60) for _ in range(6)]
    tensors = [("matrix", 60)] * 6
    assert size(tensors, same) < 0.65 * size(tensors, other)


def test_steps_that_follow_levels_cost_little() -> None:
    levels = 2 * RNG.integers(0, 20, 200).astype(np.int32)
    following = Side(levels, (1000 - levels).astype(np.int32))
    free = Side(levels, RNG.permutation(following.step_indices))
    assert size([("matrix", 200)], [following]) < 0.8 * size([("matrix", 200)], [free])
