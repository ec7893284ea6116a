"""One continuous clock for the pictures and the sound of a file, and when each picture is shown by it."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av

from ..errors import InputError
from ..files import require_file
from .opening import main_pictures, open_container, untimed
from .timing import DECODING_STAMPS, PictureTimes

TS_DISCONT = 0x0200  # FFmpeg's AVFMTTS_DISCONT: the format's clock may start again or leap

# Seconds. FFmpeg's own program takes stamps for another clock's that fall by the first, or leap by the second.
_FALL, _LEAP = 0.1, 10.0
# Formats of one clock are joined by mistake, or by programs that put pieces one after the other: a fall is another
# piece's where three packets lie before it, and where the clock does not come back within three.
_JOINED_FALL, _DOUBTED = 1.0, 3
_JOINED_LEAP = 600.0  # of pieces that were recorded one by one; shorter ones are gaps
_PIECES = {"mov,mp4,m4a,3gp,3g2,mj2", "flv"}
_REORDERED = 16  # packets among which pictures may be shown in another order
_LEAP_PERIODS = 8  # pictures that are far apart leap by themselves
_UNSTAMPED = 8  # pictures after which a stamp is no longer looked for
_AHEAD = 64  # runs of the pictures that are compared with one of the sound
_NEAR = 1.0  # seconds that a stream's stamps may lie outside of what the first pass saw


@dataclass
class Run:
    """Packets of one stream that follow one clock; seconds by that clock, and what is added to make it go on."""

    number: int  # of the packet that it begins with, in the file
    low: float
    high: float
    offset: float


class Restarts:
    """Finds where the clock of one stream starts again or leaps, and carries it on from the end of what came before.

    Args:
        stream: its index.
        container: the opened file; None stands for a format whose clock may start again or leap.

    Attributes:
        offset: seconds to be added to the stream's stamps from its last packet on.
        leaps: whether it must be told of the other streams' packets, because its clock may leap.
    """

    def __init__(self, stream: int, container: Any = None) -> None:
        self.offset = 0.0
        self._stream = stream
        self._one_clock = container is not None and not container.format.flags & TS_DISCONT
        self.leaps = not self._one_clock or container.format.name in _PIECES
        self._leap = (_JOINED_LEAP if self.leaps else math.inf) if self._one_clock else _LEAP
        self._times: deque[float] = deque(maxlen=_DOUBTED if self._one_clock else 1)
        self._shown: deque[float] = deque(maxlen=_REORDERED if self._one_clock else 1)
        self._doubted: tuple[float, float] | None = None  # where the clock before would go on, and its offset
        self._last: float | None = None
        self._length = 0.0
        self._elsewhere = math.inf  # the first that other streams were heard of after this one's last packet

    def begins(self, packet: Any) -> bool:
        """Takes the file's next packet, of any stream; True if a clock of this stream begins with it."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None or not packet.time_base:
            return False
        time, length = (float(number * packet.time_base) for number in (stamp, packet.duration or 0))
        if packet.stream_index != self._stream:
            if self._last is not None and time > self._last + _NEAR:
                self._elsewhere = min(self._elsewhere, time)
            return False
        begins = self._last is None
        # In decoding order, since pictures that are shown before this one may still come; where formats have no such
        # order of their own, FFmpeg's guess of it is of no use right after a fall
        shown = time if not self._one_clock or packet.pts is None else float(packet.pts * packet.time_base)
        if self._last is not None:
            leap = max(self._leap, _LEAP_PERIODS * max(length, self._length))
            # Where another stream went on meanwhile there is a gap in this one, and the clock is the same
            leaps = time > self._last + leap and self._elsewhere > time - _LEAP / 2
            falls = time < min(self._times) - (_JOINED_FALL if self._one_clock else _FALL)
            returns = self._doubted is not None and time > self._last + _NEAR and abs(time - self._doubted[0]) < _NEAR
            begins = leaps or returns or (falls and (packet.dts is not None or not self._one_clock))
            if begins:
                before = (self._last + self._length, self.offset)
                self.offset += max(self._shown) + self._length - shown
                if returns and self._doubted is not None:  # what fell was a damaged stamp
                    self.offset = self._doubted[1]
                self._doubted = before if self._one_clock and not returns else None
                self._times.clear()
                self._shown.clear()
            elif not length:
                length = max(time - self._last, 0.0)
        self._times.append(time)
        self._shown.append(shown)
        if len(self._times) == _DOUBTED:
            self._doubted = None
        self._last, self._length, self._elsewhere = time, length, math.inf
        return begins

    def put_right(self, packet: Any) -> None:
        """Puts one of the stream's packets on the continuous clock; to be called after `begins`."""
        ticks = round(self.offset / packet.time_base) if self.offset and packet.time_base else 0
        if ticks and packet.pts is not None:
            packet.pts += ticks
        if ticks and packet.dts is not None:
            packet.dts += ticks


@dataclass(frozen=True)
class FileClock:
    """The one clock of a file, by which pictures and sound go on where the file's own clock starts again.

    Pictures are the master: where theirs starts again they go on without a gap, and the sound moves with them.

    Attributes:
        first: seconds at which the first picture is shown that can be decoded; of sound alone, when that begins.
        runs: by the stream's index in the container; none of streams whose stamps are as they are.
    """

    first: float = 0.0
    runs: Mapping[int, Sequence[Run]] = field(default_factory=dict)

    def of(self, stream: int) -> StreamClock:
        """The clock as one reading of a stream, from its first packet on, asks it."""
        return StreamClock(self.runs.get(stream, ()))


