"""Specs of the small world as frames."""

import numpy as np
import pytest
from specs import clean

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.small_world.drawing import render
from fiftyone_latent_inr.small_world.world import MOTIONS, SHAPES, random_spec, random_specs


def centre(frame, spec):
    """Mean place (x, y) of the pixels that look more like the shape than like the background."""
    to_shape = np.abs(frame.astype(int) - spec.shapes[0].rgb).sum(-1)
    to_ground = np.abs(frame.astype(int) - spec.background_rgb).sum(-1)
    y, x = np.nonzero(to_shape < to_ground)
    return x.mean(), y.mean()


def test_the_same_seed_gives_the_same_pixels():
    first, again = random_specs(5, seed=3), random_specs(5, seed=3)
    assert first == again and first != random_specs(5, seed=4)
    np.testing.assert_array_equal(render(first[0], 4), render(again[0], 4))


@pytest.mark.parametrize("size", [(96, 128), (48, 48), (90, 161), (75, 31)])
@pytest.mark.parametrize("kind", SHAPES)
def test_every_shape_has_its_colour_on_its_background(kind, size):
    spec = clean(kind)
    frames = render(spec, 2, size)
    assert frames.shape == (2, *size, 3) and frames.dtype == np.uint8
    covered = (np.abs(frames[0].astype(int) - spec.shapes[0].rgb).max(-1) <= 2).mean()
    empty = (np.abs(frames[0].astype(int) - spec.background_rgb).max(-1) <= 2).mean()
    assert 0.005 < covered < 0.4 and empty > 0.4


@pytest.mark.parametrize("motion", MOTIONS)
def test_motion_goes_where_the_caption_says_and_stays_in_frame(motion):
    for seed in range(10):
        spec = random_spec(np.random.default_rng(seed), ("red", "square", "white"), motion=motion)
        frames = render(spec, 5, (96, 128))
        (x0, y0), (x1, y1) = centre(frames[0], spec), centre(frames[-1], spec)
        direction = np.array(MOTIONS[motion])
        moved = np.array([x1 - x0, y1 - y0])
        if motion == "still":
            assert np.abs(moved).max() < 1
        else:
            assert moved @ direction > 8 and abs(moved @ direction[::-1]) < 2
        for shape in spec.shapes:
            for place in (shape.start, shape.end):
                reach = 0.9 * shape.radius
                assert reach - 1e-6 <= place[0] * 4 / 3 <= 4 / 3 - reach + 1e-6
                assert reach - 1e-6 <= place[1] <= 1 - reach + 1e-6


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="at least 1 frame"):
        render(clean(), 0)
    with pytest.raises(InputError, match="8x8"):
        render(clean(), 1, (4, 40))


def test_one_frame_is_the_start():
    spec = clean(motion="right")
    np.testing.assert_array_equal(render(spec, 1)[0], render(spec, 5)[0])
