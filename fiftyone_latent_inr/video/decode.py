"""What a video file holds: `probe` says what, `read` gives all frames, `iter_frames` one after the other.

Frames are uint8 RGB (H, W, 3) as a player would show them: the stream's colour matrix and range honoured,
turned upright, transparency laid over black. They are resized one by one while decoding, so that a full-size
video is never held. Pixels are taken as stored: those that are not square stay so, and their shape is told;
nothing is deinterlaced; a crop that the container asks for (Matroska, MP4) is not done, one of the stream is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from .. import arguments
from ..arrays import Frame, Frames
from ..errors import InputError
from ..frames.aspect import SQUARE
from .clock import may_restart
from .image_reader import open_video
from .images import ImageSequence
from .reader import VideoReader
from .timing import Times
from .writer import write

__all__ = ["Video", "VideoInfo", "iter_frames", "probe", "read", "write"]

_GIB = 1 << 30
# Bytes up to which a file is read to learn its duration: of formats whose clock may start again, and of those that tell
# their duration, which is wrong where pieces were joined.
_COUNTED, _DOUBTED = 1 << 28, 1 << 25


@dataclass(frozen=True)
class VideoInfo:
    """What a file, or a folder of images, says of itself.

    Attributes:
        path: the file or folder, absolute.
        height: rows of pixels once turned upright.
        width: columns of pixels once turned upright.
        num_frames: frames that the file declares, or an estimate from its duration, None where unknown.
        fps: frames a second that it declares, on average; of images what is assumed where nobody said.
        duration: seconds of its pictures, None where unknown.
        has_audio: True if there is sound.
        pixel_aspect: width over height of a pixel once turned upright; 1 for square ones.
    """

    path: Path
    height: int
    width: int
    num_frames: int | None
    fps: float
    duration: float | None
    has_audio: bool
    pixel_aspect: Fraction = SQUARE


@dataclass(frozen=True)
class Video:
    """A decoded video.

    Attributes:
        array: uint8 (T, H, W, 3) RGB.
        fps: frames a second; for variable frame rates the average that keeps the duration.
        warnings: lines for people on what was not as it should be; empty where all was.
        source_size: (H, W) before resizing, turned upright.
        times: (T,) seconds at which each frame is shown, ascending from 0, where even spacing would be wrong, as of a
            variable frame rate or where frames are lost; else None.
        pixel_aspect: width over height of a pixel of `array`; 1 for square ones. Those of a video resized to another
            shape are such that it is shown in the shape it had.
    """

    array: Frames
    fps: float
    warnings: tuple[str, ...]
    source_size: tuple[int, int]
    times: Times | None = None
    pixel_aspect: Fraction = SQUARE


def probe(path: str | os.PathLike[str] | ImageSequence) -> VideoInfo:
    """Reads a file's declarations and decodes its first frame; of a folder of images, counts them.

    Where the format's clock may start again (MPEG transport and program streams, Ogg), files of up to 256 MiB are read
    to their end, without being decoded: what they declare is of no use. So are those without an index (Matroska, FLV,
    fragments of MP4) of up to 32 MiB, since their pieces may have been joined.

    Raises:
        InputError: the file is missing, empty, damaged from the start, or holds no video; there is no such image, or
            there are several sequences of them.
    """
    with open_video(path) as reader:
        first = next(reader.frames(max_frames=1))
        count, fps, duration = reader.declared_frames, reader.declared_fps, reader.declared_duration
        doubtful = isinstance(reader, VideoReader) and may_restart(reader.container)
        if doubtful and reader.file.stat().st_size <= (_COUNTED if reader.restarts_by_format else _DOUBTED):
            # what such a file says of itself goes from its first stamp to its last, whatever its clock did between
            with VideoReader(reader.file) as packets:
                span = packets.schedule(decode=False).span
                if reader.restarts_by_format or packets.restarted:
                    count, duration = max(1, round(span * fps)), span
        return VideoInfo(
            path=reader.file,
            height=first.shape[0],
            width=first.shape[1],
            num_frames=count,
            fps=fps,
            duration=duration,
            has_audio=reader.has_audio,
            pixel_aspect=reader.pixel_aspect,
        )


def read(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
    max_bytes: int | None = None,
) -> Video:
    """Decodes a video into memory.

    A stream that is damaged on the way gives the frames that decode, and a line in `warnings` that says how
    many. A frame whose size differs from the first one's is resized to it.

    Args:
        path: any file that FFmpeg reads, or a folder or pattern of images (see `images.find_images`).
        size: (H, W) to resize each frame to, by exact area averaging; None keeps the stored size.
        max_frames: number of frames, the first ones; None for all.
        max_bytes: memory that the frames may take, else the video is refused; None allows half of the memory that is
            free, at most 8 GiB.

    Raises:
        InputError: the file is missing, empty, not a video, too large, or nothing of it decodes; the message
            says which file and what to do.

    Example:
        >>> frames = read("clip.mp4", size=(90, 160), max_frames=16)  # doctest: +SKIP
        >>> frames.array.shape  # doctest: +SKIP
        (16, 90, 160, 3)
    """
    limit = default_max_bytes() if max_bytes is None else arguments.whole("max_bytes", max_bytes, 1)
    with open_video(path) as reader:
        frames: list[Frame] = []
        for frame in reader.frames(size, max_frames):
            if not frames:
                # a guess is not asked: what lasts long may be a few pictures that stand
                expected = min(reader.counted_frames or 1, max_frames or reader.counted_frames or 1)
                _check_memory(reader.file, frame, expected, limit)
            frames.append(frame)
            _check_memory(reader.file, frame, len(frames), limit)
        array = np.empty((len(frames), *frames[0].shape), np.uint8)
        for index in range(len(frames) - 1, -1, -1):  # frees each frame once copied: the video is held once
            array[index] = frames.pop()
        timing = reader.timing
        return Video(array, timing.fps, reader.warnings, reader.source_size, timing.times, reader.pixel_aspect)


def iter_frames(
    path: str | os.PathLike[str], *, size: tuple[int, int] | None = None, max_frames: int | None = None
) -> Iterator[Frame]:
    """Decodes a video frame by frame: uint8 (H, W, 3) each; memory for one frame only.

    Args and errors are those of `read`; damage ends or thins the stream without a word.
    """
    with open_video(path) as reader:
        yield from reader.frames(size, max_frames)


def default_max_bytes() -> int:
    """Half of the memory that is free now, at most 8 GiB."""
    try:
        with open("/proc/meminfo", encoding="ascii") as handle:
            lines = dict(line.split(":", 1) for line in handle)
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        free = 8 * _GIB
    return min(8 * _GIB, free // 2)


def _check_memory(file: Path, frame: Frame, count: int, limit: int) -> None:
    needed = count * frame.nbytes
    if needed > limit:
        height, width = frame.shape[:2]
        raise InputError(
            f"{file} is too large for the memory: {count} frames of {height}x{width} take "
            f"{needed / _GIB:.2f} GiB, more than the {limit / _GIB:.2f} GiB allowed; "
            "shrink them (--size HxW) or take fewer (--frames N)"
        )
