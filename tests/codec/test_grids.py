"""Grids: exact, and smaller for what neighbouring nodes and channels tell of each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fiftyone_latent_inr.codec import grids, side
from fiftyone_latent_inr.codec.coder import Decoder, Encoder
from fiftyone_latent_inr.codec.grids import Plan
from fiftyone_latent_inr.errors import BitstreamError

RNG = np.random.default_rng(0)


def levels_of(codes: np.ndarray) -> np.ndarray:
    return np.array([side.even_level(np.abs(c.astype(int))) if c.any() else -1 for c in codes], np.int32)


def smooth(channels: int, rows: int, cols: int, scale: float = 2) -> np.ndarray:
    noise = RNG.laplace(size=(channels, rows, cols))
    for axis in (1, 2):
        noise = noise + np.roll(noise, 1, axis)
    return np.rint(scale * noise).astype(np.int16)


def coded(codes: np.ndarray) -> bytes:
    encoder = Encoder()
    levels = levels_of(codes)
    grids.code(encoder, levels, codes.shape[1:], codes)
    data = encoder.data()
    assert np.array_equal(grids.code(Decoder(data), levels, codes.shape[1:], None), codes)
    return data


def entropy(codes: np.ndarray) -> float:
    """Bytes of the zeroth order, channel by channel."""
    total = 0.0
    for channel in codes:
        _, counts = np.unique(channel, return_counts=True)
        total -= float((counts * np.log2(counts / counts.sum())).sum())
    return total / 8


@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 1, 40), (4, 9, 7), (2, 61, 83), (70, 3, 3)])
def test_round_trip(shape: tuple[int, int, int]) -> None:
    codes = smooth(*shape)
    codes[0] = 0
    codes[-1, -1, -1] = -32767
    coded(codes)


def test_smooth_grids_take_less_than_their_entropy() -> None:
    codes = smooth(2, 120, 160, 3)
    assert len(coded(codes)) < 0.93 * entropy(codes)


def test_grids_whose_spread_varies_take_less_than_their_entropy() -> None:
    scale = np.repeat(np.repeat(np.where(np.add.outer(range(3), range(4)) % 2, 0.1, 4.0), 40, 0), 40, 1)
    codes = np.rint(RNG.laplace(size=(1, 120, 160)) * scale).astype(np.int16)
    assert len(coded(codes)) < 0.85 * entropy(codes)


def test_noise_takes_about_its_entropy() -> None:
    codes = np.rint(RNG.laplace(size=(2, 80, 100))).astype(np.int16)
    assert len(coded(codes)) < 1.02 * entropy(codes)


@pytest.mark.parametrize("distance", [1, 2])
def test_channels_that_are_alike(distance: int) -> None:
    codes = smooth(4, 40, 40, 8)
    second = [c for c in range(4) if Plan(distance=distance).looks_back(c)]
    first = [c for c in range(4) if c not in second]
    codes[second] = codes[first] + RNG.integers(-1, 2, codes[second].shape)
    plan, _ = grids.choose(levels_of(codes), codes)
    assert plan.distance == distance
    coded(codes)


def test_zeros_take_next_to_nothing() -> None:
    assert len(coded(np.zeros((3, 50, 50), np.int16))) <= 8


@pytest.mark.parametrize(
    "spoil", [{"shape": 3}, {"shape": -1}, {"classes": 0}, {"classes": 4}, {"distance": 5}, {"distance": -1}]
)
def test_plans_that_no_encoder_writes(spoil: dict[str, int]) -> None:
    levels = np.full(4, 8, np.int32)
    plan = replace(Plan(), **spoil)
    wanted = np.array([plan.shape, plan.classes - 1, plan.apart, plan.distance], np.int32)
    encoder = Encoder()
    side.code_fixed(encoder, 4, 64, wanted)
    with pytest.raises(BitstreamError, match="parameters"):
        grids.code_plan(Decoder(encoder.data()), levels, None, None)


def test_many_channels_share_their_weights() -> None:
    levels = np.full(grids.MAX_APART + 1, 8, np.int32)
    encoder = Encoder()
    side.code_fixed(encoder, 4, 64, np.array([0, 0, 1, 0], np.int32))
    with pytest.raises(BitstreamError, match="parameters"):
        grids.code_plan(Decoder(encoder.data()), levels, None, None)
