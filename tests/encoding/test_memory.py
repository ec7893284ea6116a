"""A card with too little memory: fewer pixels a step, and a clear word where they are few already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from scenes import scene, scenes

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.encoding import fit as encode
from fiftyone_latent_inr.fitting import PRESETS, FitConfig, GroupTask
from fiftyone_latent_inr.latent_video.video import LatentVideo

QUICK = replace(PRESETS["fast"], steps=20, steps_growth=0.0, points_per_step=512, group_frames=8)


def run(source: Any, config: FitConfig) -> LatentVideo:
    return linr.fit(source, config=config, device="cpu", progress=False)


def out_of_memory(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Lets fits fail so many times; gives the points of every try."""
    tried: list[int] = []
    real = encode.fit_frames

    def fit_frames(task: GroupTask, config: FitConfig, **options: Any) -> Any:
        tried.append(config.points_per_step)
        if len(tried) <= times:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(task, config, **options)

    monkeypatch.setattr(encode, "fit_frames", fit_frames)
    return tried


@pytest.mark.parametrize("groups", [1, 2])
def test_a_card_with_too_little_memory_gets_smaller_steps(groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = out_of_memory(monkeypatch, times=1)
    config = replace(QUICK, steps=2, points_per_step=4096)
    video = run(scenes((1, 6), (2, 6)) if groups == 2 else scene(1, 6), config)
    assert tried[:2] == [4096, 2048] and video.num_groups == groups


@pytest.mark.parametrize("groups", [1, 2])
def test_a_card_that_is_too_small_is_said_to_be(groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = out_of_memory(monkeypatch, times=99)
    config = replace(QUICK, points_per_step=8192)
    with pytest.raises(linr.InputError, match=r"memory is too small.*smaller size.*CPU"):
        run(scenes((1, 6), (2, 6)) if groups == 2 else scene(1, 6), config)
    assert tried == [8192, 4096, 2048]


def test_what_a_group_starts_from_may_not_fit_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames are shown to the prior on the card: full memory there is no other than in a step."""
    from fiftyone_latent_inr.encoding import video_fit

    def full(*_: Any, **__: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(video_fit, "prior_start", full)
    with pytest.raises(linr.InputError, match="memory is too small"):
        run(scene(1, 6), replace(QUICK, steps=2))
