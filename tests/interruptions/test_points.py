"""Calls that are killed beside their side effects: some of `python -m benchmarks.interruptions points`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.interruptions import points, run
from benchmarks.interruptions.effects import Plan
from benchmarks.interruptions.given import CALLS


@pytest.mark.parametrize(("call", "most"), [("fit", 3), ("draw", 1)])
def test_a_killed_call_is_completed_by_the_next(subjects: dict[str, points.Subject], call: str, most: int) -> None:
    plans = points.spread(subjects[call], most)
    found = [points.try_point(subjects[call], plan).row() for plan in plans]
    assert len(found) == most and not [row for row in found if row["problems"]]


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_every_point(tmp_path: Path, call: str) -> None:
    (subject,) = run.subjects(tmp_path, [call])
    found = [points.try_point(subject, plan).row() for plan in points.all_points(subject)]
    assert len(found) > 3 and not [row for row in found if row["problems"]]


def test_a_call_of_fewer_side_effects_is_killed_at_its_last(subjects: dict[str, points.Subject]) -> None:
    drawn = subjects["draw"]
    outcome = points.try_point(drawn, Plan(len(drawn.effects) + 2))
    assert outcome.problems == [] and outcome.number == len(drawn.effects)


def test_what_is_wrong_is_noticed(subjects: dict[str, points.Subject]) -> None:
    """A call that is not killed, and leaves what an undisturbed one should not."""
    drawn = subjects["draw"]
    clean = {**drawn.clean, "files": {}, "strays": ["one"]}
    other = points.Subject("draw", drawn.given, drawn.folder, clean=clean, effects=drawn.effects)
    problems = points.try_point(other, Plan()).problems
    assert "not killed" in problems[0]
    assert {line.split()[0] for line in problems[1:]} == {"files", "strays:"}
