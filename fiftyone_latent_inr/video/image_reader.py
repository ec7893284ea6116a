"""One video that is kept as pictures being decoded: an image at a time, in RGB, and what went wrong."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from weakref import proxy

import av
import numpy as np

from .. import arguments
from ..arrays import Frame
from ..errors import InputError
from ..files import reason, require_file
from ..frames.aspect import SQUARE
from ..frames.resize import area_resize
from .images import ImageSequence, find_images, named
from .reader import VideoReader
from .rgb import UPRIGHT, Colours, Orientation, turn
from .timing import Timing

# Decoders by a file's first bytes: its name may say another kind, and nothing is guessed from what a stranger wrote.
_DECODERS = (
    (b"\xff\xd8\xff", "mjpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"RIFF", "webp"),
    (b"\0\0\0\x0cjP  ", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"qoif", "qoi"),
    (b"P1", "pbm"),
    (b"P4", "pbm"),
    (b"P2", "pgm"),
    (b"P5", "pgm"),
    (b"P3", "ppm"),
    (b"P6", "ppm"),
    (b"P7", "pam"),
)
# More is no frame of a video but a picture made to fill the memory: pixels, as the file declares them, and bytes.
_MOST_PIXELS, _MOST_BYTES = 1 << 27, 1 << 29
_ORIENTATION = 0x0112  # EXIF's tag
# By EXIF's numbers: transpose, flip the rows, flip the columns.
_TURNS: dict[int, Orientation] = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
# In a TIFF: the tags of what compresses it, of how its colours are kept, of its tiles, and of what a page is.
_COMPRESSION, _PHOTOMETRIC, _TILES, _PAGE = 0x0103, 0x0106, 0x0142, 0x00FE
_JPEGS, _YCBCR, _REDUCED = (6, 7), 6, 0x1


class _Picture(NamedTuple):
    """What is decoded of an image file: the frame, how it is turned, and what is not as it should be."""

    frame: av.VideoFrame
    orientation: Orientation
    is_whole: bool
    is_stack: bool  # other pictures follow


def open_video(source: str | os.PathLike[str] | ImageSequence) -> VideoReader | ImageReader:
    """Opens a video, be it a file or images; a context manager.

    Args:
        source: a file, a folder of images, a pattern for some of them (see `find_images`), or a sequence.

    Raises:
        InputError: it is missing, empty, or no video.
    """
    found = source if isinstance(source, ImageSequence) else find_images(source)
    if found is not None:
        return ImageReader(found)
    assert not isinstance(source, ImageSequence)
    return VideoReader(source)


class ImageReader:
    """Decodes images as frames, one at a time; gives what `VideoReader` gives of a file.

    Attributes:
        file: the folder, absolute.
        source_size: (H, W) of the first frame, turned upright; (0, 0) before it is decoded.
        decoded: frames given so far.
        has_audio: False.
        restarts_by_format: False; the clock of images has no stamps.
        pixel_aspect: 1; what images say of resolution is meant for paper.
        source_aspect: 1, too.
    """

    has_audio = restarts_by_format = False
    pixel_aspect = source_aspect = SQUARE

    def __init__(self, sequence: ImageSequence) -> None:
        self.file = Path(sequence.name)
        self.source_size = (0, 0)
        self.decoded = 0
        self._sequence = sequence
        self._lost: list[str] = []  # names of files
        self._why = "there are no more"  # of the first one
        self._cut: list[str] = []
        self._stacks: list[str] = []
        self._resized = False
        # by a proxy: in a cycle it would keep its decoder, with its threads, until garbage is collected
        self._colours = Colours(self.file, partial(type(self)._frames_again, proxy(self)))

    def __enter__(self) -> ImageReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass  # no file stays open

    def frames(
        self, size: tuple[int, int] | None = None, max_frames: int | None = None, start: float = 0.0
    ) -> Iterator[Frame]:
        """Decodes from the start, or from a later time; to be called once.

        An image that cannot be read is left out, like a damaged frame of a file.

        Args:
            size: (H, W) to resize each frame to, None for the size of the first one.
            max_frames: stop after this many.
            start: seconds; frames shown before are left out.

        Yields:
            uint8 (H, W, 3), turned upright.

        Raises:
            InputError: a size or number below 1, or no image at all could be read.
        """
        size = None if size is None else arguments.side_lengths("size", size)
        max_frames = None if max_frames is None else arguments.whole("max_frames", max_frames, 1)
        skipped = max(0, math.ceil(start * self.declared_fps - 1e-6))
        for path in self._sequence.files[skipped:]:
            try:
                picture = _decoded(path)
                pixels = turn(self._colours.to_rgb(picture.frame), picture.orientation)
            except InputError as error:
                self._why = self._why if self._lost else str(error)
                self._lost.append(path.name)
                continue
            if not picture.is_whole:
                self._cut.append(path.name)
            if picture.is_stack:
                self._stacks.append(path.name)
            if not self.decoded:
                self.source_size = pixels.shape[0], pixels.shape[1]
            target = size or self.source_size
            self._resized |= size is None and pixels.shape[:2] != target
            yield area_resize(pixels, target)
            self.decoded += 1
            if self.decoded == max_frames:
                return
        if not self.decoded:
            raise InputError(f"none of the {len(self._sequence.files)} images of {self.file} can be read: {self._why}")

    @property
    def declared_fps(self) -> float:
        """Frames a second."""
        return self._sequence.rate

    @property
    def timing(self) -> Timing:
        """When the frames given so far are shown: evenly."""
        return Timing(self.declared_fps, self.decoded / self.declared_fps)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self._sequence.rate

    @property
    def counted_frames(self) -> int:
        """How many images there are."""
        return self.declared_frames

    @property
    def declared_frames(self) -> int:
        """How many images there are."""
        return len(self._sequence.files)

    @property
    def declared_duration(self) -> float:
        """Seconds."""
        return self.declared_frames / self.declared_fps

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines for people on what was not as it should be."""
        lines = [*self._sequence.warnings, *self._colours.notes]
        if self._resized:
            lines.append("frames of another size than the first one's were resized to it")
        if self._lost:
            lines.append(f"{len(self._lost)} images could not be read and are left out: {named(self._lost)}")
        if self._cut:
            lines.append(f"{len(self._cut)} images are cut short, what is missing is grey: {named(self._cut)}")
        if self._stacks:
            lines.append(
                f"{len(self._stacks)} images hold several pictures, only the first of each is taken "
                f"(save the others as files of their own): {named(self._stacks)}"
            )
        return tuple(lines)

    def _frames_again(self) -> Iterator[av.VideoFrame]:
        """Every image that can be decoded, from the first."""
        for path in self._sequence.files:
            with suppress(InputError):
                yield _decoded(path).frame


