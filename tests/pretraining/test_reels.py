"""Windows of one video: bounded, and from all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scenes import scene

from fiftyone_latent_inr import video
from fiftyone_latent_inr.frames.resize import area_resize
from fiftyone_latent_inr.pretraining.reels import WINDOW_FRAMES, FootageReel, box_average, named_reels


def test_windows_stay_within_bounds_and_follow_the_seed() -> None:
    long, wide = scene(0, 70, 1.0), np.zeros((2, 500, 900, 3), np.uint8)
    reels = named_reels([("long", long), ("wide", wide), ("tall", wide.transpose(0, 2, 1, 3))])
    for reel in reels:
        for seed in range(4):
            window = reel.window(np.random.default_rng(seed))
            assert len(window) <= WINDOW_FRAMES and min(window.shape[1:3]) <= 192 and max(window.shape[1:3]) <= 320
            assert np.array_equal(window, reel.window(np.random.default_rng(seed)))


def test_windows_of_a_file_come_from_all_of_it(tmp_path: Path) -> None:
    frames = np.stack([np.full((48, 64, 3), level, np.uint8) for level in range(20, 220)])
    path = tmp_path / "ramp.mp4"
    video.write(path, frames, 25)
    reel = FootageReel(path, "ramp")
    firsts = [reel.window(np.random.default_rng(seed))[0].mean() for seed in range(12)]
    assert min(firsts) < 70 and max(firsts) > 120
    window = reel.window(np.random.default_rng(3))
    assert len(window) == WINDOW_FRAMES and np.diff(window.mean((1, 2, 3))).min() >= 0


def test_box_averages_are_area_averages() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)
    for factor in (1, 2, 3):
        expected = area_resize(frame, (12 // factor, 18 // factor))
        assert np.array_equal(box_average(frame, factor), expected)
