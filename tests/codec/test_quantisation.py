"""The quantisation rule, to the letter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fiftyone_latent_inr.codec import TensorCoding, dequantise, optimal_scales, quantise, round_scales

RNG = np.random.default_rng(0)
CODINGS = [TensorCoding(bits, axis) for bits in (2, 3, 6, 8, 12, 16) for axis in (None, 0, 1, -1)]


@pytest.mark.parametrize("coding", CODINGS)
def test_error_is_at_most_half_a_step(coding: TensorCoding) -> None:
    x = (RNG.standard_normal((5, 7, 3)) * 10 ** RNG.uniform(-6, 3, (5, 1, 1))).astype(np.float32)
    codes, scales = quantise(x, coding)
    assert codes.dtype == np.int16
    assert np.abs(codes.astype(int)).max() <= 2 ** (coding.bits - 1) - 1
    assert scales.shape == (1 if coding.axis is None else x.shape[coding.axis],)
    steps = scales if coding.axis is None else np.moveaxis(np.zeros_like(x) + 1, coding.axis, -1) * scales
    wide = steps if coding.axis is None else np.moveaxis(steps, -1, coding.axis)
    back = dequantise(codes, scales, coding)
    assert back.dtype == np.float32
    assert (np.abs(back - x) <= wide * 0.5001 + np.abs(x) * 2e-7).all()


def test_the_formula() -> None:
    """Written out a second time, one channel at a time, in double precision where the rule allows."""
    x = RNG.standard_normal((6, 50)).astype(np.float32)
    coding = TensorCoding(6, axis=0)
    codes, scales = quantise(x, coding)
    for row, row_codes, scale in zip(x, codes, scales, strict=True):
        smallest = float(np.abs(row).max()) / 31
        assert smallest <= scale <= smallest * (1 + 2**-7)
        assert row_codes.tolist() == [round(float(np.float32(v) / scale)) for v in row]


def test_rounding_is_that_of_torch() -> None:
    """Quantisation-aware fitting does the same in torch: the codes must agree, ties included."""
    x = np.concatenate([np.arange(-8, 8.5, 0.5), RNG.standard_normal(1000)]).astype(np.float32)
    coding = TensorCoding(5)
    codes, scales = quantise(x, coding, scales=[1.0])
    same = torch.clamp(torch.round(torch.from_numpy(x) / float(scales[0])), -15, 15)
    assert np.array_equal(codes, same.numpy())
    assert np.array_equal(dequantise(codes, scales, coding), (same * float(scales[0])).numpy())


def test_scales_round_up_to_bfloat16() -> None:
    values = np.abs(RNG.standard_normal(1000) * 10 ** RNG.uniform(-30, 20, 1000)).astype(np.float32)
    rounded = round_scales(values)
    assert (rounded >= values).all()
    assert (rounded <= values * (1 + 2**-7)).all()
    assert (rounded.view(np.uint32) & 0xFFFF == 0).all()
    assert np.array_equal(round_scales(rounded), rounded)
    assert np.array_equal(torch.from_numpy(rounded).bfloat16().float().numpy(), rounded)


def test_zeros_and_tiny_values() -> None:
    x = np.array([[0, 0, 0], [1e-45, -1e-45, 0], [1, 2, 3]], np.float32)
    coding = TensorCoding(8, axis=0)
    back = dequantise(*quantise(x, coding), coding)
    assert np.isfinite(back).all()
    assert (back[0] == 0).all()
    assert np.allclose(back[2], x[2], rtol=0.01)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 3)])
def test_small_and_empty_tensors(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 2.5, np.float32)
    coding = TensorCoding(8)
    back = dequantise(*quantise(x, coding), coding)
    assert back.shape == shape
    assert np.allclose(back, x, rtol=0.01)
    if shape:
        coding = TensorCoding(8, axis=0)
        assert dequantise(*quantise(x, coding), coding).shape == shape


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("axis", [None, 0])
def test_optimal_scales_beat_the_maximum(bits: int, axis: int | None) -> None:
    x = RNG.laplace(size=(4, 500)).astype(np.float32)
    coding = TensorCoding(bits, axis)

    def error(scales: np.ndarray | None) -> float:
        return float(np.square(dequantise(*quantise(x, coding, scales), coding) - x).mean())

    assert error(optimal_scales(x, coding)) <= error(None)
    if bits <= 4:
        assert error(optimal_scales(x, coding)) < 0.8 * error(None)


def test_clipping_with_given_scales() -> None:
    codes, scales = quantise([10.0, -10.0, 0.4], TensorCoding(4), scales=[1.0])
    assert codes.tolist() == [7, -7, 0]
    assert scales.tolist() == [1.0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e31])
def test_values_that_cannot_be_stored(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        quantise([0.0, value], TensorCoding(8))


@pytest.mark.parametrize("scales", [[np.nan], [-1.0], [1.0, 1.0], [np.inf]])
def test_scales_that_cannot_be_used(scales: list[float]) -> None:
    with pytest.raises(ValueError, match="scales"):
        quantise([0.0, 1.0], TensorCoding(8), scales)


@pytest.mark.parametrize("bits", [1, 17, 0])
def test_bits_out_of_range(bits: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        TensorCoding(bits)


def test_axis_out_of_range() -> None:
    with pytest.raises(ValueError, match="axis"):
        quantise(np.zeros((2, 3)), TensorCoding(8, axis=2))
