"""Numbers in words."""

import pytest

from fiftyone_latent_inr.datasets.words import duration, megabytes, outcomes, video_count


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "1 s"), (59.4, "59 s"), (59.6, "1 min"), (3599, "1 h"), (7500, "2 h 5 min"), (59 * 60, "59 min")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [(12, "1 KB"), (740_000, "740 KB"), (1.24e6, "1.2 MB"), (12e6, "12 MB"), (3.21e9, "3.2 GB")],
)
def test_sizes(size, said):
    assert megabytes(size) == said


def test_counts():
    assert [video_count(n) for n in (0, 1, 12)] == ["0 videos", "1 video", "12 videos"]
    assert outcomes({"fitted": "", "up to date": "abc", "failed": ""}) == "0 fitted, 3 up to date"
    assert outcomes({"fitted": "ab", "failed": "c" * 10}) == "2 fitted, 10 failed"
