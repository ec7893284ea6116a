"""Patches: they lie side by side over a frame, and points are read between their pixels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fiftyone_latent_inr.model import Architecture, LatentINR, Level, pixel_grid
from fiftyone_latent_inr.model.patch import middles, origin, places
from fiftyone_latent_inr.rendering.draw import _colours

ARCHITECTURE = Architecture(levels=(Level(8, 4, 3), Level(3, 2)), latent_dim=6, bottleneck=5, hidden=12)


def model(patch: int, height: int = 23, width: int = 33) -> LatentINR:
    torch.manual_seed(0)
    made = LatentINR(replace(ARCHITECTURE, patch=patch).for_video(5, height, width))
    with torch.no_grad():  # away from the quiet start, so that every part matters
        for grid in made.field.grids:
            grid.normal_()
        made.hypernetwork.offsets.normal_(std=0.3)
    return made.requires_grad_(False)


def plain_frame(made: LatentINR, latent: torch.Tensor) -> torch.Tensor:
    """A frame as one would lay tiles: one after the other from the first place, what hangs over is cut off."""
    c, p = made.config, made.config.patch
    frame = torch.full((c.height + 2 * p, c.width + 2 * p, 3), torch.nan)
    for row in range(-((-c.height % p) // 2), c.height, p):
        for col in range(-((-c.width % p) // 2), c.width, p):
            middle = torch.tensor([2 * (col + p / 2) / c.width - 1, 2 * (row + p / 2) / c.height - 1])
            drawn = made.field(made.hypernetwork(latent[None]), middle.view(1, 1, 2))  # (1, 3 p p, 1)
            frame[row + p : row + 2 * p, col + p : col + 2 * p] = drawn.view(p, p, 3)
    return frame[p : p + c.height, p : p + c.width]


@pytest.mark.parametrize("size", [(23, 33), (24, 32), (2, 1)])
@pytest.mark.parametrize("patch", [2, 3, 4])
def test_whole_frames_are_laid_of_patches(patch: int, size: tuple[int, int]) -> None:
    made = model(patch, *size)
    frames = made.draw_frames(made.latents[:2], points=20)
    assert frames.shape == (2, *size, 3)
    for k in range(2):
        torch.testing.assert_close(frames[k], plain_frame(made, made.latents[k]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(23, 33), (24, 32), (2, 1), (1, 1)])
@pytest.mark.parametrize("patch", [2, 3, 4])
def test_at_pixel_centres_points_are_the_frames(patch: int, size: tuple[int, int]) -> None:
    made = model(patch, *size)
    points = pixel_grid(*size)
    frames = made.draw_frames(made.latents).flatten(1, 2)
    torch.testing.assert_close(made.render(made.latents, points), frames, rtol=1e-3, atol=1e-3)
    own = torch.stack([points, points.flip(0)])  # other points in each frame
    drawn = made.render(made.latents[:2], own)
    torch.testing.assert_close(drawn[1].flip(0), frames[1], rtol=1e-3, atol=1e-3)


def test_points_are_read_between_the_pixels_around_them() -> None:
    made = model(4)
    frame = made.draw_frames(made.latents[:1])[0]
    for row, col in ((0.25, 7.5), (12.75, 31.9), (21.999, 3.0), (11.5, 17.5)):  # in and between patches
        i, j = int(row), int(col)
        a, b = row - i, col - j
        expected = (1 - a) * ((1 - b) * frame[i, j] + b * frame[i, j + 1])
        expected += a * ((1 - b) * frame[i + 1, j] + b * frame[i + 1, j + 1])
        point = torch.tensor([[(2 * col + 1) / 33 - 1, (2 * row + 1) / 23 - 1]])
        torch.testing.assert_close(made.render(made.latents[:1], point)[0, 0], expected, rtol=1e-3, atol=1e-3)
    corner = made.render(made.latents[:1], torch.tensor([[-1.0, 1.0]]))[0, 0]  # the border goes on
    torch.testing.assert_close(corner, frame[22, 0])


@pytest.mark.parametrize("size", [(23, 33), (46, 66), (40, 51)])
def test_drawings_of_any_size_are_those_of_render(size: tuple[int, int]) -> None:
    made = model(3)
    expected = made.render(made.latents, pixel_grid(*size)).view(5, *size, 3)
    torch.testing.assert_close(_colours(made, made.latents, size, 16_384), expected, rtol=1e-3, atol=1e-3)


def test_gradients_reach_latents_through_points() -> None:
    made = model(2)
    latents = made.latents[:1].clone().requires_grad_()
    made.render(latents, torch.tensor([[0.1, 0.2]])).sum().backward()
    assert latents.grad is not None and latents.grad.abs().min() > 0


def test_one_pixel_a_patch_is_the_field_of_points() -> None:
    made, points = model(1), torch.rand(20, 2) * 2 - 1
    assert torch.equal(made.render_patches(made.latents, points), made.render(made.latents, points))
    assert torch.equal(middles((23, 33), 1).view(-1, 2), pixel_grid(23, 33))
    torch.testing.assert_close(
        made.draw_frames(made.latents).flatten(1, 2), made.render(made.latents, pixel_grid(23, 33))
    )


def test_what_hangs_over_is_split_between_both_borders() -> None:
    assert [origin(side, 4) for side in (8, 9, 10, 11)] == [0, -1, -1, 0]
    for side in range(1, 20):
        for patch in range(1, 9):
            assert middles((side, side), patch).abs().max() <= 1
            assert middles((side, 7), patch).shape[:2] == places((side, 7), patch)
            assert 0 <= origin(side, patch) + places((side, side), patch)[0] * patch - side < patch
