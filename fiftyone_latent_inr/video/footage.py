"""What is fitted: the frames of a file or of an array, read from the start as often as needed, never all at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from ..arrays import Frame, Frames, check_frames
from ..errors import InputError
from ..files import fingerprint, require_file
from ..frames.resize import area_resize
from .timing import Times, check_fps

Source = str | os.PathLike[str] | Frames


@dataclass
class Footage:
    """The frames to fit.

    Attributes:
        source: path of a video, or its frames, uint8 (T, H, W, 3).
        size: (H, W) to resize to by area averaging, None for the frames' own.
        max_frames: number of frames, the first ones; None for all.
        fps: frames a second; of a file known once it has been read.
        warnings: lines about what was odd, once the file has been read.
        times: (T,) seconds at which each frame of a file is shown, where they are not evenly spaced, once it has been
            read; else None.

    Raises:
        InputError: an array of another type or shape, or a number out of range.
    """

    source: Source
    size: tuple[int, int] | None = None
    max_frames: int | None = None
    fps: float = 30.0
    warnings: tuple[str, ...] = field(default=(), init=False)
    times: Times | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.max_frames is not None and self.max_frames < 1:
            raise InputError(f"max_frames must be at least 1, not {self.max_frames}")
        if isinstance(self.source, str | os.PathLike):
            require_file(self.source, "video")
            return
        self.source = np.asarray(self.source)
        check_frames(self.source)
        check_fps(self.fps)
        self.fps = float(self.fps)

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return str(self.source) if isinstance(self.source, str | os.PathLike) else f"frames {self.source.shape}"

    @property
    def expected(self) -> int | None:
        """How many frames there should be; None where a file does not say."""
        if not isinstance(self.source, str | os.PathLike):
            count: int | None = len(self.source)
        else:
            from .decode import probe

            count = probe(self.source).num_frames
        return count if count is None or self.max_frames is None else min(count, self.max_frames)

    def key(self) -> str:
        """Twelve hexadecimal digits that change with the content: blocks of a file, an array's frames."""
        if isinstance(self.source, str | os.PathLike):
            return fingerprint(self.source)
        digest = hashlib.blake2b(str(self.source.shape).encode(), digest_size=6)
        for frame in self.source:
            digest.update(np.ascontiguousarray(frame).data)
        return digest.hexdigest()

    def frames(self) -> Iterator[Frame]:
        """Each frame, uint8 (H, W, 3), from the start.

        Raises:
            InputError: the file is not a video, or none of it can be decoded.
        """
        if isinstance(self.source, str | os.PathLike):
            yield from self._decoded(self.source)
            return
        for frame in self.source[: self.max_frames]:
            yield np.ascontiguousarray(frame if self.size is None else area_resize(frame, self.size))

    def groups(self, counts: list[int], size: tuple[int, int] | None = None) -> Iterator[Frames]:
        """The frames in runs of so many, (count, H, W, 3) each; one run is held at a time.

        Args:
            counts: frames of each run.
            size: (H, W) that they had when they were looked at first, where that is known.

        Raises:
            InputError: the file has become shorter, or its frames another size.
        """
        frames = self.frames()
        for count in counts:
            yield self._run(frames, count, size)

    def _run(self, frames: Iterator[Frame], count: int, size: tuple[int, int] | None) -> Frames:
        run = list(islice(frames, count))
        if len(run) < count or any(frame.shape[:2] != (size or run[0].shape[:2]) for frame in run):
            raise InputError(f"{self.name}: changed while being fitted; fit them again")
        return np.stack(run)

    def _decoded(self, path: str | os.PathLike[str]) -> Iterator[Frame]:
        from .reader import VideoReader  # PyAV is needed for files alone

        with VideoReader(path) as reader:
            yield from reader.frames(self.size, self.max_frames)
            timing = reader.timing
            self.fps, self.times, self.warnings = timing.fps, timing.times, reader.warnings
