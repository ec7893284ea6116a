"""8-bit RGB of a decoded frame of any format, as it is to be seen: colour, transparency, orientation."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ..arrays import Frame
from ..errors import InputError
from .matrices import UNSPECIFIED, Route, UnconvertibleError, convert, is_yuv, name_of, route

Orientation = tuple[bool, bool, bool]  # transpose, flip the rows, flip the columns; in this order

UPRIGHT: Orientation = (False, False, False)
# By degrees counter-clockwise.
_TURNS: dict[int, Orientation] = {
    0: UPRIGHT,
    90: (True, True, False),
    180: (False, True, True),
    270: (True, False, True),
}

# libswscale's flags by number: which of them PyAV names differs by release.
SWS_BILINEAR, SWS_BICUBIC = 0x2, 0x4
SWS_FULL_CHR_H_INT, SWS_FULL_CHR_H_INP, SWS_ACCURATE_RND = 0x2000, 0x4000, 0x40000

# 8-bit 4:2:0 goes through swscale's plain path. It rounds down and is about one level darker than the exact
# conversion, but bit for bit what ffmpeg, OpenCV, PyAV's `to_ndarray` and with them the published frames of
# benchmark clips give (Big Buck Bunny among them), so that figures measured against any of these compare: at
# 45 dB between the two conversions, 37 dB to one are 36.4 dB to the other. `writer` evens it out.
_PLAIN_FORMATS = {"yuv420p", "yuvj420p"}
_PLAIN = SWS_BILINEAR
# Every other format has no such common answer and gets the exact conversion, chroma interpolated.
EXACT = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT

_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


# libswscale ends the process at these instead of refusing them.
_ABORTING = {"yaf32be", "yaf32le"}
# How many frames are looked at for one that is not wholly transparent: a video that fades in is right within these.
# They are decoded for each pass over such a file: seconds at most.
_MOST_LOOKED_AT = 300
# Alpha up to which nothing is seen of a pixel; lossy codecs do not keep 0.
_NOTHING = 2


class Colours:
    """Converts the frames of one video to RGB.

    A format with alpha may hold none: programs that capture or compute pictures leave the fourth byte at 0. Alpha that
    is 0 in all pixels of all frames (the first 300 are looked at, and it is said) is ignored, as ffmpeg and players do.

    Args:
        file: the video, as messages name it.
        again: decodes it once more, from its first frame.
        opaque: whether alpha is ignored, whatever it is.

    Attributes:
        notes: lines for people, in order.
    """

    def __init__(self, file: Path, again: Callable[[], Iterator[av.VideoFrame]], opaque: bool = False) -> None:
        self.notes: dict[str, None] = {}  # an ordered set
        self._file, self._again = file, again
        self._alpha = False if opaque else None
        self._reformatter = VideoReformatter()

    def to_rgb(self, frame: av.VideoFrame) -> Frame:
        """Converts a frame by its own colour matrix and range; BT.601 and limited range where it names none.

        Transparent pixels are laid over black, as players do.

        Returns:
            uint8 (H, W, 3), not yet turned upright.

        Raises:
            InputError: its matrix or format has no conversion; the message names the file and says what to do.
        """
        layout, matrix = frame.format.name, int(frame.colorspace)
        try:
            if layout in _ABORTING:
                raise ValueError(layout)
            way = route(frame) if is_yuv(frame) else None
            if way and way.note:
                self.notes[way.note] = None
            if not has_alpha(frame) or not self._has_alpha(frame):
                return self._convert(frame, way)
            pixels = self._convert(frame, way, alpha=True)
        except UnconvertibleError as error:
            raise InputError(f"cannot read {self._file}: {error}") from error
        except (av.error.FFmpegError, ValueError) as error:
            raise InputError(
                f"cannot read {self._file}: frames of the format {layout}, whose colour matrix is "
                f"{name_of(matrix)}, cannot be converted; convert it with ffmpeg -pix_fmt yuv420p"
            ) from error
        if pixels[..., 3].min() < 255:
            self.notes["transparent pixels were laid over black"] = None
        return _over_black(pixels)

    def _convert(self, frame: av.VideoFrame, way: Route | None, alpha: bool = False) -> Frame:
        if way and way.by_hand:
            layer = [_alpha_of(frame)] if alpha else []
            return np.concatenate([convert(frame, way.by_hand, EXACT), *layer], axis=-1)
        if way and way.matrix != int(frame.colorspace):
            frame.colorspace = way.matrix
        return self._plain(frame, "rgba" if alpha else "rgb24")

    def _plain(self, frame: av.VideoFrame, layout: str) -> Frame:
        plain = frame.format.name in _PLAIN_FORMATS and frame.height % 2 == 0
        converted = self._reformatter.reformat(frame, format=layout, interpolation=_PLAIN if plain else EXACT)
        return np.asarray(converted.to_ndarray(), dtype=np.uint8)

    def _has_alpha(self, frame: av.VideoFrame) -> bool:
        """Whether alpha means anything in this video; asked of frames whose format has it."""
        if self._alpha is None and _is_seen(frame):
            self._alpha = True
        if self._alpha is None:
            frames = islice(self._again(), _MOST_LOOKED_AT)
            looked_at = count()
            self._alpha = any(_is_seen(one) for one, _ in zip(frames, looked_at, strict=False))
            if not self._alpha:
                where = "every frame" if next(looked_at) < _MOST_LOOKED_AT else f"the first {_MOST_LOOKED_AT} frames"
                self.notes[f"transparency that is total in {where} is taken for none"] = None
        return self._alpha


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether the frame's format has transparency."""
    return frame.format.name == "pal8" or any(part.is_alpha for part in frame.format.components)


