"""Grids: exact, and smaller for what neighbouring nodes and channels tell of each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fiftyone_latent_inr.codec import grids, side_info
from fiftyone_latent_inr.codec.grids import Plan
from fiftyone_latent_inr.codec.range_coder import Decoder, Encoder
from fiftyone_latent_inr.codec.version import VERSION
from fiftyone_latent_inr.errors import BitstreamError

RNG = np.random.default_rng(0)


def levels_of(codes: np.ndarray) -> np.ndarray:
    return np.array([side_info.even_level(np.abs(c.astype(int))) if c.any() else -1 for c in codes], np.int32)


def smooth(channels: int, rows: int, cols: int, scale: float = 2) -> np.ndarray:
    noise = RNG.laplace(size=(channels, rows, cols))
    for axis in (1, 2):
        noise = noise + np.roll(noise, 1, axis)
    return np.rint(scale * noise).astype(np.int16)


def coded(codes: np.ndarray, version: int = VERSION) -> bytes:
    encoder = Encoder(version)
    levels = levels_of(codes)
    grids.code(encoder, levels, codes.shape[1:], codes)
    data = encoder.data()
    assert np.array_equal(grids.code(Decoder(data, version), levels, codes.shape[1:], None), codes)
    return data


def patches(channels: int, rows: int, cols: int, share: float) -> np.ndarray:
    """Codes that are zero but for a share of squares of 12 nodes."""
    drawn = RNG.random((channels, -(-rows // 12), -(-cols // 12))) < share
    inside = np.repeat(np.repeat(drawn, 12, 1), 12, 2)[:, :rows, :cols]
    return np.where(inside, smooth(channels, rows, cols), 0).astype(np.int16)


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
    for version in (2, 3):
        coded(codes, version)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("shape", [(1, 40, 40), (3, 61, 83), (4, 17, 200), (2, 400, 500)])
def test_round_trip_of_zero_blocks(shape: tuple[int, int, int], share: float) -> None:
    codes = patches(*shape, share)
    codes[-1, -1, -1] = 5
    coded(codes)


def test_zero_blocks_take_fewer_bytes_and_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = patches(4, 181, 321, 0.1)
    plan, _ = grids.choose(levels_of(codes), codes)
    assert plan.block and grids.choose(levels_of(codes), codes, 2)[0].block == 0
    data = coded(codes)
    assert len(data) < 0.8 * len(coded(codes, 2))
    asked = []
    chunk = Decoder._chunk
    monkeypatch.setattr(
        Decoder, "_chunk", lambda self, mean, *rest: asked.append(mean.size) or chunk(self, mean, *rest)
    )
    grids.code(Decoder(data), levels_of(codes), codes.shape[1:], None)
    assert sum(asked) < 0.3 * codes.size


def test_grids_without_zeros_have_no_blocks() -> None:
    codes = smooth(2, 90, 120, 6)
    assert grids.choose(levels_of(codes), codes)[0].block == 0
    assert len(coded(codes)) <= len(coded(codes, 2)) + 4


def test_channels_with_weights_of_their_own_are_coded_together() -> None:
    codes = np.concatenate([smooth(2, 130, 130, 1), RNG.integers(-9, 10, (2, 130, 130)).astype(np.int16)])
    levels, plan = levels_of(codes), Plan(apart=True)
    weights = [grids._fit(plan, levels, codes, [c]) for c in range(4)]
    calls = {}
    for version in (2, 3):
        encoder = Encoder(version)
        grids.code_grid(encoder, levels, (130, 130), plan, weights, codes)
        counted = []
        decoder = Decoder(encoder.data(), version)
        code = decoder.code
        decoder.code = lambda *a, code=code, counted=counted: counted.append(1) or code(*a)  # type: ignore[method-assign]
        assert np.array_equal(grids.code_grid(decoder, levels, (130, 130), plan, weights, None), codes)
        calls[version] = len(counted)
    assert calls == {2: 4 * 13, 3: 13}


def test_smooth_grids_take_less_than_their_entropy() -> None:
    codes = smooth(2, 120, 160, 3)
    assert len(coded(codes)) < 0.93 * entropy(codes)


def test_grids_whose_spread_varies_take_less_than_their_entropy() -> None:
    scale = np.repeat(np.repeat(np.where(np.add.outer(range(3), range(4)) % 2, 0.1, 4.0), 40, 0), 40, 1)
    codes = np.rint(RNG.laplace(size=(1, 120, 160)) * scale).astype(np.int16)
    assert len(coded(codes)) < 0.87 * entropy(codes)


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
    "spoil",
    [
        *({"shape": 3}, {"shape": -1}, {"classes": 0}, {"classes": 4}, {"distance": 5}, {"distance": -1}),
        *({"block": 3}, {"block": -1}),
    ],
)
def test_plans_that_no_encoder_writes(spoil: dict[str, int]) -> None:
    levels = np.full(4, 8, np.int32)
    plan = replace(Plan(), **spoil)
    wanted = np.array([plan.shape, plan.classes - 1, plan.apart, plan.distance, plan.block], np.int32)
    encoder = Encoder()
    side_info.code_fixed(encoder, 5, 64, wanted)
    with pytest.raises(BitstreamError, match="parameters"):
        grids.code_plan(Decoder(encoder.data()), levels, None, None)


def test_many_channels_share_their_weights() -> None:
    levels = np.full(grids.MAX_APART + 1, 8, np.int32)
    encoder = Encoder()
    side_info.code_fixed(encoder, 5, 64, np.array([0, 0, 1, 0, 0], np.int32))
    with pytest.raises(BitstreamError, match="parameters"):
        grids.code_plan(Decoder(encoder.data()), levels, None, None)
