"""What a long fit has finished so far, in a folder: the plan, and one file for each group of frames.

The files are written whole or not at all, so that a fit that is stopped, however, goes on with the group that it was
at. A folder of another video, or of other settings, is begun anew.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from .. import codec
from ..errors import BitstreamError, InputError
from ..files import MAX_NAME, as_path, atomic_target, digest_of, shortened, writable_folder
from ..frames.aspect import from_header, to_header
from .plan import Plan, Span
from .scan import Scan

# How the folder of a file's finished groups is called after the file.
PARTS = ".parts"
_SCAN, _EMBEDDINGS = "plan.json", "arrays.npz"


@dataclass(frozen=True)
class FinishedGroup:
    """A group of frames, fitted and stored.

    Attributes:
        data: its section.
        semantic: (T, S) codes of its semantic latents, int16; (T, 0) without a teacher.
        metrics: sums over its frames, and seconds.
    """

    data: bytes
    semantic: npt.NDArray[np.int16]
    metrics: dict[str, float]


class Checkpoint:
    """Finished groups, in a folder or, without one, in memory.

    Args:
        folder: where; made once there is something to keep. None keeps everything in memory.
        key: what the fit is of; what was kept under another key is thrown away.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, key: str = "") -> None:
        self._folder = None if folder is None else as_path(folder, "folder")
        self._key = key
        self._groups: dict[int, FinishedGroup] = {}
        if self._folder is not None and self._document() is None:
            discard(self._folder)

    def scan(self) -> Scan | None:
        """The first look at the video, if it was finished."""
        document = self._document()
        if self._folder is None or document is None:
            return None
        try:
            with np.load(self._folder / _EMBEDDINGS, allow_pickle=False) as arrays:
                counts = arrays["counts"].tolist()
                ends = np.cumsum(counts)[:-1]
                plan = Plan(
                    tuple(Span(*span) for span in document["spans"]),
                    tuple(document["cuts"]),
                    tuple(np.split(arrays["prints"], ends)),
                    tuple(np.split(arrays["frames"], ends)),
                )
                embeddings, times = arrays.get("embeddings"), arrays.get("times")
            height, width = document["size"]
            facts = document["fps"], tuple(document["warnings"]), embeddings, times, from_header(document)
            return Scan(plan, (height, width), *facts)
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return None

    def keep_scan(self, scan: Scan) -> None:
        """Stores the first look at the video.

        Raises:
            InputError: the folder cannot be written.
        """
        if self._folder is None:
            return
        writable_folder(self._folder)
        arrays: dict[str, npt.NDArray[Any]] = {
            "counts": np.array([len(part) for part in scan.plan.frames]),
            "prints": np.concatenate(scan.plan.prints),
            "frames": np.concatenate(scan.plan.frames),
        }
        if scan.embeddings is not None:
            arrays["embeddings"] = scan.embeddings
        if scan.times is not None:
            arrays["times"] = scan.times
        with atomic_target(self._folder / _EMBEDDINGS) as temporary, open(temporary, "wb") as handle:
            np.savez(handle, allow_pickle=False, **arrays)
        facts = {"key": self._key, "size": scan.size, "fps": scan.fps, "warnings": scan.warnings}
        facts |= to_header(scan.pixel_aspect)
        with atomic_target(self._folder / _SCAN) as temporary:
            temporary.write_text(json.dumps({**facts, **scan.plan.to_json()}), encoding="utf-8")

    def group(self, index: int) -> FinishedGroup | None:
        """A group, if it was finished; one whose file is damaged was not."""
        if self._folder is None:
            return self._groups.get(index)
        path = self._path(index)
        try:
            source = codec.FileSource(path)
            document, entries = codec.parse(source)
            data, codes = (codec.read_section(source, entry) for entry in entries)
            shape, metrics = document["shape"], {str(k): float(v) for k, v in document["metrics"].items()}
            return FinishedGroup(data, np.frombuffer(codes, "<i2")[: shape[0] * shape[1]].reshape(shape), metrics)
        except (BitstreamError, InputError, OSError, ValueError, KeyError, TypeError):
            return None

    def keep_group(self, index: int, finished: FinishedGroup) -> None:
        """Stores a group."""
        if self._folder is None:
            self._groups[index] = finished
            return
        document = {"metrics": finished.metrics, "shape": list(finished.semantic.shape)}
        count = len(finished.semantic)
        codes = finished.semantic.astype("<i2").tobytes() or b"\0\0"
        sections = [codec.Section(codec.GROUP, count, 0, data) for data in (finished.data, codes)]
        with atomic_target(self._path(index)) as temporary:
            temporary.write_bytes(codec.assemble(document, sections))

    def place(self, index: int) -> str:
        """Where a group is kept, in words."""
        return f"group {index} in memory" if self._folder is None else str(self._path(index))

    def _path(self, index: int) -> Path:
        assert self._folder is not None
        return self._folder / f"group-{index:06d}.part"

    def _document(self) -> dict[str, Any] | None:
        """The plan's document, if it is of this fit."""
        if self._folder is None:
            return None
        try:
            document: dict[str, Any] = json.loads((self._folder / _SCAN).read_text(encoding="utf-8"))
            return document if document["key"] == self._key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def parts_of(path: str | os.PathLike[str]) -> Path:
    """The folder for the finished groups of a file to be: `OUT.linr.parts`, of a name as long as it may be a part."""
    file = Path(os.fsdecode(path))
    name = file.name + PARTS
    if len(os.fsencode(name)) > MAX_NAME:
        end = f"-{digest_of(file.name)}{PARTS}"  # names of one beginning are told apart
        name = shortened(file.name, MAX_NAME - len(end)) + end
    return file.with_name(name)


def discard(folder: str | os.PathLike[str]) -> None:
    """Removes what a checkpoint left in a folder, and the folder if nothing else is in it."""
    path = Path(folder)
    # temporary ones are left where a process was killed while it wrote
    patterns = (_SCAN, _EMBEDDINGS, f"group-{'[0-9]' * 6}.part", f".linr-{'[0-9a-f]' * 12}.tmp")
    for name in [file.name for pattern in patterns for file in path.glob(pattern)]:
        with suppress(OSError):
            (path / name).unlink()
    with suppress(OSError):
        path.rmdir()


def has_checkpoint(folder: str | os.PathLike[str]) -> bool:
    """Whether something is there to go on with."""
    return (Path(folder) / _SCAN).is_file()
