"""Stamps in, a rate and times out: repeated, disordered and missing stamps, and times in few numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.video.timing import (
    PictureTimes,
    Schedule,
    Timing,
    check_fps,
    checked_times,
    packed_times,
    unpacked_times,
)

MILLI = Fraction(1, 1000)


def timed(
    stamps: Sequence[int | None],
    declared: Sequence[float] = (),
    length: int = 0,
    dts: Sequence[int | None] | None = None,
    base: Fraction = MILLI,
) -> Timing:
    """The timing of frames with these stamps, in ticks."""
    times = PictureTimes()
    for pts, second in zip(stamps, dts or [None] * len(stamps), strict=True):
        times.add(SimpleNamespace(pts=pts, dts=second, duration=length, time_base=base))
    return times.timing(declared, float(base))


@pytest.mark.parametrize(("base", "rate"), [(1000, 25.0), (1000, 30000 / 1001), (90000, 60000 / 1001), (1, 0.005)])
def test_even_stamps_give_the_declared_rate_exactly(base: int, rate: float) -> None:
    stamps = [round(k / rate * base) for k in range(300)]
    found = timed(stamps, [rate], round(base / rate), base=Fraction(1, base))
    assert (found.fps, found.times) == (rate, None)


def test_without_a_declared_rate_it_is_measured() -> None:
    assert timed([0, 40, 80, 120]).fps == pytest.approx(25)


def test_a_declared_rate_that_drifts_from_the_stamps_is_not_taken() -> None:
    """Of an hour, half a percent are eighteen seconds."""
    found = timed([round(k * 1000 / 29.9) for k in range(29 * 3600)], [30.0])
    assert found.fps == pytest.approx(29.9, rel=1e-5)
    assert found.times is None


@pytest.mark.parametrize(
    ("stamps", "rate"),
    [
        ([k // 2 * 200 for k in range(12)], 10),  # each stamp twice
        ([(k - (k % 4 == 3)) * 40 for k in range(20)], 25),  # every fourth one
        ([0, 200, 100, 300, 500, 400, 600], 10),  # not in order
        ([0, None, 200, None, None, 500, 600], 10),  # missing
        ([None, None, 200, 300, 400, 500, 600], 10),  # missing at the start
    ],
)
def test_stamps_that_repeat_or_are_missing_cost_no_time(stamps: list[int | None], rate: float) -> None:
    found = timed(stamps, [7.0], length=100 if rate == 10 else 40)
    assert found.fps == pytest.approx(rate)
    assert found.times is None


def test_stamps_of_presentation_that_fall_give_way_to_those_of_decoding() -> None:
    """As FFmpeg's own program has it; three fall here, and one is there twice."""
    found = timed([0, 300, 100, 100, 200, 500, 400], dts=[0, 100, 200, 300, 400, 500, 600], length=100)
    assert found.fps == pytest.approx(10, rel=0.2)


def test_no_stamps_at_all_leave_the_declared_rate() -> None:
    assert timed([None, None, None], [12.0]) == Timing(12.0, 0.25)
    assert timed([5, 5, 5]).fps == 25


def test_one_picture_is_shown_for_as_long_as_it_says() -> None:
    assert timed([0], [25.0], length=40).fps == 25
    assert timed([0], [25.0], length=5000).fps == pytest.approx(0.2)


def test_uneven_stamps_are_kept_as_times() -> None:
    stamps = [0, 500, *range(1000, 2000, 100)]
    found = timed(stamps, [10.0], length=100)
    assert found.fps == pytest.approx(12 / 2)
    assert found.times is not None and np.allclose(found.times, np.array(stamps) / 1000)
    assert found.varies


def test_slides_have_times_however_slow_they_are() -> None:
    """Even spacing would show them by seconds too early or late, though by less than half of one."""
    found = timed([0, 8000, 20000, 28000, 40000], [0.1], 10000)
    assert found.times is not None and found.varies
    assert found.times.tolist() == [0, 8, 20, 28, 40]


def test_a_last_picture_that_stands_makes_the_rate_vary() -> None:
    times = PictureTimes()
    for k in range(20):
        times.add(SimpleNamespace(pts=100 * k, dts=None, duration=100 if k < 19 else 10_000, time_base=MILLI))
    found = times.timing([10.0], 0.001)
    assert found.varies and found.times is not None and found.span == pytest.approx(11.9)
    assert times.end == pytest.approx(11.9)


def test_a_phones_jitter_is_even_spacing() -> None:
    rng = np.random.default_rng(0)
    stamps = [round(k * 1000 / 30 + rng.uniform(-12, 12)) for k in range(300)]
    assert timed(sorted(stamps), [30.0], length=33).times is None


