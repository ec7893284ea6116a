"""Encoders: any size of frame, and key frames of another scene do not count."""

from __future__ import annotations

import priors
import pytest
import torch
import torch.nn.functional as F
from scenes import cloud

from fiftyone_latent_inr.priors.encoders import GridEncoder, LatentEncoder, SemanticEncoder
from fiftyone_latent_inr.priors.key_frames import nearness

SHAPE = priors.CONFIG.shape(1, 16, 16)


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
