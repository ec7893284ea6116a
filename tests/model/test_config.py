"""Model configurations: scaling, counting, and what a hostile one may not ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.model import Architecture, LatentINR, Level, ModelConfig

SMALL = Architecture(levels=(Level(8, 4, 3), Level(3, 2)), latent_dim=6, semantic_dim=4, bottleneck=5, hidden=12)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("shape", [(1, 2, 2, 0), (16, 90, 160, 64), (300, 143, 175, 512)])
def test_parameters_are_counted_as_they_are(preset: str, shape: tuple[int, int, int, int]) -> None:
    config = PRESETS[preset].architecture.for_video(*shape)
    assert config.num_parameters == sum(p.numel() for p in LatentINR(config).parameters())


def test_grids_follow_the_frame_size_and_the_length() -> None:
    once, larger, longer = (SMALL.for_video(*shape) for shape in [(32, 48, 64), (32, 96, 128), (128, 48, 64)])
    assert larger.levels[1].rows == 33 and once.levels[1].rows == 17
    assert longer.levels[0].copies > once.levels[0].copies
    assert longer.levels[1].copies == 1
    assert longer.num_parameters < 4 * once.num_parameters


def test_json_round_trip() -> None:
    config = SMALL.for_video(5, 20, 30, 16)
    assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    "change",
    [
        {"num_frames": 0},
        {"num_frames": 10**9},
        {"height": True},
        {"width": "64"},
        {"latent_dim": 2.0},
        {"layers": 1},
        {"hidden": 10**6},
        {"semantic_dim": 99},
        {"embedding_dim": 0},
        {"warp_scale": float("nan")},
        {"levels": []},
        {"levels": [{"rows": 10**5, "cols": 10**5, "channels": 9, "copies": 1}]},
        {"levels": [{"rows": 4, "cols": 4, "channels": -1, "copies": 1}]},
        {"levels": [{"rows": 4, "cols": 4}]},
        {"levels": "abc"},
        {"surprise": 1},
    ],
)
def test_hostile_configurations_are_refused(change: dict[str, Any]) -> None:
    data = SMALL.for_video(5, 20, 30, 16).to_json() | change
    with pytest.raises(InputError, match="model configuration"):
        ModelConfig.from_json(data)
