"""Files that nobody has touched are known without reading them; whatever is done to one, it is read again."""

import os
import shutil

import pytest

from fiftyone_latent_inr.datasets import looks


@pytest.fixture
def files(tmp_path):
    source, output = tmp_path / "source.mp4", tmp_path / "output.linr"
    source.write_bytes(b"source")
    output.write_bytes(b"output")
    return str(source), str(output)


def known(files, outcome=None, digest="d"):
    """Whether a second run knows the files by what the first has noted."""
    source, output = files
    if outcome is None:
        first = looks.Looks({}, digest)
        assert not first.is_known("a", (source,), output)
        outcome = {"path": output, "settings": digest, "seen": first.seen("a", (source,), output)}
    return outcome, looks.Looks({"a": outcome}, "d").is_known("a", (source,), output)


def test_untouched_files_are_known(files):
    assert known(files)[1]


def rewrite(path):
    """Other bytes, of the same length and with the same times."""
    times = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def exchange(path):
    shutil.copy2(path, f"{path}.new")
    os.replace(f"{path}.new", path)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("change", [rewrite, exchange, os.remove, lambda path: os.truncate(path, 3)])
def test_touched_files_are_not(files, which, change):
    outcome, sure = known(files)
    before = os.stat(files[which]).st_ctime_ns
    change(files[which])
    while os.path.exists(files[which]) and os.stat(files[which]).st_ctime_ns == before:  # one tick of the clock
        change(files[which])
    assert sure and not known(files, outcome)[1]


@pytest.mark.parametrize("other", [{"path": "/elsewhere"}, {"settings": "e"}, {"seen": None}])
def test_what_was_noted_of_something_else_does_not_count(files, other):
    outcome, _ = known(files)
    assert not known(files, {**outcome, **other})[1]


def test_a_source_that_changes_during_the_run_is_not_noted(files):
    source, output = files
    first = looks.Looks({}, "d")
    first.is_known("a", (source,), None)
    os.truncate(source, 3)
    assert first.seen("a", (source,), output) is None


def test_times_of_whole_seconds_are_not_trusted_at_once(files, monkeypatch):
    stat = os.stat

    def coarse(path):
        found = stat(path)
        return type("Status", (), {
            "st_size": found.st_size, "st_mode": found.st_mode, "st_ino": found.st_ino, "st_mtime_ns": 10**18,
            "st_ctime_ns": int(found.st_ctime) * 10**9, "st_ctime": int(found.st_ctime),
        })  # fmt: skip

    monkeypatch.setattr(looks.os, "stat", coarse)
    assert looks.look(files[0]) is None
    monkeypatch.setattr(looks.time, "time", lambda: stat(files[0]).st_ctime + 100)
    assert looks.look(files[0]) is not None


def test_folders_and_what_is_gone_are_not_known(tmp_path):
    assert looks.look(str(tmp_path)) is None is looks.look(str(tmp_path / "gone")) and looks.look() is None
