"""Range coding around predictions: what goes in comes out, in about as many bits as the tables say."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_latent_inr.codec.range_coder import MAX_CODE, Decoder, Encoder, Meter, flag_chance
from fiftyone_latent_inr.errors import BitstreamError

RNG = np.random.default_rng(0)


def drawn(spread: float, count: int = 40_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes around locations, the locations, and the spread they were drawn with."""
    mean = np.rint(RNG.normal(0, 60, count)).astype(np.int32)
    codes = np.clip(np.rint(mean / 16 + RNG.laplace(0, spread, count)), -MAX_CODE, MAX_CODE).astype(np.int32)
    return codes, mean, np.full(count, max(1, round(64 * np.abs(codes - mean / 16).mean())), np.int32)


@pytest.mark.parametrize("spread", [0.05, 0.4, 1.9, 2.1, 30, 5000])
@pytest.mark.parametrize("shape", [0, 2])
def test_round_trip_and_size(spread: float, shape: int) -> None:
    codes, mean, spreads = drawn(spread)
    encoder, meter = Encoder(), Meter()
    assert np.array_equal(encoder.code(mean, spreads, shape, codes), codes)
    meter.code(mean, spreads, shape, codes)
    data = encoder.data()
    assert np.array_equal(Decoder(data).code(mean, spreads, shape, None), codes)
    assert 8 * len(data) <= 1.001 * meter.bits + 64


@pytest.mark.parametrize("spread", [1.0, 6.0, 300.0])
def test_the_tables_fit_double_exponentials(spread: float) -> None:
    codes, mean, spreads = drawn(spread)
    meter = Meter()
    meter.code(mean, spreads, 0, codes)
    ideal = -np.log2(
        np.maximum(1e-12, _cdf((codes - mean / 16 + 0.5) / spread) - _cdf((codes - mean / 16 - 0.5) / spread))
    ).sum()
    assert meter.bits <= 1.03 * ideal


def _cdf(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, np.exp(np.minimum(x, 0)) / 2, 1 - np.exp(-np.maximum(x, 0)) / 2)


@pytest.mark.parametrize("level", [1, 64, 128, 129, 4000, 10**6, 2**31 - 1])
def test_any_code_under_any_spread(level: int) -> None:
    codes = np.array([0, 1, -1, 7, -7, 8, -8, 9, 255, -4096, MAX_CODE, -MAX_CODE], np.int32)
    for mean in (0, 5, -13, 16 * 3000, -16 * 3000, 16 * MAX_CODE):
        where, spread = np.full(codes.size, mean, np.int32), np.full(codes.size, level, np.int32)
        encoder = Encoder()
        encoder.code(where, spread, 0, codes)
        assert np.array_equal(Decoder(encoder.data()).code(where, spread, 0, None), codes)


def test_one_stream_holds_many_calls() -> None:
    calls = [drawn(spread, 100) for spread in (0.2, 3, 100)]
    encoder = Encoder()
    for codes, mean, spread in calls:
        encoder.code(mean, spread, 0, codes)
    decoder = Decoder(encoder.data())
    for codes, mean, spread in calls:
        assert np.array_equal(decoder.code(mean, spread, 0, None), codes)


def test_nothing_is_nothing() -> None:
    none = np.zeros(0, np.int32)
    encoder = Encoder()
    assert encoder.code(none, none, 0, none).size == 0 and encoder.data() == b""
    assert Decoder(b"").code(none, none, 0, None).size == 0


def test_broken_data() -> None:
    with pytest.raises(BitstreamError, match="length"):
        Decoder(b"abc")
    _, mean, spread = drawn(3000.0, 5000)
    refused = 0
    for seed in range(40):
        data = np.random.default_rng(seed).bytes(400)
        try:
            found = Decoder(data).code(mean, spread, 0, None)
            assert np.abs(found).max() <= MAX_CODE
        except BitstreamError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("count", [4095, 4096, 70_000])
def test_many_numbers_of_either_version(count: int, version: int) -> None:
    """From 4,096 numbers on version 3 has the symbols in the order of their tables."""
    rng = np.random.default_rng(count)
    mean = rng.integers(-900, 900, count).astype(np.int32)
    spread = (2.0 ** rng.uniform(0, 12, count)).astype(np.int32)
    values = np.clip(np.rint(mean / 16 + rng.laplace(size=count) * spread / 64), -MAX_CODE, MAX_CODE).astype(np.int32)
    encoder, meter = Encoder(version), Meter(version)
    assert np.array_equal(encoder.code(mean, spread, 1, values), values)
    meter.code(mean, spread, 1, values)
    data = encoder.data()
    assert np.array_equal(Decoder(data, version).code(mean, spread, 1, None), values)
    assert 0.999 * meter.bits <= 8 * len(data) <= 1.001 * meter.bits + 64
    other = Encoder(5 - version)
    other.code(mean, spread, 1, values)
    assert (other.data() == data) == (count < 4096)


def test_flags() -> None:
    rng = np.random.default_rng(0)
    encoder, meter = Encoder(), Meter()
    made = {chance: (rng.random(2000) < flag_chance(chance)).astype(np.int32) for chance in range(-18, 19)}
    for chance, values in made.items():
        encoder.flags(chance, values.size, values)
        meter.flags(chance, values.size, values)
    data = encoder.data()
    decoder = Decoder(data)
    for chance, values in made.items():
        assert np.array_equal(decoder.flags(chance, values.size, None), values)
    assert 0.99 * meter.bits <= 8 * len(data) <= 1.01 * meter.bits + 64


def test_behind_its_data_a_section_does_not_go_on_for_ever() -> None:
    """A coder gives numbers without end, of no bytes; what two words may hold is as far as a sound section goes."""
    coder = Encoder()
    flags = np.zeros(40_000, np.int32)
    coder.flags(18, flags.size, flags)
    decoder = Decoder(coder.data())
    assert not decoder.flags(18, flags.size, None).any()
    with pytest.raises(BitstreamError, match="ends before its numbers do"):
        decoder.flags(18, flags.size, None)
