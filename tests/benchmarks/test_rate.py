"""Rates: limits, and what plain rounding counts."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks import rate
from benchmarks.rate import CASES, Limits, packed_sizes, reached, round_plainly
from fiftyone_latent_inr.model import Architecture, LatentINR, Level
from fiftyone_latent_inr.model.tensors import model_views

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 24, 32, 3), np.uint8)


def model() -> LatentINR:
    torch.manual_seed(0)
    return LatentINR(Architecture(levels=(Level(8, 2, 1), Level(4, 2, 1))).for_video(3, 24, 32, 0)).eval()


def test_limits() -> None:
    found = {"psnr": 36.2, "bpp": 0.45}
    assert reached(Limits(36.0, 0.5, 240), found, 200, None)
    assert not reached(Limits(36.0, 0.5, 240), found, 241, None)
    assert not reached(Limits(36.5, 0.5), found, 1, None) and not reached(Limits(36.0, 0.4), found, 1, None)
    like = Limits(0, 0, like_x264=True)
    assert reached(like, found, 1, 36.1) and not reached(like, found, 1, 36.3) and not reached(like, found, 1, None)
    assert len({case.name for case in CASES}) == len(CASES)


def test_plain_rounding_changes_little_and_is_what_is_counted() -> None:
    rounded = model()
    before = {name: view.clone() for name, view in model_views(rounded).items()}
    parts = round_plainly(rounded)
    for name, view in model_views(rounded).items():
        assert torch.allclose(view, before[name], atol=float(before[name].abs().max()) / 250 + 1e-6), name
    sizes = packed_sizes(parts)
    numbers = sum(view.numel() for view in before.values())
    assert numbers < sizes["raw"] < 2 * numbers
    assert rate.zstd.decompress(rate.zstd.compress(parts[0].tobytes(), level=22)) == parts[0].tobytes()
