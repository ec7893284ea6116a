"""Decoded sound of any form in, one unbroken line of mono or stereo samples out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.plane import AudioPlane

from ..arrays import FloatArray

# Stamps are rounded, and some containers give one to several frames: up to this many seconds they are not followed.
_JITTER = 0.03
_BLOCK = 1 << 16  # samples of silence that are made at once

_HALF_POWER = 0.5**0.5
# FFmpeg's names of sample formats, without the p of planar ones: numpy's type, the level of silence, full scale
_FORMATS = {
    "u8": ("u1", 128, 1 << 7),
    "s16": ("i2", 0, 1 << 15),
    "s32": ("i4", 0, 1 << 31),
    "s64": ("i8", 0, 1 << 63),
    "flt": ("f4", 0, 1),
    "dbl": ("f8", 0, 1),
}

# PyAV takes layouts of custom order out of frames without a copy of what they point to, and frees that once more with
# the layout. Layouts that are never freed do no harm; the process that decodes ends soon.
_NEVER_FREED: list[Any] = []


def samples_of(frame: Any) -> FloatArray:
    """The samples of a decoded frame, float32 (channels, samples) in [-1, 1].

    Not by `to_ndarray`, which looks for planes behind the last one where there are eight or more.
    """
    _NEVER_FREED.append(frame.layout)
    count, channels = frame.samples, frame.layout.nb_channels
    kind, silence, full = _FORMATS[frame.format.name.removesuffix("p")]
    if not count * channels:
        return np.zeros((channels, 0), np.float32)
    raw: Any
    if frame.format.is_planar:
        raw = np.stack([np.frombuffer(_plane(frame, k), kind, count) for k in range(channels)])
    else:
        raw = np.frombuffer(_plane(frame, 0), kind, count * channels).reshape(count, channels).T
    scaled: FloatArray = (raw.astype(np.float32) - np.float32(silence)) / np.float32(full)
    return np.clip(np.nan_to_num(scaled, nan=0.0), np.float32(-1), np.float32(1))


def _plane(frame: Any, index: int) -> Any:
    return AudioPlane(frame, index)


def downmix(names: tuple[str, ...], channels: int) -> FloatArray:
    """How loud each channel is in a mix for one or two loudspeakers.

    Left and right by name, those in the middle and those without a place in both; surround at half the power, none of
    the low-frequency effects. Rows add up to 1 at most, so that nothing is clipped.

    Args:
        names: FFmpeg's short names of the channels, such as `FL`, `BR`, `LFE`, `AMBI0`, `NONE`.
        channels: 1 or 2.

    Returns:
        float32 (channels, names).
    """
    if "DL" in names and "DR" in names:  # a mix for two is there already
        sides = [(float(name == "DL"), float(name == "DR")) for name in names]
    else:
        sides = [_sides(name) for name in names]
    if not any(map(any, sides)):
        sides = [(1.0, 1.0)] * len(names)
    weights = np.array(sides, np.float32).T
    if channels == 1:
        weights = weights.sum(axis=0, keepdims=True)
    return np.asarray(weights / max(1.0, weights.sum(axis=1).max()), np.float32)


def _sides(name: str) -> tuple[float, float]:
    if name.startswith("LFE") or (name.startswith("AMBI") and name != "AMBI0"):
        return 0.0, 0.0
    loud = 1.0 if name[:1] in "FDW" else _HALF_POWER
    if name.endswith("L") or name == "FLC":
        return loud, 0.0
    if name.endswith("R") or name == "FRC":
        return 0.0, loud
    return _HALF_POWER, _HALF_POWER


class Line:
    """Samples without a gap, from the start of the drawing on: gaps are silent, what overlaps is heard once.

    Args:
        rate: samples a second.
        channels: 1 or 2.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.channels = rate, channels
        self._layout = "mono" if channels == 1 else "stereo"
        self._written = 0  # samples given
        self._resampler: AudioResampler | None = None
        self._form: tuple[int, tuple[str, ...]] | None = None
        self._weights = np.zeros((channels, 0), np.float32)
        self._begin, self._taken = 0.0, 0  # of the current piece of one form: seconds, and samples taken in so far

    def take(self, frame: Any, time: float | None) -> Iterator[FloatArray]:
        """The next frame.

        Args:
            frame: as decoded, of any form.
            time: seconds after the start at which it is heard, None for right after the one before.

        Yields:
            float32 (channels, samples) each, one after the other.
        """
        samples, rate = samples_of(frame), frame.sample_rate
        if not samples.size or rate < 1:
            return
        form = rate, tuple(channel.name for channel in frame.layout.channels)
        expected = self._begin + self._taken / self._form[0] if self._form else 0.0
        time = expected if time is None else time
        if form != self._form or abs(time - expected) > _JITTER:
            yield from self.end()
            self._form, self._weights = form, downmix(form[1], self.channels)
            at = self._written / self.rate
            if self._written == 0 or abs(time - at) > _JITTER:
                late = round((time - at) * self.rate)
                yield from self._silence(late)
                skipped = max(0, round((at - time) * rate))
                if skipped >= samples.shape[1]:
                    self._form = None
                    return
                samples, at = samples[:, skipped:], max(time, at)
            self._begin, self._taken = at, 0
        yield from self._resampled(self._weights @ samples)

    def end(self) -> Iterator[FloatArray]:
        """What is still held back of the current piece."""
        if self._resampler:
            for part in self._resampler.resample(None):
                yield self._given(samples_of(part))
        self._resampler = None

    def _resampled(self, mixed: FloatArray) -> Iterator[FloatArray]:
        assert self._form is not None
        rate = self._form[0]
        if rate == self.rate:
            self._taken += mixed.shape[1]
            yield self._given(mixed)
            return
        self._resampler = self._resampler or AudioResampler("fltp", self._layout, self.rate)
        step = max(1, rate // 4)  # at most a quarter of a second at once, whatever the rate
        for first in range(0, mixed.shape[1], step):
            frame = audio_frame(mixed[:, first : first + step], rate, self._taken)
            self._taken += frame.samples
            for part in self._resampler.resample(frame):
                yield self._given(samples_of(part))

    def _silence(self, count: int) -> Iterator[FloatArray]:
        for first in range(0, count, _BLOCK):
            yield self._given(np.zeros((self.channels, min(_BLOCK, count - first)), np.float32))

    def _given(self, samples: FloatArray) -> FloatArray:
        self._written += samples.shape[1]
        return samples


def audio_frame(samples: FloatArray, rate: int, position: int) -> Any:
    """PyAV's frame of float32 (1 or 2, samples).

    Args:
        samples: in [-1, 1].
        rate: samples a second.
        position: of the first one, in samples.
    """
    layout = "mono" if len(samples) == 1 else "stereo"
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
    return frame
