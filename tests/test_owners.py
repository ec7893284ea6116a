"""A lock is of one owner at a time, ends with it however it ends, and says whose it is."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fiftyone_latent_inr import owners
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.held_folder import held
from fiftyone_latent_inr.owners import BusyError, Lock, Owner, holding, is_held
from fiftyone_latent_inr.temporary import remove_leftovers

HOLDING = """
import sys
from pathlib import Path
from fiftyone_latent_inr.owners import Lock
lock = Lock.take(Path(sys.argv[1]))
print(flush=True)
sys.stdin.read()
lock.release()
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process has a lock until its input ends."""
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_a_lock_is_of_one_process_and_says_of_which(path: Path) -> None:
    with held_elsewhere(path) as process:
        assert is_held(path)
        with pytest.raises(BusyError) as refused:
            Lock.take(path)
        owner = refused.value.owner
        assert owner is not None and owner.process == process.pid and owner.is_gone() is False
        assert str(owner) == f"process {process.pid} on {platform.node()}" and abs(owner.since - time.time()) < 600
        process.communicate()
        assert not path.exists() and not is_held(path) and owner.is_gone() is True
    Lock.take(path).release()
    assert not path.exists()


def test_a_killed_owner_has_nothing(path: Path) -> None:
    with held_elsewhere(path) as process:
        process.kill()  # and not waited for: it is a zombie, which the process table still knows
        owner = Owner.read(json.loads(path.read_bytes()))
        until(lambda: not is_held(path))
        lock = Lock.take(path)
        assert lock.is_intact() and owner is not None and owner.is_gone() is True
        lock.release()


def until(true: object) -> None:
    """Waits for what must come, as long as the test may last."""
    while not true():  # type: ignore[operator]
        time.sleep(0.01)


def test_two_threads_are_two_owners(path: Path) -> None:
    """The App's server runs operators of several people in one process."""
    most, now, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal most, now
        for _ in range(20):
            with holding(path, busy=str, if_busy="wait"):
                with lock:
                    now += 1
                    most = max(most, now)
                with lock:
                    now -= 1

    saved, owners._LOOK = owners._LOOK, 0.0005
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        owners._LOOK = saved
    assert most == 1 and not path.exists()


def test_whoever_waits_is_told_once_and_gets_it(path: Path) -> None:
    told: list[str] = []
    with held_elsewhere(path) as process:
        threading.Timer(1.2, process.communicate).start()
        with holding(path, lambda owner: f"{owner} has it", "wait", told.append) as lock:
            assert lock.is_intact() and told == [f"process {process.pid} on {platform.node()} has it; waiting"]
    with held_elsewhere(path), pytest.raises(BusyError, match=r"^process \d+ on .* has it$"):
        with holding(path, lambda owner: f"{owner} has it"):
            pytest.fail("must not be entered")


def of_another_machine(path: Path, **change: object) -> Owner:
    """A lock's file as the owner of another machine leaves it, whose kernel is not heard here."""
    owner = replace(Owner.here(), **{"host": "elsewhere", "place": "elsewhere", **change})  # type: ignore[arg-type]
    path.write_text(json.dumps(asdict(owner)))
    return owner


def test_an_owner_of_another_machine_lives_while_it_gives_signs(path: Path) -> None:
    owner = of_another_machine(path)
    assert owner.is_gone() is None and is_held(path)
    with pytest.raises(BusyError) as refused:
        Lock.take(path)
    assert refused.value.owner == owner
    for ago, alive in ((owners.GRACE - 30, True), (owners.GRACE + 30, False)):
        os.utime(path, (time.time() - ago, time.time() - ago))
        assert is_held(path) == alive
    Lock.take(path).release()


def test_signs_of_life_are_given_while_the_lock_is_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "BEAT", 0.01)
    lock = Lock.take(path)
    os.utime(path, (0, 0))
    until(lambda: path.stat().st_mtime > 1)
    lock.release()
    assert not [thread for thread in threading.enumerate() if thread.name == "latent-inr-owner"]


@pytest.mark.parametrize("content", ["", "\x00" * 500])
def test_a_lock_whose_file_says_nothing_is_the_kernels_word(path: Path, content: str) -> None:
    path.write_text(content)
    assert not is_held(path)
    Lock.take(path).release()


STRANGE = ["{", "[]", '{"host": 3}', '{"process": "x"}', '{"owner": "me"}', "[" * 4096, "{}" + " " * 9000]


@pytest.mark.parametrize("content", STRANGE)
def test_a_file_that_is_no_lock_is_somebodys(path: Path, content: str) -> None:
    path.write_text(content)
    assert not is_held(path)
    with pytest.raises(InputError, match=r"lock: this is somebody's file, not a lock"):
        Lock.take(path)
    with pytest.raises(InputError, match=r"owner.json: this is somebody's"):
        path.rename(path.with_name("owner.json"))
        with held(path.parent):
            pytest.fail("must not be entered")
    named = path.with_name("owner.json").rename(path.with_name(".linr-0123456789abcdef.lock"))
    remove_leftovers(path.parent)
    assert named.read_text() == content


def test_a_lock_that_somebody_writes_over_stays(path: Path) -> None:
    lock = Lock.take(path)
    path.write_text("mine")
    lock.release()
    assert path.read_text() == "mine"


def test_a_pipe_is_no_lock(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a lock"):
        Lock.take(path)
    assert not is_held(path) and path.is_fifo()


ODD = [{"since": since} for since in (1e300, float("nan"), float("inf"), -1e15, 2**62)]


@pytest.mark.parametrize("change", [*ODD, {"process": 10**30}, {"process": 0}, {"process": -1}])
def test_numbers_that_no_owner_has(path: Path, change: dict[str, float]) -> None:
    document = asdict(Owner.here()) | {"host": "elsewhere", "place": "elsewhere"}
    assert Owner.read(document) is not None and Owner.read(document | change) is None
    path.write_text(json.dumps(document | change))
    assert not is_held(path)
    if "process" in change:
        assert replace(Owner.here(), **change).is_gone() is True  # type: ignore[arg-type]


@pytest.mark.parametrize("answers", [True, False])
def test_without_locks_of_the_file_system_the_file_says_it(
    path: Path, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems know no locks: then a process is asked for by number and start."""
    monkeypatch.setattr(owners, "lock_file", lambda handle: None)
    with ExitStack() as stack:
        process = stack.enter_context(held_elsewhere(path))
        if not answers:  # a process of this number that is another one
            content = json.loads(path.read_bytes())
            path.write_text(json.dumps({**content, "started": "1"}))
        if answers:
            with pytest.raises(BusyError):
                Lock.take(path)
            process.kill()
            process.wait()
        Lock.take(path).release()


def test_a_lock_that_is_removed_with_its_folder_is_not_intact(tmp_path: Path) -> None:
    lock = Lock.take(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    assert not lock.is_intact()
    other = Lock.take(tmp_path / "lock")
    lock.release()  # which leaves the other's alone
    assert other.is_intact()
    other.release()


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    path.symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="links"):
        Lock.take(path)
    assert (tmp_path / "mine").read_text() == "mine" and not is_held(path)
