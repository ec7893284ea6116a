"""H.264 that plays everywhere: yuv420p, index at the front, colours tagged; whole or not at all."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from .. import arguments
from ..arrays import Frame, check_frames
from ..errors import InputError
from ..files import atomic_target
from ..frames.aspect import SQUARE, as_pixel_aspect
from .audio import Sound, open_sound
from .opening import DRAWN
from .reader import own_times
from .rgb import SWS_ACCURATE_RND, SWS_BICUBIC, SWS_FULL_CHR_H_INP
from .timing import Schedule, check_fps, checked_times

# Visually lossless: about 45 dB on natural video. Lower is better and larger, 0 is nearly lossless.
DEFAULT_CRF = 12

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_FLAGS = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP

# BT.601 at every size, and tagged so: players and FFmpeg go by the tag, programs that ignore it take BT.601.
# Primaries and transfer of BT.709 are those of sRGB screens.
_MATRIX_SMPTE170M, _PRIMARIES_BT709, _TRANSFER_BT709, _LIMITED = 6, 1, 1, 1
_FRAME_DURATION = 1 << 8  # FFmpeg's AV_CODEC_FLAG_FRAME_DURATION
_SWS_ITU601 = 5  # libswscale numbers matrices in its own way


def write(
    path: str | os.PathLike[str],
    frames: Iterable[Frame],
    fps: float | Fraction,
    *,
    crf: float = DEFAULT_CRF,
    audio: str | os.PathLike[str] | None = None,
    audio_start: float = 0.0,
    times: Sequence[float] | npt.NDArray[Any] | None = None,
    pixel_aspect: Fraction = SQUARE,
) -> tuple[str, ...]:
    """Writes a video: H.264, yuv420p, limited-range BT.601 and tagged so, playable while it loads.

    The file appears under its name when it is whole; on any failure nothing is left, and an older file of
    that name stays. Odd heights and widths, which yuv420p cannot say, are padded to even ones by repeating
    the last row or column: the frames are the upper left part of what is written.

    Args:
        path: `.mp4`, `.m4v`, `.mov` or `.mkv`, in a folder that exists.
        frames: uint8 (H, W, 3) RGB each, of one size; an array (T, H, W, 3) or any iterable.
        fps: frames a second, .0001 to 100,000; floats such as 29.97 are taken for the fraction they stand for.
        crf: quality of x264, 0 (best) to 51.
        audio: a file whose sound is taken along: copied bit for bit if it is AAC, MP3, Opus or FLAC, which browsers
            play, else decoded by a process of its own and encoded anew as AAC. It is cut, at a packet's end, where the
            last frame ends. A file without sound gives none, and so does a folder of images.
        audio_start: seconds after that file's first picture at which the sound begins.
        times: seconds at which each frame is shown, ascending, one for each frame, in place of even spacing; the last
            one is then shown until `len(times) / fps` after the first. None takes those of `audio`, where that is a
            video whose own pictures are not evenly spaced, of this rate, and no `audio_start` is given.
        pixel_aspect: width over height of a pixel, 1:10 to 10:1: players stretch the pictures so.

    Returns:
        lines for people on what was not as it should be with the sound; mostly none.

    Raises:
        InputError: another extension, no frames, frames of another type or of several sizes, a rate, quality, start
            or pixel aspect out of range, times that do not ascend or are not as many as the frames, a folder that is
            missing, read-only or full, or no such file to take the sound from.

    Example:
        >>> write("grey.mp4", np.full((5, 32, 32, 3), 127, np.uint8), fps=25)  # doctest: +SKIP
    """
    target = Path(path)
    if target.suffix.lower() not in _FORMATS:
        raise InputError(f"cannot write {target}: name it .mp4 (or {', '.join(list(_FORMATS)[1:])})")
    rate = _as_fraction(fps)
    crf = arguments.number("crf", crf, 0, 51)
    audio_start = arguments.number("audio_start", audio_start, -math.inf)
    try:
        aspect = as_pixel_aspect(pixel_aspect)
    except ValueError as error:
        raise InputError(f"cannot write {target}: {error}") from error
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise InputError(f"cannot write {target}: there are no frames")
    _check(first, np.shape(first), target)
    frames = chain([first], iterator)
    if times is not None:
        try:
            times = checked_times(times, len(times))
        except (TypeError, ValueError) as error:
            raise InputError(f"cannot write {target}: {error}") from error
        frames = _as_many(frames, len(times), target)
    elif audio is not None and not audio_start:
        times = own_times(audio, float(rate))
    schedule = Schedule(rate, times)
    with open_sound(audio, audio_start) as sound, atomic_target(target) as temporary:
        try:
            _encode(temporary, aspect, frames, first.shape, schedule, crf, target, sound)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):  # a disk that is full: said for all files in one place
                raise
            raise InputError(f"cannot write {target}: {error}") from error
        return tuple(sound.notes) if sound else ()


def _encode(
    temporary: Path,
    pixel_aspect: Fraction,
    frames: Iterable[Frame],
    shape: tuple[int, ...],
    schedule: Schedule,
    crf: float,
    target: Path,
    sound: Sound | None,
) -> None:
    kind = _FORMATS[target.suffix.lower()]
    options = {"movflags": "+faststart"} if kind in ("mp4", "mov") else {}
    reformatter = VideoReformatter()
    with av.open(str(temporary.absolute()), "w", format=kind, options=options) as container:
        container.metadata["comment"] = DRAWN
        stream: Any = container.add_stream("libx264", rate=schedule.rate, options={"crf": str(crf)})
        stream.height, stream.width = (side + side % 2 for side in shape[:2])
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = schedule.base
        context.flags |= _FRAME_DURATION  # else the last frame is shown for one at the rate
        context.colorspace, context.color_range = _MATRIX_SMPTE170M, _LIMITED
        context.color_primaries, context.color_trc = _PRIMARIES_BT709, _TRANSFER_BT709
        if pixel_aspect != SQUARE:  # none is said of square ones
            context.sample_aspect_ratio = pixel_aspect
        if sound:
            sound.attach(container, kind)
        for index, frame in enumerate(frames):
            _check(frame, shape, target)
            picture = _to_yuv(frame, reformatter)
            begin, end = schedule.shown(index)
            picture.pts, picture.duration, picture.time_base = begin, end - begin, schedule.base
            container.mux(stream.encode(picture))
            if sound:
                sound.mux(container, until=float(end * schedule.base))
        container.mux(stream.encode(None))


def _to_yuv(frame: Frame, reformatter: VideoReformatter) -> av.VideoFrame:
    height, width = frame.shape[:2]
    padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    # The way back (see `rgb`) rounds down by one level on average, except for black. One level more here
    # makes up for it: a video that is read and written keeps its brightness, not losing a level each time
    # (45 dB instead of 43 dB at the default quality).
    padded = padded + ((padded > 0) & (padded < 255))
    picture = reformatter.reformat(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24"),
        format="yuv420p",
        dst_colorspace=_SWS_ITU601,
        dst_color_range=_LIMITED,
        interpolation=_FLAGS,
    )
    picture.colorspace, picture.color_range = _MATRIX_SMPTE170M, _LIMITED
    return picture


def _as_fraction(fps: float | Fraction) -> Fraction:
    check_fps(fps)
    if isinstance(fps, Fraction):
        return fps
    # 1001 recovers 30000/1001 and its kin exactly; very slow rates need the finer grid.
    return Fraction(fps).limit_denominator(1001 if fps >= 1 else 1_000_000)


def _as_many(frames: Iterable[Frame], count: int, target: Path) -> Iterator[Frame]:
    """The frames, which must be as many as their times."""
    number = 0
    for number, frame in enumerate(frames, 1):
        if number > count:
            break
        yield frame
    if number != count:
        raise InputError(
            f"cannot write {target}: there are {count} times, but {'more' if number > count else number} frames"
        )


def _check(frame: Any, shape: tuple[int, ...], target: Path) -> None:
    check_frames(frame, f"cannot write {target}: frames", single=True)
    if frame.shape != shape:
        raise InputError(f"cannot write {target}: a frame is of shape {frame.shape}, the first one of {shape}")
