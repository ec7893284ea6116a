"""The videos of a list or a folder, each with a name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..video.footage import Footage, Source
from ..video.images import IMAGE_SUFFIXES, ImageSequence
from .reels import name_of

VIDEO_SUFFIXES = frozenset(
    [".avi", ".flv", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"]
)


def list_sources(sources: str | os.PathLike[str] | Iterable[Source]) -> list[tuple[str, Source]]:
    """(name, source) of each video; of a folder all files in it that are named like videos, sorted.

    Where there are none in it, each folder of images in it, or itself, is a video.

    Raises:
        InputError: there is none, or one is neither a path nor frames.
    """
    if isinstance(sources, np.ndarray):
        sources = [sources]
    if isinstance(sources, str | os.PathLike):
        return [(name_of(path), path) for path in _videos_of(Path(sources).expanduser())]
    found: list[tuple[str, Source]] = []
    for k, source in enumerate(sources):
        if isinstance(source, str | os.PathLike):
            path = Path(source).expanduser()
            found += [(name_of(one), one) for one in (_videos_of(path) if path.is_dir() else [path])]
        elif isinstance(source, ImageSequence):
            found.append((name_of(source.name), source))
        elif isinstance(source, np.ndarray):
            found.append((f"array {k}", Footage(source).source))
        else:
            raise InputError(f"a source must be a path or frames, not {type(source).__name__}")
    if not found:
        raise InputError("there is no video to pretrain on: the list of sources is empty")
    return found


def _videos_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if not file.name.startswith(".") and not file.is_dir())
    found = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file()]
    if not found:
        images = Counter(file.parent for file in files if file.suffix.lower() in IMAGE_SUFFIXES)
        found = [folder for folder, count in images.items() if count > 1]
    if not found:
        raise InputError(f"{path}: there is no video in this folder; name one that holds some")
    return found
