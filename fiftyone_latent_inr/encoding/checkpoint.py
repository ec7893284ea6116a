"""What a long fit has finished so far, in a folder: the plan, and one file for each group of frames.

The files are written whole or not at all, so that a fit that is stopped, however, goes on with the group that it was
at. A folder of another video, or of other settings, is begun anew: each file says of what it is. A fit holds its folder
(`held`), so that no other one works in it at the same time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from .. import codec
from ..errors import BitstreamError, InputError
from ..files import MAX_NAME, as_path, atomic_target, digest_of, shortened, writable_folder
from ..frames.aspect import from_header, to_header
from ..held_folder import Folder, HeldFolder, held, is_held
from ..temporary import remove_leftovers, sync_folder
from .plan import Plan, Span
from .scan import Scan

# How the folder of a file's finished groups is called after the file.
PARTS = ".parts"
_SCAN, _EMBEDDINGS = "plan.json", "arrays.npz"
_OURS = re.compile(rf"{_SCAN}|{_EMBEDDINGS}|group-[0-9]{{6}}\.part|\.linr-[0-9a-f-]+\.tmp")


@dataclass(frozen=True)
class FinishedGroup:
    """A group of frames, fitted and stored.

    Attributes:
        data: its section.
        semantic: (T, S) codes of its semantic latents, int16; (T, 0) without a teacher.
        metrics: sums over its frames, and seconds.
        parent: digest of the group that it is stored as the residual against; empty where there is none.
    """

    data: bytes
    semantic: npt.NDArray[np.int16]
    metrics: dict[str, float]
    parent: str = ""

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits of the section."""
        return hashlib.blake2b(self.data, digest_size=8).hexdigest()


class Checkpoint:
    """Finished groups, in a folder or, without one, in memory.

    Args:
        folder: where; made once there is something to keep. None keeps everything in memory.
        key: what the fit is of; what was kept under another key is thrown away, unless another fit holds it.
    """

    def __init__(self, folder: Folder | None = None, key: str = "") -> None:
        self._held = folder if isinstance(folder, HeldFolder) else None
        self._folder = None if folder is None else as_path(folder, "folder")
        self._key = key
        self._groups: dict[int, FinishedGroup] = {}
        document = self._document()
        if self._held is not None and document is None:
            _clear(self._held.path)
        elif folder is not None and document is None:
            discard(folder)
        # the files of earlier versions did not say of what they are; their plan did
        self._keyed = document is None or bool(document.get("keyed"))

    def scan(self) -> Scan | None:
        """The first look at the video, if it was finished."""
        document = self._document()
        if self._folder is None or document is None:
            return None
        try:
            with np.load(self._folder / _EMBEDDINGS, allow_pickle=False) as arrays:
                if not self._is_ours(str(arrays["key"]) if "key" in arrays else None):
                    return None
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
        self._check()
        writable_folder(self._folder)
        arrays: dict[str, npt.NDArray[Any]] = {
            "key": np.array(self._key),
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
        facts = {"key": self._key, "keyed": True, "size": scan.size, "fps": scan.fps, "warnings": scan.warnings}
        facts |= to_header(scan.pixel_aspect)
        with atomic_target(self._folder / _SCAN) as temporary:
            temporary.write_text(json.dumps({**facts, **scan.plan.to_json()}), encoding="utf-8")
        sync_folder(self._folder.parent)  # the folder is as new as what is in it
        self._keyed = True

    def group(self, index: int) -> FinishedGroup | None:
        """A group, if it was finished; one whose file is damaged, or of another fit, was not."""
        if self._folder is None:
            return self._groups.get(index)
        path = self._path(index)
        try:
            source = codec.FileSource(path)
            document, entries = codec.parse(source)
            if not self._is_ours(document.get("key")):
                return None
            data, codes = (codec.read_section(source, entry) for entry in entries)
            shape, metrics = document["shape"], {str(k): float(v) for k, v in document["metrics"].items()}
            semantic = np.frombuffer(codes, "<i2")[: shape[0] * shape[1]].reshape(shape)
            return FinishedGroup(data, semantic, metrics, str(document.get("parent", "")))
        except (BitstreamError, InputError, OSError, ValueError, KeyError, TypeError):
            return None

    def keep_group(self, index: int, finished: FinishedGroup) -> None:
        """Stores a group."""
        if self._folder is None:
            self._groups[index] = finished
            return
        self._check()
        document = {"metrics": finished.metrics, "shape": list(finished.semantic.shape)}
        document |= {"key": self._key, "parent": finished.parent}
        count = len(finished.semantic)
        codes = finished.semantic.astype("<i2").tobytes() or b"\0\0"
        sections = [codec.Section(codec.GROUP, count, 0, data) for data in (finished.data, codes)]
        with atomic_target(self._path(index)) as temporary:
            temporary.write_bytes(codec.assemble(document, sections))

    def place(self, index: int) -> str:
        """Where a group is kept, in words."""
        return f"group {index} in memory" if self._folder is None else str(self._path(index))

    def _check(self) -> None:
        if self._held is not None:
            self._held.check()

    def _is_ours(self, key: str | None) -> bool:
        return key == self._key if key is not None else not self._keyed

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


def parts_of(path: Folder) -> Path:
    """The folder for the finished groups of a file to be: `OUT.linr.parts`, of a name as long as it may be a part."""
    file = Path(os.fsdecode(path))
    name = file.name + PARTS
    if len(os.fsencode(name)) > MAX_NAME:
        end = f"-{digest_of(file.name)}{PARTS}"  # names of one beginning are told apart
        name = shortened(file.name, MAX_NAME - len(end)) + end
    return file.with_name(name)


def discard(folder: Folder) -> None:
    """Removes what a checkpoint left in a folder, and the folder if nothing else is in it.

    A folder that another fit holds is left to that one.
    """
    path = Path(folder)
    if not path.is_dir():
        return
    with suppress(InputError), held(folder) as mine:
        _clear(path)
        mine.give_up()


def _clear(folder: Path) -> None:
    """Removes a checkpoint's files: first the plan, without which the others are nothing."""
    with suppress(OSError):
        names = [name for name in os.listdir(folder) if _OURS.fullmatch(name)]
        for name in sorted(names, key=lambda name: name != _SCAN):
            with suppress(OSError):
                (folder / name).unlink()


def remove_finished(file: Path) -> None:
    """Removes the groups of a file that is finished, where its fit was killed before it could.

    They are, if all of them are older than the file: those of a fit that was stopped, and is to go on, are younger.
    """
    folder = parts_of(file)
    with suppress(OSError, InputError):
        kept = [entry for entry in os.scandir(folder) if _OURS.fullmatch(entry.name)]
        finished = file.stat(follow_symlinks=False).st_mtime_ns if file.is_file() else 0
        nothing = not any(entry.name == _SCAN for entry in kept)
        if nothing or all(entry.stat(follow_symlinks=False).st_mtime_ns <= finished for entry in kept):
            discard(folder)
        elif not is_held(folder):
            remove_leftovers(folder)


def has_checkpoint(folder: Folder) -> bool:
    """Whether something is there to go on with."""
    return (Path(folder) / _SCAN).is_file()
