"""What makes a fitted file the right one: its source's bytes and the settings of its fit, both in its name.

A file is called `<stem>-<source>-<settings>.linr`. So a sample's path alone says whether it is up to date, a file found
on disk after a crash can be adopted, and two samples with the same video share one file. The source is known by its
content, not by its date or place: a dataset that is moved, copied or cloned is not fitted again.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import fiftyone as fo

from ..encoding.checkpoint import PARTS
from ..errors import InputError
from ..files import MAX_NAME, shortened, writable_folder
from .fields import FIT_NAME

SUFFIX = ".linr"
# The end of a name: fingerprint of the source, digest of the settings
_NAMED = re.compile(r"-([0-9a-f]{12})-([0-9a-f]{10})\.linr\Z")


def default_folder() -> Path:
    """Where files of datasets go unless it is told otherwise: `latent_inr` in FiftyOne's `default_dataset_dir`."""
    return Path(fo.config.default_dataset_dir) / FIT_NAME


def output_folder(path: str | os.PathLike[str]) -> Path:
    """The folder, made where it is missing, of files whose paths are to be kept in a dataset.

    Raises:
        InputError: it cannot be created or written, or its name is no text, which a dataset cannot hold.
    """
    folder = writable_folder(path)
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"output directory {folder}: its name is not UTF-8, and FiftyOne's database holds no other text; rename it"
        ) from error
    return folder


def file_name(source: str, fingerprint: str, settings: str) -> str:
    """Names the `.linr` file of a source, its fingerprint and its settings' digest."""
    stem = re.sub(r"[^\w.-]+", "_", Path(source).stem).strip("._") or "video"
    end = _end(fingerprint, settings)
    # 80 characters may take four times as many bytes; a folder of its finished groups is named after the file
    return shortened(stem[:80], MAX_NAME - len(os.fsencode(end + PARTS))) + end


def is_current(stored: str | None, fingerprint: str, settings: str) -> bool:
    """Says whether a sample's stored path is of this source and these settings, and still there."""
    if not stored or not stored.endswith(_end(fingerprint, settings)):
        return False
    return os.path.isfile(stored)


def parts_in(path: str) -> tuple[str, str] | None:
    """Fingerprint and settings' digest that a file's name says; None where somebody has named it otherwise."""
    named = _NAMED.search(path)
    return (named[1], named[2]) if named else None


def settings_suffix(settings: str) -> str:
    """The end of the names of files with these settings; lets a database count them without reading any file."""
    return f"-{settings}{SUFFIX}"


def _end(fingerprint: str, settings: str) -> str:
    return f"-{fingerprint}{settings_suffix(settings)}"
