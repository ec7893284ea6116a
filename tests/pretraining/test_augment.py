"""Clips are cut out of windows as asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scenes import scene

from fiftyone_latent_inr.pretraining.augment import Augmentation, cut_clip, finish

PLAIN = Augmentation(most_zoom=1.0, most_stride=1, frozen=0.0, camera=0.0, cut=0.0, mirror=False, colours=False)


def test_a_plain_clip_is_the_window() -> None:
    window = scene(1, 8, 1.0, 32, 48)
    clip = cut_clip(window, 8, np.array([0, 7, 3]), (32, 48), PLAIN, np.random.default_rng(0))
    clip = finish(clip, PLAIN, np.random.default_rng(0))
    assert torch.equal((clip * 255).round().byte().permute(0, 2, 3, 1), torch.from_numpy(window[[0, 7, 3]]))


@pytest.mark.parametrize("camera", [0.0, 1.0])
@pytest.mark.parametrize("shape", [(1, 20, 30), (5, 90, 60), (46, 64, 96)])
def test_any_window_gives_clips(shape: tuple[int, int, int], camera: float) -> None:
    window = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        how = Augmentation(camera=camera)
        clip = finish(cut_clip(window, 16, np.arange(16), (32, 48), how, rng), how, rng)
        assert clip.shape == (16, 3, 32, 48) and clip.dtype == torch.float32
        assert clip.min() >= 0 and clip.max() <= 1


def test_a_still_picture_under_a_camera_moves_and_a_frozen_clip_does_not() -> None:
    window = scene(1, 4, 2.0, 64, 96)
    frozen = Augmentation(frozen=1.0, camera=0.0)
    clip = cut_clip(window, 16, np.arange(16), (32, 48), frozen, np.random.default_rng(1))
    assert torch.equal(clip, clip[:1].expand_as(clip))
    moved = cut_clip(
        window, 16, np.arange(16), (32, 48), Augmentation(frozen=1.0, camera=1.0), np.random.default_rng(1)
    )
    assert (moved[0] - moved[-1]).abs().mean() > 1


def test_frames_of_a_clip_do_not_depend_on_which_are_asked_for() -> None:
    window = scene(3, 46, 1.0, 96, 128)
    for seed in range(6):
        how = Augmentation()
        all_of_it = cut_clip(window, 16, np.arange(16), (32, 48), how, np.random.default_rng(seed))
        some = cut_clip(window, 16, np.array([4, 11, 4]), (32, 48), how, np.random.default_rng(seed))
        assert torch.allclose(some, all_of_it[[4, 11, 4]], atol=1e-3)
