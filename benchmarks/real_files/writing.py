"""Frames and waves in, small media files out, by PyAV alone: what the odd inputs of `inputs` are put together from."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

HEIGHT, WIDTH, RATE = 64, 96, 10
FLASH = 1.0  # seconds into a clip at which flash and tone begin
FLASH_SECONDS = 0.3
_SAMPLES = 1024  # of a packet, where a codec does not ask for a number of its own

# Nearly lossless, a key frame every second; without looking ahead, which is a thread's work, and not always the same.
_ALIKE = "scenecut=0:threads=1:mbtree=0:rc-lookahead=0"
X264 = {"crf": "8", "g": "10", "bf": "0", "preset": "fast", "x264-params": _ALIKE}


@dataclass(frozen=True)
class Pictures:
    """A stream of pictures to be encoded.

    Attributes:
        frames: uint8 (T, H, W, C) in the pixel format `source`.
        rate: frames a second.
        codec: FFmpeg's name of the encoder.
        pix_fmt: the pixel format stored.
        options: of the encoder.
        source: the pixel format of `frames`.
        stamps: milliseconds at which the packet of each index is stamped; by default what the encoder says.
        attributes: of the codec's context, such as `colorspace` or `sample_aspect_ratio`.
    """

    frames: np.ndarray
    rate: Fraction = Fraction(RATE)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=lambda: X264)
    source: str = "rgb24"
    stamps: Callable[[int], int] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sound:
    """A stream of sound to be encoded: the same wave in every channel.

    Attributes:
        wave: float (N,) in -1 to 1.
        codec: FFmpeg's name of the encoder.
        layout: FFmpeg's name of the channels' order.
        rate: samples a second.
    """

    wave: np.ndarray
    codec: str = "aac"
    layout: str = "stereo"
    rate: int = 48000


def moving(count: int = 10, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Frames uint8 (T, H, W, 3): a yellow square that moves right over a ground of many colours."""
    rows, columns = np.mgrid[0:height, 0:width]
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[..., 0] = columns * 255 // max(1, width - 1)
    frames[..., 1] = rows * 255 // max(1, height - 1)
    side = max(1, min(height, width) // 4)
    for index, frame in enumerate(frames):
        frame[..., 2] = 40 + 9 * index % 200
        left = (width - side) * index // max(1, count - 1)
        frame[height // 4 : height // 4 + side, left : left + side] = (240, 230, 20)
    return frames


def flashing(seconds: float = 3.0, rate: int = RATE, flash: float = FLASH) -> np.ndarray:
    """Frames uint8 (T, H, W, 3): dark, but for a white flash."""
    frames = np.zeros((round(seconds * rate), HEIGHT, WIDTH, 3), np.uint8)
    frames[..., 0], frames[..., 1] = np.arange(WIDTH), np.arange(HEIGHT)[:, None]
    frames[..., 2] = (np.arange(len(frames)) * 60 // len(frames))[:, None, None]
    frames[round(flash * rate) : round((flash + FLASH_SECONDS) * rate)] = 250
    return frames


def tone(seconds: float = 3.0, rate: int = 48000, flash: float = FLASH) -> np.ndarray:
    """A wave, float32 (N,): silence, but for a tone of 1000 Hz while `flashing` is white."""
    times = np.arange(round(seconds * rate)) / rate
    heard = (times >= flash) & (times < flash + FLASH_SECONDS)
    return np.where(heard, 0.5 * np.sin(2000 * np.pi * times), 0).astype(np.float32)


def write(
    path: Path,
    *streams: Pictures | Sound,
    kind: str | None = None,
    shift: float = 0.0,
    options: Mapping[str, str] | None = None,
    dispositions: Sequence[int] = (),
    copied: tuple[Any, Sequence[Any]] | None = None,
) -> Path:
    """Encodes streams into a file.

    Args:
        path: the file; its extension chooses the container, unless `kind` does.
        streams: in the order that they have in the file.
        kind: FFmpeg's name of the container.
        shift: seconds by which all stamps are later.
        options: of the container.
        dispositions: of the streams, as FFmpeg's numbers.
        copied: a stream of another file, and its packets, to be added as they are.

    Returns:
        The path.
    """
    settings = {"fflags": "+bitexact", **(options or {})}  # no random identifiers
    with av.open(str(path), "w", format=kind, options=settings) as container:
        added = [_add(container, one) for one in streams]
        for stream, disposition in zip(added, dispositions, strict=False):
            stream.disposition = disposition
        source, packets = copied or (None, ())
        extra = container.add_stream_from_template(source) if copied else None
        for stream, one in zip(added, streams, strict=True):
            for index, packet in enumerate(_packets(stream, one)):
                if isinstance(one, Pictures) and one.stamps:
                    packet.time_base = Fraction(1, 1000)
                    packet.pts = one.stamps(index)
                    following = min(index + 1, len(one.frames) - 1)
                    packet.dts = min(packet.pts, one.stamps(following))  # muxers want it to rise
                    packet.duration = round(1000 / one.rate)
                if shift:
                    ticks = round(shift / packet.time_base)
                    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                container.mux(packet)
        for packet in packets:
            packet.stream = extra
            container.mux(packet)
    return path


def _add(container: Any, one: Pictures | Sound) -> Any:
    if isinstance(one, Sound):
        return container.add_stream(one.codec, rate=one.rate, layout=one.layout)
    stream = container.add_stream(one.codec, rate=one.rate, options=dict(one.options))
    stream.height, stream.width = one.frames.shape[1:3]
    stream.pix_fmt = one.pix_fmt
    stream.codec_context.time_base = Fraction(1, 1000) if one.stamps else 1 / Fraction(one.rate)
    stream.codec_context.thread_count = 1  # the same bytes on each machine
    for name, value in one.attributes.items():
        setattr(stream.codec_context, name, value)
    return stream


def _packets(stream: Any, one: Pictures | Sound) -> Iterator[Any]:
    for frame in _pictures(one) if isinstance(one, Pictures) else _sounds(stream, one):
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _pictures(one: Pictures) -> Iterator[Any]:
    for index, array in enumerate(one.frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=one.source)
        if one.source != one.pix_fmt:
            frame = frame.reformat(format=one.pix_fmt)
        for name in ("colorspace", "color_range"):
            if name in one.attributes:
                setattr(frame, name, one.attributes[name])
        frame.pts, frame.time_base = index, Fraction(1, 1000) if one.stamps else 1 / Fraction(one.rate)
        yield frame


def _sounds(stream: Any, one: Sound) -> Iterator[Any]:
    codec = stream.codec_context
    samples = codec.frame_size or _SAMPLES
    resampler = av.AudioResampler(codec.format, codec.layout, one.rate, frame_size=samples)
    channels = codec.layout.nb_channels
    for first in range(0, len(one.wave), samples):
        part = np.repeat(one.wave[first : first + samples], channels)[None]
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout=one.layout)
        frame.sample_rate, frame.pts, frame.time_base = one.rate, first, Fraction(1, one.rate)
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def remux(source: Path, target: Path, keep: Callable[[Any], bool], kind: str | None = None) -> Path:
    """Copies the packets for which `keep` says so, undecoded."""
    settings = {"fflags": "+bitexact"}
    with av.open(str(source)) as old, av.open(str(target), "w", format=kind, options=settings) as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None and keep(packet):
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    return target


def without_first(source: Path, target: Path, seconds: float, kind: str | None = None) -> Path:
    """Copies a recording as if it had been switched on later: packets before `seconds` after the first picture go."""
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        first = float((stream.start_time or 0) * stream.time_base)
    return remux(source, target, lambda packet: packet.pts * packet.time_base >= first + seconds - 1e-6, kind)


def overwrite_packets(path: Path, first: int, last: int) -> Path:
    """Overwrites the pictures' packets from one index up to another with 0xFF."""
    with av.open(str(path)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][first:last]
    data = bytearray(path.read_bytes())
    for position, size in spans:
        data[position : position + size] = b"\xff" * size
    path.write_bytes(data)
    return path


def glue(target: Path, *parts: Path) -> Path:
    """Bytes after bytes, as `cat` joins them; the parts go."""
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    for part in set(parts):
        part.unlink()
    return target


def whole(seconds: float = 3.0, **options: str) -> Pictures:
    """The flash as H.264; `options` are the encoder's."""
    return Pictures(flashing(seconds), options={**X264, **options})


def joined_streams(path: Path, first: Sound, second: Sound, shift: float = 2.0) -> Path:
    """Two transport streams of two seconds, each with a flash and a tone, one after the other.

    Args:
        path: where to.
        first: sound of the first one.
        second: sound of the second one.
        shift: seconds by which the second one's clock is ahead of the first one's.
    """
    parts = [path.with_name(f"{path.stem}-{k}.ts") for k in (1, 2)]
    write(parts[0], whole(2.0), first)
    write(parts[1], whole(2.0), second, shift=shift)
    return glue(path, *parts)


def has_ffmpeg() -> bool:
    """Whether the programs `ffmpeg` and `ffprobe` are there."""
    return bool(shutil.which("ffmpeg") and shutil.which("ffprobe"))


def ffmpeg(*arguments: object) -> None:
    """Runs the program, quietly.

    Raises:
        RuntimeError: it failed; the message is its last line.
    """
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["ffmpeg failed"])[-1])
