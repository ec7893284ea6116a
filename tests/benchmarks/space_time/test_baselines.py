"""The answers that cost nothing, where the right one is known."""

from __future__ import annotations

import numpy as np
import pytest
from media import moving_square

from benchmarks.space_time import baselines
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.frames.resize import area_resize


def textured(num: int = 5, step: int = 4) -> np.ndarray:
    """A soft texture that moves right by `step` pixels a frame, uint8 (T, 64, 96, 3)."""
    rows, columns = np.mgrid[0:64, 0:200].astype(float)
    wide = 128 + 50 * np.sin(columns / 5 + np.sin(rows / 9)) + 40 * np.cos(rows / 6 + columns / 17)
    colours = np.stack([wide, 255 - wide, 0.5 * wide + 60], axis=-1).clip(0, 255).astype(np.uint8)
    return np.stack([colours[:, 90 - step * k : 186 - step * k] for k in range(num)])


def test_blend_is_weighted_by_time() -> None:
    kept = np.stack([np.full((4, 4, 3), level, np.uint8) for level in (0, 100, 200)])
    drawn = baselines.blend(kept, [0, 0.25, 0.5, 1.75, 2])
    assert drawn[:, 0, 0, 0].tolist() == [0, 25, 50, 175, 200]


def test_nearest_takes_the_earlier_of_two() -> None:
    kept = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    assert baselines.nearest(kept, [0.25, 0.5, 0.75, 1.5, 2]).ravel().tolist() == [0, 0, 1, 1, 2]


def test_flow_follows_what_moves() -> None:
    frames = textured(9, step=2)
    kept, truth, times = frames[::4], np.delete(frames, [0, 4, 8], axis=0), [0.25, 0.5, 0.75, 1.25, 1.5, 1.75]
    inside = np.s_[:, 8:-8, 16:-16]
    moved = psnr(truth[inside], baselines.flow(kept, times)[inside])
    assert moved > psnr(truth[inside], baselines.blend(kept, times)[inside]) + 8
    assert psnr(truth[inside], baselines.flow(kept, times[::-1])[::-1][inside]) == pytest.approx(moved)


@pytest.mark.parametrize("how", baselines.ENLARGEMENTS)
def test_enlargements_are_sharper_than_pixels(how: str) -> None:
    truth = textured(2)
    small = area_resize(truth, (32, 48))
    drawn = baselines.enlarge(small, (64, 96), how)
    assert psnr(truth, drawn) > psnr(truth, small.repeat(2, axis=1).repeat(2, axis=2)) + 3


def test_figures() -> None:
    truth = moving_square(3, 48, 64)
    noisy = (truth + np.random.default_rng(0).normal(0, 12, truth.shape)).clip(0, 255).astype(np.uint8)
    same, worse = baselines.figures(truth, truth), baselines.figures(truth, noisy)
    assert same == {"psnr": 100.0, "ms_ssim": 1.0, "vif": 1.0}
    assert all(worse[name] < same[name] for name in same)
    assert baselines.figures(truth, noisy, perceptual=False) == {**worse, "vif": None}
    small = truth[:, :20, :20]
    assert baselines.figures(small, small)["vif"] is None
