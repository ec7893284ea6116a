"""Files: written so that none is ever half there, known again by content, and errors of paths in words for people."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from .errors import InputError, StorageError
from .temporary import remove_leftovers, sync_folder, temporary_file

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
    errno.ENAMETOOLONG: "the name is too long, or the path; choose a shorter one, or a folder less deep",
    errno.ELOOP: "its links lead back to themselves; give the file itself",
    errno.EIO: "the disk reported a read or write error; check the disk",
}

# What keeps any other file from being written at the same place, too; ENOENT is a folder that is gone.
_OF_THE_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_OF_THE_PLACE |= {errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ETIMEDOUT}
_OF_THE_PLACE |= {getattr(errno, "ESTALE", errno.EIO)}  # Windows has none

# What a disk answers that takes no more.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}

# What is read of a large file to know it again.
_BLOCK = 64 * 1024
_BLOCKS = 16

# Bytes that a name in a folder may take, on nearly all file systems.
MAX_NAME = 255
_JOINER = "\u200d"  # makes one picture of several emoji
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def reason(error: OSError) -> str:
    """What an operating system error means and what to do, in half a sentence."""
    known = _REASONS.get(error.errno or 0)
    return known or (error.strerror or str(error) or type(error).__name__).lower()


def cannot_write(path: str | os.PathLike[str], error: OSError, size: int = 0, what: str = "") -> InputError:
    """The error to raise where a file cannot be written: says why, and how much is left of a disk that is full.

    Args:
        path: file, or folder, that was to be written.
        error: what the operating system answered.
        size: bytes that were written until then, as far as that is known.
        what: the message's beginning, in place of "cannot write PATH".

    Returns:
        A `StorageError` where other files cannot be written there either, else an `InputError`.
    """
    known = [f"{size:,} bytes of it were written"] if size else []
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = Path(path) if os.path.isdir(path) else Path(path).parent
        with suppress(OSError):  # gone, or a file system that does not tell
            known.append(f"{shutil.disk_usage(folder).free:,} are free in {folder}")
    told = f" ({', '.join(known)})" if known else ""
    kind = StorageError if error.errno in _OF_THE_PLACE else InputError
    return kind(f"{what or f'cannot write {path}'}: {reason(error)}{told}")


def full_disk(error: BaseException | None) -> OSError | None:
    """The operating system's own answer behind an error of whatever library that says that a disk takes no more."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


def shortened(name: str, most: int) -> str:
    """As much of the beginning of a name as takes `most` bytes of UTF-8, which is what file systems count.

    A name that fits is left as it is. No character is cut in two, and accents and joiners stay with what they follow.
    """
    length = size = 0
    while length < len(name) and size + _bytes_of(name[length]) <= most:
        size += _bytes_of(name[length])
        length += 1
    while 0 < length < len(name) and (_continues(name[length]) or name[length - 1] == _JOINER):
        length -= 1
    return name[:length]


def _bytes_of(character: str) -> int:
    # a byte that is no text stands in a name as half of a surrogate pair
    return 1 if "\ud800" <= character <= "\udfff" else len(character.encode())


def _continues(character: str) -> bool:
    return character == _JOINER or unicodedata.category(character) in ("Mn", "Mc", "Me")


def as_path(path: str | os.PathLike[str], what: str) -> Path:
    """The path that is meant, absolute, with `~` and `file://` as people write them.

    Args:
        path: a path; links are not followed, so that messages and records show the name that was given.
        what: kind of file for the message, such as `video`.

    Raises:
        InputError: it is no path, or the address of something that is no file of this machine.
    """
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        raise InputError(f"a {what} is named by a path, not by {type(path).__name__}") from error
    if "\0" in text or not text:
        raise InputError(f"cannot use {text!r}: the name is not a valid path of a {what}")
    scheme = None if os.path.lexists(text) else _SCHEME.match(text)
    if scheme and scheme[1].lower() != "file":
        address = text.replace(":/", "://", 1) if "://" not in text else text  # a `Path` lost one of the strokes
        raise InputError(f"cannot use {address}: it is an address, not a file of this machine; download it first")
    if scheme:
        text = unquote(re.sub(r"^//(localhost)?(?=/)", "", text[scheme.end() - 1 :]), errors="surrogateescape")
    if text == "-" and not os.path.lexists(text):
        raise InputError("cannot use -, standard input or output: it cannot be gone back in; name a file")
    return absolute(text)


def absolute(text: str) -> Path:
    """The absolute path of one as people write it.

    Raises:
        InputError: it is relative, and the working folder is gone.
    """
    try:
        return Path(os.path.abspath(os.path.expanduser(text)))
    except FileNotFoundError as error:
        raise InputError(
            f"cannot use {text}: the working folder is gone; change to another, or give it whole"
        ) from error


def existing_folder(name: str) -> Path | None:
    """The folder of this name, absolute; None where there is none, or none can be of such a name."""
    try:
        folder = Path(name).expanduser()
        return folder.absolute() if name and folder.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # too long a name, a zero in it, the home of nobody
        return None


def kind_of(mode: int) -> str | None:
    """What something is that is neither a file nor a folder, from its mode; else None."""
    return next((kind for known, kind in _KINDS if known(mode)), None)


