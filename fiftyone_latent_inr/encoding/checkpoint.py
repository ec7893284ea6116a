"""What a long fit has finished so far, in a folder: the plan, and one file for each group of frames.

The files are written whole or not at all, so that a fit that is stopped, however, goes on with the group that it was
at. A folder of another video, or of other settings, is begun anew: each file says of what it is. A fit holds its folder
(`held`), so that no other one works in it at the same time.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import struct
import tokenize
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from .. import codec
from ..errors import BitstreamError, InputError
from ..files import MAX_NAME, as_path, atomic_target, digest_of, shortened, writable_folder
from ..frames.aspect import from_header, to_header
from ..held_folder import Folder, HeldFolder, held, is_held
from ..temporary import remove_leftovers, sync_folder
from .plan import Plan, most_frames
from .scan import Scan

# How the folder of a file's finished groups is called after the file.
PARTS = ".parts"
_SCAN, _EMBEDDINGS = "plan.json", "arrays.npz"
_ARRAYS = {"key", "counts", "prints", "frames", "embeddings", "times"}
# Of a plan's document: those of hours of film have some hundred thousand.
_MOST_BYTES = 64 << 20
# What files raise that are damaged, or made to be.
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,  # also of too deep a nesting
    MemoryError,
    EOFError,
    SyntaxError,
    BadZipFile,
    struct.error,
    tokenize.TokenError,
)
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

    Raises:
        InputError: files of somebody's are in the folder under a checkpoint's names; nothing is removed.
    """

    def __init__(self, folder: Folder | None = None, key: str = "") -> None:
        self._held = folder if isinstance(folder, HeldFolder) else None
        self._folder = None if folder is None else as_path(folder, "folder")
        self._key = key
        self._groups: dict[int, FinishedGroup] = {}
        document = self._document()
        if self._folder is not None and document is None and (strange := _strange(self._folder)):
            names = ", ".join(strange[:3])
            raise InputError(f"{self._folder}: somebody's {names} would be replaced; choose another folder")
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
            with _opened(self._folder / _EMBEDDINGS) as file:
                arrays = _arrays(file)
            if not self._is_ours(str(arrays["key"]) if "key" in arrays else None):
                return None
            if document.pop("digest", None) not in (None, digest_of(document)):  # earlier versions wrote none
                return None
            return _scan(document, arrays)
        except _UNREADABLE:
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
            facts |= scan.plan.to_json()
            temporary.write_text(json.dumps({**facts, "digest": digest_of(facts)}), encoding="utf-8")
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
        document = _plan_in(self._folder)
        return document if document is not None and document["key"] == self._key else None


def _opened(path: Path) -> BinaryIO:
    """A regular file, open for reading: no link is followed, and no pipe waited for.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is something else.
    """
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, os.O_RDONLY | flags), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise ValueError("it is no regular file")


def _plan_in(folder: Path) -> dict[str, Any] | None:
    """The document of a checkpoint's plan, of whatever fit, if that is what is there."""
    try:
        with _opened(folder / _SCAN) as file:
            text = file.read(_MOST_BYTES + 1)
        document = json.loads(text) if len(text) <= _MOST_BYTES else None
    except _UNREADABLE:
        return None
    known = isinstance(document, dict) and isinstance(document.get("key"), str) and "spans" in document
    return document if known else None


def _arrays(file: BinaryIO) -> dict[str, npt.NDArray[Any]]:
    """A checkpoint's arrays, once it is known that the file is as long as they say.

    Raises:
        OSError, ValueError and more (`_UNREADABLE`): they are damaged.
    """
    found = {}
    with ZipFile(file) as archive:
        for name in _ARRAYS & {entry.filename.removesuffix(".npy") for entry in archive.infolist()}:
            entry = archive.getinfo(f"{name}.npy")
            if entry.compress_type != ZIP_STORED:
                raise ValueError("an array is compressed")
            with archive.open(entry) as member:
                if np.lib.format.read_magic(member) != (1, 0):
                    raise ValueError("an array of another format")
                shape, _, dtype = np.lib.format.read_array_header_1_0(member)
                size = math.prod(shape) * dtype.itemsize
                if (
                    dtype.hasobject
                    or not dtype.itemsize
                    or size != entry.file_size - member.tell()
                    or size > os.fstat(file.fileno()).st_size
                ):
                    raise ValueError("an array is longer than its file")
            with archive.open(entry) as member:
                found[name] = np.lib.format.read_array(member, allow_pickle=False)
    return found


