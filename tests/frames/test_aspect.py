"""The shape of pixels: what is taken for one, and what a resize makes of it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fiftyone_latent_inr.frames.aspect import SQUARE, as_pixel_aspect, from_header, ratio, resized, to_header


@pytest.mark.parametrize("value", [0, -1, Fraction(1, 11), 10.5, float("nan"), float("inf"), "wide", None, [4, 3]])
def test_absurd_ones_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="a pixel's width over its height"):
        as_pixel_aspect(value)


def test_what_files_cannot_hold_becomes_the_nearest_that_they_can() -> None:
    for exact in (Fraction(1_000_003, 700_001), Fraction(100_003, 1_000_003), Fraction(9_999_991, 1_000_003)):
        near = as_pixel_aspect(exact)
        assert max(near.numerator, near.denominator) <= 65_535 and abs(near / exact - 1) < 1e-4
    assert as_pixel_aspect(Fraction(64, 45)) == Fraction(64, 45) and as_pixel_aspect(1) == SQUARE


def test_a_resize_keeps_the_shape_in_which_pictures_are_shown() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        old, new = ((int(h), int(w)) for h, w in rng.integers(16, 2000, (2, 2)))
        aspect = Fraction(*map(int, rng.integers(1, 200, 2)))
        exact = aspect * Fraction(old[1] * new[0], old[0] * new[1])
        if aspect == 1 or not (0.1 <= aspect <= 10 and 0.1 <= exact <= 10):
            continue
        found = resized(aspect, old, new)
        assert abs(found / exact - 1) <= 0.01 and as_pixel_aspect(found) == found
        assert found.denominator <= 1000 or found == aspect


def test_square_pixels_stay_square_and_the_same_shape_keeps_its_ratio() -> None:
    assert resized(SQUARE, (64, 96), (96, 64)) == SQUARE
    assert resized(Fraction(128, 117), (576, 720), (288, 360)) == Fraction(128, 117)
    assert resized(Fraction(9, 1), (64, 640), (640, 64)) == 9  # beyond what can be said: as it was


def test_header() -> None:
    assert to_header(SQUARE) == {} and from_header({}) == SQUARE
    for aspect in (Fraction(4, 3), Fraction(64, 45)):
        assert from_header(to_header(aspect)) == aspect
    assert ratio(Fraction(64, 45)) == "64:45"


WRONG = [None, 1, "4:3", [4], [4, 3, 2], [0, 1], [1, 0], [-4, 3], [4.0, 3], [True, 1], [65_536, 65_536], [1, 11], {}]


@pytest.mark.parametrize("value", WRONG)
def test_a_strangers_header_is_checked(value: Any) -> None:
    with pytest.raises(ValueError):
        from_header({"pixel_aspect": value})
