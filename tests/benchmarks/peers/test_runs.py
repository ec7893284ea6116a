"""Runs of other methods: what is missing is said, and frames come from folders and arrays."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from peer_fits import FRAMES, task

from benchmarks.peers.runs import Found, Peer, PeerError, PeerFit, Runner, read_frames, write_frames
from benchmarks.shared.clips import cut

# A method that prints where it runs, and imports what is not there.
SCRIPT = """
import os, sys, nowhere, nowhere.deeper
from nowhere.deeper import Thing
@nowhere.register(Thing.KIND)
def some(): return 1
class Own(Thing): pass
print("some gives", some(), Own().method(), sys.argv[1:])
"""


def fake(needs: tuple[str, ...] = (), stand_ins: tuple[str, ...] = ("nowhere",)) -> Peer:
    def read(task: PeerFit, log: str) -> Found:
        return Found(FRAMES, 7, len(log), log, 1.0, 0.5, 9.0, {"psnr": 20.0})

    return Peer("Fake", "epochs", 100, 2, "go.py", needs, stand_ins, (), lambda c, t: [str(c / "go.py"), "x"], read)


def test_a_method_is_run_with_stand_ins(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "go.py").write_text(SCRIPT)
    found, wall = Runner().run(fake(), checkout, task(tmp_path / "a"))
    assert "some gives 1" in found.stored_as and "['x']" in found.stored_as and wall > 0
    with pytest.raises(PeerError, match=r"Fake ended with status 1; (.|\n)*No module named 'nowhere'"):
        Runner().run(fake(stand_ins=()), checkout, task(tmp_path / "b"))
    with pytest.raises(PeerError, match=r"Fake needs not_there_a \(ModuleNotFoundError"):
        Runner().run(fake(("json", "not_there_a")), checkout, task(tmp_path / "c"))
    with pytest.raises(PeerError, match=r"is not a checkout of Fake: it has no go\.py"):
        Runner().run(fake(), tmp_path, task(tmp_path / "d"))
    (checkout / "go.py").write_text("import time; time.sleep(60)")
    with pytest.raises(PeerError, match=r"longer than 0\.2 s"):
        Runner(sys.executable, limit=0.2).run(fake(), checkout, task(tmp_path / "e"))


def test_frames_come_from_folders_and_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", FRAMES)
    write_frames(FRAMES, tmp_path / "clip")
    for source in ("clip", "clip.npy"):
        assert np.array_equal(read_frames(tmp_path / source, 2, (8, 20)), FRAMES[:2, 4:12, 2:22])
    assert np.array_equal(cut(FRAMES, (8, 20)), FRAMES[:, 4:12, 2:22]) and cut(FRAMES, (99, 99)).shape == FRAMES.shape
    with pytest.raises(PeerError, match="there is no"):
        read_frames(tmp_path / "other", 2, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PeerError, match="no PNG files"):
        read_frames(tmp_path / "empty", 2, None)
