"""The paper's architecture against loops that say what it computes."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fiftyone_latent_inr.model import Architecture, LatentINR, Level
from fiftyone_latent_inr.rendering.row_blocks import is_point_field

FOURIER = Architecture(
    levels=(),
    latent_dim=6,
    semantic_dim=4,
    bottleneck=5,
    planes=1,
    hidden=8,
    layers=4,
    warp_rows=0,
    warp_cols=0,
    modulation="sigmoid",
    rank=2,
    encoding="fourier",
    frequencies=3,
)
GRIDS = Architecture(
    **{**vars(FOURIER), "encoding": "grid", "frequencies": 0, "levels": (Level(8, 4), Level(3, 2)), "patch": 2}
)


def model(architecture: Architecture) -> LatentINR:
    torch.manual_seed(0)
    made = LatentINR(architecture.for_video(7, 24, 32, 16))
    with torch.no_grad():
        made.latents.normal_()
        for grid in made.field.grids:
            grid.normal_()
        for bias in made.field.biases:
            bias.normal_()
        made.hypernetwork.trunk_bias.normal_()
        made.hypernetwork.offsets.normal_()
    return made


@torch.no_grad()
def plain(made: LatentINR, latent: Tensor, point: Tensor) -> Tensor:
    """One point of one frame, (3 p p,): each hypernetwork apart, each weight gated by itself."""
    c, hyper, field = made.config, made.hypernetwork, made.field
    if c.encoding == "fourier":
        x = [
            wave(math.pi * 2**k * float(point[axis]))
            for axis in (0, 1)
            for wave in (math.sin, math.cos)
            for k in range(c.frequencies)
        ]
    else:
        x = [
            float(F.grid_sample(grid[:, [channel]], point.view(1, 1, 1, 2), align_corners=True))
            for grid in field.grids
            for channel in range(grid.shape[1])
        ]
    x, start = torch.tensor(x), 0
    for layer, (inputs, outputs) in enumerate(c.layer_sizes):
        own = slice(layer * c.bottleneck, (layer + 1) * c.bottleneck)
        hidden = torch.tanh(latent @ hyper.trunk[:, own] + hyper.trunk_bias[own])
        parts = []
        for size in (outputs, inputs):
            stop = start + size * c.rank
            parts.append((hidden @ hyper.heads[:, start:stop] + hyper.offsets[start:stop]).view(size, c.rank))
            start = stop
        gates = torch.empty(outputs, inputs)
        for o in range(outputs):
            for i in range(inputs):
                gates[o, i] = 1 / (1 + math.exp(-sum(float(parts[0][o, r] * parts[1][i, r]) for r in range(c.rank))))
        x = (gates * field.weights[layer]) @ (F.relu(x) if layer else x) + field.biases[layer]
    return x


@pytest.mark.parametrize("architecture", [FOURIER, GRIDS], ids=["fourier", "grids"])
def test_it_equals_the_plain_reference(architecture: Architecture) -> None:
    made = model(architecture)
    points = torch.rand(4, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    patches = made.render_patches(made.latents[[4, 1]], points).view(2, 4, -1)
    for k, frame in enumerate((4, 1)):
        expected = torch.stack([plain(made, made.latents[frame], point) for point in points])
        torch.testing.assert_close(patches[k], expected, rtol=1e-3, atol=1e-4)
    if architecture.patch == 1:
        assert torch.equal(made.render(made.latents[[4, 1]], points), patches)


def test_at_the_start_latents_tell_frames_apart() -> None:
    """Were P and Q both near zero, so would be their gradients."""
    torch.manual_seed(0)
    made = LatentINR(FOURIER.for_video(7, 24, 32))
    drawn = made.render(made.latents, torch.rand(50, 2) * 2 - 1)
    assert drawn.std(0).mean() > 1e-3
    drawn.square().mean().backward()
    assert made.latents.grad is not None and made.latents.grad.abs().mean() > 1e-4


def test_rank_one_modulation_may_read_sines_too() -> None:
    config = Architecture(levels=(), encoding="fourier", frequencies=4, latent_dim=6).for_video(5, 24, 32)
    made = LatentINR(config)
    assert config.features == config.samples == 2 * 16
    assert config.num_parameters == sum(p.numel() for p in made.parameters())
    assert made.render(made.latents, torch.rand(50, 2)).shape == (5, 50, 3)
    assert not is_point_field(made)  # what draws whole frames fast knows grids only
