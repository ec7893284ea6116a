"""Folders and files that one run works on at a time: held for it, and given back however it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from . import owners
from .errors import InputError
from .files import as_path, cannot_write
from .owners import Lock, Owner, holding
from .temporary import lock_of

# The file in a folder that says whose it is.
LOCK = "owner.json"

Folder = str | os.PathLike[str]


class HeldFolder(os.PathLike[str]):
    """A folder that is held against other runs, see `held`."""

    def __init__(self, path: Path, lock: Lock) -> None:
        self.path, self._lock = path, lock

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def give_up(self) -> None:
        """Removes the folder, if nothing but the lock is in it."""
        with suppress(OSError):
            if os.listdir(self.path) == [LOCK]:
                self._lock.release()
                self.path.rmdir()

    def check(self) -> None:
        """Refuses to go on in a folder that somebody has removed, and that others may therefore have taken.

        Raises:
            InputError: it was removed.
        """
        if not self._lock.is_intact():
            raise InputError(f"{self.path}: the folder was removed while this run worked in it; run it again")


@contextmanager
def held(
    folder: Folder,
    if_busy: str = "refuse",
    told: Callable[[str], None] | None = None,
    what: str = "a fit",
    *,
    follow: bool = True,
) -> Iterator[HeldFolder]:
    """Holds a folder, made where it is missing, for the time of a block; one that is held already stays so after it.

    Args:
        folder: the folder.
        if_busy: `refuse` or `wait`, where another run holds it.
        told: takes a line that says for whom is waited.
        what: what runs work there, for the messages.
        follow: whether it may be a link to a folder: one that the user named may.

    Raises:
        BusyError: another run holds the folder; says which, and since when.
        InputError: it cannot be made or written, is a link that is not to be followed, or its lock's name is that of
            somebody's file.
    """
    if isinstance(folder, HeldFolder):
        yield folder
        return
    path = as_path(folder, "folder")

    if not follow and path.is_symlink():
        raise InputError(f"{path}: it is a link, where a folder of finished groups would be; remove it")

    def busy(owner: Owner | None) -> str:
        return f"{path}: {what} is going on here{_by(owner)}"

    with ExitStack() as stack:
        made = False
        while True:
            try:
                made = made or not path.exists()
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:  # for good, as where a folder can never be made
                raise cannot_write(path, error, what=f"{path}: the folder cannot be written") from error
            try:
                lock = stack.enter_context(holding(path / LOCK, busy, if_busy, told))
                break
            except FileNotFoundError:  # whoever held it has just removed it
                continue
            except OSError as error:
                raise cannot_write(path, error, what=f"{path}: the folder cannot be written") from error
        try:
            yield HeldFolder(path, lock)
        finally:
            stack.close()
            if made:
                with suppress(OSError):
                    path.rmdir()


@contextmanager
def held_file(path: Path, if_busy: str = "refuse", told: Callable[[str], None] | None = None) -> Iterator[None]:
    """Holds a file that is to be made, by a lock beside it, as `held` does a folder.

    Raises:
        BusyError: another run makes the file.
        InputError: the folder cannot be written.
    """
    try:
        with holding(lock_of(path), lambda owner: f"{path}: another run makes it{_by(owner)}", if_busy, told):
            yield
    except OSError as error:
        raise cannot_write(path, error) from error


def _by(owner: Owner | None) -> str:
    return "" if owner is None else f" ({owner} has been since {owner.clock})"


def is_held(folder: Folder) -> bool:
    """Whether a run works in a folder."""
    return owners.is_held(Path(folder) / LOCK)
