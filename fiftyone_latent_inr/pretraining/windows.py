"""Windows of many videos for pretraining, in bounded memory: decoded by a thread, used several times, replaced.

reels (videos, arrays, generated ones) --window k of a reel that k names--> pool of the newest windows --draw--> a step
                                                                     '--teacher--> views of frames and embeddings

Which windows are in the pool follows from the step alone, whatever the thread's timing: the same seed gives the same
run, and one that was stopped finds the same windows again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ..errors import InputError
from ..video.footage import Footage, Source

Frames = npt.NDArray[np.uint8]
Embeddings = npt.NDArray[np.float32]
T = TypeVar("T")

# A window's frames, and their longer and shorter side at most: what three times the stride of 16 frames spans, and
# about three times the crops. 8 MiB at most.
WINDOW_FRAMES = 46
_LONG, _SHORT = 320, 192
# Frames are averaged down by whole factors, the largest of which leaves this shorter side.
_LEAST_SIDE = 96
# Side of the views that the semantic encoder is given: the size that it looks at, so that nothing is lost.
VIEW_SIZE = 48
VIEWS = 8


class Embedder(Protocol):
    """A teacher's image tower."""

    def embed_frames(self, frames: Frames) -> Embeddings:
        """uint8 (T, H, W, 3) -> float32 (T, E), unit norm."""
        ...


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


@dataclass(frozen=True)
class _Entry:
    """A window in the pool: of which reel, its frames, views of them and what the teacher says of those."""

    reel: Reel
    frames: Frames
    views: Frames
    embeddings: Embeddings


class FootageReel:
    """A video file, or frames in memory.

    Args:
        source: as of a `Footage`.
        name: what it is called in notes.
        weight: how often it is drawn from, compared with others.

    Attributes:
        num_frames: how many frames there are, or a file says that there are; None before it was opened.
    """

    def __init__(self, source: Source, name: str, weight: float = 1.0) -> None:
        self.source, self.name, self.weight = source, name, weight
        self.num_frames: int | None = None

    def window(self, rng: np.random.Generator) -> Frames:
        """See `Reel`."""
        place, pick = rng.random(), np.random.default_rng(int(rng.integers(2**62)))
        if not isinstance(self.source, str | os.PathLike):
            frames = Footage(self.source).source
            assert isinstance(frames, np.ndarray)
            self.num_frames = len(frames)
            start = int(place * (max(0, len(frames) - WINDOW_FRAMES) + 1))
            return _boxed(iter(frames[start : start + WINDOW_FRAMES]), pick)
        from ..video.reader import VideoReader  # PyAV is needed for files alone

        for begin in (place, 0.0):  # a damaged or wrongly declared end must not cost the whole file
            with VideoReader(self.source) as reader:
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


