"""Captions of the small world, and files with their manifest."""

import json

import numpy as np
import pytest
from specs import clean

from fiftyone_latent_inr import video
from fiftyone_latent_inr.small_world.clips import captions, write_clips
from fiftyone_latent_inr.small_world.drawing import render
from fiftyone_latent_inr.small_world.world import random_specs


def test_captions_name_everything_and_begin_with_the_plain_one():
    moving = captions(clean("star", "orange", "blue", "left"))
    assert moving[0] == "an orange star moving left on a blue background"
    assert "orange star" in moving and len(set(moving)) == len(moving)
    assert captions(clean())[0] == "a red circle on a white background"
    two = captions(random_specs(1, two_shapes=1.0, seed=2)[0])
    assert all(" and " in text for text in two)


def test_write_clips_writes_what_the_manifest_says(tmp_path):
    entries = write_clips(tmp_path / "new", 3, seed=1, size=(48, 64), num_frames=5, fps=10, held_out=True)
    assert json.loads((tmp_path / "new" / "manifest.json").read_text())["clips"] == entries
    for entry, spec in zip(entries, random_specs(3, 1, held_out=True, aspect=64 / 48), strict=True):
        assert entry["caption"] == captions(spec)[0] and entry["held_out"]
        frames = video.read(tmp_path / "new" / entry["file"])
        assert frames.array.shape == (5, 48, 64, 3) and frames.fps == pytest.approx(10)
        assert np.abs(frames.array.astype(int) - render(spec, 5, (48, 64))).mean() < 6
