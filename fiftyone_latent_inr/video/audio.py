"""Sound on its way from one file into another: copied where players take it, else encoded anew as AAC."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from ..files import require_file
from .clock import FileClock, file_clock, stamp_of
from .images import find_images
from .opening import best_sound, open_container
from .sound_packets import is_encrypted, length_of, on_clock, sounds
from .sound_process import AAC_FRAME, SoundLostError, SoundProcess, bit_rate, in_brief

# What goes over bit for bit: what the container takes and browsers play. The rest (PCM, Vorbis, AC-3) becomes AAC.
_COPIED = {"mp4": {"aac", "mp3", "opus", "flac"}, "mov": {"aac", "mp3"}}
_COPIED["matroska"] = _COPIED["mp4"] | {"vorbis"}

# Where Opus says what its channels are, and which answers players know: stereo, and surround in Vorbis' order
_OPUS_FAMILY, _OPUS_PLAYED = 18, (b"", b"\0", b"\1")

_TRIED = 64  # packets that are written into nothing before any goes into the file
_COARSE = Fraction(1, 1000)  # seconds; stamps of coarser units are not moved in these units


class Sound:
    """The best sound of a file that can be read, from one instant on. Whatever it does, it raises nothing.

    Args:
        file: absolute path of the file.
        start: seconds after its first picture from which the sound is wanted.

    Attributes:
        notes: lines for people on what was not as it should be.
    """

    def __init__(self, file: Path, start: float) -> None:
        self.notes: list[str] = []
        self._file, self._start = file, start
        self._container: Any = None
        self._process: SoundProcess | None = None
        self._pieces: Iterator[tuple[float, Any]] = iter(())
        self._waiting: tuple[float, Any] | None = None

    def attach(self, output: Any, kind: str) -> None:
        """Adds its stream to a container that is about to be written; none where nothing can be heard.

        Args:
            output: the container.
            kind: its format, a key of `_COPIED`.
        """
        try:
            self._attach(output, kind)
        except Exception as error:
            self._fall_silent(error, "its sound could not be read ({}): drawn without")

    def mux(self, output: Any, until: float) -> None:
        """Writes the packets that have been heard to their end `until` seconds after the start.

        Raises:
            OSError: the output cannot be written, as on a full disk.
        """
        while True:
            try:
                self._waiting = self._waiting or next(self._pieces, None)
            except Exception as error:
                self._fall_silent(error, "the rest of its sound could not be read ({}) and is silent")
            if self._waiting is None or self._waiting[0] > until + 1e-6:
                return
            try:
                output.mux(self._waiting[1])
            except (av.error.FFmpegError, ValueError) as error:
                if isinstance(error, OSError) and error.errno != errno.EINVAL:
                    raise
                self._fall_silent(error, "the rest of its sound could not be written ({}) and is silent")
            self._waiting = None

    def close(self) -> None:
        """Ends what reads the file."""
        self._pieces = iter(())
        if self._process:
            self._process.close()
        if self._container:
            self._container.close()
        self._process = self._container = None

    def _attach(self, output: Any, kind: str) -> None:
        self._container = open_container(self._file)
        found = sounds(self._container)
        best = best_sound(self._container)
        if best is not None and best not in found:
            what = "is encrypted" if best.codec_context is not None and is_encrypted(best) else "has no decoder here"
            self.notes.append(f"its sound {what}: drawn " + ("with another of its sounds" if found else "without"))
        clock = file_clock(self._file) if found else FileClock()
        origin = clock.first + self._start
        for place, stream in enumerate(found):
            if self._copies(stream, kind, clock):
                packets = on_clock(self._container, stream, clock, origin, self.notes)
                self._pieces = _moved(packets, output.add_stream_from_template(stream), _earliest(stream, kind))
                return
            try:
                self._process = SoundProcess(self._file, stream.index, self._start, self.notes)
            except SoundLostError as error:
                last = place == len(found) - 1
                self.notes.append(
                    f"its sound could not be decoded ({error}): drawn " + ("without" if last else "with another one")
                )
                continue
            self._pieces = self._encoded(output, self._process)
            return

    def _copies(self, stream: Any, kind: str, clock: FileClock) -> bool:
        """Whether a sound can be copied as it is: of one form that container and players take, throughout."""
        codec = stream.codec_context
        if codec.codec.canonical_name not in _COPIED[kind]:
            return False
        if codec.codec.canonical_name == "opus" and (codec.extradata or b"")[_OPUS_FAMILY:][:1] not in _OPUS_PLAYED:
            return False
        try:
            with open_container(self._file) as source:
                same = source.streams[stream.index]
                packets = on_clock(source, same, clock, 0.0)
                forms = {_form(packet, number) for number, (_, packet) in enumerate(packets)} - {None}
            if len(forms) > 1 or False in forms:
                return False
            with open_container(self._file) as source, av.open(_Nowhere(), "w", format=kind) as nowhere:
                same = source.streams[stream.index]
                origin = clock.first + self._start
                target = nowhere.add_stream_from_template(same)
                tried = 0
                for _, packet in _moved(on_clock(source, same, clock, origin), target, _earliest(same, kind)):
                    nowhere.mux(packet)
                    tried += 1
                    if tried == _TRIED:
                        break
        except Exception:
            return False
        return tried > 0

    def _encoded(self, output: Any, process: SoundProcess) -> Iterator[tuple[float, Any]]:
        layout = "mono" if process.channels == 1 else "stereo"
        target = output.add_stream("aac", rate=process.rate, layout=layout, bit_rate=bit_rate(process.channels))

        def packets() -> Iterator[tuple[float, Any]]:
            for pts, data in process.packets():
                packet = av.Packet(data)
                packet.pts = packet.dts = pts
                packet.duration, packet.time_base, packet.stream = AAC_FRAME, Fraction(1, process.rate), target
                packet.is_keyframe = True
                yield (pts + AAC_FRAME) / process.rate, packet

        return packets()

    def _fall_silent(self, error: Exception, line: str) -> None:
        self.close()
        self._waiting = None
        self.notes.append(line.format(in_brief(error)))


class _Nowhere(io.RawIOBase):
    """A file that forgets what is written into it."""

    def __init__(self) -> None:
        self._at = self._end = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


@contextmanager
def open_sound(path: str | os.PathLike[str] | None, start: float = 0.0) -> Iterator[Sound | None]:
    """Opens a file for its sound, to be attached and written beside pictures; closed at the end of the block.

    Args:
        path: a video, or sound alone.
        start: seconds after its first picture from which the sound is wanted.

    Yields:
        the sound; None where the file has none, or no path or a folder of images is given.

    Raises:
        InputError: the file is missing, empty, or no media file.
    """
    if path is None or find_images(path) is not None:  # pictures have none
        yield None
        return
    file = require_file(path, "video")
    with open_container(file) as source:
        some = bool(source.streams.audio)
    if not some:
        yield None
        return
    sound = Sound(file, start)
    try:
        yield sound
    finally:
        sound.close()


def _moved(packets: Iterator[tuple[float, Any]], target: Any, earliest: float) -> Iterator[tuple[float, Any]]:
    """(end in seconds, packet), as they are but for their stamps, which begin at `earliest` and rise."""
    last = float("-inf")
    for start, packet in packets:
        # Containers refuse stamps that go back, as in files that were cut or damaged; what lies before a later edit
        # is not to be heard
        if start < earliest or start <= last or (packet.is_discard and start > 0):
            continue
        length = length_of(packet)
        stamp = stamp_of(packet)
        if stamp is None or packet.time_base > _COARSE:
            packet.duration = round(length * 1_000_000)
            packet.time_base = Fraction(1, 1_000_000)
            packet.pts = packet.dts = round(start * 1_000_000)
        else:
            packet.pts = packet.dts = stamp + round((start - float(stamp * packet.time_base)) / packet.time_base)
        packet.stream = target
        last = start
        yield start + length, packet


def _earliest(stream: Any, kind: str) -> float:
    """Seconds before the start from which packets are taken along.

    A decoder needs a packet or two before the first sample that is heard; MP4 can say "not heard", by an edit list.
    Matroska would move the pictures instead.
    """
    rate = stream.codec_context.sample_rate
    return -2 * AAC_FRAME / rate if kind in ("mp4", "mov") and rate else 0.0


def _form(packet: Any, number: int) -> Any:
    """What may not change within a stream that is copied: rate and channels, where packets say them.

    None where they do not; False for a packet that can be no part of a copy.
    """
    if (number and packet.has_sidedata("new_extradata")) or is_encrypted(packet.stream, packet):
        return False
    head = bytes(memoryview(packet)[:4])
    name = packet.stream.codec_context.codec.canonical_name
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if name == "aac" and head[1] & 0xF6 == 0xF0:  # ADTS: profile, rate, channels
        return "adts", head[2] & 0xFD, head[3] & 0xC0
    if name == "mp3" and head[1] & 0xE0 == 0xE0:  # version and layer, rate, whether mono
        return "mpeg", head[1] & 0x1E, head[2] & 0x0C, head[3] >> 6 == 3
    return None