def _scan(document: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Scan:
    """A scan of what is stored of it.

    Raises:
        ValueError, KeyError, TypeError: it is none that this package makes.
    """
    counts = arrays["counts"]
    if counts.ndim != 1 or counts.dtype.kind != "i":
        raise ValueError("the counts are no whole numbers")
    plan = Plan.read(document, counts.tolist(), arrays["prints"], arrays["frames"])
    (height, width), fps, warnings = document["size"], document["fps"], document["warnings"]
    if not all(type(side) is int and 0 < side < 1 << 20 for side in (height, width)):
        raise ValueError("the size is none")
    if max(span.count for span in plan.spans) > most_frames(height, width):
        raise ValueError("a group is longer than one may be")
    if type(fps) not in (int, float) or not 0 < fps < math.inf:
        raise ValueError("the frame rate is none")
    if not isinstance(warnings, list) or not all(isinstance(line, str) for line in warnings):
        raise ValueError("the warnings are no lines")
    embeddings, times = arrays.get("embeddings"), arrays.get("times")
    for name, array, dims in (("embeddings", embeddings, 2), ("times", times, 1)):
        if array is None:
            continue
        if array.dtype.kind != "f" or array.ndim != dims or len(array) != plan.num_frames:
            raise ValueError(f"the {name} are not those of the frames")
        if not np.isfinite(array).all() or (dims == 1 and (np.diff(array) < 0).any()):
            raise ValueError(f"the {name} make no sense")
    return Scan(plan, (height, width), fps, tuple(warnings), embeddings, times, from_header(document))


def _strange(folder: Path) -> list[str]:
    """Files under a checkpoint's names that are none of one: where there is no plan, each speaks for itself."""
    with suppress(OSError):
        if _plan_in(folder) is None:
            return sorted(name for name in os.listdir(folder) if _OURS.fullmatch(name) and not _is_part(folder / name))
    return []


def _is_part(path: Path) -> bool:
    """Whether a file without a plan beside it is a checkpoint's, or empty."""
    if path.suffix == ".tmp":  # whoever looks for leftovers knows better
        return True
    try:
        with _opened(path) as file:
            start = file.read(4)
            if not start or path.name == _SCAN:
                return not start
            if path.name != _EMBEDDINGS:
                return start == codec.MAGIC
            with ZipFile(file) as archive:
                names = {name.removesuffix(".npy") for name in archive.namelist()}
                return {"counts", "prints", "frames"} <= names <= _ARRAYS
    except _UNREADABLE:
        return False


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

    A folder that another fit holds is left to that one, and files of somebody's to their owner.
    """
    path = Path(folder)
    if not path.is_dir():
        return
    with suppress(OSError, InputError), held(folder) as mine:
        _clear(path)
        mine.give_up()


def _clear(folder: Path) -> None:
    """Removes a checkpoint's files: first the plan, without which the others are nothing."""
    with suppress(OSError):
        strange = _strange(folder)
        names = [name for name in os.listdir(folder) if _OURS.fullmatch(name) and name not in strange]
        for name in sorted(names, key=lambda name: name != _SCAN):
            with suppress(OSError):
                (folder / name).unlink()


def remove_finished(file: Path) -> None:
    """Removes the groups of a file that is finished, where its fit was killed before it could.

    They are, if all of them are older than the file: those of a fit that was stopped, and is to go on, are younger.
    A link in the folder's place is left as it is.
    """
    folder = parts_of(file)
    with suppress(OSError, ValueError):  # `InputError`, too: what cannot be tidied keeps nobody from work
        if folder.is_symlink():
            return
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
