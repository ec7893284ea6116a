"""The small world's generator."""

import json

import numpy as np
import pytest

from fiftyone_latent_inr import video
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.small_world import world as shapes


def clean(kind="circle", colour="red", ground="white", motion="still", **changes):
    spec = shapes.random_spec(np.random.default_rng(5), (colour, kind, ground), motion=motion)
    return shapes.ShapeClip(spec.shapes, ground, spec.background_rgb, **changes)


def centre(frame, spec):
    """Mean place (x, y) of the pixels that look more like the shape than like the background."""
    to_shape = np.abs(frame.astype(int) - spec.shapes[0].rgb).sum(-1)
    to_ground = np.abs(frame.astype(int) - spec.background_rgb).sum(-1)
    y, x = np.nonzero(to_shape < to_ground)
    return x.mean(), y.mean()


def test_the_same_seed_gives_the_same_pixels():
    first, again = shapes.random_specs(5, seed=3), shapes.random_specs(5, seed=3)
    assert first == again and first != shapes.random_specs(5, seed=4)
    np.testing.assert_array_equal(shapes.render(first[0], 4), shapes.render(again[0], 4))


@pytest.mark.parametrize("size", [(96, 128), (48, 48), (90, 161), (75, 31)])
@pytest.mark.parametrize("kind", shapes.SHAPES)
def test_every_shape_has_its_colour_on_its_background(kind, size):
    spec = clean(kind)
    frames = shapes.render(spec, 2, size)
    assert frames.shape == (2, *size, 3) and frames.dtype == np.uint8
    covered = (np.abs(frames[0].astype(int) - spec.shapes[0].rgb).max(-1) <= 2).mean()
    empty = (np.abs(frames[0].astype(int) - spec.background_rgb).max(-1) <= 2).mean()
    assert 0.005 < covered < 0.4 and empty > 0.4


@pytest.mark.parametrize("kind", shapes.SHAPES)
def test_no_two_shapes_are_alike(kind):
    y, x = np.mgrid[1:-1:101j, -1:1:101j].astype(np.float32)
    inside = shapes.signed_distance(kind, x, y, 0.5) < 0
    for other in shapes.SHAPES:
        against = shapes.signed_distance(other, x, y, 0.5) < 0
        overlap = (inside & against).sum() / (inside | against).sum()
        assert (overlap == 1) == (other == kind), other


@pytest.mark.parametrize("kind", shapes.SHAPES)
@pytest.mark.parametrize("detail", [0.0, 1.0])
def test_signed_distance_grows_by_the_distance(kind, detail):
    """Near the edge, a step of h changes the distance by at most h, and for the most part by as much."""
    y, x = np.mgrid[1.2:-1.2:301j, -1.2:1.2:301j].astype(np.float32)
    distance = shapes.signed_distance(kind, x, y, detail)
    slope = np.hypot(*np.gradient(distance, 2.4 / 300))
    edge = np.abs(distance) < 0.03
    assert edge.any() and np.median(slope[edge]) == pytest.approx(1, abs=0.05)
    assert distance[:, [0, -1]].min() > 0  # it fits the unit circle


@pytest.mark.parametrize("motion", shapes.MOTIONS)
def test_motion_goes_where_the_caption_says_and_stays_in_frame(motion):
    for seed in range(10):
        spec = shapes.random_spec(np.random.default_rng(seed), ("red", "square", "white"), motion=motion)
        frames = shapes.render(spec, 5, (96, 128))
        (x0, y0), (x1, y1) = centre(frames[0], spec), centre(frames[-1], spec)
        direction = np.array(shapes.MOTIONS[motion])
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


def test_two_shapes_do_not_cover_each_other():
    for spec in shapes.random_specs(30, seed=1, two_shapes=1.0):
        first, second = spec.shapes
        assert first.colour != second.colour and first.kind != second.kind
        for a, b in ((first.start, second.start), (first.end, second.end)):
            apart = np.hypot((a[0] - b[0]) * 4 / 3, a[1] - b[1])
            assert apart > 0.6 * (first.radius + second.radius)


def test_captions_name_everything_and_begin_with_the_plain_one():
    moving = shapes.captions(clean("star", "orange", "blue", "left"))
    assert moving[0] == "an orange star moving left on a blue background"
    assert "orange star" in moving and len(set(moving)) == len(moving)
    assert shapes.captions(clean())[0] == "a red circle on a white background"
    two = shapes.captions(shapes.random_specs(1, two_shapes=1.0, seed=2)[0])
    assert all(" and " in text for text in two)


def test_held_out_combinations_are_an_eighth_and_never_mix():
    held, seen = shapes.combinations(True), shapes.combinations(False)
    assert not set(held) & set(seen) and set(held) | set(seen) == set(shapes.combinations())
    assert 0.09 < len(held) / len(shapes.combinations()) < 0.16
    # a fixed point: were the rule to change, the shipped teacher's scores would no longer be of unseen clips
    assert len(held) == 178 and held[0] == ("red", "square", "brown")
    assert not shapes.is_held_out("red", "circle", "white")
    for spec in shapes.random_specs(60, seed=0, held_out=True, two_shapes=0.5):
        assert all(shapes.is_held_out(*each) for each in spec.combinations)
    for spec in shapes.random_specs(60, seed=0, held_out=False, two_shapes=0.5):
        assert not any(shapes.is_held_out(*each) for each in spec.combinations)


def test_specs_differ_in_their_combinations():
    specs = shapes.random_specs(60, seed=9)
    assert len({spec.combinations[0] for spec in specs}) == 60


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="combinations"):
        shapes.random_specs(10**6)
    with pytest.raises(InputError, match="at least 1 frame"):
        shapes.render(clean(), 0)
    with pytest.raises(InputError, match="8x8"):
        shapes.render(clean(), 1, (4, 40))


def test_one_frame_is_the_start():
    spec = clean(motion="right")
    np.testing.assert_array_equal(shapes.render(spec, 1)[0], shapes.render(spec, 5)[0])


def test_write_clips_writes_what_the_manifest_says(tmp_path):
    entries = shapes.write_clips(tmp_path / "new", 3, seed=1, size=(48, 64), num_frames=5, fps=10, held_out=True)
    assert json.loads((tmp_path / "new" / "manifest.json").read_text())["clips"] == entries
    for entry, spec in zip(entries, shapes.random_specs(3, 1, held_out=True, aspect=64 / 48), strict=True):
        assert entry["caption"] == shapes.captions(spec)[0] and entry["held_out"]
        frames = video.read(tmp_path / "new" / entry["file"])
        assert frames.array.shape == (5, 48, 64, 3) and frames.fps == pytest.approx(10)
        assert np.abs(frames.array.astype(int) - shapes.render(spec, 5, (48, 64))).mean() < 6
