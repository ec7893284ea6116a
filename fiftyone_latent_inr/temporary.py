"""Temporary files: written under a name of their own and locked by their process, so that what is left is known."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from .errors import InputError
from .owners import Lock, is_held, is_there, lock_file

# The machine, and what tells one from another; before it was known, a process of six digits and what followed.
_NAME = re.compile(r"\.linr-(?:([0-9a-f]{8})-[0-9a-f]{8}|[0-9a-f]{12})\.tmp")
_LOCK = re.compile(r"\.linr-[0-9a-f]{16}\.lock")
# Seconds without a change after which a file may be a leftover of a machine whose kernel is not asked.
_LEFT = 24 * 3600


@contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """An empty file in a folder, whose rights follow the umask; whoever moves it keeps it, else it goes.

    It is locked until then: where its process is killed, the kernel gives the lock back, and `remove_leftovers` finds
    the file. It must be written in place, as `open` does it.

    Raises:
        OSError: the folder cannot be written.
    """
    while True:
        # a short name of its own: the target's may already be as long as the file system allows
        path = folder / f".linr-{_machine()}-{secrets.token_hex(4)}.tmp"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if lock_file(handle) is not False and is_there(handle, path):
            break
        os.close(handle)  # somebody who cleans up was quicker
    if os.name != "posix":  # there, what is open cannot be moved
        os.close(handle)
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink()
        if os.name == "posix":
            os.close(handle)


def lock_of(path: Path) -> Path:
    """The lock of a file that is to be made, beside it; a short name of its own."""
    return path.with_name(f".linr-{hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()}.lock")


def remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left: nothing that one of this machine, or of another one, may still write.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(folder) as entries:
        names = list(entries)
    found = [(entry, known) for entry in names if (known := _NAME.fullmatch(entry.name))]
    for entry in names:
        with suppress(OSError, InputError):  # what is somebody's, or no lock, stays
            if _LOCK.fullmatch(entry.name) and not is_held(Path(entry.path)):
                Lock.take(Path(entry.path)).release()
    for entry, known in found:
        with suppress(OSError):
            if stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                _remove(entry.path, known[1] == _machine())


def _remove(path: str, is_of_this_machine: bool) -> None:
    """Removes a file that nobody has locked, and that, of another machine, nobody has changed for long."""
    handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        locked = lock_file(handle)
        is_old = time.time() - os.fstat(handle).st_mtime > _LEFT
        if locked is not False and (is_old or (locked and is_of_this_machine)) and is_there(handle, path):
            os.unlink(path)
    finally:
        os.close(handle)


@cache
def _machine() -> str:
    """Eight digits of this machine's name and number."""
    names = [platform.node()]
    with suppress(OSError):
        names.append(Path("/etc/machine-id").read_text(encoding="ascii").strip())
    return hashlib.blake2b(" ".join(names).encode(), digest_size=4).hexdigest()


def sync_folder(folder: Path) -> None:
    """Has a folder's entries written to the disk: until then a power cut may undo a renaming, or a removal."""
    with suppress(OSError):  # some file systems, and Windows, know no such thing
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
