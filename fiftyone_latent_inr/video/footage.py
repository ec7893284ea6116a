"""What is fitted: frames of a file, of images or of an array, read from the start as often as needed, one by one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np

from .. import arguments
from ..arrays import Frame, Frames, as_frames
from ..errors import InputError
from ..files import require_file
from ..frames.aspect import SQUARE, stretch
from ..frames.resize import area_resize
from .images import ImageSequence, content_of, find_images, state_of
from .timing import Times, check_fps

Source = str | os.PathLike[str] | Frames | ImageSequence | Sequence[str | os.PathLike[str]]

_ARRAY_FPS = 30.0  # of frames in memory, where nobody says


class Footage:
    """The frames to fit.

    Args:
        source: path of a video or of a folder of images, paths of images in their order, or frames, uint8 (T, H, W, 3).
        size: (H, W) to resize to by area averaging, None for the frames' own.
        max_frames: number of frames, the first ones; None for all.
        fps: frames a second of an array, by default 30, or of images, by default 25; a file knows its own.

    Attributes:
        source: a file's path, images, or frames.
        fps: frames a second; of a file known once it has been read, of frames that are not evenly spaced the average.
        warnings: lines about what was odd, once it has been read.
        notes: lines about what was asked for, once it has been read.
        times: (T,) seconds at which each frame of a file is shown, where they are not evenly spaced, once it has been
            read; else None.
        pixel_aspect: width over height of a pixel of the frames, once they have been read; 1 of an array.

    Raises:
        InputError: there is no such video, an array is of another type or shape, or a number out of range.
    """

    def __init__(
        self,
        source: Source,
        size: tuple[int, int] | None = None,
        max_frames: int | None = None,
        fps: float | None = None,
    ) -> None:
        self.size = None if size is None else arguments.side_lengths("size", size)
        self.max_frames = None if max_frames is None else arguments.whole("max_frames", max_frames, 1)
        self.source = _known(source, None if fps is None else check_fps(fps))
        # a folder is looked at again, too, as images may be added to it
        self._files = source if isinstance(source, str | os.PathLike) else self.source
        self._state = None if isinstance(self._files, np.ndarray) else state_of(self._files)
        self.fps = self.source.rate if isinstance(self.source, ImageSequence) else float(fps or _ARRAY_FPS)
        self.warnings: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.times: Times | None = None
        self.pixel_aspect = SQUARE

    @property
    def name(self) -> str:
        """What it is called in messages."""
        if isinstance(self.source, np.ndarray):
            return f"frames {self.source.shape}"
        return self.source.name if isinstance(self.source, ImageSequence) else str(self.source)

    @property
    def expected(self) -> int | None:
        """How many frames there should be; None where a file does not say."""
        if isinstance(self.source, np.ndarray):
            count: int | None = len(self.source)
        elif isinstance(self.source, ImageSequence):
            count = len(self.source.files)
        else:
            from .decode import probe

            count = probe(self.source).num_frames
        return count if count is None or self.max_frames is None else min(count, self.max_frames)

    def _stretch(self, old: tuple[int, int], aspect: Fraction = SQUARE) -> None:
        """Notes whether `size` changes the shape of the pictures, which may be meant so, or a slip."""
        change = 1.0 if self.size is None else stretch(aspect, old, self.size)
        if self.size is not None and change != 1:
            how = f"{change:.3g} times as wide" if change > 1 else f"{1 / change:.3g} times as high"
            height = max(1, round(self.size[1] * old[0] / old[1]))
            self.notes = (
                f"size {self.size[0]}x{self.size[1]} changes the shape of the pictures, which are {old[0]}x{old[1]}: "
                f"all in them is {how} as it was; {height}x{self.size[1]} keeps the shape",
            )

    def key(self) -> str:
        """Twelve hexadecimal digits that change with the content: blocks of files, an array's frames."""
        if not isinstance(self.source, np.ndarray):
            return content_of(self.source)
        digest = hashlib.blake2b(str(self.source.shape).encode(), digest_size=6)
        for frame in self.source:
            digest.update(np.ascontiguousarray(frame).data)
        return digest.hexdigest()

    def check_unchanged(self) -> None:
        """Finds out whether all that was read is of one video: a copy in progress grows, and files are replaced.

        Raises:
            InputError: the file, or one of the images, was written or replaced since the footage was made, or is gone.
        """
        if not isinstance(self._files, np.ndarray) and state_of(self._files) != self._state:
            raise InputError(f"{self.name}: it changed while it was being read; fit it again, once it is all there")

    def frames(self) -> Iterator[Frame]:
        """Each frame, uint8 (H, W, 3), from the start.

        Raises:
            InputError: the file is not a video, or none of it can be decoded.
        """
        if not isinstance(self.source, np.ndarray):
            yield from self._decoded(self.source)
            return
        self._stretch(self.source.shape[1:3])
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

    def _decoded(self, source: str | os.PathLike[str] | ImageSequence) -> Iterator[Frame]:
        from .image_reader import open_video  # PyAV is needed for files alone

        with open_video(source) as reader:
            yield from reader.frames(self.size, self.max_frames)
            timing = reader.timing
            self.fps, self.times, self.warnings = timing.fps, timing.times, reader.warnings
            self.pixel_aspect = reader.pixel_aspect
            self._stretch(reader.source_size, reader.source_aspect)


def _known(source: Source, fps: float | None) -> str | os.PathLike[str] | Frames | ImageSequence:
    """The source, once it is known to be one: a file, images, or frames."""
    if isinstance(source, ImageSequence):
        return source if fps is None else replace(source, fps=fps)
    if isinstance(source, str | os.PathLike):
        found = find_images(source, fps)
        if found is None:
            require_file(source, "video")
        return found or source
    if isinstance(source, list | tuple) and source and all(isinstance(one, str | os.PathLike) for one in source):
        return ImageSequence.of_files(source, fps)
    return as_frames(source)