class StreamClock:
    """Stamps of one stream in, seconds by the file's one clock out."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._index, self._last = 0, -math.inf

    def seconds(self, stamp: float) -> float:
        """A stamp by the one clock.

        Args:
            stamp: seconds by the file's own clock; stamps are to be asked for in the demuxer's order.

        Returns:
            Seconds by the one clock; they may overlap a little where the file's own starts again.
        """
        if not self._runs:
            return stamp
        if stamp < self._last - _FALL or not _within(self._runs[self._index], stamp):
            later = range(self._index + 1, len(self._runs))
            self._index = next((k for k in later if _within(self._runs[k], stamp)), self._index)
        self._last = stamp
        return stamp + self._runs[self._index].offset


def stamp_of(packet: Any) -> int | None:
    """When a packet is shown or heard, in units of its time base; when it is decoded where the file says no more."""
    stamp: int | None = packet.pts if packet.pts is not None else packet.dts
    return stamp


def may_restart(container: Any) -> bool:
    """Whether the clock of an opened file may start again: by its format, or since its pieces may have been joined.

    Files with an index of all their packets have one clock, whatever edit lists repeat of it.
    """
    if container.format.flags & TS_DISCONT:
        return True
    return not untimed(container) and not any(stream.frames for stream in container.streams)


def file_clock(path: str | os.PathLike[str]) -> FileClock:
    """The clock of a file.

    Pictures are decoded up to the first that can be; only files whose clock may start again are read to their end,
    without being decoded.

    Raises:
        InputError: the file is missing, empty, or no media file.
    """
    file = require_file(path, "video")
    with open_container(file) as container:
        pictures = _pictures(container, file)
        first = _first_picture(container, pictures) if pictures else _begin(container.streams.audio)
        master = pictures.index if pictures else None  # a stream must not be asked once its container is closed
        restarts = may_restart(container)
    if not restarts:
        return FileClock(first)
    with open_container(file) as container:
        return FileClock(first, _all_runs(container, master))


def _pictures(container: Any, file: Path) -> Any:
    try:
        return main_pictures(container, file)
    except InputError:  # sound alone
        return None


def _begin(streams: Sequence[Any]) -> float:
    stream = next(iter(streams), None)
    if stream is None or stream.start_time is None or not stream.time_base:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _first_picture(container: Any, stream: Any) -> float:
    """When the first picture is shown that can be decoded; where stamps do not tell, when the stream begins."""
    restarts, times = Restarts(stream.index, container), PictureTimes()
    several = may_restart(container)
    for packet in _packets(container, stream):
        if several:
            restarts.begins(packet)
            restarts.put_right(packet)
        times.packet(packet, container.format.name in DECODING_STAMPS, container.format.name == "asf")
        with suppress(av.error.FFmpegError):
            for frame in packet.decode():
                times.add(frame)
                if times.first is not None:
                    return times.first
                if len(times) == _UNSTAMPED:
                    return _begin([stream])
    return _begin([stream])


def _packets(container: Any, *streams: Any) -> Iterator[Any]:
    """Packets until the end, or to where the file cannot be read on."""
    with suppress(av.error.FFmpegError):
        yield from container.demux(*streams)


def _all_runs(container: Any, pictures: int | None) -> dict[int, list[Run]]:
    """Where each stream's clock begins, and how it goes on: pictures from their own end, sound with the pictures."""
    streams = [s for s in container.streams if s.type == "audio" or s.index == pictures]
    found: dict[int, list[Run]] = {stream.index: [] for stream in streams}
    own = {stream.index: Restarts(stream.index, container) for stream in streams}
    for number, packet in enumerate(_packets(container, streams)):
        stamp = stamp_of(packet)
        if stamp is None or not packet.time_base:
            continue
        time, restarts, runs = float(stamp * packet.time_base), own[packet.stream_index], found[packet.stream_index]
        begins = [one.begins(packet) for one in own.values()]
        if any(begins) or not runs:
            runs.append(Run(number, time, time, restarts.offset))
        runs[-1].low, runs[-1].high = min(runs[-1].low, time), max(runs[-1].high, time)
    master = found.get(pictures if pictures is not None else -1) or next(iter(found.values()), [])
    for runs in found.values():
        if runs is not master:
            _follow(runs, master)
    return {index: runs for index, runs in found.items() if len(runs) > 1 or (runs and runs[0].offset)}


def _follow(runs: list[Run], master: list[Run]) -> None:
    """Gives each run of a sound the offset of the pictures' run of its clock; others go on from their own end."""
    earliest, change = 0, 0.0
    for run in runs:
        same = [m for m in range(earliest, min(earliest + _AHEAD, len(master))) if _overlap(run, master[m])]
        if same:
            earliest = min(same, key=lambda m: abs(master[m].number - run.number))
            change = master[earliest].offset - run.offset
        run.offset += change


def _overlap(one: Run, other: Run) -> bool:
    return one.low <= other.high + _NEAR and other.low <= one.high + _NEAR


def _within(run: Run, stamp: float) -> bool:
    return run.low - _NEAR <= stamp <= run.high + _NEAR
