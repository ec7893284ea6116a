"""Which instants are drawn, when they are shown, and in what size."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.rendering.timeline import drawn_frame_number, frame_times, play_times, scaled_size


def test_every_frame_by_default() -> None:
    np.testing.assert_array_equal(frame_times(5), [0, 1, 2, 3, 4])


def test_a_span_counts_as_in_python() -> None:
    for first, last in ((1, 3), (None, 2), (3, None), (-2, None), (0, -1)):
        np.testing.assert_array_equal(frame_times(5, (first, last)), np.arange(5)[first:last])


def test_frames_in_between_stay_inside() -> None:
    np.testing.assert_allclose(frame_times(3, fps_factor=2), [0, 0.5, 1, 1.5, 2])
    np.testing.assert_allclose(frame_times(4, fps_factor=3)[-1], 3)
    np.testing.assert_allclose(frame_times(5, fps_factor=0.5), [0, 2, 4])
    np.testing.assert_allclose(frame_times(1, fps_factor=7), [0])


def test_factors_that_do_not_divide_never_leave_the_video() -> None:
    for factor in (0.3, 1.1, 2.5, 29.97 / 25, 60 / 23.976):
        times = frame_times(24, fps_factor=factor)
        assert times[0] == 0 and times[-1] <= 23
        np.testing.assert_allclose(np.diff(times), 1 / factor, atol=1e-9)


@pytest.mark.parametrize("span", [(3, 3), (4, 2), (0, 6), (-9, None), (5, None)])
def test_a_span_outside_the_video_is_refused(span: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="frames 0:5"):
        frame_times(5, span)


def test_playing_takes_as_long_as_before() -> None:
    np.testing.assert_array_equal(play_times(4), [0, 1, 2, 3])
    np.testing.assert_allclose(play_times(3, 2), [0, 0.5, 1, 1.5, 2, 2])
    np.testing.assert_allclose(play_times(1, 3), [0, 0, 0])
    for factor in (1.1, 2.5, 60 / 23.976):
        times = play_times(24, factor)
        assert len(times) / factor == pytest.approx(24, abs=0.5 / factor) and 23 - 1 / factor < times.max() <= 23
        inside = times[times < 23]
        np.testing.assert_allclose(np.diff(inside), 1 / factor, atol=1e-9)


def test_frames_of_the_original_are_found_again() -> None:
    assert [drawn_frame_number(k, 2) for k in (1, 2, 3)] == [1, 3, 5]
    for factor in (1, 2, 3, 2.5):
        times = play_times(9, factor)
        drawn = [times[drawn_frame_number(k, factor) - 1] for k in range(1, 10)]
        np.testing.assert_allclose(drawn, np.arange(9), atol=0.5 / factor if factor % 1 else 0)


def test_scaled_size() -> None:
    assert scaled_size((90, 160), 2) == (180, 320)
    assert scaled_size((3, 5), 1.5) == (4, 8)
    assert scaled_size((3, 5), 0.01) == (1, 1)


@pytest.mark.parametrize("factor", ["2", None, True, float("nan"), float("inf"), 0, -1, 1e9, [2]])
def test_what_is_no_factor_is_refused(factor: object) -> None:
    with pytest.raises(InputError, match="fps_factor must be a number above 0, at most 1000"):
        frame_times(5, fps_factor=factor)  # type: ignore[arg-type]


def test_what_is_no_scale_is_refused() -> None:
    for scale in ("2", None, True, float("nan"), float("inf"), 0, -1):
        with pytest.raises(InputError, match="scale must be a number above 0"):
            scaled_size((90, 160), scale)  # type: ignore[arg-type]
    assert scaled_size((64, 16), 256) == (16384, 4096)
    with pytest.raises(InputError, match=r"scale 256\.5 .* at most 256"):
        scaled_size((64, 16), 256.5)
