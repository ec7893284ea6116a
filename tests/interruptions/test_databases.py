"""MongoDB that is stopped, or killed and back, during a call: `python -m benchmarks.interruptions mongod`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.interruptions import databases


@pytest.mark.slow
def test_no_sample_is_lost(repository: Path, tmp_path: Path) -> None:
    """In a process of its own: the tests' own MongoDB is not ended."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FIFTYONE_")}
    record = tmp_path / "record.json"
    command = [sys.executable, "-m", "benchmarks.interruptions", "mongod", "--calls", "fit", "--record", str(record)]
    done = subprocess.run(command, env=environment, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(record.read_text())["rows"]
    assert found == {"part": "mongod", "call": "fit", "tries": len(databases.cases()), "wrong": 0}
