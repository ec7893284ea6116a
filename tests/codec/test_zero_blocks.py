"""Maps of blocks: exact, smaller than a bit a block where blocks lie together, refused where no encoder wrote them."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_latent_inr.codec import side_info, zero_blocks
from fiftyone_latent_inr.codec.range_coder import CHANCES, Decoder, Encoder, Meter, flag_chance
from fiftyone_latent_inr.errors import BitstreamError

RNG = np.random.default_rng(0)


def coded(flags: np.ndarray) -> bytes:
    encoder, meter = Encoder(), Meter()
    zero_blocks.code(encoder, flags.shape, flags)
    zero_blocks.code(meter, flags.shape, flags)
    data = encoder.data()
    assert np.array_equal(zero_blocks.code(Decoder(data), flags.shape, None), flags)
    assert meter.bits <= 8 * len(data) <= meter.bits + 64
    return data


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 16, 40), (3, 33, 8)])
def test_a_block_is_set_where_a_code_is_not_zero(shape: tuple[int, int, int], size: int) -> None:
    codes = np.where(RNG.random(shape) < 0.02, RNG.integers(-3, 4, shape), 0).astype(np.int16)
    codes[0, -1, -1] = -32767
    found = zero_blocks.find(codes, size)
    assert found.shape == (shape[0], -(-shape[1] // size), -(-shape[2] // size)) and found[0, -1, -1]
    for (c, y, x), flag in np.ndenumerate(found):
        assert flag == codes[c, y * size : (y + 1) * size, x * size : (x + 1) * size].any()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.4, 0.97, 1.0])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (2, 5, 2), (5, 23, 41)])
def test_round_trip(shape: tuple[int, int, int], share: float) -> None:
    coded(RNG.random(shape) < share)


def test_blocks_that_lie_together_take_less() -> None:
    wide = np.zeros((4, 24, 40), bool)
    wide[:, 3:15, 10:28] = True
    mixed = RNG.permutation(wide.ravel()).reshape(wide.shape)
    assert len(coded(wide)) < 0.6 * len(coded(mixed)) and len(coded(mixed)) < 1.05 * wide.size / 8
    assert len(coded(np.zeros((4, 24, 40), bool))) <= 16


def test_chances_halve_with_every_second() -> None:
    assert flag_chance(0) == 0.5 and flag_chance(2) == 0.25 and flag_chance(-2) == 0.75
    for low, high in zip(CHANCES[2:], CHANCES, strict=False):
        assert abs(2 * low - high) <= 2


@pytest.mark.parametrize("chance", [len(CHANCES), -len(CHANCES), 3000])
def test_chances_that_no_encoder_writes(chance: int) -> None:
    encoder = Encoder()
    side_info.code_fixed(encoder, 11, 4 * 64, np.array([0] * 10 + [chance], np.int32))
    with pytest.raises(BitstreamError, match="parameters"):
        zero_blocks.code(Decoder(encoder.data()), (1, 4, 4), None)
