"""Uses of command line, Python and datasets that people come to, all that the table of cases tries.

What each comes down to is tested where it is made: in `cli/`, `datasets/`, `video/` and `test_arguments`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.real_files.uses import USES, is_right


@pytest.fixture(scope="module")
def happened(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, str]:
    """What came of each, all in one process."""
    command = [sys.executable, "-m", "benchmarks.real_files.uses", str(tmp_path_factory.mktemp("uses"))]
    environment = {**os.environ, "FIFTYONE_DATABASE_NAME": os.environ["FIFTYONE_DATABASE_NAME"] + "_uses"}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, cwd=repository, check=False)
    return dict(json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith("["))


@pytest.mark.slow
@pytest.mark.parametrize("name", USES)
def test_a_use_ends_as_it_should(name: str, happened: dict[str, str]) -> None:
    assert is_right(name, happened[name]), happened[name]
