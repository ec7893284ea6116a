"""Videos for tests, made on the spot with PyAV: sound, odd and damaged ones, and files that are no videos."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.real_files.inputs.pictures import turn

COLOURS = [
    (200, 40, 40),
    (40, 180, 60),
    (50, 60, 200),
    (128, 128, 128),
    (220, 200, 50),
    (16, 16, 16),
    (240, 240, 240),
]

# The display matrix of an MP4 track header for each clockwise turn, as phones write it: a, b, c, d.


def moving_square(num: int = 12, height: int = 64, width: int = 96, seed: int = 0) -> np.ndarray:
    """Frames uint8 (T, H, W, 3): a bright square that moves right over a smooth coloured ground."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    low, high = rng.uniform(30, 110, 3), rng.uniform(110, 200, 3)
    ground = low + (high - low) * (rows + columns)[..., None] / 2
    frames = np.repeat(ground[None], num, axis=0)
    side = max(1, min(height, width) // 3)
    for index, frame in enumerate(frames):
        left = round((width - side) * index / max(1, num - 1))
        frame[height // 4 : height // 4 + side, left : left + side] = (235, 220, 60)
    return frames.round().astype(np.uint8)


def patches(colours: Sequence[tuple[int, int, int]], side: int = 32, num: int = 3) -> np.ndarray:
    """Frames of coloured squares side by side, for colour tests; see `patch_colours`."""
    row = np.concatenate([np.full((side, side, 3), colour, np.uint8) for colour in colours], axis=1)
    return np.repeat(row[None], num, axis=0)


def patch_colours(frame: np.ndarray, side: int = 32) -> np.ndarray:
    """The mean colour of the middle of each square of a frame of `patches`: float (N, 3)."""
    edge = side // 4
    middles = [frame[edge:-edge, x + edge : x + side - edge] for x in range(0, frame.shape[1], side)]
    return np.array([middle.reshape(-1, 3).mean(axis=0) for middle in middles])


def patch_error(frame: np.ndarray) -> float:
    """The largest difference, in levels, of a frame of `patches(COLOURS)` from what it should be."""
    return float(np.abs(patch_colours(frame) - np.array(COLOURS)).max())


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Gives up root's rights for a while: root may read and write everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def encode(  # noqa: PLR0913 - all that a file can differ in
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    fps: float | Fraction = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    source: str = "rgb24",
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    tags: dict[str, Any] | None = None,
    convert: dict[str, Any] | None = None,
) -> Path:
    """Encodes frames with PyAV directly, not through the package.

    Args:
        path: the file; its extension chooses the container.
        frames: (H, W, C) arrays in the pixel format `source`.
        fps: frames a second, or ticks a second where `times` are given.
        codec: FFmpeg's name of the encoder.
        pix_fmt: the pixel format stored.
        source: the pixel format of `frames`.
        options: of the encoder.
        times: when each frame is shown, in ticks, for variable frame rates.
        tags: attributes of the encoder such as `colorspace`, `color_range`, `sample_aspect_ratio`.
        convert: arguments of the conversion from `source` to `pix_fmt`.
    """
    default = {"crf": "4"} if codec == "libx264" else {}
    rate = Fraction(fps).limit_denominator(1001)
    stream: Any = None
    with av.open(str(path), "w") as container:
        for index, array in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=default if options is None else options)
                stream.height, stream.width = array.shape[:2]
                stream.pix_fmt = pix_fmt
                stream.codec_context.time_base = 1 / rate
                for name, value in (tags or {}).items():
                    setattr(stream.codec_context, name, value)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=source)
            frame = frame.reformat(format=pix_fmt, **(convert or {}))
            for name, value in (tags or {}).items():
                if hasattr(frame, name):
                    setattr(frame, name, value)
            frame.pts = index if times is None else times[index]
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def rotated(path: Path, frames: np.ndarray, clockwise: int, tags: dict[str, Any] | None = None) -> Path:
    """An MP4 whose track header asks the player to turn it clockwise by 90, 180 or 270 degrees."""
    encode(path, frames, tags=tags)
    return turn(path, clockwise)


def odd_size(path: Path) -> Path:
    """175x143, 6 frames, stored losslessly at that very size."""
    return encode(path.with_suffix(".mkv"), moving_square(6, 143, 175), codec="ffv1", pix_fmt="yuv444p")


def gray(path: Path) -> Path:
    """One channel, no colour."""
    frames = moving_square()[..., 0]
    return encode(path.with_suffix(".mkv"), frames, codec="ffv1", pix_fmt="gray", source="gray")


def ten_bit(path: Path) -> Path:
    """H.264 High 10."""
    return encode(path, moving_square(), pix_fmt="yuv420p10le")


