"""A media file opened, or clearly refused; and which of its streams are the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av

from ..errors import InputError

# FFmpeg reads these like videos, but they are none: text art, and lists that name other files.
_NOT_VIDEOS = {"tty": "a text file", "hls": "a playlist", "concat": "a playlist", "dash": "a playlist"}

# The comment in videos that this package writes.
DRAWN = "drawn by fiftyone-latent-inr"

_DEFAULT, _ATTACHED_PICTURE = 0x1, 0x400  # FFmpeg's AV_DISPOSITION_DEFAULT and AV_DISPOSITION_ATTACHED_PIC
_NO_STAMPS = 0x0080  # FFmpeg's AVFMT_NOTIMESTAMPS


def open_container(file: Path) -> Any:
    """Opens a media file with PyAV.

    Raises:
        InputError: it is none, or it is one that names other files.
    """
    container = _open(file)
    what = _NOT_VIDEOS.get(container.format.name)
    if container.format.name.startswith("image2"):
        what = "an image"
    elif is_row_of_images(container):
        try:
            what = None if _moves(container) else "an image"
            if what and container.format.name == "webp_pipe" and b"ANIM" in _head(file):
                raise InputError(f"cannot read {file}: an animation in WebP is not decoded here; convert it to MP4")
        finally:
            container.close()
        if what is None:
            return _open(file)
    if what:
        container.close()
        raise InputError(f"cannot read {file}: it is {what}, not a video")
    return container


def _open(file: Path) -> Any:
    try:
        # Only this file: a playlist must not make the reader fetch others from the network.
        return av.open(str(file), metadata_errors="replace", options={"protocol_whitelist": "file"})
    except av.error.InvalidDataError as error:
        raise InputError(f"cannot read {file}: {_why_invalid(file)}") from error
    except (av.error.FFmpegError, UnicodeError) as error:
        raise InputError(f"cannot read {file}: {reason_of(error)}; check that it is a video") from error


def _moves(container: Any) -> bool:
    """Whether images follow each other, as in motion JPEG: a second one of the first one's size.

    What cameras add to a photograph, a preview or a map of brightness, is of another size.
    """
    sizes = []
    with suppress(av.error.FFmpegError):
        for frame in container.decode(video=0):
            sizes.append((frame.width, frame.height))
            if len(sizes) == 2:
                return sizes[0] == sizes[1]
    return False


def main_pictures(container: Any, file: Path) -> Any:
    """The stream of pictures that is the video: FFmpeg's choice among those that can be decoded.

    Raises:
        InputError: there is none.
    """
    streams = [one for one in container.streams.video if is_pictures(one)]
    readable = [one for one in streams if one.codec_context is not None]
    if not streams:
        found = sorted({stream.type for stream in container.streams} - {"video"})
        # the cover of a song
        held = " and ".join([*found, *(["a cover picture"] if container.streams.video else [])]) or "nothing"
        raise InputError(f"cannot read {file}: it holds no video stream (only {held}); give a file with pictures")
    if not readable:
        raise InputError(f"cannot read {file}: its video codec is not supported here; convert the file to H.264")
    best = container.streams.best("video")
    return best if best in readable else max(readable, key=_likely)


def best_sound(container: Any) -> Any:
    """FFmpeg's choice of the sound: that of the programme whose pictures are the video; None where there is none."""
    try:
        pictures = main_pictures(container, Path())
    except InputError:  # sound alone
        return container.streams.best("audio")
    return container.streams.best("audio", related=pictures)


def is_pictures(stream: Any) -> bool:
    """Whether a stream is a video, rather than the cover of a song."""
    return stream.type == "video" and not int(stream.disposition) & _ATTACHED_PICTURE


def _likely(stream: Any) -> tuple[int, ...]:
    """What makes a stream the main one, where FFmpeg's choice cannot be decoded."""
    codec = stream.codec_context
    return int(stream.disposition) & _DEFAULT, min(stream.frames, 2), codec.width * codec.height, -stream.index


def untimed(container: Any) -> bool:
    """Whether a format holds no stamps: FFmpeg then makes them up from a rate."""
    return bool(container.format.flags & _NO_STAMPS) or is_row_of_images(container)


def is_row_of_images(container: Any) -> bool:
    """Whether a file is one image, or images one after the other, with nothing around them."""
    name = container.format.name
    return bool(name == "mjpeg" or name.endswith("_pipe"))


def reason_of(error: Exception) -> str:
    """FFmpeg's error in words."""
    return getattr(error, "strerror", None) or str(error)


def _why_invalid(file: Path) -> str:
    head = _head(file)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        if not any(kind == b"moov" for kind, _, _ in top_level_boxes(file)):
            return "its index (moov) is missing, so the recording or copy was cut short; copy or record it again"
        return "its index is damaged; copy or record it again"
    if head and b"\0" not in head and all(byte >= 9 for byte in head):
        return "it is a text file, not a video"
    return "it is not a video, or its beginning is damaged; copy it again or convert it to MP4"


def _head(file: Path) -> bytes:
    with open(file, "rb") as handle:
        return handle.read(4096)


def top_level_boxes(file: Path) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an MP4 file: kind, offset and size each, as far as they can be followed."""
    total = file.stat().st_size
    with open(file, "rb") as handle:
        offset = 0
        while offset + 8 <= total:
            handle.seek(offset)
            head = handle.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1 and len(head) == 16:
                size = int.from_bytes(head[8:16], "big")
            elif size == 0:  # to the end of the file
                size = total - offset
            if size < 8:
                return
            yield head[4:8], offset, size
            offset += size


def is_drawn(file: Path) -> bool:
    """Whether a video was written by this package, and is no film of somebody's."""
    try:
        with _open(file) as container:
            # Matroska writes names of tags in capitals
            return DRAWN in (container.metadata.get("comment"), container.metadata.get("COMMENT"))
    except (InputError, OSError):
        return False


def is_whole(file: Path) -> bool:
    """Whether an MP4 file is there and reaches to its end: index, pictures, and no box cut short."""
    try:
        boxes = list(top_level_boxes(file))
        end = boxes[-1][1] + boxes[-1][2] if boxes else 0
        return end == file.stat().st_size and {b"moov", b"mdat"} <= {kind for kind, _, _ in boxes}
    except OSError:
        return False
