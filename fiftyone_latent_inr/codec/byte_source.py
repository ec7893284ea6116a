"""Sources of a file's bytes: memory, or a path that is opened for each read and never held open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from ..errors import BitstreamError, InputError
from ..files import reason, require_file

Buffer = bytes | bytearray | memoryview


class Source(Protocol):
    """Random access to bytes that do not change.

    Attributes:
        name: path for messages; empty for bytes in memory.
        size: bytes in all.
    """

    name: str
    size: int

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on; fewer at the end."""
        ...


class MemorySource:
    """Bytes in memory."""

    def __init__(self, data: Buffer) -> None:
        self.name = ""
        self._data = bytes(data)
        self.size = len(self._data)

    def read(self, offset: int, count: int) -> bytes:
        """See `Source`."""
        if offset == 0 and count >= self.size:
            return self._data
        return self._data[offset : offset + count]


class FileSource:
    """A file, opened for each read.

    Raises:
        InputError: the file is missing, empty, a folder or may not be read; when it is opened first.
        BitstreamError: a later read finds it gone or replaced.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = require_file(path, "latent video (.linr)")
        self.name = str(self.path)
        self._identity: tuple[int, ...] = ()
        self.size = 0
        try:
            with open(self.path, "rb") as file:
                found = os.fstat(file.fileno())
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {reason(error)}") from error
        self._identity, self.size = _identity(found), found.st_size

    def read(self, offset: int, count: int) -> bytes:
        """See `Source`."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                if _identity(os.fstat(file.fileno())) != self._identity:
                    raise BitstreamError(f"{self.path}: the file was replaced since it was loaded; load it again")
                file.seek(offset)
                parts = []
                while count > 0 and (part := file.read(count)):
                    parts.append(part)
                    count -= len(part)
        except FileNotFoundError as error:
            raise BitstreamError(f"{self.path}: the file is gone since it was loaded") from error
        except OSError as error:
            raise BitstreamError(f"{self.path}: the file can no longer be read: {reason(error)}") from error
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
