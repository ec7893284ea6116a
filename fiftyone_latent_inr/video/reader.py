"""One video file being decoded: opened or clearly refused, its frames in RGB, and what went wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.video.reformatter import VideoReformatter

from ..arrays import Frame
from ..errors import InputError
from ..files import require_file
from ..frames.resize import area_resize
from .opening import main_pictures, open_container, top_level_boxes
from .rgb import UPRIGHT, hdr_transfer, orientation, to_rgb, turn

DEFAULT_FPS = 25.0  # for streams that do not say
_MIN_FPS, _MAX_FPS = 0.01, 1000.0  # beyond, a time stamp is damaged


class VideoReader:
    """Decodes one file; a context manager.

    Attributes:
        file: the file, absolute.
        source_size: (H, W) of the first frame, turned upright; (0, 0) before it is decoded.
        decoded: frames given so far.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens the file.

        Raises:
            InputError: it is missing, empty, not a video, or holds no video stream that can be decoded.
        """
        self.file = require_file(path, "video")
        self.source_size = (0, 0)
        self.decoded = 0
        self._clock = _Clock()
        self._failed_packets = 0
        self._repaired = 0
        self._cut_short = False
        self._complete = False
        self._notes: dict[str, None] = {}  # an ordered set
        self.container = open_container(self.file)
        try:
            self.stream = main_pictures(self.container, self.file)
        except InputError:
            self.container.close()
            raise

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    def frames(
        self, size: tuple[int, int] | None = None, max_frames: int | None = None, start: float = 0.0
    ) -> Iterator[Frame]:
        """Decodes from the start, or from a later time; to be called once.

        Args:
            size: (H, W) to resize each frame to, None for the size of the first one.
            max_frames: stop after this many.
            start: seconds; frames shown before are left out. Decoding begins at the key frame before it.

        Yields:
            uint8 (H, W, 3), turned upright.

        Raises:
            InputError: a size or number below 1, or no frame at all could be decoded.
        """
        if max_frames is not None and max_frames < 1:
            raise InputError(f"the number of frames to take must be at least 1, not {max_frames}")
        reformatter = VideoReformatter()
        if start > 0:
            start += float((self.stream.start_time or 0) * (self.stream.time_base or 0))
            self._seek(start)
        for frame in self._decode():
            if start > 0 and frame.time is not None and frame.time < start:
                continue
            how = self._orientation(frame)
            target = size
            if not self.decoded:
                self._first(frame, transposed=how[0])
            elif size is None:
                target = self.source_size
            if target is not None and how[0]:
                target = (target[1], target[0])
            pixels = to_rgb(frame, reformatter)
            if size is None and target is not None and pixels.shape[:2] != target:
                self._notes["frames of another size than the first one's were resized to it"] = None
            yield turn(pixels if target is None else area_resize(pixels, target), how)
            self.decoded += 1
            self._repaired += bool(frame.is_corrupt)
            self._clock.tick(frame)
            if self.decoded == max_frames:
                return
        self._complete = True
        if not self.decoded:
            raise InputError(
                f"cannot read {self.file}: no frame of its {self._codec_name()} stream could be decoded; "
                "the file is damaged; copy or record it again"
            )

    @property
    def declared_fps(self) -> float:
        """Average frames a second, as the container says."""
        for rate in (self.stream.average_rate, self.stream.guessed_rate, self.stream.base_rate):
            if rate and _MIN_FPS <= rate <= _MAX_FPS:
                return float(rate)
        return DEFAULT_FPS

    @property
    def declared_duration(self) -> float | None:
        """Seconds, as the stream or the container says."""
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        if self.container.duration:
            return float(self.container.duration / av.time_base)
        return None

    @property
    def declared_frames(self) -> int | None:
        """How many frames the file says it has, else an estimate from its duration."""
        if self.stream.frames > 0:
            return int(self.stream.frames)
        duration = self.declared_duration
        return max(1, round(duration * self.declared_fps)) if duration else None

    @property
    def fps(self) -> float:
        """Frames a second of the frames given: their number over the time that they are shown."""
        declared, shown = self.declared_fps, self._clock.shown()
        if shown is None:
            return declared
        count, seconds = shown
        # Time stamps are rounded (to milliseconds in Matroska): if the two agree, the declared one is exact.
        if abs(seconds - count / declared) < max(0.005 * seconds, 0.003):
            return declared
        measured = count / seconds
        return measured if _MIN_FPS <= measured <= _MAX_FPS else declared

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines for people on what was not as it should be."""
        lines = list(self._notes)
        damage = self._damage()
        if damage:
            lines.append(f"the file is damaged or cut short: {damage}")
        if self._repaired:
            lines.append(f"{self._repaired} of {self.decoded} frames are damaged, repaired by the decoder")
        if self._clock.variable and not damage:
            lines.append(f"the frame rate varies: frames are taken as evenly spaced, {self.fps:.3f} a second")
        return tuple(lines)

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Every frame that decodes, in order of presentation; what does not is counted and left out."""
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # the rest of the file cannot be read, but the decoder still holds frames
                self._cut_short = True
                yield from self._flush()
                return
            if packet is None:
                return
            self._cut_short = self._cut_short or packet.is_corrupt
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._failed_packets += 1
                continue
            yield from frames

    def _seek(self, seconds: float) -> None:
        """Moves to the last key frame before a time; where a file cannot do that, it is read from the start."""
        if self.stream.time_base:
            with suppress(av.error.FFmpegError):
                self.container.seek(int(seconds / self.stream.time_base), stream=self.stream)

    def _flush(self) -> list[av.VideoFrame]:
        try:
            return list(self.stream.codec_context.decode(None))
        except av.error.FFmpegError:
            return []

    def _first(self, frame: av.VideoFrame, transposed: bool) -> None:
        self.source_size = (frame.width, frame.height) if transposed else (frame.height, frame.width)
        transfer = hdr_transfer(frame)
        if transfer:
            self._notes[f"high dynamic range ({transfer}): its levels are used as they are, not tone mapped"] = None

    def _orientation(self, frame: av.VideoFrame) -> tuple[bool, bool, bool]:
        how = orientation(frame)
        if how is None:
            self._notes["the video asks for a rotation other than quarter turns, which is not done"] = None
        return how or UPRIGHT

    def _damage(self) -> str | None:
        """How much is lost, in words; None where there is no sign of it.

        Fewer frames than declared are no sign by themselves: edit lists hide frames of sound files.
        """
        if self._failed_packets or self._cut_short or (self._complete and self._file_is_cut()):
            declared = self.stream.frames if self._complete else 0
            if declared > self.decoded:
                return f"only {self.decoded} of {declared} frames could be decoded"
            if self._failed_packets:
                return f"{self.decoded} frames could be decoded, at least {self._failed_packets} could not"
            return f"{self.decoded} frames could be decoded"
        if self._complete and not self.stream.frames and not self.container.streams.audio:
            # Matroska counts no frames but knows when they end; with sound, its duration may be the sound's.
            end, duration = self._clock.end, self.declared_duration
            if end and duration and end < 0.9 * duration and (duration - end) * self.declared_fps >= 2:
                return f"{self.decoded} frames could be decoded, {end:.2f} of {duration:.2f} seconds"
        return None

    def _file_is_cut(self) -> bool:
        """Whether the index points behind the end of the file."""
        entries: Any = getattr(self.stream, "index_entries", None)
        if not entries:
            return False
        end = max(entry.pos + entry.size for entry in entries)
        return bool(end > self.file.stat().st_size)

    def _codec_name(self) -> str:
        return str(self.stream.codec_context.name)


class _Clock:
    """Collects when frames are shown."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0
        self._last_duration = 0.0
        self._gaps = 0
        self._shortest, self._longest = float("inf"), 0.0

    def tick(self, frame: av.VideoFrame) -> None:
        if frame.pts is None or frame.time_base is None:
            return
        time = float(frame.pts * frame.time_base)
        if self._first is None:
            self._first = time
        elif time <= self._last:  # out of order in a damaged file
            return
        else:
            self._gaps += 1
            self._shortest = min(self._shortest, time - self._last)
            self._longest = max(self._longest, time - self._last)
        self._last = time
        self._last_duration = float((getattr(frame, "duration", 0) or 0) * frame.time_base)

    def shown(self) -> tuple[int, float] | None:
        """How many frames were shown for how many seconds, None if the time stamps do not tell."""
        if self._first is None or not self._gaps:
            return None
        span = self._last - self._first
        # Containers without durations give the last frame one tick, or none.
        known = self._last_duration >= self._shortest / 2
        return self._gaps + 1, span + (self._last_duration if known else span / self._gaps)

    @property
    def end(self) -> float:
        """When the last frame was first shown, in seconds; 0 if the time stamps do not tell."""
        return self._last

    @property
    def variable(self) -> bool:
        """Whether gaps differ by more than the rounding of time stamps."""
        return self._longest > 1.5 * self._shortest and self._longest - self._shortest > 0.002


def is_whole(file: Path) -> bool:
    """Whether an MP4 file is there and reaches to its end: index, pictures, and no box cut short."""
    try:
        boxes = list(top_level_boxes(file))
        end = boxes[-1][1] + boxes[-1][2] if boxes else 0
        return end == file.stat().st_size and {b"moov", b"mdat"} <= {kind for kind, _, _ in boxes}
    except OSError:
        return False
