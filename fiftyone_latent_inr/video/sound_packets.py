"""Sound as it lies in a file: which of its streams is the best, and its packets on the clock of the drawing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import av
import av.stream

from .clock import FileClock, stamp_of
from .opening import best_sound

_ENCRYPTED = {"enca", "drms"}  # what MP4 calls sounds that are protected by a key

# Packets whose stamps are off by more than this many seconds, while one of the next goes on as before, are stamped
# wrongly.
_OFF, _AHEAD = 1.0, 12
_BACK = "the clock of its sound goes back: what would be heard at one time with what came before was left out"

_NOT_READ = getattr(getattr(av.stream, "Discard", None), "all", None)  # older PyAV cannot skip streams


def sounds(container: Any) -> list[Any]:
    """The audio streams that may be decoded, the best first: FFmpeg's own choice, then by bit rate.

    Args:
        container: the opened file.
    """
    best = best_sound(container)
    # Nothing here may ask for a layout of channels: PyAV frees one of custom order twice.
    return sorted(
        (stream for stream in container.streams.audio if stream.codec_context is not None and not is_encrypted(stream)),
        key=lambda stream: (best is None or stream.index != best.index, -(stream.codec_context.bit_rate or 0)),
    )


def is_encrypted(stream: Any, packet: Any = None) -> bool:
    """Whether a stream, or its packet, is protected by a key that nobody has given."""
    if packet is not None and packet.has_sidedata("encryption_info"):
        return True
    try:
        return str(stream.codec_context.codec_tag) in _ENCRYPTED
    except UnicodeDecodeError:  # of formats that number their codecs
        return False


def on_clock(
    container: Any, stream: Any, clock: FileClock, origin: float, notes: list[str] | None = None
) -> Iterator[tuple[float, Any]]:
    """Packets of a stream until the end, or to where the file cannot be read on.

    Args:
        container: the opened file, at its start.
        stream: one of its audio streams.
        clock: of the file.
        origin: seconds by that clock at which the drawing begins.
        notes: takes a line for people where the file cannot be read to its end.

    Yields:
        Seconds after the drawing's start at which the packet is heard, negative before, and the packet with stamps as
        they are in the file. A packet without a stamp, or with one that those around it contradict, is taken to follow
        the one before.
    """
    own = clock.of(stream.index)
    notes = [] if notes is None else notes
    ahead: deque[tuple[float | None, Any]] = deque()
    end: float | None = None
    for packet in chain(_demuxed(container, stream, notes), repeat(None, _AHEAD)):
        if packet is not None:
            stamp = stamp_of(packet)
            known = stamp is not None and packet.time_base
            time = own.seconds(float(stamp * packet.time_base)) - origin if known else None
            ahead.append((time, packet))
        if not ahead or (packet is not None and len(ahead) <= _AHEAD):
            continue
        time, first = ahead.popleft()
        length = length_of(first)
        start = _trusted(time, end, length, [one for one, _ in ahead])
        # What another edit of the file only decodes, to be ready for what it plays, was never to be heard
        if end is not None and start < end - _OFF and not first.is_discard and _BACK not in notes:
            notes.append(_BACK)
        yield start, first
        end = start + length


def length_of(packet: Any) -> float:
    """Seconds for which a packet is heard; 0 where the file does not say."""
    return float((packet.duration or 0) * (packet.time_base or 0))


def _trusted(time: float | None, end: float | None, length: float, following: list[float | None]) -> float:
    """When a packet is heard, given the end of the one before and the stamps of those after."""
    if time is None:
        return end or 0.0
    if end is None or abs(time - end) <= _OFF:
        return time
    # Seconds from where each would be heard if this one came right after the one before
    off = [abs(one - end - (k + 1) * length) for k, one in enumerate(following) if one is not None]
    return end if not off or min(off) <= _OFF else time


def _demuxed(container: Any, stream: Any, notes: list[str]) -> Iterator[Any]:
    for other in container.streams:
        if other.index != stream.index and _NOT_READ is not None:
            other.discard = _NOT_READ
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            notes.append("its sound is damaged or cut short")
            return
        if packet is None:
            return
        if packet.size:
            yield packet
