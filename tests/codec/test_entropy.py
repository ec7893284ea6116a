"""Codes to bytes and back; how close to the entropy; hostile bytes."""

from __future__ import annotations

import tracemalloc
import zlib

import numpy as np
import pytest

from fiftyone_latent_inr.codec import entropy
from fiftyone_latent_inr.errors import BitstreamError

RNG = np.random.default_rng(0)


def entropy_bytes(codes: np.ndarray) -> float:
    counts = np.unique(codes, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum() * codes.size / 8)


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("count", [0, 1, 7, 8, 1000])
def test_round_trip(bits: int, count: int) -> None:
    half = 2 ** (bits - 1)
    for codes in (
        RNG.integers(-half, half, count).astype(np.int16),
        np.clip(np.rint(RNG.standard_normal(count) * half / 6), -half, half - 1).astype(np.int16),
        np.full(count, half - 1, np.int16),
        np.full(count, -half, np.int16),
        (np.arange(count) // 50 % half).astype(np.int16),
    ):
        data = entropy.encode(codes, bits)
        back = entropy.decode(data, count, bits)
        assert back.dtype == np.int16
        assert np.array_equal(back, codes)
        assert len(data) <= 1 + (count * bits + 7) // 8  # never longer than packed bits


def test_packing_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entropy, "_PACK_CHUNK", 64)
    for bits in (3, 7, 11):
        codes = RNG.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 1001).astype(np.int16)
        assert np.array_equal(entropy.decode(entropy.encode(codes, bits), 1001, bits), codes)


@pytest.mark.parametrize("bits", [5, 6, 8])
def test_normal_weights_come_close_to_their_entropy(bits: int) -> None:
    codes = np.rint(RNG.standard_normal(50_000) * 2 ** (bits - 1) / 5).clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    codes = codes.astype(np.int16)
    assert len(entropy.encode(codes, bits)) < 1.02 * entropy_bytes(codes)


def test_each_method_is_used_where_it_wins() -> None:
    noise = RNG.integers(-8, 8, 500).astype(np.int16)
    normal = np.rint(RNG.standard_normal(5000) * 20).astype(np.int16)
    smooth = np.tile(np.rint(100 * np.sin(np.arange(300) / 7)), 5).astype(np.int16)
    assert entropy.encode(noise, 4)[0] == entropy.PACKED
    assert entropy.encode(normal, 8)[0] == entropy.DEFLATE
    assert entropy.encode(smooth, 9)[0] == entropy.LZMA


@pytest.mark.parametrize("method", [entropy.PACKED, entropy.DEFLATE, entropy.LZMA, 3, 255])
def test_hostile_bytes(method: int) -> None:
    for length in (0, 1, 5, 50):
        for _ in range(20):
            with pytest.raises(BitstreamError):
                entropy.decode(bytes([method]) + RNG.bytes(length), 1000, 8)


@pytest.mark.parametrize("method", [entropy.PACKED, entropy.DEFLATE, entropy.LZMA])
def test_wrong_counts(method: int) -> None:
    codes = {
        entropy.PACKED: RNG.integers(-128, 128, 160),
        entropy.DEFLATE: np.rint(RNG.standard_normal(5000) * 20),
        entropy.LZMA: np.tile(np.rint(100 * np.sin(np.arange(300) / 7)), 5),
    }[method].astype(np.int16)
    data = entropy.encode(codes, 8)
    assert data[0] == method
    for count in (0, codes.size - 8, codes.size - 1, codes.size + 1, 2 * codes.size):
        with pytest.raises(BitstreamError):
            entropy.decode(data, count, 8)
    with pytest.raises(BitstreamError):
        entropy.decode(data + b"\0", codes.size, 8)
    with pytest.raises(BitstreamError):
        entropy.decode(b"", codes.size, 8)


def test_codes_beyond_their_bits() -> None:
    data = bytes([entropy.DEFLATE]) + entropy.deflate(bytes([3, 16]))
    with pytest.raises(BitstreamError, match="does not fit"):
        entropy.decode(data, 2, 4)


@pytest.mark.parametrize("method", [entropy.DEFLATE, entropy.LZMA])
def test_bombs_do_not_go_off(method: int) -> None:
    """64 MB of zeros, where 1000 codes are expected."""
    zeros = bytes(64_000_000)
    if method == entropy.DEFLATE:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        payload = packer.compress(zeros) + packer.flush()
    else:
        payload = entropy.lzma.compress(zeros, format=entropy.lzma.FORMAT_RAW, filters=entropy._LZMA_FILTERS)
    del zeros
    tracemalloc.start()
    with pytest.raises(BitstreamError, match="wrong length"):
        entropy.decode(bytes([method]) + payload, 1000, 8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
