"""A disk that is full from a write on: `python -m benchmarks.interruptions disk`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.interruptions import full_disks, run
from benchmarks.interruptions.points import Subject
from benchmarks.interruptions.processes import start


@pytest.fixture(scope="module")
def own_disks(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("disk")
    if start("own_disk", folder, folder=folder, name="disk").wait().error:
        pytest.skip("this system gives a process no disk of its own")


@pytest.mark.usefixtures("own_disks")
def test_a_fitted_file_that_finds_no_room(subjects: dict[str, Subject]) -> None:
    fit = subjects["fit"]
    # the last file that is opened is the long video's own
    plan = [plan for plan in full_disks.plans(fit) if plan.how == "fill"][-2]
    outcome = full_disks.try_disk(fit, plan)
    assert outcome.problems == [] and "disk is full" in str(outcome.said)


@pytest.mark.slow
@pytest.mark.usefixtures("own_disks")
@pytest.mark.parametrize("call", ["fit", "draw", "pretrain", "encode", "decode"])
def test_every_write(tmp_path: Path, call: str) -> None:
    (subject,) = run.subjects(tmp_path, [call])
    found = [full_disks.try_disk(subject, plan).row() for plan in full_disks.plans(subject)]
    assert found and not [row for row in found if row["problems"]]
