"""Who is at work on something: owners, known by host, process and start; locks that end with them, however they end.

A lock is a file that the kernel locks for its owner (`flock`) and that names it. The kernel gives a lock back when its
process ends, so on one machine there is nothing to guess. Where the kernel of another machine may not be asked, or
locks are not supported, the file says: its owner renews it every `BEAT` seconds, and is taken for gone after `GRACE`.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from .errors import InputError
from .text import one_line

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Seconds between two signs of life, and without one until an owner of another machine is taken for gone.
BEAT, GRACE = 30.0, 300.0
# Seconds between two looks at a lock that is waited for.
_LOOK = 0.5
_MOST_BYTES = 4096
# What is beyond these is damage, or meant to be: numbers of processes, and seconds since 1970.
_MOST_PROCESS, _MOST_SECONDS = 2**31, 4e9
# Neither does a link lead elsewhere, nor does a pipe wait for its other end.
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
# A file system that knows no locks says so in one of these ways.
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)

IfBusy = Literal["refuse", "wait"]


@dataclass(frozen=True)
class Owner:
    """A process at work.

    Attributes:
        host: the machine's name, for people.
        place: within what the process's number means something: a boot of a machine, and a container on it.
        process: the process's number.
        started: when the process was started, as its system says it; numbers are used again. Empty where unknown.
        since: when it began this work, in seconds since 1970.
    """

    host: str
    place: str
    process: int
    started: str
    since: float = field(default_factory=time.time)

    @classmethod
    def here(cls) -> Owner:
        """This process, from now on."""
        return cls(platform.node() or "this machine", _place(), os.getpid(), _started(os.getpid()) or "")

    @classmethod
    def read(cls, found: Any) -> Owner | None:
        """The owner of a JSON document, or None where it says nothing of one."""
        try:
            texts = [str(found[name])[:200] for name in ("host", "place", "started")]
            owner = cls(texts[0], texts[1], int(found["process"]), texts[2], float(found["since"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return owner if 0 < owner.process < _MOST_PROCESS and 0 <= owner.since <= _MOST_SECONDS else None

    def is_gone(self) -> bool | None:
        """Whether the process has ended; None where that cannot be known from here."""
        if self.place != _place() or os.name != "posix":
            return None
        started = _started(self.process)
        return started is None or bool(self.started and started and started != self.started)

    @property
    def is_here(self) -> bool:
        """Whether it is this process."""
        return self.process == os.getpid() and self.is_gone() is False

    def __str__(self) -> str:
        return one_line(f"process {self.process} on {self.host}")

    @property
    def clock(self) -> str:
        """When it began: `11:50`, or with the day before it."""
        began, now = datetime.fromtimestamp(self.since), datetime.now()
        return f"{began:%H:%M}" if began.date() == now.date() else f"{began:%Y-%m-%d %H:%M}"


class BusyError(InputError):
    """Somebody else is at work there; `owner` says who, where that is known."""

    def __init__(self, message: str, owner: Owner | None) -> None:
        super().__init__(message)
        self.owner = owner


@cache
def _place() -> str:
    parts = [platform.node()]
    for path in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        with suppress(OSError):
            parts.append(Path(path).read_text(encoding="ascii").strip())
            break
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _started(process: int) -> str | None:
    """When a process was started, in whatever form: empty if it is not told, None if there is no such process."""
    if not 0 < process < _MOST_PROCESS:
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:  # it is another user's
        pass
    try:
        if os.path.exists("/proc/self/stat"):
            # the name before it, in parentheses, may hold anything
            state, *rest = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
            return None if state in (b"Z", b"X") else rest[18].decode()
        command = ["ps", "-o", "lstart=", "-p", str(process)]
        environment = {**os.environ, "LC_ALL": "C"}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout.strip()
    except (OSError, ValueError, IndexError):  # it is hidden
        return ""


def lock_file(handle: int) -> bool | None:
    """Locks an open file for as long as it is open: whether it did; None where the file system knows no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def is_there(handle: int, path: str | os.PathLike[str]) -> bool:
    """Whether a path still is the file that is open."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    except OSError:
        return False


class Lock:
    """A lock that is held; see `take`."""

    def __init__(self, path: Path, handle: int, content: bytes) -> None:
        self.path, self._handle, self._content = path, handle, content
        self._beat = Heartbeat(self._renew)

    @classmethod
    def take(cls, path: Path) -> Lock:
        """Takes the lock of this name.

        Raises:
            BusyError: somebody has it.
            InputError: a file of this name is there that is no lock; it is left as it is.
            OSError: the file cannot be made.
        """
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | _CAREFUL, 0o666)
            try:
                locked = lock_file(handle)
                if locked is None or locked:
                    if not is_there(handle, path):  # given back, and with that removed, since it was opened
                        continue
                    if _is_strange(handle):
                        raise InputError(
                            f"{path}: this is somebody's file, not a lock; move it, or choose another folder"
                        )
                    if _is_free(handle, alone=bool(locked)):
                        content = json.dumps(asdict(Owner.here())).encode()
                        os.ftruncate(handle, 0)
                        try:
                            os.pwrite(handle, content, 0)
                        except OSError:  # a full disk
                            path.unlink()
                            raise
                        held, handle = cls(path, handle, content), -1
                        return held
                raise BusyError(f"{path}: somebody else has it", _owner(handle))
            finally:
                if handle >= 0:
                    os.close(handle)

    def is_intact(self) -> bool:
        """Whether the lock's file is still there: who removes a folder removes what is in it."""
        return is_there(self._handle, self.path)

    def release(self) -> None:
        """Gives the lock back; nothing of it is left."""
        if self._handle < 0:
            return
        self._beat.stop()
        with suppress(OSError):
            if self.is_intact() and os.pread(self._handle, _MOST_BYTES, 0) == self._content:
                self.path.unlink()
        os.close(self._handle)
        self._handle = -1

    def _renew(self) -> bool:
        os.utime(self._handle)
        return True


