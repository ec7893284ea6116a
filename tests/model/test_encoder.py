"""Encoders: any size of frame, and a shift that is known is found."""

from __future__ import annotations

import priors
import pytest
import torch
import torch.nn.functional as F

from fiftyone_latent_inr.model.encoder import (
    GridEncoder,
    LatentEncoder,
    SemanticEncoder,
    cells_at_nodes,
    choose_keys,
    differences,
    motion_to,
    nearness,
    read_at_pixels,
)
from fiftyone_latent_inr.model.field import bilinear
from fiftyone_latent_inr.model.inr import pixel_grid

SHAPE = priors.CONFIG.shape(1, 16, 16)


def cloud(height: int, width: int, shift: tuple[float, float] = (0, 0)) -> torch.Tensor:
    """(1, 1, H, W) smooth texture, moved by `shift` (x, y) half frame sizes."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    x, y = x - shift[0], y - shift[1]
    waves = torch.sin(5 * x + 1) * torch.cos(4 * y) + torch.sin(7 * x - 6 * y) + torch.cos(9 * y + 3 * x)
    return (0.5 + waves / 8)[None, None]


def test_nodes_see_the_four_pixels_around_them() -> None:
    picture = torch.arange(6.0).view(1, 1, 2, 3)
    seen = cells_at_nodes(picture, 3, 4)
    assert seen.shape == (1, 4, 3, 4)
    assert seen[0, :, 1, 1].tolist() == [0, 1, 3, 4]
    assert seen[0, :, 0, 0].tolist() == [0, 0, 0, 0]  # beyond the border is the border


def test_larger_pictures_are_averaged() -> None:
    assert cells_at_nodes(torch.full((2, 3, 17, 31), 0.25), 4, 5).unique().tolist() == [0.25]


def test_a_level_sees_what_coarser_ones_leave() -> None:
    """A picture that the coarse nodes draw leaves nothing; a dot is left to the fine ones."""
    encoder = GridEncoder(SHAPE, 4)
    seen: list[torch.Tensor] = []
    for level in encoder.levels:
        level.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, : 12 * SHAPE.planes]))
    ramp = torch.linspace(-0.5, 0.5, 40).expand(1, SHAPE.planes, 3, 30, 40).contiguous()
    encoder(ramp, [(4, 6), (31, 41)])
    assert seen[0].abs().max() > 0.4 and seen[1][..., 10:-10].abs().max() < 0.01
    dot = ramp.clone()
    dot[..., 15, 20] += 1
    encoder(dot, [(4, 6), (31, 41)])
    assert seen[3][..., 15, 20].abs().max() > 0.8
    nodes = torch.rand(2, 3, 4, 5)
    drawn = read_at_pixels(nodes, 12, 16)
    points = pixel_grid(12, 16).view(1, 12, 16, 2).expand(2, -1, -1, -1)
    torch.testing.assert_close(drawn, bilinear(nodes, points))


@pytest.mark.parametrize("sizes", [[(2, 2), (3, 5)], [(9, 4), (33, 61)], [(40, 40), (2, 7)]])
@pytest.mark.parametrize("frame", [(16, 16), (31, 57), (1, 3)])
def test_grids_at_any_size(sizes: list[tuple[int, int]], frame: tuple[int, int]) -> None:
    encoder = GridEncoder(SHAPE, 4)
    grids = encoder(torch.rand(2, SHAPE.planes, 3, *frame), sizes)
    outputs = [level.channels * level.copies for level in SHAPE.levels]
    assert [tuple(grid.shape) for grid in grids] == [
        (2, SHAPE.planes, n, *size) for n, size in zip(outputs, sizes, strict=True)
    ]
    assert all(bool(grid.isfinite().all()) for grid in grids)


def test_counts_are_those_of_the_modules() -> None:
    pairs = [
        (GridEncoder.count(SHAPE, 4), GridEncoder(SHAPE, 4)),
        (LatentEncoder.count(SHAPE, 6, 9), LatentEncoder(SHAPE, 6, 9)),
        (SemanticEncoder.count(7, 3), SemanticEncoder(7, 3)),
    ]
    for count, module in pairs:
        assert count == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.08, 0.0), (0.0, -0.1), (-0.12, 0.07)])
@pytest.mark.parametrize("size", [(90, 160), (61, 77)])
def test_a_known_shift_is_found(shift: tuple[float, float], size: tuple[int, int]) -> None:
    """The frame is the key frame moved by `shift`: its point p is the key frame's p - shift."""
    found = motion_to(cloud(*size, shift), cloud(*size), 4, 6)
    assert found.shape == (1, 2, 4, 6)
    inner = found[0, :, 1:-1, 1:-1].mean((1, 2))  # what enters at the border was not there before
    assert torch.allclose(inner, -torch.tensor(shift), atol=0.015), inner