def _decoded(path: Path) -> _Picture:
    """Decodes one image.

    Raises:
        InputError: the file is gone, no image, too large, or damaged.
    """
    data = _bytes_of(path)
    name = next((decoder for magic, decoder in _DECODERS if data.startswith(magic)), None)
    if name is None and path.suffix.lower() == ".tga":  # begins with anything
        name = "targa"
    if name is None:
        raise InputError(f"cannot read {path}: it is not an image of a kind that is read here")
    is_wrong, is_stack = _tiff_kind(data) if name == "tiff" else (False, name == "png" and _is_animated(data))
    if is_wrong:
        return _Picture(_by_pillow(path, data), UPRIGHT, True, is_stack)
    decoder = av.CodecContext.create(name, "r")
    decoder.thread_count = 1  # threads would keep the image back, and wait for more
    decoder.options = {"max_pixels": str(_MOST_PIXELS)}
    try:
        frame = next(islice((f for packet in (av.Packet(data), None) for f in decoder.decode(packet)), 1), None)
    except av.error.FFmpegError:
        frame = None
    if not isinstance(frame, av.VideoFrame):
        raise InputError(f"cannot read {path}: it is damaged, or larger than {_MOST_PIXELS:,} pixels")
    is_whole = not frame.is_corrupt and (name != "mjpeg" or _has_end(data))
    return _Picture(frame, _orientation(data), is_whole, is_stack)


def _tiff_kind(data: bytes) -> tuple[bool, bool]:
    """Whether a TIFF is one that FFmpeg gets wrong, and whether other pages follow, not only smaller copies.

    FFmpeg makes black of tiles and of JPEG data and takes YCbCr for limited range, and says nothing.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    is_wrong = is_stack = False
    with suppress(Exception):  # whatever Pillow thinks of the file, FFmpeg is asked next
        file, page = io.BytesIO(data), ImageFileDirectory_v2(data[:8])
        file.seek(page.next)
        page.load(file)
        is_wrong = _TILES in page or page.get(_COMPRESSION) in _JPEGS or page.get(_PHOTOMETRIC) == _YCBCR
        if page.next:
            file.seek(page.next)
            page.load(file)
            is_stack = len(page) > 0 and not page.get(_PAGE, 0) & _REDUCED
    return is_wrong, is_stack


def _is_animated(data: bytes) -> bool:
    """Whether a PNG is an animation, which says so before its first picture."""
    return b"acTL" in data[: max(0, data.find(b"IDAT"))]


def _by_pillow(path: Path, data: bytes) -> av.VideoFrame:
    """Decodes a TIFF by Pillow, upright.

    Raises:
        InputError: it is too large, or damaged.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ValueError("too large")
            # which Pillow turned when it loaded it depends on its release
            upright = ImageOps.exif_transpose(image)
            if upright.mode in ("I", "F"):  # 32 bits, of which nobody says what is white
                raise ValueError(upright.mode)
            if upright.mode.startswith("I;16"):
                return av.VideoFrame.from_ndarray(np.asarray(upright).astype(np.uint16), format="gray16le")
            layout = "rgba" if upright.has_transparency_data else "rgb24"
            pixels = np.asarray(upright.convert("RGBA" if layout == "rgba" else "RGB"))
            return av.VideoFrame.from_ndarray(pixels, format=layout)
    except Exception as error:  # whatever Pillow raises on what a stranger wrote
        raise InputError(
            f"cannot read {path}: it is damaged, larger than {_MOST_PIXELS:,} pixels, or of more than 16 bits a level"
        ) from error


def _bytes_of(path: Path) -> bytes:
    file = require_file(path, "picture")
    try:
        size = file.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"cannot read {path}: {size:,} bytes are too many for one frame")
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error


def _has_end(data: bytes) -> bool:
    """Whether a JPEG's picture reaches to the mark of its end: one that was cut decodes to grey without a word."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":  # what lies before may hold a thumbnail
        filled = data[at + 1 : at + 2] == b"\xff"
        at += 1 if filled else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.find(b"\xff\xd9", at) >= 0


def _orientation(data: bytes) -> Orientation:
    """As EXIF says, which not all of FFmpeg's decoders of images read; `rgb.orientation` is that of videos."""
    from PIL import Image

    with suppress(Exception):  # whatever Pillow thinks of the file, it is decoded already
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "TIFF", "WEBP")) as image:
            return _TURNS.get(int(image.getexif().get(_ORIENTATION, 1)), UPRIGHT)
    return UPRIGHT
