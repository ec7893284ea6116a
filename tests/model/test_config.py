"""Model configurations: scaling, counting, and what a hostile one may not ask for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS, FitConfig
from fiftyone_latent_inr.model import Architecture, LatentINR, Level, ModelConfig

SMALL = Architecture(levels=(Level(8, 4, 3), Level(3, 2)), latent_dim=6, semantic_dim=4, bottleneck=5, hidden=12)
PAPER = Architecture(
    levels=(), modulation="sigmoid", rank=2, encoding="fourier", frequencies=5, warp_rows=0, warp_cols=0, patch=3
)


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


@pytest.mark.parametrize("architecture", [SMALL, PAPER, replace(SMALL, patch=4)])
def test_json_round_trip(architecture: Architecture) -> None:
    config = architecture.for_video(5, 20, 30, 16)
    assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.num_parameters == sum(p.numel() for p in LatentINR(config).parameters())


def test_what_was_written_before_there_were_patches_is_still_written_and_read() -> None:
    """Files, and the digests of settings, must not change where nothing new is used."""
    old = {
        "num_frames": 2,
        "height": 9,
        "width": 8,
        "latent_dim": 2,
        "semantic_dim": 0,
        "embedding_dim": 0,
        "bottleneck": 3,
        "levels": [{"rows": 3, "cols": 2, "channels": 2, "copies": 1}],
        "planes": 1,
        "hidden": 4,
        "layers": 2,
        "warp_rows": 0,
        "warp_cols": 0,
        "warp_scale": 0.05,
    }
    config = ModelConfig.from_json(old)
    assert (config.patch, config.modulation, config.encoding) == (1, "rank_one", "grid")
    assert json.dumps(config.to_json()) == json.dumps(old)
    assert FitConfig("any", SMALL, steps=3).digest() != FitConfig("any", replace(SMALL, patch=2), steps=3).digest()
    for name in ("patch", "modulation", "rank", "encoding", "frequencies"):
        assert name not in SMALL.to_json() and name in PAPER.to_json()


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


@pytest.mark.parametrize(
    "change",
    [
        {"patch": 0},
        {"patch": 10**6},
        {"patch": 2.0},
        {"rank": 0},
        {"rank": 10**4},
        {"rank": True},
        {"modulation": "softmax"},
        {"modulation": ["sigmoid"]},
        {"modulation": "rank_one"},
        {"encoding": "hash"},
        {"encoding": None},
        {"encoding": "grid"},
        {"frequencies": 0},
        {"frequencies": 10**3},
        {"levels": [{"rows": 4, "cols": 4, "channels": 1, "copies": 1}]},
        {"warp_rows": 5, "warp_cols": 8},
        {"hidden": 1024, "layers": 12, "rank": 64, "bottleneck": 1024},
    ],
)
def test_hostile_configurations_of_the_papers_kind_are_refused(change: dict[str, Any]) -> None:
    data = PAPER.for_video(5, 20, 30, 16).to_json()
    ModelConfig.from_json(data)
    with pytest.raises(InputError, match="model configuration"):
        ModelConfig.from_json(data | change)


def test_copies_cannot_be_mixed_without_coefficients() -> None:
    levels = (Level(8, 4, 2),)
    with pytest.raises(InputError, match="copies"):
        replace(PAPER, encoding="grid", frequencies=0, levels=levels).for_video(5, 20, 30)