def _is_free(handle: int, *, alone: bool) -> bool:
    """Whether a lock's file is of nobody, or of somebody who is gone; `alone`: as the kernel of this machine has it."""
    state, owner = os.fstat(handle), _owner(handle)
    if alone and (owner is None or owner.host == platform.node()):
        return (
            True  # also of this machine before it was started anew, or of another container: the kernel speaks for it
        )
    gone = None if owner is None else owner.is_gone()
    return abs(time.time() - state.st_mtime) > GRACE if gone is None else gone


def _is_strange(handle: int) -> bool:
    """Whether an open file is no lock's: it says something, and not who its owner is."""
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
        return True
    # a power cut may leave zeros
    return bool(os.pread(handle, _MOST_BYTES, 0).strip(b"\0")) and _owner(handle) is None


def _owner(handle: int) -> Owner | None:
    try:
        return Owner.read(json.loads(os.pread(handle, _MOST_BYTES, 0)))
    except (OSError, ValueError, RecursionError):  # it is being written, or no lock
        return None


@contextmanager
def holding(
    path: Path, busy: Callable[[Owner | None], str], if_busy: str = "refuse", told: Callable[[str], None] | None = None
) -> Iterator[Lock]:
    """Holds a lock for the time of a block.

    Args:
        path: the lock's file, beside or in what it is of. It goes when the lock is given back.
        busy: makes a line of whoever has it.
        if_busy: `refuse` raises that line, `wait` gives it to `told` and waits.
        told: takes it.

    Raises:
        BusyError: somebody else has the lock.
        InputError: a file of this name is there that is no lock.
        OSError: the file cannot be made.
    """
    said = False
    while True:
        try:
            lock = Lock.take(path)
            break
        except BusyError as error:
            line = busy(error.owner)
            if if_busy != "wait":
                raise BusyError(line, error.owner) from None
            if not said and told is not None:
                told(f"{line}; waiting")
            said = True
        time.sleep(_LOOK)
    try:
        yield lock
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether somebody has the lock of this name."""
    try:
        handle = os.open(path, os.O_RDWR | _CAREFUL)
    except OSError:
        return False
    try:
        locked = lock_file(handle)
        return locked is False or not _is_free(handle, alone=bool(locked))
    finally:
        os.close(handle)


class Heartbeat:
    """Calls a function every `BEAT` seconds, in a thread that does not keep the process alive.

    It goes on until it is stopped, or the function gives False.
    """

    def __init__(self, renew: Callable[[], bool]) -> None:
        self._renew, self._stopped = renew, threading.Event()
        self._thread = threading.Thread(target=self._run, name="latent-inr-owner", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(BEAT):
            with suppress(Exception):  # a database or a disk that does not answer now may do so the next time
                if not self._renew():
                    return
