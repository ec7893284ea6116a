"""When each picture of a video is shown: stamps as a file gives them in, a rate and the pictures' times out."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import arguments

Times = npt.NDArray[np.float64]

# Formats whose stamps are those of decoding alone: FFmpeg makes up the others from them, with the decoder's delay
DECODING_STAMPS = {"avi", "asf", "gxf"}

DEFAULT_FPS = 25.0  # for streams that do not say
MIN_FPS, MAX_FPS = 1e-4, 1e5  # what MP4 can hold; beyond, a stamp is damaged

# How far from its time a picture may be shown for pictures to count as evenly spaced: periods, but no more seconds than
# the next, as of slides; and seconds on top of that.
_MOST_PERIODS, _MOST_LATE, _MOST_SECONDS = 0.5, 0.050, 0.010

_MOST_RUNS, _MOST_MICROS = 1 << 16, 1 << 53  # of evenly spaced frames that are kept, and of their microseconds
_CLOCK = 90_000  # ticks a second, where frames have times of their own


@dataclass(frozen=True)
class Timing:
    """When the pictures of a video are shown.

    Attributes:
        fps: pictures a second: their number over the time that they are shown.
        span: seconds from the first picture to the end of the last.
        times: (T,) seconds at which each is shown, ascending from 0, where even spacing would be wrong; else None.
        gaps: (shortest, longest) seconds between two pictures; None where there are no two.
    """

    fps: float
    span: float
    times: Times | None = None
    gaps: tuple[float, float] | None = None

    @property
    def varies(self) -> bool:
        """Whether gaps differ by more than the rounding of stamps, the time that the last picture stands included."""
        shortest, longest = self.gaps or (0.0, 0.0)
        return self.times is not None or (longest > 1.5 * shortest and longest - shortest > 0.002)


class PictureTimes:
    """Collects when the pictures of one stream are shown, in the order in which the decoder gives them."""

    def __init__(self) -> None:
        self._pts, self._best = array("d"), array("d")  # nan where there is none
        self._last = [-math.inf, -math.inf]
        self._faults = [0, 0]
        self._moved: dict[int, int] = {}
        self._delayed, self._delay = False, 0  # ticks
        self._length = 0.0  # of the picture given last, as far as the file says
        self._end = -math.inf

    def __len__(self) -> int:
        return len(self._best)

    @property
    def first(self) -> float | None:
        """When the first picture is shown, seconds; None where no stamp tells."""
        for number, stamp in enumerate(self._best):
            if not math.isnan(stamp):
                return stamp - number * self._length  # those before it have none, as where stamps were negative
        return None

    @property
    def end(self) -> float:
        """When the last picture ceases to be shown, as far as the file says, seconds; 0 where stamps do not tell."""
        found = [stamp for stamp in self._best if not math.isnan(stamp)]
        return max(max(found) + self._length, self._end) if found else 0.0

    def packet(self, packet: Any, reordered: bool = False, delayed: bool = False) -> None:
        """Takes a packet before it is decoded.

        Args:
            packet: of the pictures' stream.
            reordered: whether stamps of presentation are made up from those of decoding, with a delay, as in AVI, which
                has none of its own (`DECODING_STAMPS`): pictures then have the times of the packets that they come
                from, in order.
            delayed: whether all of these are later by what the decoder holds back, as in ASF, whose sound is so, too.
        """
        if reordered and packet.pts is not None and packet.dts is not None:
            self._moved[packet.pts] = packet.dts
            self._delayed = delayed

    def repeat(self, packet: Any) -> None:
        """Takes a packet that means the last picture again: it is shown for longer."""
        if packet.pts is not None and packet.time_base:
            self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))

    def add(self, frame: Any) -> None:
        """Takes a decoded frame.

        Its stamp is chosen as FFmpeg's own program does: that of presentation, of decoding where those are worse.
        """
        base = frame.time_base or 0
        own = self._moved.pop(frame.pts, frame.pts)
        if self._delayed and not self._best and own is not None and frame.dts is not None:
            self._delay = frame.dts - own
        stamps = None if own is None else own + self._delay, frame.dts
        for k, stamp in enumerate(stamps):
            if stamp is not None:
                self._faults[k] += stamp <= self._last[k]
                self._last[k] = stamp
        pts, dts = stamps
        best = pts if dts is None or (pts is not None and self._faults[0] <= self._faults[1]) else dts
        self._pts.append(math.nan if pts is None or not base else float(pts * base))
        self._best.append(math.nan if best is None or not base else float(best * base))
        self._length = float((getattr(frame, "duration", 0) or 0) * base)

    def timing(self, declared: Sequence[float] = (), tick: float = 0.0) -> Timing:
        """What the stamps tell.

        Args:
            declared: rates that the file declares, the likeliest first. One is taken for exact where the stamps, which
                are rounded, agree with it.
            tick: seconds to which stamps are rounded.
        """
        count, fallback = len(self._best), declared[0] if declared else DEFAULT_FPS
        times, shared = self._spread()
        if times is None:
            if (
                count == 1
                and 1 / MAX_FPS <= self._length <= 1 / MIN_FPS
                and not any(_agree(1, self._length, one, tick) for one in declared)
            ):
                fallback = 1 / self._length
            return Timing(fallback, count / fallback)
        gaps = np.diff(times)
        # Containers without durations give the last picture one tick, or none; what shares a stamp has none of its own
        known = self._length >= 0.75 * gaps.min() and not shared
        last = self._length if known else float(gaps.mean())
        span = max(float(times[-1] - times[0]) + last, self._end - float(times[0]))
        rate = next((one for one in declared if _agree(count, span, one, tick)), count / span)
        if not MIN_FPS <= rate <= MAX_FPS:
            return Timing(fallback, count / fallback)
        return Timing(rate, span, _uneven(times - times[0], rate, tick), (float(gaps.min()), float(gaps.max())))

    def _spread(self) -> tuple[Times | None, bool]:
        """(T,) seconds, ascending: pictures of one stamp, or without one, divide the time up to the next stamp.

        And whether the last ones do so.
        """
        pts, stamps = np.frombuffer(self._pts, np.float64), np.frombuffer(self._best, np.float64)
        known = ~np.isnan(stamps)
        if len(pts) < 2 or not known.any():
            return None, False
        if not np.isnan(pts).any() and len(np.unique(pts)) == len(pts):
            return np.sort(pts), False  # whatever the order: each picture has a time of its own
        before = np.maximum.accumulate(np.where(known, np.arange(len(stamps)), -1))
        leading = int(np.argmax(known))  # pictures without a stamp before the first that has one
        begin = stamps[leading] - self._length * np.arange(leading, 0, -1)
        stamps = np.sort(np.concatenate([begin, stamps[before[leading:]]]))
        own, counts = np.unique(stamps, return_counts=True)
        if len(own) < 2:
            return None, False
        steps = np.append(np.diff(own) / counts[:-1], 0.0)
        steps[-1] = np.median(steps[:-1])
        parts = [start + step * np.arange(n) for start, step, n in zip(own, steps, counts, strict=True)]
        return np.concatenate(parts), bool(counts[-1] > 1)


class Schedule:
    """Ticks at which frames are to be shown: evenly, or at times of their own.

    Args:
        rate: frames a second; all frames together are shown for their number over it.
        times: (T,) seconds of each frame, as `checked_times` gives them; None spaces them evenly. Frames beyond T
            follow evenly.

    Attributes:
        rate: frames a second.
        base: seconds of a tick.
    """

    def __init__(self, rate: Fraction, times: Times | None = None) -> None:
        self.rate, self._ticks = rate, np.zeros(0, np.int64)
        self.base = 1 / rate if times is None else Fraction(1, max(_CLOCK, math.ceil(16 * rate)))
        if times is not None:
            numbers = np.arange(len(times) + 1)
            last = float(times[-1] - times[0]) / max(len(times) - 1, 1) or float(1 / rate)
            end = float(len(times) / rate)
            seconds = np.append(times, end if end > times[-1] else times[-1] + last)
            ticks = np.rint(seconds / float(self.base)).astype(np.int64)
            self._ticks = np.maximum.accumulate(ticks - numbers) + numbers  # each at least a tick after the last

    def shown(self, number: int) -> tuple[int, int]:
        """When a frame, counted from 0, begins and ends to be shown."""
        return self._tick(number), self._tick(number + 1)

    def _tick(self, number: int) -> int:
        last = len(self._ticks) - 1
        if last < 0:
            return number
        if number <= last:
            return int(self._ticks[number])
        return int(self._ticks[last]) + round((number - last) / self.rate / self.base)


def check_fps(fps: float | Fraction) -> float:
    """The rate as a float, once it is known that a drawing can have it.

    Raises:
        InputError: it is no number, or out of range.
    """
    return arguments.number("fps, the frame rate,", fps, MIN_FPS, MAX_FPS)


def checked_times(times: Any, count: int) -> Times:
    """(T,) float64 seconds from 0 on; `times` is anything of `count` numbers, finite and ascending.

    Raises:
        ValueError: they are not.
    """
    seconds = np.asarray(times, np.float64)
    if seconds.shape != (count,) or not np.isfinite(seconds).all() or (np.diff(seconds) <= 0).any():
        raise ValueError(f"times must be {count} ascending numbers of seconds")
    return np.asarray(seconds - seconds[0])


def packed_times(times: Times, fps: float) -> list[int]:
    """Times in few whole numbers: of each run of evenly spaced frames how many more there are, and microseconds.

    Exact to a millisecond and a twentieth of a frame; of a video whose frames are all at odds, `_MOST_RUNS` runs tell
    as much as they can.

    Args:
        times: (T,) seconds, ascending from 0.
        fps: frames a second, on average.
    """
    micros = np.rint(times * 1e6).astype(np.int64)
    micros = np.maximum.accumulate(micros - np.arange(len(times))) + np.arange(len(times))  # ascending, once rounded
    allowed = min(1000.0, 5e4 / fps)
    while True:
        knots = _knots(micros.tolist(), allowed)
        if len(knots) <= _MOST_RUNS:
            break
        allowed *= 4
    return np.stack([np.diff(knots), np.diff(micros[knots])], 1).ravel().tolist()


def unpacked_times(numbers: Any, num_frames: int) -> Times:
    """The inverse of `packed_times`: (T,) seconds.

    Raises:
        ValueError: the numbers are not those of so many frames.
    """
    whole = isinstance(numbers, list) and all(type(n) is int and 0 < n <= _MOST_MICROS for n in numbers)
    if not whole or len(numbers) % 2 or sum(numbers[::2]) != num_frames - 1 or sum(numbers[1::2]) > _MOST_MICROS:
        raise ValueError("times are not those of its frames")
    knots = np.cumsum([0, *numbers[::2]]), np.cumsum([0, *numbers[1::2]])
    return np.asarray(np.interp(np.arange(num_frames), *knots) / 1e6)


def _knots(micros: list[int], allowed: float) -> list[int]:
    """Indices between which straight lines are never further off than that; the first and the last among them."""
    knots, start, low, high = [0], 0, -math.inf, math.inf
    for k in range(1, len(micros)):
        steps, rise = k - start, micros[k] - micros[start]
        if not low <= rise / steps <= high:
            start = k - 1
            knots.append(start)
            steps, rise, low, high = 1, micros[k] - micros[start], -math.inf, math.inf
        low, high = max(low, (rise - allowed) / steps), min(high, (rise + allowed) / steps)
    return [*knots, len(micros) - 1]


def _agree(count: int, span: float, rate: float, tick: float) -> bool:
    """Whether stamps and a declared rate differ by no more than rounding: never by half a picture at the end."""
    rounding = min(0.003, max(0.3 / rate, 2 * tick))
    return abs(span - count / rate) < max(rounding, min(0.005 * span, 0.5 / rate))


def _uneven(times: Times, rate: float, tick: float) -> Times | None:
    """The times, where one of them is too far from where even spacing puts it."""
    if times[-1] > _MOST_MICROS / 1e6:  # stamps are damaged
        return None
    wrong = np.abs(times - np.arange(len(times)) / rate).max()
    return times if wrong > min(_MOST_PERIODS / rate, _MOST_LATE) + _MOST_SECONDS + tick else None
