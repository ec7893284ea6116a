"""One video file being decoded: opened or clearly refused, its frames in RGB, and what went wrong."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from types import TracebackType
from typing import Any
from weakref import proxy

import av

from .. import arguments
from ..arrays import Frame
from ..errors import InputError
from ..files import require_file
from ..frames.aspect import SQUARE, as_pixel_aspect, ratio, resized
from ..frames.resize import area_resize
from .clock import TS_DISCONT, Restarts, may_restart
from .declared import Declared
from .opening import is_pictures, main_pictures, open_container, reason_of, untimed
from .rgb import UPRIGHT, Colours, hdr_transfer, orientation, turn
from .timing import DECODING_STAMPS, PictureTimes, Times, Timing

_JOIN = 3  # packets; a recording that is joined to another at a key frame damages one of the last before it
# ffmpeg's own decoders leave it out, too; only libvpx reads it.
_ALPHA_BESIDE = (
    "its transparency is not read: all pixels are shown, as ffmpeg shows them; to lay it over a colour first: ffmpeg "
    "-c:v libvpx-vp9 -i IN.webm (libvpx for VP8), and overlay it"
)


class VideoReader:
    """Decodes one file; a context manager.

    Attributes:
        file: the file, absolute.
        source_size: (H, W) of the first frame, turned upright; (0, 0) before it is decoded.
        pixel_aspect, source_aspect: width over height of a pixel, resized and not; 1 before the first frame.
        decoded: frames given so far.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens the file.

        Raises:
            InputError: it is missing, empty, not a video, or holds no video stream that can be decoded.
        """
        self.file = require_file(path, "video")
        self.source_size = (0, 0)
        self.pixel_aspect = self.source_aspect = SQUARE
        self.decoded = 0
        self._times = PictureTimes()
        self._failed_packets = 0
        self._repaired = 0
        self._cut_short = False
        self._unreadable = False
        self._complete = False
        self._notes: dict[str, None] = {}  # an ordered set
        self._restarts: Restarts | None = None
        self.container = open_container(self.file)
        try:
            self.stream = main_pictures(self.container, self.file)
            self._untimed = untimed(self.container)
            self._declared = Declared(self.container, self.stream, self._untimed)
            self._look_around()
        except InputError:
            self.container.close()
            raise
        # AVI has no alpha: four bytes a pixel are colours and one that is not used
        opaque = self.container.format.name == "avi" and self._codec_name() == "rawvideo"
        # by a proxy: in a cycle it would keep its decoder, with its threads, until garbage is collected
        self._colours = Colours(self.file, partial(type(self)._frames_again, proxy(self)), opaque)
        if self.stream.metadata.get("alpha_mode") == "1":  # WebM keeps it beside the stream
            self._notes[_ALPHA_BESIDE] = None

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
            InputError: a size or number below 1, the pictures are encrypted, or no frame at all could be decoded.
        """
        size = None if size is None else arguments.side_lengths("size", size)
        max_frames = None if max_frames is None else arguments.whole("max_frames", max_frames, 1)
        try:
            yield from self._frames(size, max_frames, start)
        except av.error.FFmpegError as error:
            raise InputError(f"cannot read {self.file}: {reason_of(error)}; convert the file to H.264") from error

    def schedule(self, decode: bool = True) -> Timing:
        """When the frames are shown, without making pictures of them; to be called once, in place of `frames`.

        Args:
            decode: whether to count what decodes; else what the file says that it holds.
        """
        for one in self._decode() if decode else (packet for packet in self._packets() if packet.size):
            self._times.add(one)
            self.decoded += 1
        return self.timing

    def _frames(self, size: tuple[int, int] | None, max_frames: int | None, start: float) -> Iterator[Frame]:
        if start > 0:
            start += float((self.stream.start_time or 0) * (self.stream.time_base or 0))
            self._seek(start)
        for frame in self._decode():
            if start > 0 and frame.time is not None and frame.time < start:
                continue
            how = self._orientation(frame)
            target = self.source_size if self.decoded and size is None else size
            if not self.decoded:
                self._first(frame, transposed=how[0])
                self.pixel_aspect = self._pixel_aspect(how[0], size)
            if self._coded_aspect() != self._first_aspect:
                self._notes["the shape of its pixels changes on the way: that of the first frame is kept"] = None
            if target is not None and how[0]:
                target = (target[1], target[0])
            pixels = self._colours.to_rgb(frame)
            if size is None and target is not None and pixels.shape[:2] != target:
                self._notes["frames of another size than the first one's were resized to it"] = None
            yield turn(pixels if target is None else area_resize(pixels, target), how)
            self.decoded += 1
            self._repaired += bool(frame.is_corrupt)
            self._times.add(frame)
            if self.decoded == max_frames:
                return
        self._complete = True
        if not self.decoded:
            raise InputError(
                f"cannot read {self.file}: no frame of its {self._codec_name()} stream could be decoded; "
                "the file is damaged; copy or record it again"
            )

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        return bool(self.container.streams.audio)

    @property
    def restarts_by_format(self) -> bool:
        """Whether the format's clock may start again or leap."""
        return bool(self.container.format.flags & TS_DISCONT)

    @property
    def restarted(self) -> bool:
        """Whether the clock of the pictures given so far started again or leapt, whatever the format."""
        return self._restarts is not None and self._restarts.offset != 0

    @property
    def declared_fps(self) -> float:
        """Frames a second, as the file says."""
        return self._declared.fps

    @property
    def declared_duration(self) -> float | None:
        """Seconds, as the stream or the container says."""
        return self._declared.duration

    @property
    def counted_frames(self) -> int | None:
        """How many frames the file says it has, None where it does not."""
        return self._declared.counted

    @property
    def declared_frames(self) -> int | None:
        """How many frames the file says it has, else an estimate from its duration."""
        return self._declared.frames

    @property
    def timing(self) -> Timing:
        """When the frames given so far are shown."""
        if self._untimed:
            return Timing(self.declared_fps, self.decoded / self.declared_fps)
        return self._times.timing(self._declared.rates, float(self.stream.time_base or 0))

    @property
    def fps(self) -> float:
        """Frames a second of the frames given: their number over the time that they are shown."""
        return self.timing.fps

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines for people on what was not as it should be."""
        lines = [*self._notes, *self._colours.notes]
        damage = self._damage()
        if damage:
            lines.append(f"the file is damaged or cut short: {damage}")
        if self._repaired:
            lines.append(f"{self._repaired} of {self.decoded} frames are damaged, repaired by the decoder")
        timing = self.timing
        if timing.varies and not damage:
            drawn = "" if timing.times is None else ", and drawn at their own times"
            lines.append(f"the frame rate varies: frames are taken as evenly spaced, {timing.fps:.3f} a second{drawn}")
        return tuple(lines)

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Every frame that decodes, in order of presentation; what does not is counted and left out."""
        name = self.container.format.name
        for packet in self._packets():
            if not self.decoded and packet.has_sidedata("encryption_info"):
                # some decoders make noise of it and call that repaired
                raise InputError(f"cannot read {self.file}: its pictures are encrypted; give an unprotected copy")
            self._times.packet(packet, name in DECODING_STAMPS, name == "asf")
            if not packet.size and not (packet.pts is None and packet.dts is None):
                self._times.repeat(packet)  # the same picture again, as in Theora
                continue
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._failed_packets += 1
                continue
            yield from frames
        if self._unreadable:  # the rest of the file cannot be read, but the decoder still holds frames
            yield from self._flush()

    def _packets(self) -> Iterator[Any]:
        """The pictures' packets on one continuous clock."""
        streams = [self.stream]
        if may_restart(self.container):
            self._restarts = Restarts(self.stream.index, self.container)
        restarts = self._restarts
        if restarts and restarts.leaps:
            streams += [one for one in self.container.streams.audio if one.codec_context is not None]
        packets = self.container.demux(*streams)
        doubtful, number = None, 0  # a packet that is damaged, if it is not the last before another recording begins
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                self._unreadable = True
                self._cut_short = self.container.format.name != "mpjpeg"  # which always ends so
                return
            if packet is None:
                self._cut_short = self._cut_short or doubtful is not None
                return
            begins = restarts.begins(packet) if restarts else False
            if packet.stream is not self.stream:  # the last packet, which is empty, has no index of its own
                continue
            if restarts:
                restarts.put_right(packet)
            number += 1
            if doubtful is not None:
                joined = number - doubtful <= _JOIN and (begins or packet.is_keyframe)
                self._cut_short = self._cut_short or (not joined and number - doubtful >= _JOIN)
                doubtful = None if joined or number - doubtful >= _JOIN else doubtful
            if packet.is_corrupt and doubtful is None:
                doubtful = number
            yield packet

    def _frames_again(self) -> Iterator[av.VideoFrame]:
        """Every frame from the first, by a reader of its own."""
        with VideoReader(self.file) as other:
            yield from other._decode()

    def _seek(self, seconds: float) -> None:
        """Moves to the last key frame before a time; where a file cannot do that, it is read from the start."""
        if self.stream.time_base:
            with suppress(av.error.FFmpegError):
                self.container.seek(int(seconds / self.stream.time_base), stream=self.stream)

    def _look_around(self) -> None:
        """Notes what is doubtful before the first frame."""
        others = [one for one in self.container.streams.video if is_pictures(one) and one is not self.stream]
        if others:
            self._notes[f"of {len(others) + 1} streams of pictures the main one is taken"] = None
        if self._untimed and not self.stream.codec_context.framerate:
            self._notes[f"it does not say its frame rate: {self.declared_fps:g} frames a second are assumed"] = None

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
        self._first_aspect = self._coded_aspect()
        if frame.interlaced_frame:
            self._notes["interlaced: each frame shows two instants, line by line, and is taken as it is"] = None

    def _coded_aspect(self) -> Fraction:
        """Width over height of a pixel as the decoder says now."""
        said: Fraction | None = self.stream.codec_context.sample_aspect_ratio
        return said or SQUARE

    def _pixel_aspect(self, transposed: bool, size: tuple[int, int] | None) -> Fraction:
        """The same of the frames given: turned, and resized to a size."""
        stored = self.stream.sample_aspect_ratio or self._first_aspect  # what the container says goes first
        try:
            aspect = as_pixel_aspect(1 / stored if transposed else stored)
        except ValueError:
            self._notes[f"pixels of {ratio(stored)} are taken for square ones"] = None
            return SQUARE
        self.source_aspect = aspect
        return resized(aspect, self.source_size, size or self.source_size)

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
        if self._complete and not (self.stream.frames or self._untimed or self.restarts_by_format or self.restarted):
            # Matroska counts no frames but knows when they end
            end, duration = self._times.end - (self._times.first or 0.0), self._declared.own_duration
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


def own_times(path: str | os.PathLike[str], fps: float) -> Times | None:
    """When the pictures of a file are shown that are not evenly spaced; None for all others.

    Args:
        path: a video, or sound alone.
        fps: the rate that it must have; of another rate, None is given.
    """
    with suppress(InputError):
        # most files are as they should be, and their packets say so without being decoded
        for decode in (False, True):
            with VideoReader(path) as reader:
                timing = reader.schedule(decode)
            if not timing.varies:
                return None
        return timing.times if math.isclose(timing.fps, fps, rel_tol=1e-5) else None
    return None
