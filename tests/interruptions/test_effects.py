"""Side effects are numbered, and what is planned happens beside them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.interruptions.compare import differences
from benchmarks.interruptions.effects import general, read_log

_SCRIPT = """
import os, sys
from pathlib import Path
from pymongo.collection import Collection
from benchmarks.interruptions.effects import Plan, Watch

folder, log, number, how = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for name in ("insert_one", "delete_many"):
    setattr(Collection, name, lambda self, *_: None)
Watch(folder, log, Plan(number, how)).begin()
(folder / "a").mkdir()
(folder / "a").mkdir(exist_ok=True)
(folder / "a" / ".linr-0a1b-2c3d.tmp").write_text("x")
os.replace(folder / "a" / ".linr-0a1b-2c3d.tmp", folder / "clip-0123456789ab-0123456789.linr")
(log.parent / "elsewhere").write_text("y")
collection = Collection.__new__(Collection)
collection._name = "samples.0123456789abcdef"
Collection.insert_one(collection, {})
(folder / "a").rmdir()
"""
_KINDS = ["os.mkdir a", "FAILED os.mkdir a", "open *.tmp", "os.replace *.linr", "samples.#.insert_one", "os.rmdir a"]


@pytest.mark.parametrize(
    ("number", "how", "done", "status"),
    [
        (0, "after", 6, 0),
        (1, "before", 0, -signal.SIGKILL),
        (4, "after", 4, -signal.SIGKILL),
        (5, "before", 4, -signal.SIGKILL),
        (5, "full", 4, 1),
        (3, "full", 2, 1),
    ],
)
def test_what_is_planned_happens(
    repository: Path, tmp_path: Path, number: int, how: str, done: int, status: int
) -> None:
    (tmp_path / "tree").mkdir()
    log = tmp_path / "log"
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path / "tree"), str(log), str(number), how]
    found = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert found.returncode == status, found.stderr
    kinds = [kind for kind, _ in read_log(log)]
    if how == "full":
        assert kinds.pop(done) == f"FULL {_KINDS[done]}"
        assert ("No space left" if done == 2 else "no space left") in found.stderr
        kinds = kinds[:done]
    assert kinds == _KINDS[:done]
    assert (tmp_path / "tree" / "clip-0123456789ab-0123456789.linr").exists() == (done > 3)


def test_names_without_what_differs() -> None:
    assert general("clip_a-0123456789ab-0123456789.linr.parts") == "*.linr.parts"
    assert general("group-000012.part") == "group-#.part" and general("fs.chunks") == "fs.chunks"


def test_differences_are_named() -> None:
    clean = {"files": {"a": "1", "b": "2"}, "strays": []}
    found = {"files": {"a": "1", "b": "3", ".tmp": "4"}, "strays": ["one"]}
    assert differences(clean, clean) == []
    assert differences(clean, found) == [
        "files .tmp: there, and not in a clean run: 4",
        "files b: 3 in place of 2",
        "strays: ['one'] in place of []",
    ]
    assert differences(found, clean)[0] == "files .tmp: missing"