@contextmanager
def atomic_target(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path` that becomes `path` when the block succeeds.

    The new file is flushed to the disk and renamed over `path` in one step, and so is its folder's entry, so that
    readers see the old file or the new one, a crash leaves no half-written one, and after the block there is nothing
    that a power cut could undo. On any failure the temporary file is removed and `path` stays what it was. A file that
    is replaced leaves its rights to the new one. A link is replaced itself, never followed: it may lead out of the
    folder.

    Raises:
        StorageError: the folder does not exist, is read-only or full.
        InputError: `path` is a folder or a device, or its name cannot be used.
    """
    target, written = _checked_target(path), 0
    try:
        with temporary_file(target.parent) as temporary:
            rights = temporary.stat().st_mode
            try:
                yield temporary
            finally:
                with suppress(OSError):  # the folder may be gone
                    written = temporary.stat().st_size
            with open(temporary, "rb") as handle:
                os.fsync(handle.fileno())
            _set_rights(temporary, target, rights)
            os.replace(temporary, target)
            sync_folder(target.parent)
    except OSError as error:
        raise cannot_write(target, error, written) from error


def _set_rights(temporary: Path, target: Path, rights: int) -> None:
    """Gives a file the rights, and if possible the owner, of the one that it is to replace; else these rights."""
    with suppress(FileNotFoundError):
        found = target.lstat()
        if stat.S_ISREG(found.st_mode):
            rights = found.st_mode & 0o777
            mine = temporary.stat()
            if hasattr(os, "chown") and (mine.st_uid, mine.st_gid) != (found.st_uid, found.st_gid):
                with suppress(OSError):  # only root gives files away
                    os.chown(temporary, found.st_uid, found.st_gid)
    with suppress(OSError):  # of file systems that know none
        temporary.chmod(rights & 0o777)


def _checked_target(path: str | os.PathLike[str]) -> Path:
    target = as_path(path, "file to write")
    try:
        mode = os.stat(target).st_mode if target.exists() else 0
        with suppress(FileNotFoundError):
            os.lstat(target)  # a name that is too long is known before there is something to write
    except OSError as error:
        raise cannot_write(target, error) from error
    if stat.S_ISDIR(mode):
        raise InputError(f"cannot write {target}: it is a folder, not a file; name a file in it")
    if kind := kind_of(mode):  # it would be replaced by a file
        raise InputError(f"cannot write {target}: it is {kind}, not a file; choose another name")
    if not target.parent.is_dir():
        raise StorageError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")
    return target


def check_length(path: str | os.PathLike[str]) -> None:
    """Finds out whether the file system takes a name and a path as long as this, before there is something to write.

    Some take no 255 bytes; and folders may be so deep that little is left of the 4,096 that a path may have.

    Raises:
        InputError: it does not.
    """
    try:
        os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"cannot write {path}: {reason(error)}") from error


def check_target(path: str | os.PathLike[str], source: str | os.PathLike[str]) -> None:
    """Finds out before the work begins whether a file can be written.

    Args:
        path: file to write.
        source: file that is read for it, which must stay.

    Raises:
        InputError: the folder is missing or not writable, `path` is a folder, or it is the source itself.
    """
    target = _checked_target(path)
    with suppress(InputError):  # of the source it is said when it is read
        source = as_path(source, "file")
    if target.exists() and os.path.exists(source) and target.samefile(source):
        raise InputError(f"{target} is the input itself; give another output")
    try:
        _try_writing(target.parent)
    except OSError as error:
        raise cannot_write(target, error) from error


def _try_writing(folder: Path) -> None:
    """Asking the permission bits is not enough: read-only mounts, quotas and root all differ from them."""
    with temporary_file(folder) as probe:
        probe.write_bytes(b"linr")
    with suppress(OSError):
        remove_leftovers(folder)


def writable_folder(path: str | os.PathLike[str]) -> Path:
    """The folder as an absolute path, created where it is missing, once it is known that files can be written in it.

    Raises:
        InputError: it cannot be created or written.
    """
    folder = as_path(path, "folder")
    try:
        make_folder(folder)
        _try_writing(folder)
    except OSError as error:
        raise cannot_write(folder, error, what=f"output directory {folder} cannot be written") from error
    return folder


def make_folder(folder: Path) -> None:
    """Makes a folder, and those that it is in, where they are missing, for good.

    Raises:
        OSError: it cannot be made.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def require_file(path: str | os.PathLike[str], what: str) -> Path:
    """The path as an absolute one, once it is known to be a readable, non-empty, regular file.

    Args:
        path: the file.
        what: kind of file for the message, such as `video`.

    Raises:
        InputError: it is missing, a folder, empty, not a regular file, or may not be read.
    """
    file = as_path(path, what)
    try:
        found = file.stat()  # before it is opened: opening a pipe waits for its other end
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"cannot read {file}: it is a folder, not a {what} file")
        if kind := kind_of(found.st_mode):
            raise InputError(
                f"cannot read {file}: it is {kind}, not a regular file; save what it gives in a file first"
            )
        with open(file, "rb"):
            pass
    except FileNotFoundError as error:
        pattern = " (patterns are not expanded here)" if set("*?[") & set(file.name) else ""
        raise InputError(f"cannot read {file}: there is no such file; check the spelling{pattern}") from error
    except OSError as error:
        raise InputError(f"cannot read {file}: {reason(error)}") from error
    if found.st_size == 0:
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
        InputError: the file is missing, empty, no regular file, or cannot be read.
    """
    file = require_file(path, "video")
    try:
        size = file.stat().st_size
        digest = hashlib.blake2b(str(size).encode(), digest_size=6)
        with open(file, "rb") as handle:
            if size <= _BLOCK * _BLOCKS:
                digest.update(handle.read(size))
            else:
                for k in range(_BLOCKS):
                    handle.seek((size - _BLOCK) * k // (_BLOCKS - 1))
                    digest.update(handle.read(_BLOCK))
    except OSError as error:
        raise InputError(f"cannot read {file}: {reason(error)}") from error
    return digest.hexdigest()


def digest_of(data: Any) -> str:
    """Ten hexadecimal digits that change with JSON-able data; anything else counts by its `repr`."""
    text = json.dumps(data, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
