"""What the comparison of architectures measures."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.networks import ENTRIES, seams
from fiftyone_latent_inr.model.patch import middles


def test_seams_are_where_patches_meet() -> None:
    error = np.full((2, 10, 8, 3), 1e-4)
    edges = ((middles((10, 8), 4)[:, 0, 1] + 1) * 5 - 2).round().int().tolist()  # first rows of the patches
    assert edges == [-1, 3, 7]
    for row in (2, 3, 6, 7):
        error[:, row] = 1e-2
    for col in (0, 3, 4, 7):
        error[:, :, col] = 1e-2
    assert seams(error, 4) == pytest.approx((20, 40))


def test_every_architecture_can_be_made() -> None:
    for entry in ENTRIES.values():
        assert entry.config.architecture.for_video(4, 36, 64).num_parameters > 1000
