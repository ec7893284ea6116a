"""What a file says of its pictures before they are decoded: their rate, number and duration."""

from __future__ import annotations

import re
from typing import Any

import av

from .timing import DEFAULT_FPS, MAX_FPS, MIN_FPS

_TAG_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
# Formats whose durations count from 0, not from the first picture.
_FROM_ZERO = {"matroska,webm", "flv", "nut"}
# How many times the guessed rate the average one may be; beyond, it is that of the stamps' ticks, as in DV.
_MOST_ABOVE_GUESS = 4


class Declared:
    """What a container and its stream of pictures declare; to be asked while the container is open.

    Args:
        container: the file, opened by PyAV.
        stream: its pictures.
        untimed: whether it has no stamps, so that the demuxer makes up some.
    """

    def __init__(self, container: Any, stream: Any, untimed: bool) -> None:
        self._container, self._stream, self._untimed = container, stream, untimed

    @property
    def rates(self) -> list[float]:
        """Frames a second, the likeliest first."""
        stream, codec = self._stream, self._stream.codec_context
        average, guessed = stream.average_rate, stream.guessed_rate
        if self._untimed:  # the average is the demuxer's own default
            found = [codec.framerate, guessed, average]
        elif average and guessed and average > _MOST_ABOVE_GUESS * guessed:
            found = [guessed, average, stream.base_rate]
        else:
            found = [average, guessed, stream.base_rate]
        return [float(rate) for rate in found if rate and MIN_FPS <= float(rate) <= MAX_FPS]

    @property
    def fps(self) -> float:
        """Frames a second."""
        return next(iter(self.rates), DEFAULT_FPS)

    @property
    def duration(self) -> float | None:
        """Seconds, as the stream or else the container says."""
        own = self.own_duration
        if own is None and self._container.duration and not self._untimed:
            return self._from_start(self._container.duration / av.time_base)
        return own

    @property
    def own_duration(self) -> float | None:
        """Seconds of the pictures, as far as the file tells them apart from what else it holds."""
        if self._untimed:
            return None
        tag = _TAG_DURATION.fullmatch(self._stream.metadata.get("DURATION", ""))
        if tag:  # Matroska's, whose other one may be that of the sound
            hours, minutes, seconds = (float(number) for number in tag.groups())
            return self._from_start(3600 * hours + 60 * minutes + seconds)
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration and len(self._container.streams) == 1:
            return self._from_start(self._container.duration / av.time_base)
        return None

    @property
    def counted(self) -> int | None:
        """How many frames, where the file says it."""
        return int(self._stream.frames) or None

    @property
    def frames(self) -> int | None:
        """How many frames, else an estimate from the duration."""
        if self.counted:
            return self.counted
        duration = self.duration
        return max(1, round(duration * self.fps)) if duration else None

    def _from_start(self, duration: float) -> float | None:
        """Seconds from the first picture on, of a duration that some formats count from 0."""
        start = float((self._stream.start_time or 0) * (self._stream.time_base or 0))
        counted = self._container.format.name in _FROM_ZERO and start > 0
        return max(duration - start, 0.0) or None if counted else duration or None
