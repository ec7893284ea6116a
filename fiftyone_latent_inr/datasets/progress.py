"""Progress over a whole dataset: one bar or callback, labelled "video 3/20 · 31.2 dB · 4 min left"."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from .. import arguments
from ..progress import FitProgress, Listener
from .words import duration, log_line

logger = logging.getLogger(__name__)

ProgressArgument = bool | Callable[[float, str], None]

# Of a video that must be done before its time says anything of the others: its first steps load and warm up
_TOLD_FROM = 0.02


class Reporter:
    """Turns the events of the fits into one fraction and one label.

    Args:
        progress: bar on stderr (a line per video where stderr is not a terminal) for True, nothing for False, or a
            callable that receives `(fraction, label)` with the fraction from 0 to 1.
    """

    def __init__(self, progress: ProgressArgument = True) -> None:
        progress = arguments.listener(progress)
        self._callback = Listener(progress) if callable(progress) else None
        self._draw = bool(progress) and self._callback is None
        self._bar: Any = None
        self._total = 1
        self._index = 0
        self._fraction = 0.0
        self._before = [0.0, 1.0]  # sums of the weights before each video, and of all
        self._whole: float | None = None  # seconds that the video at hand takes, as far as they are known
        # Of the videos that were really worked on: wall seconds, and the sum of their weights
        self._seconds = 0.0
        self._worked = 0.0

    def begin(self, total: int, weights: Sequence[float] | None = None) -> None:
        """Sets how many videos there are to do.

        Args:
            total: number of videos.
            weights: what each costs relative to the others, more than 0; None where all are taken to cost the same.
        """
        self._total = max(total, 1)
        self._before = list(accumulate(weights or [1.0] * self._total, initial=0.0))
        if self._draw and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=1.0, bar_format="{percentage:3.0f}%|{bar:20}| {desc}", file=sys.stderr)

    def video(self, index: int) -> None:
        """Begins video `index` (from 0)."""
        self._index, self._fraction, self._whole = index, 0.0, None
        self._show(0.0, [self._counter(), *_part(self._left(0.0))])

    def event(self, event: FitProgress) -> None:
        """Takes one event of the running fit."""
        left = event.seconds_left
        if left is not None:
            # Estimates waver; a bar that goes back is worse than one that waits
            self._fraction = max(self._fraction, event.seconds / max(event.seconds + left, 1e-9))
            if self._fraction >= _TOLD_FROM:
                self._whole = max(event.seconds + left, 1e-9)
        middle = f"{event.psnr:.1f} dB" if event.psnr is not None else event.stage
        self._show(self._fraction, [self._counter(), middle, *_part(self._left(event.seconds))])

    def done(self, seconds: float | None, line: str) -> None:
        """Ends the video at hand: its wall seconds (None when it was not fitted) and a line about it."""
        if seconds is not None:
            self._seconds += seconds
            self._worked += self._weight
        line = log_line(line)
        logger.info(line)
        if self._draw and self._bar is None:
            print(line, file=sys.stderr)
        self._show(1.0, [self._counter(), line.rpartition(": ")[-1]])  # a name may hold a colon, too

    def note(self, line: str, level: int = logging.INFO) -> None:
        """Says something once, on one line whatever names are in it: in the log, and above the bar."""
        line = log_line(line)
        # a log that nobody has set up writes warnings to stderr, too
        if not (self._draw and level >= logging.WARNING) or logger.hasHandlers():
            logger.log(level, line)
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        elif self._draw:
            print(line, file=sys.stderr)

    def stage(self, fraction: float, label: str) -> None:
        """Shows work that belongs to no video: checking files, building the index."""
        self._emit(fraction, label)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _counter(self) -> str:
        return f"video {self._index + 1}/{self._total}"

    @property
    def _weight(self) -> float:
        return self._before[self._index + 1] - self._before[self._index]

    def _left(self, spent: float) -> float | None:
        """Seconds to the end, None before anything is known: `spent` are those of the video at hand so far.

        Each video to come counts as a whole one, by its weight: with what is left of this one in its place, the
        estimate would fall to nothing, and leap at the next video.
        """
        seconds, worked = self._seconds, self._worked
        if self._whole is not None:
            seconds, worked = seconds + spent, worked + self._weight * min(spent / self._whole, 1.0)
        if not worked:
            return None
        rate = seconds / worked
        whole = rate * self._weight if self._whole is None else self._whole
        return max(whole - spent, 0.0) + rate * (self._before[-1] - self._before[self._index + 1])

    def _show(self, fraction: float, parts: list[str]) -> None:
        done = self._before[self._index] + self._weight * min(max(fraction, 0.0), 1.0)
        self._emit(done / self._before[-1], " · ".join(parts))

    def _emit(self, fraction: float, label: str) -> None:
        if self._callback is not None:
            self._callback(min(fraction, 1.0), log_line(label))
        elif self._bar is not None:
            self._bar.n = min(fraction, 1.0)
            self._bar.set_description_str(log_line(label), refresh=True)


def _part(seconds: float | None) -> list[str]:
    return [] if seconds is None else [f"{duration(seconds)} left"]
