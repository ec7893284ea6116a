"""Side effects of a process, numbered as they happen: files and folders of one tree, and what is written to MongoDB.

A process can be made to die beside any of them, or be told there that the disk is full.
"""

from __future__ import annotations

import builtins
import errno
import functools
import io
import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

_FILES = ("replace", "rename", "unlink", "remove", "rmdir", "mkdir", "link", "symlink", "truncate", "fsync", "open")
_COLLECTION = (
    *("insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one", "delete_many"),
    *("bulk_write", "find_one_and_update", "find_one_and_replace", "find_one_and_delete", "drop", "rename"),
    *("create_index", "create_indexes", "drop_index", "drop_indexes"),
)
_DATABASE = ("create_collection", "drop_collection")
BALLAST = ".ballast"
_open = builtins.open
_OUT_OF_DISK = 14031  # MongoDB's OutOfDiskSpace


@dataclass(frozen=True)
class Plan:
    """What is to happen at a side effect.

    Attributes:
        number: which one, from 1; 0 for none.
        how: `after` or `before`: the process is killed then; `full`: instead of it there is no room on the disk;
            `interrupt`: before it Ctrl-C is pressed, and once more `delay` seconds later; `fill`: before it the disk of
            the tree is filled.
        delay: see `how`.
    """

    number: int = 0
    how: str = "after"
    delay: float = 0.0


class Watch:
    """Wraps what has side effects, for the rest of this process.

    Args:
        folder: the tree whose files count.
        log: file that gets a line of each side effect once it has happened: its kind, a tab, what it was done to.
        plan: what is to happen, and where.
    """

    def __init__(self, folder: Path, log: Path, plan: Plan) -> None:
        self._folder, self._plan, self._count = f"{folder}{os.sep}", plan, 0
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._inside = threading.local()

    def begin(self) -> None:
        """From here on side effects are counted."""
        for name in _FILES:
            setattr(os, name, self._wrapped(getattr(os, name), functools.partial(self._of_file, name)))
        opened = self._wrapped(builtins.open, self._of_open)
        builtins.open = io.open = opened  # type: ignore[assignment]
        for name in _COLLECTION:
            setattr(Collection, name, self._wrapped(getattr(Collection, name), functools.partial(_of_mongo, name)))
        for name in _DATABASE:
            setattr(Database, name, self._wrapped(getattr(Database, name), functools.partial(_of_database, name)))

    def _wrapped(self, original: Callable[..., Any], name: Callable[..., tuple[str, str] | None]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **options: Any) -> Any:
            # what is called on the way is part of it
            found = None if getattr(self._inside, "busy", False) else name(*args, **options)
            if found is None:
                return original(*args, **options)
            self._inside.busy = True
            try:
                return self._do(found, lambda: original(*args, **options))
            finally:
                self._inside.busy = False

        return call

    def _do(self, found: tuple[str, str], original: Callable[[], Any]) -> Any:
        self._count += 1
        here = self._count == self._plan.number
        if here and self._plan.how == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if here and self._plan.how == "interrupt":
            threading.Timer(self._plan.delay, os.kill, (os.getpid(), signal.SIGINT)).start()
            os.kill(os.getpid(), signal.SIGINT)
        if here and self._plan.how == "fill":
            fill(Path(self._folder))
        if here and self._plan.how == "full":
            self._say(f"FULL {found[0]}", found[1])
            raise _no_room(found[0])
        try:
            value = original()
        except BaseException:  # such as a folder that is there already: it counts, so that numbers stay the same
            self._say(f"FAILED {found[0]}", found[1])
            raise
        self._say(*found)
        if here and self._plan.how == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    def _say(self, kind: str, target: str) -> None:
        os.write(self._log, f"{kind}\t{target}\n".encode("utf-8", "surrogateescape"))

    def _of_file(self, name: str, first: Any, *args: Any, **options: Any) -> tuple[str, str] | None:
        if name == "open" and not (args and args[0] & os.O_CREAT):
            return None
        # what becomes of a file by its new name says more than its temporary one
        path = args[0] if name in ("replace", "rename", "link", "symlink") else first
        return self._named(f"os.{name}", path, options.get("dir_fd"))

    def _of_open(self, file: Any, mode: str = "r", *_args: Any, **_options: Any) -> tuple[str, str] | None:
        return self._named("open", file, None) if set(mode) & set("wax+") and not isinstance(file, int) else None

    def _named(self, kind: str, path: Any, folder: int | None) -> tuple[str, str] | None:
        try:
            if isinstance(path, int):
                text = os.readlink(f"/proc/self/fd/{path}")
            else:
                text = os.fsdecode(path)
                text = os.path.join("" if folder is None else os.readlink(f"/proc/self/fd/{folder}"), text)
        except (OSError, TypeError):
            return None
        text = os.path.abspath(text)
        return (f"{kind} {general(os.path.basename(text))}", text) if text.startswith(self._folder) else None


def _of_mongo(name: str, collection: Any, *_args: Any, **_options: Any) -> tuple[str, str]:
    return f"{general(collection.name)}.{name}", collection.name


def _of_database(name: str, _database: Any, which: Any, *_args: Any, **_options: Any) -> tuple[str, str]:
    target = which if isinstance(which, str) else which.name
    return f"{general(target)}.{name}", target


def general(name: str) -> str:
    """A name without what differs from run to run: temporary digits, fingerprints, ids."""
    name = re.sub(r"^\.linr-[\w-]+\.tmp$", "*.tmp", name)
    name = re.sub(r"^[\w.]+-[0-9a-f]{12}-[0-9a-f]{10}", "*", name)
    name = re.sub(r"[0-9a-f]{10,}", "#", name)
    return re.sub(r"\d{3,}", "#", name)


def fill(folder: Path) -> None:
    """Fills the disk that a folder is on; `BALLAST` in it is to be removed."""
    size = 1 << 20
    with suppress(OSError), _open(folder / BALLAST, "wb", buffering=0) as file:
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2


def _no_room(kind: str) -> Exception:
    if kind.startswith(("os.", "open ")):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return OperationFailure("no space left on device", _OUT_OF_DISK)


def read_log(path: Path) -> list[tuple[str, str]]:
    """(kind, target) of the side effects that have happened."""
    if not path.exists():
        return []
    lines = path.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    return [(kind, target) for kind, _, target in (line.partition("\t") for line in lines)]