def test_a_picture_shown_again_is_shown_for_longer() -> None:
    times = PictureTimes()
    for number in range(4):
        times.add(SimpleNamespace(pts=number, dts=number, duration=1, time_base=Fraction(1, 10)))
    times.repeat(SimpleNamespace(pts=4, duration=1, time_base=Fraction(1, 10)))
    assert times.timing([10.0]).span == pytest.approx(0.5)


def test_made_up_stamps_of_presentation_are_those_of_the_packets() -> None:
    """AVI with reordered pictures, two of which were dropped."""
    times = PictureTimes()
    for dts, pts in ((0, 2), (2, 3), (3, 4), (4, 14), (14, 15)):
        times.packet(SimpleNamespace(pts=pts, dts=dts), reordered=True)
        times.add(SimpleNamespace(pts=pts, dts=dts + 1, duration=1, time_base=Fraction(1, 10)))
    found = times.timing().times
    assert found is not None and np.allclose(found, [0, 0.2, 0.3, 0.4, 1.4])
    assert times.first == 0


@pytest.mark.parametrize("fps", [0.5, 24.0, 240.0, 50_000.0])
@pytest.mark.parametrize("kind", ["runs", "random", "one"])
def test_times_survive_in_few_numbers(fps: float, kind: str) -> None:
    rng = np.random.default_rng(1)
    gaps = {
        "runs": np.repeat([1.0, 5.0, 1.0], 400),
        "random": rng.uniform(0.1, 4.0, 500),
        "one": np.ones(1),
    }[kind]
    times = np.concatenate([[0.0], np.cumsum(gaps / fps)])
    numbers = packed_times(times, fps)
    found = unpacked_times(numbers, len(times))
    assert np.abs(found - times).max() <= max(1.1e-3, 1e-6) and np.abs(found - times).max() <= 0.06 / fps + 2e-6
    assert (np.diff(found) > 0).all()
    assert kind != "runs" or len(numbers) == 6


def test_times_that_round_to_the_same_microsecond_ascend() -> None:
    found = unpacked_times(packed_times(np.array([0, 1e-7, 2e-7, 1.0]), 4.0), 4)
    assert (np.diff(found) > 0).all()


def test_the_numbers_are_bounded() -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.001, 0.2, 150_000))
    numbers = packed_times(times - times[0], 10.0)
    assert len(numbers) <= 2 << 16
    assert np.abs(unpacked_times(numbers, len(times)) - (times - times[0])).max() < 0.5


@pytest.mark.parametrize(
    "numbers",
    [
        None,
        "1",
        {"a": 1},
        [3],
        [2, 5],
        [4, 5],
        [3, 0],
        [3, -4],
        [0, 1, 3, 5],
        [3, 1.5],
        [3, True],
        [True, 1, 2, 1],
        [3, 1 << 60],
        [1, 1 << 53, 2, 1 << 53],
        [3, math.inf],
    ],
)
def test_numbers_that_are_no_times_are_refused(numbers: object) -> None:
    with pytest.raises(ValueError, match="times"):
        unpacked_times(numbers, 4)


@pytest.mark.parametrize("times", [[0, 1], [0, 1, 1], [0, 2, 1], [0, 1, math.nan], [0, 1, math.inf], [[0, 1, 2]]])
def test_times_must_ascend_and_be_as_many_as_the_frames(times: object) -> None:
    with pytest.raises(ValueError, match="times"):
        checked_times(times, 3)


def test_times_begin_at_zero() -> None:
    assert checked_times([5, 6, 7.5], 3).tolist() == [0, 1, 2.5]


def test_a_schedule_is_even_or_follows_the_times() -> None:
    even = Schedule(Fraction(30000, 1001))
    assert [even.shown(k) for k in (0, 7)] == [(0, 1), (7, 8)]
    assert even.base == Fraction(1001, 30000)
    own = Schedule(Fraction(2), np.array([0, 0.1, 0.9]))
    seconds = [tuple(float(tick * own.base) for tick in own.shown(k)) for k in range(4)]
    assert seconds == [pytest.approx(pair) for pair in ((0, 0.1), (0.1, 0.9), (0.9, 1.5), (1.5, 2.0))]


def test_a_schedule_always_ascends() -> None:
    own = Schedule(Fraction(10), np.array([0, 1e-9, 2e-9, 5.0]))
    ticks = [own.shown(k) for k in range(4)]
    assert all(begin < end for begin, end in ticks)
    assert all(one[1] == other[0] for one, other in pairwise(ticks))


@pytest.mark.parametrize("fps", [0, -1, 9e-5, 100_001, math.nan, math.inf])
def test_rates_that_cannot_be_drawn_are_refused(fps: float) -> None:
    with pytest.raises(InputError, match="fps"):
        check_fps(fps)


@pytest.mark.parametrize("fps", [1e-4, Fraction(1, 10_000), 100_000, Fraction(30000, 1001)])
def test_rates_that_can_be_drawn_are_taken(fps: float) -> None:
    check_fps(fps)
