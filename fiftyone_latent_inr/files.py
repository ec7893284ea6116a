"""Files: written so that none is ever half there, known again by content, and errors of paths in words for people."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import InputError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file is larger than this system allows; choose another folder or a smaller size",
    errno.EACCES: "permission denied; check the rights or choose another folder",
    errno.EPERM: "the operation is not permitted; check the rights or choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOENT: "no such file or folder; check the spelling, or create the folder first",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder, not a file; name a file in it",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "the disk reported a read or write error; check the disk",
}

# What is read of a large file to know it again.
_BLOCK = 64 * 1024
_BLOCKS = 16


def reason(error: OSError) -> str:
    """What an operating system error means and what to do, in half a sentence."""
    known = _REASONS.get(error.errno or 0)
    return known or (error.strerror or str(error) or type(error).__name__).lower()


@contextmanager
def atomic_target(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path` that becomes `path` when the block succeeds.

    The new file is flushed to the disk and renamed over `path` in one step, so that readers see the old file
    or the new one and a crash leaves no half-written one. On any failure the temporary file is removed and
    `path` stays what it was.

    Raises:
        InputError: the folder does not exist, is read-only or full, or `path` is a folder.
    """
    target = _checked_target(path)
    # A short name of its own: the target's name may already be as long as the file system allows.
    temporary = target.parent / f".linr-{secrets.token_hex(6)}.tmp"
    try:
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {reason(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _checked_target(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder, not a file; name a file in it")
    if not target.parent.is_dir():
        raise InputError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")
    return target


def check_target(path: str | os.PathLike[str], source: str | os.PathLike[str]) -> None:
    """Finds out before the work begins whether a file can be written.

    Args:
        path: file to write.
        source: file that is read for it, which must stay.

    Raises:
        InputError: the folder is missing or not writable, `path` is a folder, or it is the source itself.
    """
    target = _checked_target(path)
    if target.exists() and os.path.exists(source) and target.samefile(source):
        raise InputError(f"{target} is the input itself; give another output")
    try:
        _try_writing(target.parent)
    except OSError as error:
        raise InputError(f"cannot write {target}: {reason(error)}") from error


def _try_writing(folder: Path) -> None:
    """Asking the permission bits is not enough: read-only mounts, quotas and root all differ from them."""
    probe = folder / f".linr-{secrets.token_hex(6)}.tmp"
    try:
        probe.write_bytes(b"linr")
    finally:
        with suppress(OSError):
            probe.unlink()


def writable_folder(path: str | os.PathLike[str]) -> Path:
    """The folder as an absolute path, created where it is missing, once it is known that files can be written in it.

    Raises:
        InputError: it cannot be created or written.
    """
    folder = Path(path).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _try_writing(folder)
    except OSError as error:
        raise InputError(f"output directory {folder} cannot be written: {reason(error)}") from error
    return folder


def require_file(path: str | os.PathLike[str], what: str) -> Path:
    """The path as an absolute one, once it is known to be a readable, non-empty, regular file.

    Args:
        path: the file.
        what: kind of file for the message, such as `video`.

    Raises:
        InputError: it is missing, a folder, empty, not a regular file, or may not be read.
    """
    try:
        # Not resolve(): messages and records should show the name that was given, links included.
        file = Path(os.path.abspath(os.path.expanduser(os.fspath(path))))
    except TypeError as error:
        raise InputError(f"a {what} is named by a path, not by {type(path).__name__}") from error
    try:
        if file.is_dir():
            raise InputError(f"cannot read {file}: it is a folder, not a {what} file")
        size = file.stat().st_size
        if not file.is_file():
            raise InputError(f"cannot read {file}: it is not a regular file")
        with open(file, "rb"):
            pass
    except FileNotFoundError as error:
        raise InputError(f"cannot read {file}: there is no such file; check the spelling") from error
    except OSError as error:
        raise InputError(f"cannot read {file}: {reason(error)}") from error
    except InputError:
        raise
    except ValueError as error:  # a NUL byte in the name
        raise InputError(f"cannot read {file!r}: the name is not a valid path") from error
    if size == 0:
        raise InputError(f"cannot read {file}: the file is empty (0 bytes); copy or record it again")
    return file


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Identifies a video file by its content: its size and 16 evenly spaced blocks of 64 KiB.

    Files up to 1 MiB are read whole. Larger ones are sampled, since re-encoding or editing a video moves its
    bytes and its size, and reading terabytes to learn that nothing changed would cost hours.

    Args:
        path: the file.

    Returns:
        12 hexadecimal digits.

    Raises:
        InputError: the file is missing, is a directory, or cannot be read.
    """
    try:
        size = os.path.getsize(path)
        digest = hashlib.blake2b(str(size).encode(), digest_size=6)
        with open(path, "rb") as file:
            if size <= _BLOCK * _BLOCKS:
                digest.update(file.read())
            else:
                for k in range(_BLOCKS):
                    file.seek((size - _BLOCK) * k // (_BLOCKS - 1))
                    digest.update(file.read(_BLOCK))
    except FileNotFoundError:
        raise InputError(f"{path}: the file is gone") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return digest.hexdigest()


def digest_of(data: Any) -> str:
    """Ten hexadecimal digits that change with JSON-able data; anything else counts by its `repr`."""
    text = json.dumps(data, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
