"""What makes a fitted file the right one: its source's bytes and the settings of its fit, both in its name.

A file is called `<stem>-<source>-<settings>.linr`. So a sample's path alone says whether it is up to date, a
file found on disk after a crash can be adopted, and two samples with the same video share one file. The
source is known by its content, not by its date or place: a dataset that is moved, copied or cloned is not
fitted again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from ..errors import InputError

SUFFIX = ".linr"
_BLOCK = 64 * 1024
_BLOCKS = 16


def fingerprint(path: str) -> str:
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


def settings_digest(settings: dict[str, Any]) -> str:
    """Condenses what decides a fit's result into 10 hexadecimal digits.

    Args:
        settings: JSON-able; anything else counts by its `repr`.
    """
    text = json.dumps(settings, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def file_name(source: str, fingerprint_: str, settings: str) -> str:
    """Names the `.linr` file of a source, its fingerprint and its settings' digest."""
    stem = re.sub(r"[^\w.-]+", "_", Path(source).stem).strip("._") or "video"
    return f"{stem[:80]}-{fingerprint_}-{settings}{SUFFIX}"


def is_current(stored: str | None, fingerprint_: str, settings: str) -> bool:
    """Says whether a sample's stored path is of this source and these settings, and still there."""
    if not stored or not stored.endswith(f"-{fingerprint_}-{settings}{SUFFIX}"):
        return False
    return os.path.isfile(stored)


def settings_suffix(settings: str) -> str:
    """How the names of files with these settings end; lets a database count them without reading any file."""
    return f"-{settings}{SUFFIX}"
