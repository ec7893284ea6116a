"""Bjontegaard's differences on curves whose answer is known, and on the example of a published implementation."""

from __future__ import annotations

import math

import pytest

from benchmarks.shared.bjontegaard import Method, bd_quality, bd_rate, quality_at, rate_at

METHODS: list[Method] = ["pchip", "cubic"]
CURVE = [(100.0, 30.0), (210.0, 33.5), (390.0, 36.0), (850.0, 38.2), (1700.0, 39.5)]

# The example of github.com/FAU-LMS/bjontegaard (libx265, two presets) and what its version 1.3.0 prints for it.
ANCHOR = [(9487.76, 40.037), (4593.60, 38.615), (2486.44, 36.845), (1358.24, 34.851)]
TEST = [(9787.80, 40.121), (4469.00, 38.651), (2451.52, 36.970), (1356.24, 34.987)]
PUBLISHED = {"pchip": (-4.417485350589045, 0.11969278542479489), "cubic": (-4.420462706026296, 0.12040941911471303)}


@pytest.mark.parametrize("method", METHODS)
def test_the_published_example(method: Method) -> None:
    rate, quality = PUBLISHED[method]
    assert bd_rate(ANCHOR, TEST, method) == pytest.approx(rate, abs=1e-7)
    assert bd_quality(ANCHOR, TEST, method) == pytest.approx(quality, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 3.0])
def test_a_curve_at_another_rate(method: Method, factor: float) -> None:
    other = [(rate * factor, quality) for rate, quality in CURVE]
    assert bd_rate(CURVE, other, method) == pytest.approx(100 * (factor - 1), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_better_curve(method: Method) -> None:
    assert bd_quality(CURVE, [(rate, quality + 1.25) for rate, quality in CURVE], method) == pytest.approx(1.25)


def test_straight_lines_of_different_slope() -> None:
    """Quality 10 log10 r against 5 log10 r + 10: their difference over rates 10 to 1000 is 5 log10 r - 10, mean 0."""
    one = [(10.0**k, 10.0 * k) for k in (1, 2, 3)]
    other = [(10.0**k, 5.0 * k + 10) for k in (1, 2, 3)]
    assert bd_quality(one, other) == pytest.approx(0, abs=1e-9)
    # On q from 15 to 25: log10 r is q / 10 against q / 5 - 2, the mean difference q / 10 - 2 is 0 again ...
    assert bd_rate(one, other) == pytest.approx(0, abs=1e-6)
    # ... and on q from 20 to 25 it is 0.25 decades.
    assert bd_rate(one, other[1:]) == pytest.approx(100 * (10**0.25 - 1))


def test_only_the_shared_part_counts() -> None:
    far = [*CURVE, (1e6, 60.0)]
    assert bd_rate(CURVE, far) == pytest.approx(0, abs=1)


def test_order_and_useless_points_do_not_matter() -> None:
    assert bd_rate(CURVE[::-1], [*CURVE, (900.0, 38.0)]) == pytest.approx(0, abs=1e-9)


def test_where_there_is_no_answer() -> None:
    above = [(rate, quality + 20) for rate, quality in CURVE]
    assert bd_rate(CURVE, above) is None
    assert bd_rate(CURVE, CURVE[:1]) is None
    assert bd_rate(CURVE, []) is None
    assert bd_rate(CURVE, CURVE[:3], "cubic") is None


def test_interpolation_is_logarithmic_and_stays_inside() -> None:
    line = [(1.0, 30.0), (100.0, 40.0)]
    assert quality_at(10, line) == pytest.approx(35)
    assert rate_at(35, line) == pytest.approx(10)
    assert quality_at(100, line) == pytest.approx(40)
    assert quality_at(0.99, line) is None and quality_at(101, line) is None
    assert rate_at(29.9, line) is None and rate_at(40.1, line) is None
    assert quality_at(1, [(1.0, 30.0)]) is None
    assert rate_at(quality_at(500, CURVE) or math.nan, CURVE) == pytest.approx(500, rel=0.02)
