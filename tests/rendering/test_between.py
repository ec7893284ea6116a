"""Frames in between: along the motion of those around them, or blended."""

from __future__ import annotations

import numpy as np
import pytest
from field_models import field_model

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.rendering.between import follow, join


def textured(offset: int) -> np.ndarray:
    """A smooth pattern, moved to the right by so many pixels."""
    x, y = np.meshgrid(np.arange(96) - offset, np.arange(64))
    waves = np.sin(x / 5) * np.cos(y / 7) + np.sin((x + 2 * y) / 11)
    return np.repeat(np.rint(127 + 50 * waves)[..., None], 3, -1).astype(np.uint8)


def test_two_frames_are_joined_along_their_motion() -> None:
    pytest.importorskip("cv2")
    first, middle, last = join(textured(0), textured(6), np.array([0.0, 0.5, 1.0]))
    assert np.array_equal(first, textured(0)) and np.array_equal(last, textured(6))
    inside = slice(12, -12)
    off, blended = (
        np.abs(frame[inside, inside] - textured(3)[inside, inside].astype(float)).mean()
        for frame in (middle, (textured(0) + textured(6).astype(float)) / 2)
    )
    assert off < blended / 3


def test_frames_too_small_for_motion_are_blended() -> None:
    before, after = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 200, np.uint8)
    assert [int(frame[0, 0, 0]) for frame in join(before, after, np.array([0.25, 0.5]))] == [50, 100]


def test_following_motion_in_frames_too_small_is_refused() -> None:
    model = field_model("copies")
    with pytest.raises(InputError, match="7x40"):
        next(follow(model, np.array([1.5], np.float32), 7, 40))
