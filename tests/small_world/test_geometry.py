"""Distances to the edges of the small world's shapes."""

import numpy as np
import pytest

from fiftyone_latent_inr.small_world.geometry import signed_distance
from fiftyone_latent_inr.small_world.world import SHAPES


@pytest.mark.parametrize("kind", SHAPES)
def test_no_two_shapes_are_alike(kind):
    y, x = np.mgrid[1:-1:101j, -1:1:101j].astype(np.float32)
    inside = signed_distance(kind, x, y, 0.5) < 0
    for other in SHAPES:
        against = signed_distance(other, x, y, 0.5) < 0
        overlap = (inside & against).sum() / (inside | against).sum()
        assert (overlap == 1) == (other == kind), other


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("detail", [0.0, 1.0])
def test_signed_distance_grows_by_the_distance(kind, detail):
    """Near the edge, a step of h changes the distance by at most h, and for the most part by as much."""
    y, x = np.mgrid[1.2:-1.2:301j, -1.2:1.2:301j].astype(np.float32)
    distance = signed_distance(kind, x, y, detail)
    slope = np.hypot(*np.gradient(distance, 2.4 / 300))
    edge = np.abs(distance) < 0.03
    assert edge.any() and np.median(slope[edge]) == pytest.approx(1, abs=0.05)
    assert distance[:, [0, -1]].min() > 0  # it fits the unit circle
