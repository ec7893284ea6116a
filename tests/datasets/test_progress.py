"""One callback over a whole dataset: fractions and the time that is left, by a clock of the test's own."""

import logging
import re
from itertools import pairwise

import pytest

from fiftyone_latent_inr.datasets.progress import Reporter
from fiftyone_latent_inr.progress import FitProgress


def test_fractions_only_grow_and_labels_say_what_is_left():
    seen = []
    reporter = Reporter(lambda fraction, label: seen.append((round(fraction, 3), label)))
    reporter.begin(2)
    reporter.video(0)
    reporter.event(FitProgress("fit", 1, 4, psnr=30.0, seconds=10, seconds_left=30))
    reporter.event(FitProgress("fit", 2, 4, psnr=31.0, seconds=20, seconds_left=80))
    reporter.done(40.0, "a.mp4: fitted 31.0 dB")
    reporter.video(1)
    reporter.stage(1.0, "indexing")
    assert seen == [
        (0.0, "video 1/2"),
        (0.125, "video 1/2 · 30.0 dB · 1 min left"),
        (0.125, "video 1/2 · 31.0 dB · 3 min left"),
        (0.5, "video 1/2 · fitted 31.0 dB"),
        (0.5, "video 2/2 · 40 s left"),
        (1.0, "indexing"),
    ]


def told(times, weights=None, steps=40, slow_start=0.0):
    """(true seconds to the end, seconds that were told or None) of a run over videos that take these times."""
    seen, rows, clock = [], [], 0.0
    reporter = Reporter(lambda fraction, label: seen.append((fraction, label)))
    reporter.begin(len(times), weights)
    for index, whole in enumerate(times):
        reporter.video(index)
        rows.append((sum(times) - clock, seen[-1][1]))
        for step in range(1, steps):
            done = whole * step / steps
            left = (whole - done) * (1 + slow_start / step)  # the first steps warm up
            reporter.event(FitProgress("fit", step, steps, psnr=30.0, seconds=done, seconds_left=left))
            rows.append((sum(times) - clock - done, seen[-1][1]))
        reporter.event(FitProgress("measure", 0, 1, seconds=whole))
        rows.append((sum(times) - clock - whole, seen[-1][1]))
        reporter.done(whole, "a.mp4: fitted")
        clock += whole
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1.0)
    return [(true, in_seconds(label)) for true, label in rows]


def in_seconds(label):
    found = re.search(r"· (?:(\d+) h ?)?(?:(\d+) min)?(?:(\d+) s)? left$", label)
    return found and sum(int(number or 0) * unit for number, unit in zip(found.groups(), (3600, 60, 1), strict=True))


def test_time_left_is_right_from_the_first_video_on():
    rows = told([25.0] * 2000)
    assert rows[0][1] is None and all(said is not None for _, said in rows[1:])
    # a minute is the least that is said of hours
    assert all(abs(said - true) <= 61 for true, said in rows[1:])


@pytest.mark.parametrize("cycle", [(30.0, 60.0, 120.0), (120.0, 30.0, 60.0), (60.0, 120.0, 30.0)])
def test_time_left_over_uneven_videos(cycle):
    told_of = [(true, said) for true, said in told(cycle * 20, slow_start=1.0) if said is not None and true > 300]
    assert len(told_of) > 2000 and all(0.3 < said / true < 3.5 for true, said in told_of)
    said = [said for _, said in told_of]
    assert all(0.4 < later / now < 2 for now, later in pairwise(said))  # it neither falls nor leaps


def test_weights_tell_a_film_from_clips():
    times = [5.0, 5.0, 500.0, 5.0, 250.0]
    by_weight = [(true, said) for true, said in told(times, weights=times) if said is not None]
    assert all(said == pytest.approx(true, abs=31) for true, said in by_weight)


def test_a_video_that_was_there_already_says_nothing_of_the_others():
    seen = []
    reporter = Reporter(lambda fraction, label: seen.append(label))
    reporter.begin(3)
    for index in range(2):
        reporter.video(index)
        reporter.done(None, "a.mp4: adopted")
    reporter.video(2)
    assert seen[-1] == "video 3/3"


def test_a_warning_is_told_once_by_a_script_that_sets_up_no_log(capsys, monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])  # as in a plain script
    Reporter(True).note("gone.mp4: there is no such file", logging.WARNING)
    assert capsys.readouterr().err.count("gone.mp4") == 1
    Reporter(False).note("gone.mp4: there is no such file", logging.WARNING)
    assert capsys.readouterr().err.count("gone.mp4") == 1
