"""What windows are read from: a video file, images or frames in memory, each under a name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import InputError
from ..video.footage import Footage, Source
from .augment import Frames

# A window's frames, and their longer and shorter side at most: what three times the stride of 16 frames spans, and
# about three times the crops.
WINDOW_FRAMES = 46
_LONG, _SHORT = 320, 192
WINDOW_BYTES = WINDOW_FRAMES * _LONG * _SHORT * 3
# Frames are averaged down by whole factors, the largest of which leaves this shorter side.
_LEAST_SIDE = 96


class Reel(Protocol):
    """Something that windows can be read from."""

    name: str
    weight: float
    num_frames: int | None

    def window(self, rng: np.random.Generator) -> Frames:
        """A random window, uint8 (L, H, W, 3), L up to about `WINDOW_FRAMES`.

        Raises:
            InputError: it cannot be read.
        """
        ...


class FootageReel:
    """A video file, a folder of images, or frames in memory.

    Args:
        source: video, as of a `Footage`.
        name: name of the video in notes.
        weight: share of the draws, compared with others.

    Attributes:
        num_frames: frames that there are, or that a file says there are; None before it was opened.
    """

    def __init__(self, source: Source, name: str, weight: float = 1.0) -> None:
        self.source, self.name, self.weight = source, name, weight
        self.num_frames: int | None = None

    def window(self, rng: np.random.Generator) -> Frames:
        """See `Reel`."""
        place, pick = rng.random(), np.random.default_rng(int(rng.integers(2**62)))
        source = Footage(self.source).source
        if isinstance(source, np.ndarray):
            self.num_frames = len(source)
            start = int(place * (max(0, len(source) - WINDOW_FRAMES) + 1))
            return _boxed(iter(source[start : start + WINDOW_FRAMES]), pick)
        from ..video.image_reader import open_video  # PyAV is needed for files alone

        for begin in (place, 0.0):  # a damaged or wrongly declared end must not cost the whole file
            with open_video(source) as reader:
                self.num_frames = reader.declared_frames
                spare = (reader.declared_duration or 0.0) - WINDOW_FRAMES / reader.declared_fps
                start_at = max(0.0, begin * spare)
                found = reader.frames(max_frames=WINDOW_FRAMES, start=start_at)
                try:
                    return _boxed(found, pick)
                except InputError:
                    if start_at <= 0:
                        raise
        raise AssertionError


def _boxed(frames: Iterator[Frames], rng: np.random.Generator) -> Frames:
    """A random box of frames at a random whole scale, the same in all."""
    first = next(frames)
    height, width = first.shape[:2]
    factor = int(rng.integers(1, max(1, min(height, width) // _LEAST_SIDE) + 1))
    limits = (_SHORT, _LONG) if width >= height else (_LONG, _SHORT)
    rows, cols = min(height // factor, limits[0]), min(width // factor, limits[1])
    top, left = (int(rng.integers(0, full - factor * n + 1)) for full, n in ((height, rows), (width, cols)))
    box = slice(top, top + factor * rows), slice(left, left + factor * cols)
    kept = [box_average(first[box], factor)]
    for frame in frames:
        if frame.shape != first.shape:
            break
        kept.append(box_average(frame[box], factor))
    return np.stack(kept)


def box_average(frame: Frames, factor: int) -> Frames:
    """(factor h, factor w, 3) -> (h, w, 3): each pixel the mean of factor x factor, rounded to the nearest level."""
    if factor == 1:
        return np.ascontiguousarray(frame)
    tall = frame[::factor].astype(np.uint32)
    for k in range(1, factor):
        tall += frame[k::factor]
    wide = tall[:, ::factor].copy()
    for k in range(1, factor):
        wide += tall[:, k::factor]
    return ((wide + factor * factor // 2) // (factor * factor)).astype(np.uint8)


def named_reels(sources: Sequence[tuple[str, Source]]) -> list[Reel]:
    """Reels of videos; two of the same name are told apart by a number."""
    reels: list[Reel] = []
    taken: dict[str, int] = {}
    for name, source in sources:
        taken[name] = taken.get(name, 0) + 1
        reels.append(FootageReel(source, name if taken[name] == 1 else f"{name} ({taken[name]})"))
    return reels


def name_of(source: str | os.PathLike[str]) -> str:
    """What a file is called in notes: no folder, which says nothing to others."""
    return Path(source).name
