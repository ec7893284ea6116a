"""Sound of any form in one line: gaps stay gaps, what overlaps is heard once, channels find their side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from av import AudioFrame

from fiftyone_latent_inr.video.sound_mix import Line, audio_frame, downmix, samples_of


def frame(count: int, rate: int = 1000, level: float = 0.5, layout: str = "stereo") -> Any:
    channels = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}[layout]
    made = AudioFrame.from_ndarray(np.full((1, channels * count), level, np.float32), format="flt", layout=layout)
    made.sample_rate = rate
    return made


def heard(line: Line, *pieces: tuple[Any, float | None]) -> np.ndarray:
    parts = [part for piece, time in pieces for part in line.take(piece, time)]
    return np.concatenate([*parts, *line.end()], axis=1)


def test_gaps_are_silent_and_overlaps_are_heard_once() -> None:
    line = Line(1000, 2)
    first, gap, over = (frame(100, level=0.1), 0.0), (frame(100, level=0.2), 0.2), (frame(100, level=0.3), 0.25)
    found = heard(line, first, gap, over)[0]
    assert len(found) == 350
    wanted = np.repeat([0.1, 0, 0.2, 0.3], [100, 100, 100, 50])
    assert np.allclose(found, wanted)


def test_what_is_before_the_start_is_cut() -> None:
    found = heard(Line(1000, 2), (frame(100, level=0.1), -0.3), (frame(100, level=0.2), -0.04))
    assert np.allclose(found, 0.2) and found.shape == (2, 60)


def test_rounded_stamps_are_not_followed_but_drift_is() -> None:
    line = Line(1000, 2)
    found = heard(line, *((frame(100), 0.1 * k - 0.02 * (k % 2)) for k in range(10)))
    assert found.shape[1] == 1000 and found.min() == pytest.approx(0.5)
    drifting = heard(Line(1000, 2), *((frame(100), 0.11 * k) for k in range(50)))
    assert abs(drifting.shape[1] - 50 * 110) <= 40


def test_form_changes_on_the_way() -> None:
    line = Line(8000, 2)
    found = heard(
        line, (frame(8000, 8000), 0.0), (frame(44100, 44100), 1.0), (frame(6000, 6000, layout="5.1"), None),
        (frame(8000, 8000, layout="mono"), 3.0),
    )  # fmt: skip
    assert abs(found.shape[1] - 4 * 8000) <= 8
    seconds = np.abs(found[:, : 4 * 8000 - 100]).reshape(2, -1, 100).mean(axis=(0, 2))
    assert np.median(seconds[:80]) == pytest.approx(0.5, abs=0.01)
    assert np.median(seconds[240:]) == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(("form", "scale"), [("u8p", 128), ("s16p", 1 << 15), ("s32p", 1 << 31), ("dblp", 1)])
@pytest.mark.parametrize("layout", ["mono", "stereo", "7.1"])
def test_samples_of_every_form(form: str, scale: int, layout: str) -> None:
    from av import AudioResampler

    source = audio_frame(np.array([[0.5, -0.25, 0.125]], np.float32), 8000, 0)
    made = [*(one := AudioResampler(form, layout, 8000)).resample(source), *one.resample(None)]
    found = np.concatenate([samples_of(part) for part in made], axis=1)
    assert found.shape == ({"mono": 1, "stereo": 2, "7.1": 8}[layout], 3)
    loud = found[np.abs(found).max(axis=1) > 0.1]
    assert np.allclose(loud[0] / loud[0][0], [1, -0.5, 0.25], atol=3 / min(scale, 1 << 20) + 1e-6)


def test_sound_that_is_no_number_is_silent() -> None:
    made = AudioFrame.from_ndarray(np.array([[np.nan, np.inf, -np.inf, 9.0]], np.float32), format="flt", layout="mono")
    assert samples_of(made).tolist() == [[0, 1, -1, 1]]


@pytest.mark.parametrize(
    ("names", "left", "right"),
    [
        (("FL", "FR"), [1, 0], [0, 1]),
        (("FR", "FL"), [0, 1], [1, 0]),
        (("FC",), [0.7071], [0.7071]),
        (("FL", "FR", "DL", "DR"), [0, 0, 1, 0], [0, 0, 0, 1]),
        (("AMBI0", "AMBI1", "AMBI2", "AMBI3"), [0.7071, 0, 0, 0], [0.7071, 0, 0, 0]),
        (("LFE",), [1], [1]),
        (("NONE",) * 4, [0.25] * 4, [0.25] * 4),
        (("FL", "FR", "FC", "LFE", "SL", "SR"), [0.4142, 0, 0.2929, 0, 0.2929, 0], [0, 0.4142, 0.2929, 0, 0, 0.2929]),
    ],
)
def test_channels_find_their_side(names: tuple[str, ...], left: list[float], right: list[float]) -> None:
    weights = downmix(names, 2)
    assert np.allclose(weights, [left, right], atol=1e-4)
    assert downmix(names, 1).sum() <= 1 + 1e-6
