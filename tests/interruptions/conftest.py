"""Calls to interrupt: tiny ones, measured once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.interruptions import run
from benchmarks.interruptions.points import Subject


@pytest.fixture(scope="session")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    """A fit of a short video and of one of two groups, and a drawing of them."""
    folder: Path = tmp_path_factory.mktemp("interruptions")
    return {subject.call: subject for subject in run.subjects(folder, ("fit", "draw"), lengths=(4, 12))}