def with_alpha(path: Path, alpha: int = 128) -> Path:
    """A QuickTime animation; the upper half is opaque, the lower half of the given alpha."""
    frames = moving_square()
    layer = np.full((*frames.shape[:3], 1), 255, np.uint8)
    layer[:, frames.shape[1] // 2 :] = alpha
    rgba = np.concatenate([frames, layer], axis=-1)
    return encode(path.with_suffix(".mov"), rgba, codec="png", pix_fmt="rgba", source="rgba")


def variable_rate(path: Path) -> Path:
    """10 frames: five 40 ms apart, then five 120 ms apart."""
    times = [0, 40, 80, 120, 160, 200, 320, 440, 560, 680]
    return encode(path, moving_square(10), fps=1000, times=times)


def one_frame(path: Path) -> Path:
    """A clip of a single frame."""
    return encode(path, moving_square(1))


def damaged_halfway(path: Path, num: int = 24) -> Path:
    """The index is whole, but the second half of the packets is overwritten with 0xFF."""
    encode(path, moving_square(num), options={"crf": "10", "g": "6", "bf": "0"})
    with av.open(str(path)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in spans[len(spans) // 2 :]:
        data[position : position + size] = b"\xff" * size
    path.write_bytes(data)
    return path


def cut_with_index(path: Path, num: int = 24) -> Path:
    """Cut in the middle of its pictures; the index lies at the front and promises all of them."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"g": "6", "crf": "4"})
        frames = moving_square(num)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    start = data.index(b"mdat")
    path.write_bytes(data[: (start + len(data)) // 2])
    return path


def cut_without_index(path: Path) -> Path:
    """An MP4 that ends before its index (moov), as an interrupted recording does."""
    encode(path, moving_square())
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 100])
    return path


def audio_only(path: Path) -> Path:
    """An MP4 that holds sound alone."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=16000)
        samples = np.sin(np.arange(16000) / 20).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sounding(
    path: Path,
    frames: np.ndarray,
    *,
    fps: float = 10,
    codec: str = "aac",
    rate: int = 48000,
    click: float = 1.0,
    seconds: float | None = None,
) -> Path:
    """A video with sound: silence, but for a tone of 100 ms that begins `click` seconds in.

    Args:
        path: the file; its extension chooses the container.
        frames: uint8 (T, H, W, 3).
        fps: of the pictures.
        codec: FFmpeg's name of the sound's encoder.
        rate: samples a second, stereo.
        click: seconds.
        seconds: of sound, by default as many as of pictures.
    """
    count = round(rate * (seconds or len(frames) / fps))
    wave = np.zeros((2, count), np.float32)
    first = round(click * rate)
    wave[:, first : first + rate // 10] = 0.5 * np.sin(np.arange(rate // 10) * 0.3)[: count - first]
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "4"})
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        audio: Any = container.add_stream(codec, rate=rate, layout="stereo")
        resampler = av.AudioResampler(
            audio.codec_context.format, audio.codec_context.layout, rate, frame_size=audio.codec_context.frame_size
        )
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        container.mux(video.encode(None))
        for first in range(0, count, rate):
            part = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(wave[:, first : first + rate]), format="fltp", layout="stereo"
            )
            part.sample_rate, part.pts, part.time_base = rate, first, Fraction(1, rate)
            for piece in resampler.resample(part):
                container.mux(audio.encode(piece))
        for piece in resampler.resample(None):
            container.mux(audio.encode(piece))
        container.mux(audio.encode(None))
    return path


def heard(path: Path) -> tuple[str, float | None, float]:
    """What a file's sound is: its codec, when the tone begins (seconds after the first picture), how long it is."""
    with av.open(str(path)) as container:
        audio, video = container.streams.audio[0], container.streams.video[0]
        name = audio.codec_context.codec.canonical_name
        begin = end = None
        for frame in container.decode(audio):
            time = float(frame.pts * frame.time_base)
            samples = frame.to_ndarray()
            if frame.format.name.rstrip("p") in ("s16", "s32"):
                samples = samples / np.iinfo(samples.dtype).max
            level = np.abs(
                samples.reshape(len(frame.layout.channels), -1, order="A" if frame.format.is_planar else "F")
            )
            loud = np.flatnonzero(level.max(axis=0) > 0.1)
            if begin is None and len(loud):
                begin = time + loud[0] / frame.sample_rate
            end = time + frame.samples / frame.sample_rate
        shift = float((video.start_time or 0) * video.time_base)
        return name, None if begin is None else begin - shift, (end or 0.0) - shift


def text_file(path: Path) -> Path:
    """A text under a video's name."""
    path.write_text("This is no video.\n" * 50)
    return path


def empty_file(path: Path) -> Path:
    """Zero bytes."""
    path.write_bytes(b"")
    return path


def random_bytes(path: Path) -> Path:
    """Noise under a video's name."""
    path.write_bytes(np.random.default_rng(1).bytes(5000))
    return path


# What must work, and what must be refused with an InputError naming the file; each maker returns its path.
ODD: dict[str, Callable[[Path], Path]] = {
    "odd_size": odd_size,
    "gray": gray,
    "ten_bit": ten_bit,
    "alpha": with_alpha,
    "variable_rate": variable_rate,
    "one_frame": one_frame,
    "rotated": lambda path: rotated(path, moving_square(), 90),
    "damaged_halfway": damaged_halfway,
    "cut_with_index": cut_with_index,
}
BAD: dict[str, Callable[[Path], Path]] = {
    "missing": lambda path: path,
    "empty": empty_file,
    "cut_without_index": cut_without_index,
    "audio_only": audio_only,
    "text": text_file,
    "random_bytes": random_bytes,
}
