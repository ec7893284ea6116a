"""H.264 that plays everywhere: yuv420p, index at the front, colours tagged; whole or not at all."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ..arrays import Frame, check_frames
from ..errors import InputError
from ..files import atomic_target, reason
from .audio import Sound, open_sound
from .rgb import SWS_ACCURATE_RND, SWS_BICUBIC, SWS_FULL_CHR_H_INP

# Visually lossless: about 45 dB on natural video. Lower is better and larger, 0 is nearly lossless.
DEFAULT_CRF = 12
MAX_FPS = 1000

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_FLAGS = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP

# BT.601 at every size, and tagged so: players and FFmpeg go by the tag, programs that ignore it take BT.601.
# Primaries and transfer of BT.709 are those of sRGB screens.
_MATRIX_SMPTE170M, _PRIMARIES_BT709, _TRANSFER_BT709, _LIMITED = 6, 1, 1, 1
_SWS_ITU601 = 5  # libswscale numbers matrices in its own way


def write(
    path: str | os.PathLike[str],
    frames: Iterable[Frame],
    fps: float | Fraction,
    *,
    crf: float = DEFAULT_CRF,
    audio: str | os.PathLike[str] | None = None,
    audio_start: float = 0.0,
) -> tuple[str, ...]:
    """Writes a video: H.264, yuv420p, limited-range BT.601 and tagged so, playable while it loads.

    The file appears under its name when it is whole; on any failure nothing is left, and an older file of
    that name stays. Odd heights and widths, which yuv420p cannot say, are padded to even ones by repeating
    the last row or column: the frames are the upper left part of what is written.

    Args:
        path: `.mp4`, `.m4v`, `.mov` or `.mkv`, in a folder that exists.
        frames: uint8 (H, W, 3) RGB each, of one size; an array (T, H, W, 3) or any iterable.
        fps: frames a second, 0 to 1000; floats such as 29.97 are taken for the fraction they stand for.
        crf: quality of x264, 0 (best) to 51.
        audio: a file whose sound is taken along: copied bit for bit if it is AAC, MP3, Opus or FLAC, which browsers
            play, else encoded anew as AAC. It is cut, at a packet's end, where the last frame ends. A file without
            sound gives none.
        audio_start: seconds after that file's first picture at which the sound begins.

    Returns:
        lines for people on what was not as it should be with the sound; mostly none.

    Raises:
        InputError: another extension, no frames, frames of another type or of several sizes, a rate or quality out
            of range, a folder that is missing, read-only or full, or no such file to take the sound from.

    Example:
        >>> write("grey.mp4", np.full((5, 32, 32, 3), 127, np.uint8), fps=25)  # doctest: +SKIP
    """
    target = Path(path)
    kind = _FORMATS.get(target.suffix.lower())
    if kind is None:
        raise InputError(f"cannot write {target}: name it .mp4 (or {', '.join(list(_FORMATS)[1:])})")
    rate = _as_fraction(fps)
    if not 0 <= crf <= 51:
        raise InputError(f"the quality of H.264 (crf) goes from 0, the best, to 51, not {crf}")
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise InputError(f"cannot write {target}: there are no frames")
    _check(first, np.shape(first), target)
    with open_sound(audio, audio_start) as sound, atomic_target(target) as temporary:
        try:
            _encode(temporary, kind, chain([first], iterator), first.shape, rate, crf, target, sound)
        except av.error.FFmpegError as error:
            text = reason(error) if isinstance(error, OSError) else str(error)
            raise InputError(f"cannot write {target}: {text}") from error
        return tuple(sound.notes) if sound else ()


def _encode(
    temporary: Path,
    kind: str,
    frames: Iterable[Frame],
    shape: tuple[int, ...],
    rate: Fraction,
    crf: float,
    target: Path,
    sound: Sound | None,
) -> None:
    options = {"movflags": "+faststart"} if kind in ("mp4", "mov") else {}
    reformatter = VideoReformatter()
    with av.open(str(temporary.absolute()), "w", format=kind, options=options) as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
        stream.height, stream.width = (side + side % 2 for side in shape[:2])
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / rate
        context.colorspace, context.color_range = _MATRIX_SMPTE170M, _LIMITED
        context.color_primaries, context.color_trc = _PRIMARIES_BT709, _TRANSFER_BT709
        if sound:
            sound.attach(container, kind)
        for index, frame in enumerate(frames):
            _check(frame, shape, target)
            picture = _to_yuv(frame, reformatter)
            picture.pts, picture.time_base = index, 1 / rate
            container.mux(stream.encode(picture))
            if sound:
                sound.mux(container, until=float((index + 1) / rate))
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
    if not (math.isfinite(fps) and 0 < fps <= MAX_FPS):
        raise InputError(f"a video's frame rate must be above 0 and at most {MAX_FPS}, not {fps}")
    if isinstance(fps, Fraction):
        return fps
    # 1001 recovers 30000/1001 and its kin exactly; very slow rates need the finer grid.
    return Fraction(fps).limit_denominator(1001 if fps >= 1 else 1_000_000)


def _check(frame: Any, shape: tuple[int, ...], target: Path) -> None:
    check_frames(frame, f"cannot write {target}: frames", single=True)
    if frame.shape != shape:
        raise InputError(f"cannot write {target}: a frame is of shape {frame.shape}, the first one of {shape}")
