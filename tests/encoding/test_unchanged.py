"""A video that is exchanged or still being copied while it is fitted is refused, whenever it is noticed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import media
import numpy as np
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.video.footage import Footage

TINY = replace(PRESETS["fast"], preset="tiny", steps=2, points_per_step=64, group_frames=4, prior=None)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    video.write(path, np.concatenate([media.moving_square(4, 32, 32, k) for k in range(3)]), 10.0)
    return path


@pytest.mark.parametrize("stage", ["decode", "fit"])
def test_between_the_first_look_and_the_last_group(clip: Path, tmp_path: Path, stage: str) -> None:
    other = tmp_path / "other.mp4"
    shutil.copyfile(clip, other)  # of the same content: only that it was replaced can be seen
    seen: list[Any] = []

    def exchange(event: Any) -> None:
        if event.stage == stage:
            seen.append(event)
        if len(seen) == 1 and other.exists():
            other.replace(clip)

    with pytest.raises(linr.InputError, match="changed while it was being read"):
        linr.fit(clip, config=TINY, device="cpu", progress=exchange)
    assert seen and linr.fit(clip, config=TINY, device="cpu", progress=False).num_frames == 12


def test_images_that_are_added_or_written(tmp_path: Path) -> None:
    from PIL import Image

    for k in range(3):
        Image.fromarray(media.moving_square(1, 16, 16, k)[0]).save(tmp_path / f"{k}.png")
    for change in (lambda: shutil.copyfile(tmp_path / "0.png", tmp_path / "3.png"), (tmp_path / "1.png").touch):
        footage = Footage(tmp_path)
        footage.check_unchanged()
        change()
        with pytest.raises(linr.InputError, match="changed while it was being read"):
            footage.check_unchanged()
    footage = Footage(tmp_path)
    (tmp_path / "2.png").unlink()
    with pytest.raises(linr.InputError):
        footage.check_unchanged()
    Footage(np.zeros((2, 8, 8, 3), np.uint8)).check_unchanged()
