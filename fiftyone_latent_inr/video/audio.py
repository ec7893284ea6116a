"""Sound on its way from one file into another: copied where players take it, else encoded anew as AAC."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import av
from av.audio.resampler import AudioResampler

from ..files import require_file
from .opening import open_container

# What goes over bit for bit: what the container takes and browsers play. The rest (PCM, Vorbis, AC-3) becomes AAC.
_COPIED = {"mp4": {"aac", "mp3", "opus", "flac"}, "mov": {"aac", "mp3"}}
_COPIED["matroska"] = _COPIED["mp4"] | {"vorbis"}

_AAC_RATES = {96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000}
_AAC_FRAME = 1024  # samples in a packet


class Sound:
    """The first sound of a file, from one instant on.

    Args:
        source: the opened file, which has sound.
        start: seconds after its first picture from which it is wanted.

    Attributes:
        notes: lines for people on what was not as it should be.
    """

    def __init__(self, source: Any, start: float) -> None:
        self.notes: list[str] = []
        self._source = source
        self._stream: Any = source.streams.best("audio") or source.streams.audio[0]
        self._origin = start + _first_picture(source)
        self._pieces: Iterator[tuple[float, Any]] = iter(())
        self._waiting: tuple[float, Any] | None = None
        self._earliest = 0.0

    def attach(self, output: Any, kind: str) -> None:
        """Adds its stream to a container that is about to be written.

        Args:
            output: the container.
            kind: its format, a key of `_COPIED`.
        """
        codec = self._stream.codec_context
        packet = _AAC_FRAME / codec.sample_rate if codec.sample_rate else 0.0
        # A decoder needs a packet or two before the first sample that is heard; MP4 can say "not heard", by an edit
        # list. Matroska would move the pictures instead.
        self._earliest = -2 * packet if kind in ("mp4", "mov") else 0.0
        if codec.codec.canonical_name in _COPIED[kind]:
            self._pieces = self._copied(output.add_stream_from_template(self._stream))
        else:
            self._pieces = self._encoded(_add_aac(output, codec))

    def mux(self, output: Any, until: float) -> None:
        """Writes the packets that have been heard to their end `until` seconds after the start."""
        while True:
            self._waiting = self._waiting or next(self._pieces, None)
            if self._waiting is None or self._waiting[0] > until + 1e-6:
                return
            output.mux(self._waiting[1])
            self._waiting = None

    def _copied(self, target: Any) -> Iterator[tuple[float, Any]]:
        """(end in seconds, packet), as they are but for their time stamps."""
        last: int | None = None
        for packet in self._demuxed():
            pts = packet.pts if packet.pts is not None else packet.dts
            if pts is None or packet.time_base is None:
                continue
            shifted = pts - round(self._origin / packet.time_base)
            start, length = float(shifted * packet.time_base), float((packet.duration or 0) * packet.time_base)
            # Containers refuse stamps that go back, as in files that were cut or damaged
            if start < self._earliest or (last is not None and shifted <= last):
                continue
            last = shifted
            packet.pts = packet.dts = shifted
            packet.stream = target
            yield start + length, packet

    def _encoded(self, target: Any) -> Iterator[tuple[float, Any]]:
        """(end in seconds, packet) of the sound decoded and encoded anew."""
        codec = target.codec_context
        resampler = AudioResampler(codec.format, codec.layout, codec.sample_rate, frame_size=_AAC_FRAME)
        base = 1 / codec.sample_rate
        for frame in self._decoded():
            for part in resampler.resample(frame):
                if part is not None and part.pts is not None and part.pts * base >= self._earliest:
                    yield from _timed(target.encode(part))
        with suppress(av.error.FFmpegError, ValueError):
            for part in resampler.resample(None):
                if part is not None:
                    yield from _timed(target.encode(part))
        yield from _timed(target.encode(None))

    def _decoded(self) -> Iterator[Any]:
        damaged = 0
        for packet in self._demuxed():
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                damaged += 1
                continue
            for frame in frames:
                if frame.pts is not None:
                    frame.pts -= round(self._origin / frame.time_base)
                    yield frame
        if damaged:
            self.notes.append(f"{damaged} pieces of its sound are damaged and were left out")

    def _demuxed(self) -> Iterator[Any]:
        packets = self._source.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                self.notes.append("its sound is damaged or cut short")
                return
            if packet is None:
                return
            if packet.size:
                yield packet


@contextmanager
def open_sound(path: str | os.PathLike[str] | None, start: float = 0.0) -> Iterator[Sound | None]:
    """Opens a file for its sound: None where it has none that can be read, or where no path is given.

    Args:
        path: a video, or sound alone.
        start: seconds after its first picture from which the sound is wanted.

    Raises:
        InputError: the file is missing, empty, or no media file.
    """
    if path is None:
        yield None
        return
    with open_container(require_file(path, "video")) as source:
        readable = [stream for stream in source.streams.audio if stream.codec_context is not None]
        yield Sound(source, start) if readable else None


def _add_aac(output: Any, codec: Any) -> Any:
    rate = codec.sample_rate if codec.sample_rate in _AAC_RATES else 48000
    mono = codec.layout.nb_channels == 1
    return output.add_stream("aac", rate=rate, layout="mono" if mono else "stereo", bit_rate=96_000 * (2 - mono))


def _timed(packets: list[Any]) -> Iterator[tuple[float, Any]]:
    for packet in packets:
        yield float((packet.pts + (packet.duration or 0)) * packet.time_base), packet


def _first_picture(source: Any) -> float:
    """When the first picture is shown, in the file's own time; of sound alone, when it begins."""
    stream = (source.streams.video or source.streams.audio)[0]
    return float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
