"""What is drawn: names that tell drawings apart, sizes, instants."""

import numpy as np
import pytest

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.datasets.drawings.drawing import SUFFIX, Drawing


@pytest.mark.parametrize(
    ("drawing", "suffix"),
    [
        (Drawing(), "recon"),
        (Drawing(scale=2), "x2"),
        (Drawing(scale=1.37), "x1_37"),
        (Drawing(scale=1 / 16), "x0_0625"),
        (Drawing(factor=2), "fps2"),
        (Drawing(factor=2.5), "fps2_5"),
        (Drawing(scale=10, factor=20), "x10_fps20"),
    ],
)
def test_suffixes(drawing, suffix):
    assert drawing.suffix == suffix and SUFFIX.fullmatch(suffix)
    assert drawing.field("mine") == f"mine_{suffix}"


@pytest.mark.parametrize("name", ["path", "psnr", "x", "fps", "xray", "x2_", "recon_2", "frames"])
def test_other_fields_are_no_drawings(name):
    assert not SUFFIX.fullmatch(name)


def test_file_names_differ_with_whatever_changes_the_video():
    drawings = [Drawing(), Drawing(scale=2), Drawing(factor=2), Drawing(crf=20), Drawing(factor=2, motion=True)]
    names = {d.file_name("/a/clip-1-2.linr", content, sound) for d in drawings for content in "ab" for sound in (0, 1)}
    assert len(names) == 20 and all(name.startswith("clip-1-2-") and name.endswith(".mp4") for name in names)
    assert Drawing(scale=2).file_name("c.linr", "a", True) == Drawing(scale=np.float32(2)).file_name(
        "c.linr", "a", True
    )


def test_instants_and_what_is_held():
    times, held = Drawing(factor=3).times(3)
    np.testing.assert_allclose(times, [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])
    assert held == 2
    assert Drawing().times(4)[1] == 0 and Drawing(factor=5).times(1)[1] == 4


@pytest.mark.parametrize("value", [True, "2", None, float("inf"), 0, -1, 100])
def test_numbers_out_of_range(value):
    for name in ("scale", "factor"):
        with pytest.raises(InputError, match=f"{name} must be a number from"):
            Drawing(**{name: value})
