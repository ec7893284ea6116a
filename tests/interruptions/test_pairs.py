"""Two processes at once: `python -m benchmarks.interruptions pairs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.interruptions import pairs, run
from benchmarks.interruptions.points import Outcome, Subject


def test_one_folder_of_finished_groups(subjects: dict[str, Subject]) -> None:
    fit = subjects["fit"]
    assert pairs.one_checkpoint(fit, 0, pairs.seeds_alone(fit)).problems == []


@pytest.mark.slow
@pytest.mark.parametrize("pair", [pairs.overlapping, pairs.one_output])
def test_two_fits(tmp_path: Path, pair: Callable[[Subject, int], Outcome]) -> None:
    (subject,) = run.subjects(tmp_path, ["fit"])
    found = [pair(subject, number).row() for number in range(run.PAIRS)]
    assert not [row for row in found if row["problems"]]


@pytest.mark.slow
def test_two_seeds(tmp_path: Path) -> None:
    (subject,) = run.subjects(tmp_path, ["fit"])
    alone = pairs.seeds_alone(subject)
    assert len(set(alone)) == 2
    found = [pairs.one_checkpoint(subject, number, alone).row() for number in range(run.PAIRS)]
    assert not [row for row in found if row["problems"]]
