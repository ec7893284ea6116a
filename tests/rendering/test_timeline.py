"""Which instants are drawn, when they are shown, and in what size."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.rendering.timeline import drawn_frame_number, hold, play_times, scaled_size


def test_every_frame_by_default() -> None:
    times, held = play_times(5)
    np.testing.assert_array_equal(times, [0, 1, 2, 3, 4])
    assert held == 0


def test_a_span_counts_as_in_python() -> None:
    for span in ((1, 3), (None, 2), (3, None), (-2, None), (0, -1)):
        np.testing.assert_array_equal(play_times(5, 1, span)[0], np.arange(5)[slice(*span)])
    times, held = play_times(5, 2, (1, 3))
    np.testing.assert_allclose(times, [1, 1.5, 2])
    assert held == 1


@pytest.mark.parametrize("span", [(3, 3), (4, 2), (0, 6), (-9, None), (5, None)])
def test_a_span_outside_the_video_is_refused(span: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="frames 0:5"):
        play_times(5, 1, span)


@pytest.mark.parametrize(
    ("count", "factor", "drawn", "held"),
    [
        (3, 2, [0, 0.5, 1, 1.5, 2], 1),
        (1, 3, [0], 2),
        (5, 0.5, [0, 2, 4], 0),
        (3, 1.5, [0, 2 / 3, 4 / 3, 2], 1),
        (7, 0.01, [0], 0),
    ],
)
def test_the_last_frame_holds(count: int, factor: float, drawn: list[float], held: int) -> None:
    times, found = play_times(count, factor)
    np.testing.assert_allclose(times, drawn)
    assert found == held


@pytest.mark.parametrize("factor", [0.3, 1.1, 2.5, 29.97 / 25, 60 / 23.976, 7])
def test_playing_takes_as_long_as_before(factor: float) -> None:
    times, held = play_times(24, factor)
    assert (len(times) + held) / factor == pytest.approx(24, abs=0.5 / factor + 1e-9)
    assert times[0] == 0 and times[-1] <= 23
    np.testing.assert_allclose(np.diff(times[times < 23]), 1 / factor, atol=1e-9)


def test_what_holds_is_repeated() -> None:
    assert list(hold("abc", 2)) == list("abccc") and list(hold("ab", 0)) == ["a", "b"] and list(hold("", 2)) == []


def test_frames_of_the_original_are_found_again() -> None:
    assert [drawn_frame_number(k, 2) for k in (1, 2, 3)] == [1, 3, 5]
    for factor in (1, 2, 3, 2.5):
        times, held = play_times(9, factor)
        times = np.append(times, [times[-1]] * held)
        drawn = [times[drawn_frame_number(k, factor) - 1] for k in range(1, 10)]
        np.testing.assert_allclose(drawn, np.arange(9), atol=0.5 / factor if factor % 1 else 0)


def test_scaled_size() -> None:
    assert scaled_size((90, 160), 2) == (180, 320)
    assert scaled_size((3, 5), 1.5) == (4, 8)
    assert scaled_size((3, 5), 0.01) == (1, 1)


@pytest.mark.parametrize("factor", ["2", None, True, float("nan"), float("inf"), 0, -1, 1e9, [2]])
def test_what_is_no_factor_is_refused(factor: object) -> None:
    with pytest.raises(InputError, match="fps_factor must be a number above 0, at most 1000"):
        play_times(5, fps_factor=factor)  # type: ignore[arg-type]


def test_what_is_no_scale_is_refused() -> None:
    for scale in ("2", None, True, float("nan"), float("inf"), 0, -1):
        with pytest.raises(InputError, match="scale must be a number above 0"):
            scaled_size((90, 160), scale)  # type: ignore[arg-type]
    assert scaled_size((64, 16), 256) == (16384, 4096)
    with pytest.raises(InputError, match=r"scale 256\.5 .* at most 256"):
        scaled_size((64, 16), 256.5)