class Pool(Generic[T]):
    """The newest of a row of things, which a thread makes before they are wanted.

    Args:
        make: the thing number k, k = 0, 1, ...; must depend on k alone.
        capacity: things kept at most.
        first: things that there are at step 0.
        every: steps after which a further one enters, and the oldest leaves once the pool is full.
        ahead: things made before they enter.
    """

    def __init__(self, make: Callable[[int], T], capacity: int, first: int, every: int, ahead: int = 4) -> None:
        self._make, self._capacity, self._first, self._every, self._ahead = make, capacity, first, every, ahead
        self._things: dict[int, Future[T]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pretrain")

    def at(self, step: int) -> list[T]:
        """What is in the pool at a step, the oldest first; waits for what is not made yet."""
        last = min(self._first, self._capacity) + step // self._every
        low = max(0, last - self._capacity)
        for k in [k for k in self._things if k < low]:
            self._things.pop(k).cancel()
        for k in range(low, last + self._ahead):
            if k not in self._things:
                self._things[k] = self._thread.submit(self._make, k)
        return [self._things[k].result() for k in range(low, last)]

    def close(self) -> None:
        """Stops the thread; what it is making is thrown away."""
        self._thread.shutdown(wait=True, cancel_futures=True)


class WindowPool:
    """Windows of reels, and views of their frames that a teacher has seen; `Windows` and `Views` of pretraining.

    Args:
        reels: what to read from; one that cannot be read is left out from then on, and named in `skipped`.
        seed: of what is read.
        teacher: what embeds the views; None for none.
        uses: about how often a window is drawn before it leaves.
        clips_per_step: windows drawn a step.
        most_bytes: of all windows.

    Attributes:
        seen: frames of each reel that was read from, by name.
        skipped: why a reel was left out, by name.
    """

    def __init__(
        self,
        reels: Sequence[Reel],
        seed: int,
        teacher: Embedder | None = None,
        *,
        uses: int = 24,
        clips_per_step: int = 4,
        most_bytes: int = 512 << 20,
    ) -> None:
        if not reels:
            raise InputError("there is no video to pretrain on")
        self._reels, self._seed, self._teacher = list(reels), seed, teacher
        self.seen: dict[str, int | None] = {}
        self.skipped: dict[str, str] = {}
        self._lock = threading.Lock()
        capacity = max(2, most_bytes // (WINDOW_FRAMES * _LONG * _SHORT * 3) - 4)
        every = max(1, uses // clips_per_step)
        self._pool = Pool(self._read, capacity, first=4 * clips_per_step, every=every)

    def draw(self, step: int, rng: np.random.Generator) -> Frames:
        """A window of the pool."""
        entries = self._pool.at(step)
        entry = entries[rng.integers(len(entries))]
        self.seen[entry.reel.name] = entry.reel.num_frames
        return entry.frames

    def views(self, step: int, rng: np.random.Generator, count: int) -> tuple[Frames, Embeddings]:
        """Views of the pool's windows, (N, 48, 48, 3), and the teacher's embeddings."""
        entries = self._pool.at(step)
        picks = [(entries[k], rng.integers(VIEWS)) for k in rng.integers(len(entries), size=count)]
        return np.stack([one.views[k] for one, k in picks]), np.stack([one.embeddings[k] for one, k in picks])

    def close(self) -> None:
        """Stops reading."""
        self._pool.close()

    def state(self) -> dict[str, Any]:
        """What has been read so far, JSON-able."""
        with self._lock:
            return {"seen": dict(self.seen), "skipped": dict(self.skipped)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes over what an earlier run had read."""
        with self._lock:
            self.seen.update(state["seen"])
            self.skipped.update(state["skipped"])

    def _read(self, k: int) -> _Entry:
        """Window k and its views. A reel that fails leaves its turn to another one."""
        rng = np.random.default_rng([self._seed, 1, k])
        weights = np.array([reel.weight for reel in self._reels], np.float64)
        while weights.any():
            index = int(rng.choice(len(weights), p=weights / weights.sum()))
            reel, own = self._reels[index], np.random.default_rng(int(rng.integers(2**62)))
            if reel.name not in self.skipped:
                try:
                    window = reel.window(own)
                except InputError as error:
                    with self._lock:
                        self.skipped[reel.name] = str(error)
                else:
                    return _Entry(reel, window, *self._look(window, own))
            weights[index] = 0
        reasons = "; ".join(list(self.skipped.values())[:3])
        raise InputError(f"none of the videos to pretrain on can be read: {reasons}")

    def _look(self, window: Frames, rng: np.random.Generator) -> tuple[Frames, Embeddings]:
        """Views of a window in its own colours: the semantic encoder is shown the very pixels that the teacher saw."""
        if self._teacher is None:
            return np.empty((0, VIEW_SIZE, VIEW_SIZE, 3), np.uint8), np.empty((0, 0), np.float32)
        height, width = window.shape[1:3]
        pictures, embeddings = [], []
        for frame in window[rng.integers(len(window), size=VIEWS)]:
            part = rng.uniform(0.6, 1.0)
            rows, cols = max(1, round(part * height)), max(1, round(part * width))
            top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - cols + 1))
            view = frame[top : top + rows, left : left + cols]
            view = np.ascontiguousarray(view[:, ::-1] if rng.random() < 0.5 else view)
            pictures.append(view_of(view[None])[0])
            embeddings.append(self._teacher.embed_frames(view[None])[0])
        return np.stack(pictures), np.stack(embeddings).astype(np.float32)


def view_of(frames: Frames) -> Frames:
    """(N, H, W, 3) -> (N, 48, 48, 3), as the semantic encoder would look at them."""
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    small = F.adaptive_avg_pool2d(pictures, VIEW_SIZE)
    view: Frames = (small + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return view


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
