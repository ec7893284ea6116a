"""What pretraining shapes: counted before it is made, rebuilt from JSON, refused where it is hostile."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import priors
import pytest
import torch

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.model import Architecture, Level, pixel_grid
from fiftyone_latent_inr.priors.networks import PriorConfig, PriorNetworks, pictures_of

PLAIN = PriorConfig("tiny", priors.ARCHITECTURE, width=4, hidden=8)
WITHOUT_WARPS = PriorConfig(
    "still", replace(priors.ARCHITECTURE, warp_rows=0, warp_cols=0, planes=3), width=5, hidden=7
)


@pytest.mark.parametrize(
    "config", [priors.CONFIG, PLAIN, WITHOUT_WARPS, PriorConfig("fast", PRESETS["fast"].architecture)]
)
def test_parameters_are_counted_as_they_are(config: PriorConfig) -> None:
    assert config.num_parameters == sum(p.numel() for p in PriorNetworks(config).parameters())


@pytest.mark.parametrize("config", [priors.CONFIG, PLAIN])
def test_json_round_trip(config: PriorConfig) -> None:
    assert PriorConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width"),
        ({"width": 4.0}, "width"),
        ({"width": True}, "width"),
        ({"hidden": 10**9}, "hidden"),
        ({"hidden": "8"}, "hidden"),
        ({"embedding_dim": -1}, "embedding_dim"),
        ({"preset": None}, "preset"),
        ({"preset": ""}, "preset"),
        ({"preset": "two\nlines"}, "preset"),
        ({"preset": "x" * 2000}, "preset"),
        ({"teacher": ["small"]}, "teacher"),
        ({"teacher": None}, "belong together"),
        ({"teacher_id": None}, "belong together"),
        ({"semantic_dim": 0}, "belong together"),
        ({"embedding_dim": 0, "semantic_dim": 0}, "belong together"),
        ({"embedding_dim": 0, "teacher": None}, "belong together"),
        ({"architecture": None}, "architecture"),
        ({"architecture": []}, "architecture"),
        ({"semantic_width": 257}, "semantic_width"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_hostile_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PriorConfig.from_json({**priors.CONFIG.to_json(), **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modulation": "sigmoid"}, "rank_one"),
        ({"modulation": ["rank_one"]}, "rank_one"),
        ({"encoding": "fourier"}, "grids"),
        ({"patch": 2}, "points"),
        ({"latent_dim": 4.5}, "latent_dim"),
        ({"latent_dim": 10**9}, "65536"),
        ({"latent_dim": float("nan")}, "65536"),
        ({"hidden": "6"}, "65536"),
        ({"copies_growth": 60_000}, "copies_growth"),  # two to that power is no number
        ({"channels_growth": 1.5}, "channels_growth"),
        ({"levels": []}, "1 to 16"),
        ({"levels": [{"spacing": 8, "channels": 2, "copies": 1}] * 17}, "1 to 16"),
        ({"levels": [{"spacing": 0, "channels": 2, "copies": 1}]}, "spacing"),
        ({"levels": [{"spacing": 8, "channels": 60_000, "copies": 60_000}]}, "parameters"),
        ({"levels": "8"}, "levels"),
        ({"warp_rows": 256, "warp_cols": 256, "bottleneck": 1024, "planes": 8}, "parameters"),
    ],
)
def test_hostile_architectures_are_refused(changes: dict[str, Any], message: str) -> None:
    data = priors.CONFIG.to_json()
    with pytest.raises(InputError, match=message):
        PriorConfig.from_json({**data, "architecture": {**data["architecture"], **changes}})


def test_encoders_count_too() -> None:
    """A small model whose encoders would be large: outputs times width."""
    wide = Architecture(levels=(Level(16, 60_000, 1),), hidden=1, layers=2, bottleneck=1, latent_dim=1, planes=8)
    PriorConfig("wide", wide, latent_dim=1, width=1)
    with pytest.raises(InputError, match="parameters are more than"):
        PriorConfig("wide", wide, latent_dim=1, width=256)


def test_a_missing_key_is_refused() -> None:
    data = priors.CONFIG.to_json()
    del data["width"]
    with pytest.raises(InputError, match="missing or unknown"):
        PriorConfig.from_json(data)
    for nothing in (None, [], "prior", 3):
        with pytest.raises(InputError, match="missing or unknown"):
            PriorConfig.from_json(nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "width"), [(16, 16), (45, 80), (7, 33), (1, 2)])
def test_from_frames_to_colours_at_any_size(height: int, width: int) -> None:
    networks = PriorNetworks(priors.CONFIG)
    shape = priors.CONFIG.shape(5, height, width)
    frames = torch.rand(5, 3, height, width)
    keys = frames[networks.key_frames(frames)]
    pictures, taken = networks.differences(keys)
    grids = networks.grids(pictures[None])
    latents = networks.latents(frames, keys, torch.rand(5, len(keys)) * 2 - 1, taken)
    assert [tuple(grid.shape[1:]) for grid in grids] == [
        (shape.planes, n.channels * n.copies, n.rows, n.cols) for n in shape.levels
    ]
    assert latents.shape == (5, priors.CONFIG.latent_dim)
    colours = networks.draw(latents, torch.rand(5, 11, 2) * 2 - 1, [grid[0] for grid in grids])
    assert colours.shape == (5, 11, 3) and bool(colours.isfinite().all())
    embeddings = networks.embed(frames)
    assert embeddings.shape == (5, 5)
    assert torch.allclose(embeddings.norm(dim=-1), torch.ones(5), atol=1e-5)


def test_a_video_is_encoded_as_its_parts_are() -> None:
    networks = PriorNetworks(priors.CONFIG)
    frames = torch.randint(0, 256, (5, 20, 31, 3), dtype=torch.uint8)
    latents, grids = networks.encode(frames, batch=2)
    pictures = pictures_of(frames)
    keyed = networks.key_frames(pictures)
    apart = (torch.arange(5)[:, None] - torch.tensor(keyed)) / 4
    planes, taken = networks.differences(pictures[keyed])
    torch.testing.assert_close(latents, networks.latents(pictures, pictures[keyed], apart, taken))
    for grid, whole in zip(grids, networks.grids(planes[None]), strict=True):
        torch.testing.assert_close(grid, whole[0])


def test_untrained_networks_read_all_levels_alike() -> None:
    """What the first layer reads of a picture's levels adds up to what it would read of the picture."""
    torch.manual_seed(0)
    networks = PriorNetworks(PriorConfig("fast", PRESETS["fast"].architecture))
    shape = networks.config.shape(1, 90, 160)
    y, x = torch.meshgrid(torch.linspace(0, 6, 90), torch.linspace(0, 9, 160), indexing="ij")
    grey = (torch.sin(3 * x) * torch.cos(2 * y) / 4).expand(1, 2, 3, -1, -1).contiguous()
    field, points = networks.field, pixel_grid(90, 160)[None]
    with torch.no_grad():
        for level in networks.grid_encoder.levels:
            level.out.weight.zero_()
            level.out.bias.zero_()
        read = field._read(field._warp(None, points), [grid[0] for grid in networks.grids(grey)])
        hidden = field._spread_over_copies(field.weights[0]) @ read
    assert (hidden.shape[1], shape.planes) == (36, 2)
    # one number for each unit: how it answers to grey, of both planes
    answer = (hidden[0] @ grey[0, 0, 0].flatten()) / grey[0, 0, 0].square().sum()
    explained = answer[:, None] * grey[0, 0, 0].flatten()
    assert (hidden[0] - explained).square().mean() < 0.02 * hidden.square().mean()