def _is_seen(frame: av.VideoFrame) -> bool:
    """Whether any pixel is not wholly transparent."""
    return not has_alpha(frame) or bool(_alpha_of(frame).max() > _NOTHING)


def _alpha_of(frame: av.VideoFrame) -> Frame:
    """uint8 (H, W, 1)."""
    matrix, frame.colorspace = frame.colorspace, UNSPECIFIED  # alpha is the same by any
    pixels = VideoReformatter().reformat(frame, format="rgba").to_ndarray()
    frame.colorspace = matrix
    return np.asarray(pixels[..., 3:], dtype=np.uint8)


def hdr_transfer(frame: av.VideoFrame) -> str | None:
    """`PQ` or `HLG` for high dynamic range, whose levels are used as they are, without tone mapping."""
    return _HDR_TRANSFERS.get(int(getattr(frame, "color_trc", 0)))


def orientation(frame: av.VideoFrame) -> Orientation | None:
    """How to turn the frame upright, from its display matrix; None for angles other than quarter turns."""
    try:
        side_data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know all that is there, such as Exif; the angle can be had, a mirror cannot
        return _TURNS.get(frame.rotation % 360)
    if side_data is None:
        return UPRIGHT
    # Row-vector convention: (x, y) is shown at (a x + c y, b x + d y), in 16.16 fixed point.
    a, b, _, c, d = (number / 65536 for number in struct.unpack("<5i", bytes(side_data)[:20]))
    across, along = max(abs(a), abs(d)), max(abs(b), abs(c))
    if min(across, along) > 0.01 * max(across, along):
        return None
    return (True, b < 0, c < 0) if along > across else (False, d < 0, a < 0)


def turn(pixels: Frame, how: Orientation) -> Frame:
    """Applies an orientation to (H, W, 3)."""
    transpose, flip_rows, flip_columns = how
    if transpose:
        pixels = pixels.transpose(1, 0, 2)
    if flip_rows:
        pixels = pixels[::-1]
    if flip_columns:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _over_black(pixels: Frame) -> Frame:
    colour, alpha = pixels[..., :3].astype(np.uint16), pixels[..., 3:].astype(np.uint16)
    return ((colour * alpha + 127) // 255).astype(np.uint8)
