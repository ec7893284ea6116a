"""PSNR and MS-SSIM against torchmetrics, an independent implementation."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import torch
from torchmetrics.functional import image as reference

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.frames.metrics import MAX_PSNR, SCALE_WEIGHTS, bpp, ms_ssim, num_scales, psnr, psnr_per_frame

RNG = np.random.default_rng(0)


def pair(num: int, height: int, width: int, noise: float = 15) -> tuple[np.ndarray, np.ndarray]:
    """Smooth random frames, and the same with noise."""
    steps = RNG.normal(0, 8, (num, height, width, 3))
    a = np.clip(128 + steps.cumsum(axis=1) / 2 + steps.cumsum(axis=2) / 2, 0, 255).astype(np.uint8)
    return a, np.clip(a + RNG.normal(0, noise, a.shape), 0, 255).astype(np.uint8)


def planes(video: np.ndarray) -> torch.Tensor:
    """(T, H, W, 3) -> double (3 T, 1, H, W)."""
    return torch.from_numpy(np.moveaxis(video, -1, 1).reshape(-1, 1, *video.shape[1:3])).double()


def test_psnr_agrees_with_torchmetrics() -> None:
    a, b = pair(5, 40, 60)
    each = [
        float(reference.peak_signal_noise_ratio(torch.tensor(x).double(), torch.tensor(y).double(), data_range=255.0))
        for x, y in zip(a, b, strict=True)
    ]
    assert psnr_per_frame(a, b) == pytest.approx(each, abs=1e-4)
    assert psnr(a, b) == pytest.approx(np.mean(each), abs=1e-4)


def test_psnr_is_the_mean_over_frames_not_of_errors() -> None:
    a = np.zeros((2, 8, 8, 3), np.uint8)
    b = a.copy()
    b[0] += 1
    b[1] += 100
    assert psnr(a, b) == pytest.approx((20 * math.log10(255) + 20 * math.log10(2.55)) / 2)


def test_psnr_of_identical_frames_is_capped() -> None:
    a, _ = pair(2, 16, 16)
    assert psnr(a, a) == MAX_PSNR


def test_psnr_sums_exactly() -> None:
    """One level off in one value of 6 million."""
    a = np.zeros((1, 1080, 1920, 3), np.uint8)
    b = a.copy()
    b[0, 5, 5, 1] = 255
    a[0, 0, 0, 0] = 1
    assert 255**2 / 10 ** (psnr_per_frame(b, a)[0] / 10) * a.size == pytest.approx(255**2 + 1, rel=1e-9)


def reference_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang's equation 7 from torchmetrics' SSIM maps, without the borders that it pads."""
    x, y = planes(a), planes(b)
    scales = num_scales(min(a.shape[1:3]))
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    result = torch.ones(len(x), dtype=torch.float64)
    for scale, weight in enumerate(weights):
        if scale < scales - 1:
            _, contrast = reference.structural_similarity_index_measure(
                x, y, data_range=255.0, reduction="none", return_contrast_sensitivity=True
            )
            result *= contrast.clamp_min(0) ** weight
            x, y = torch.nn.functional.avg_pool2d(x, 2), torch.nn.functional.avg_pool2d(y, 2)
        else:
            _, whole = reference.structural_similarity_index_measure(
                x, y, data_range=255.0, reduction="none", return_full_image=True
            )
            result *= whole[:, :, 5:-5, 5:-5].mean(dim=(1, 2, 3)).clamp_min(0) ** weight
    return float(result.mean())


@pytest.mark.parametrize(
    ("height", "width", "scales"),
    [(180, 320, 5), (176, 176, 5), (175, 190, 4), (90, 160, 4), (60, 47, 3), (30, 40, 2), (12, 50, 1)],
)
def test_ms_ssim_agrees_with_torchmetrics(height: int, width: int, scales: int) -> None:
    a, b = pair(2, height, width)
    assert num_scales(min(height, width)) == scales
    assert ms_ssim(a, b) == pytest.approx(reference_ms_ssim(a, b), abs=2e-5)


def test_ms_ssim_agrees_with_torchmetrics_own() -> None:
    """Its own MS-SSIM counts padded borders at the coarsest scale: close, not equal."""
    a, b = pair(2, 180, 320)
    own = reference.multiscale_structural_similarity_index_measure(planes(a), planes(b), data_range=255.0)
    assert ms_ssim(a, b) == pytest.approx(float(own), abs=1e-3)


@pytest.mark.parametrize("size", [(180, 180), (7, 9), (1, 1), (2, 5), (11, 11)])
def test_ms_ssim_of_identical_videos_is_one(size: tuple[int, int]) -> None:
    a, b = pair(2, *size, noise=60)
    assert ms_ssim(a, a) == pytest.approx(1, abs=1e-6)
    assert ms_ssim(a, b) < 0.999


def test_ms_ssim_of_the_opposite_is_not_negative() -> None:
    a, _ = pair(1, 64, 64)
    assert 0 <= ms_ssim(a, 255 - a) < 0.5


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = pair(7, 48, 64)
    whole = psnr(a, b), ms_ssim(a, b)
    monkeypatch.setattr("fiftyone_latent_inr.frames.metrics._CHUNK_BYTES", 2 * 4 * 48 * 64 * 3)
    assert (psnr(a, b), ms_ssim(a, b)) == pytest.approx(whole, rel=1e-9)


def test_memory_is_bounded() -> None:
    """Floats of this video would take 350 MB."""
    a = np.zeros((400, 180, 400, 3), np.uint8)
    b = np.ones_like(a)
    tracemalloc.start()
    psnr(a, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6


def test_bpp() -> None:
    assert bpp(1000, 10, 20, 40) == pytest.approx(1.0)


@pytest.mark.parametrize("function", [psnr, ms_ssim])
def test_what_cannot_be_compared(function: object) -> None:
    a = np.zeros((2, 16, 16, 3), np.uint8)
    assert callable(function)
    for other, match in ((a[:1], "differ in shape"), (a.astype(np.float32), "uint8"), (a[..., 0], "uint8")):
        with pytest.raises(InputError, match=match):
            function(a, other)