def test_moving_the_key_frame_leaves_little() -> None:
    frame, key = cloud(60, 100, (0.1, -0.06)), cloud(60, 100)
    motion = F.interpolate(motion_to(frame, key, 4, 6), (60, 100), mode="bilinear", align_corners=True)
    rest = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 60, 100], False)
    moved = F.grid_sample(key, rest + motion.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
    before, after = ((picture - frame).square().mean() for picture in (key, moved))
    assert after < 0.05 * before


def test_without_texture_nothing_moves() -> None:
    flat = torch.full((1, 1, 40, 60), 0.5)
    assert motion_to(flat, flat, 3, 3).abs().max() == 0


@pytest.mark.parametrize("frame", [(90, 160), (5, 9)])
def test_latents(frame: tuple[int, int]) -> None:
    encoder = LatentEncoder(SHAPE, 6, 8)
    keys = torch.rand(SHAPE.planes, 3, *frame)
    latents = encoder(torch.rand(3, 3, *frame), keys, torch.zeros(3, SHAPE.planes), torch.zeros(SHAPE.planes))
    assert latents.shape == (3, 6) and bool(latents.isfinite().all())
    # a frame's latent does not depend on which others are encoded with it
    frames = torch.rand(3, 3, *frame)
    apart = torch.rand(3, SHAPE.planes)
    taken = torch.rand(SHAPE.planes)
    alone = encoder(frames[1:2], keys, apart[1:2], taken)
    assert torch.allclose(encoder(frames, keys, apart, taken)[1:2], alone, atol=1e-5)


@pytest.mark.parametrize("frame", [(48, 48), (90, 160), (3, 100)])
def test_semantic_latents(frame: tuple[int, int]) -> None:
    assert SemanticEncoder(7, 2)(torch.rand(2, 3, *frame)).shape == (2, 7)


def test_key_frames_are_those_that_the_others_are_like() -> None:
    levels = torch.tensor([0.1, 0.1, 0.12, 0.8, 0.1, 0.82, 0.8, 0.8, 0.1])  # two scenes, interleaved
    frames = levels[:, None, None, None].expand(-1, 3, 30, 40)
    first, second = choose_keys(frames, 2)
    assert {round(float(levels[first]), 1), round(float(levels[second]), 1)} == {0.1, 0.8} and first < second
    assert choose_keys(frames[:1], 3) == [0, 0, 0]
    assert choose_keys(torch.linspace(0, 1, 9)[:, None, None, None].expand(-1, 3, 30, 40), 2) in (
        [2, 6],
        [2, 7],
        [1, 6],
    )


def test_nearness_is_linear_in_time_where_the_difference_is() -> None:
    frames = (0.02 * torch.arange(11))[:, None, None, None].expand(-1, 3, 24, 40)
    share = nearness(frames, frames[[0, 10]]) + 0.5
    assert torch.allclose(share[:, 1], torch.arange(11) / 10, atol=0.02)
    assert torch.allclose(share.sum(1), torch.ones(11))
    still = nearness(frames[:1].expand(4, -1, -1, -1), frames[[0, 0]])
    assert torch.allclose(still, torch.zeros(4, 2))


def test_what_a_moved_key_frame_shows_already_is_taken_off_the_others() -> None:
    """All but the new thing is gone from the second picture; where nothing is alike all of it stays."""
    first, second = (cloud(90, 160, shift).expand(1, 3, -1, -1) for shift in ((0.0, 0.0), (0.06, 0.03)))
    thing = torch.zeros_like(second)
    thing[..., 20:40, 30:60] = 0.3
    keys = torch.cat([first, second + thing])
    planes, taken = differences(keys, 5, 8)
    torch.testing.assert_close(planes[0], keys[0] - 0.5)
    assert float(taken[0]) == 0 and 0.7 < float(taken[1]) <= 1
    elsewhere = thing[0] == 0
    assert planes[1][elsewhere].square().mean() < 0.1 * (keys[1] - 0.5)[elsewhere].square().mean()
    assert float(planes[1][~elsewhere].mean()) > 0.1  # of .3; motion is drawn towards it a little
    torch.manual_seed(0)
    noise = torch.rand(2, 3, 90, 160)
    planes, taken = differences(noise, 5, 8)
    assert float(taken[1]) < 0.1
    torch.testing.assert_close(planes[1], noise[1] - 0.5, atol=0.06, rtol=0)


def test_key_frames_of_another_scene_do_not_count() -> None:
    """The frame is the first key frame, moved; the second shows something else: no motion, no share in the mix."""
    torch.manual_seed(0)
    frame = cloud(90, 160, (0.06, 0.0)).expand(1, 3, -1, -1)
    keys = torch.cat([cloud(90, 160).expand(1, 3, -1, -1), torch.rand(1, 3, 90, 160)])
    encoder = LatentEncoder(SHAPE, 6, 8)
    seen: list[torch.Tensor] = []
    encoder.linear.register_forward_pre_hook(lambda _, given: seen.append(given[0][0]))
    encoder(frame, keys, torch.zeros(1, 2), torch.zeros(2))
    to_first, to_second = seen[0][: encoder.nearness - 2 * (3 * 15 + 1)].chunk(2)
    assert to_first.abs().max() > 0.5 and to_second.abs().max() == 0
    assert (seen[0][encoder.nearness : encoder.nearness + 2] + 1).tolist() == pytest.approx([1, 0], abs=0.01)
    # of one scene, both count, by how near they are
    both = torch.cat([keys[:1], cloud(90, 160, (0.1, 0.0)).expand(1, 3, -1, -1)])
    encoder(frame, both, torch.zeros(1, 2), torch.zeros(2))
    share = nearness(F.adaptive_avg_pool2d(frame, (48, 80)), F.adaptive_avg_pool2d(both, (48, 80)))[0] + 0.5
    torch.testing.assert_close(seen[1][encoder.nearness : encoder.nearness + 2] + 1, share)


def test_one_key_frame_has_nothing_to_differ_from() -> None:
    keys = torch.rand(1, 3, 20, 30)
    planes, taken = differences(keys, 2, 2)
    torch.testing.assert_close(planes, keys - 0.5)
    assert taken.tolist() == [0]
