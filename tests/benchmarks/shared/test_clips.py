"""Clips are read, cut and resized, played there and back, and replaced by noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from media import encode, moving_square

from benchmarks.shared.clips import Clip, clip_frames, noise
from fiftyone_latent_inr.frames.resize import area_resize

FRAMES = moving_square(9, 48, 64)
MISSING = Path("no such clip.mp4")


def test_clips_are_played_there_and_back_and_replaced_by_noise(tmp_path: Path) -> None:
    frames = np.arange(4, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 16, 24, 3), np.uint8)
    np.save(tmp_path / "clip.npy", frames)
    long = clip_frames(tmp_path / "clip.npy", 9, (16, 24))
    assert long[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert clip_frames(tmp_path / "clip.npy", 3, (8, 12)).shape == (3, 8, 12, 3)
    assert clip_frames(tmp_path / "clip.npy", 3, (8, 12), (8, 12)).shape == (3, 8, 12, 3)
    moving = noise(3, 32, 48)
    assert np.array_equal(clip_frames(MISSING, 3, (32, 48)), moving)
    assert np.array_equal(np.roll(moving[0], -2, 1), moving[2]) and moving.std() > 10


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    np.save(tmp_path / "square.npy", FRAMES)
    return Clip(tmp_path / "square.npy", None)


def test_clips_are_cut_from_the_middle_and_shrunk(clip: Clip) -> None:
    assert np.array_equal(clip.read(4), FRAMES[:4])
    assert np.array_equal(Clip(clip.path, None, (40, 100)).read(2), FRAMES[:2, 4:44])
    assert np.array_equal(Clip(clip.path, (20, 32), (40, 64)).read(2), area_resize(FRAMES[:2, 4:44], (20, 32)))


def test_videos_are_read_at_their_size(tmp_path: Path) -> None:
    path = encode(tmp_path / "square.mp4", FRAMES)
    assert Clip(path, (24, 32)).read(3).shape == (3, 24, 32, 3)
    assert Clip(path, None, (40, 60)).read(3).shape == (3, 40, 60, 3)