def test_untrained_networks_begin_with_the_motion_that_is_seen() -> None:
    """Of a picture that slides, the warps of either plane are the way back to its key frame."""
    networks = PriorNetworks(PriorConfig("fast", PRESETS["fast"].architecture))
    y, x = torch.meshgrid(torch.linspace(0, 6, 90), torch.linspace(0, 10, 160), indexing="ij")
    frames = torch.stack([(torch.sin(3 * x + 0.04 * k) * torch.cos(2 * y) + 1) / 2 for k in range(8)])
    frames = frames[:, None].expand(-1, 3, -1, -1)
    keyed = networks.key_frames(frames)
    apart = (torch.arange(8)[:, None] - torch.tensor(keyed)) / 7
    with torch.no_grad():
        _, taken = networks.differences(frames[keyed])
        warps = networks.hypernetwork(networks.latents(frames, frames[keyed], apart, taken))["warp"]
    moved = networks.config.architecture.warp_scale * warps.view(8, 2, 2, -1).mean(-1)  # (T, P, xy)
    true = 0.04 / 3 / 10 * 2 * (torch.arange(8)[:, None] - torch.tensor(keyed))
    torch.testing.assert_close(moved[:, :, 0], true, atol=4e-3, rtol=0.15)
    assert float(moved[:, :, 1].abs().max()) < 4e-3
