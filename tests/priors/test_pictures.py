"""Pictures: what nodes see of them, and what grids draw."""

from __future__ import annotations

import torch

from fiftyone_latent_inr.model.field import bilinear
from fiftyone_latent_inr.model.inr import pixel_grid
from fiftyone_latent_inr.priors.pictures import cells_at_nodes, read_at_pixels


def test_nodes_see_the_four_pixels_around_them() -> None:
    picture = torch.arange(6.0).view(1, 1, 2, 3)
    seen = cells_at_nodes(picture, 3, 4)
    assert seen.shape == (1, 4, 3, 4)
    assert seen[0, :, 1, 1].tolist() == [0, 1, 3, 4]
    assert seen[0, :, 0, 0].tolist() == [0, 0, 0, 0]  # beyond the border is the border


def test_larger_pictures_are_averaged() -> None:
    assert cells_at_nodes(torch.full((2, 3, 17, 31), 0.25), 4, 5).unique().tolist() == [0.25]


def test_a_grid_is_read_at_pixels_as_a_field_reads_it() -> None:
    nodes = torch.rand(2, 3, 4, 5)
    drawn = read_at_pixels(nodes, 12, 16)
    points = pixel_grid(12, 16).view(1, 12, 16, 2).expand(2, -1, -1, -1)
    torch.testing.assert_close(drawn, bilinear(nodes, points))
