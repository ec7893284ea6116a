"""Windows of many videos for pretraining, in bounded memory: decoded by a thread, used several times, replaced.

reels (videos, arrays, generated ones) --window k of a reel that k names--> pool of the newest windows --draw--> a step
                                                                     '--teacher--> views of frames and embeddings

Which windows are in the pool follows from the step alone, whatever the thread's timing: the same seed gives the same
run, and one that was stopped finds the same windows again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ..errors import InputError
from .augment import Frames
from .reels import WINDOW_BYTES, Reel

Embeddings = npt.NDArray[np.float32]
T = TypeVar("T")

# Side of the views that the semantic encoder is given: the size that it looks at, so that nothing is lost.
VIEW_SIZE = 48
VIEWS = 8


class Embedder(Protocol):
    """A teacher's image tower."""

    def embed_frames(self, frames: Frames) -> Embeddings:
        """uint8 (T, H, W, 3) -> float32 (T, E), unit norm."""
        ...


@dataclass(frozen=True)
class _Entry:
    """A window in the pool: of which reel, its frames, views of them and what the teacher says of those."""

    reel: Reel
    frames: Frames
    views: Frames
    embeddings: Embeddings


class Pool(Generic[T]):
    """The newest items of a numbered series, which a thread makes before they are needed.

    Args:
        make: function that makes item k, k = 0, 1, ...; must depend on k alone.
        capacity: items kept at most.
        first: items in the pool at step 0.
        every: steps after which a further one enters, and the oldest leaves once the pool is full.
        ahead: items made before they enter.
    """

    def __init__(self, make: Callable[[int], T], capacity: int, first: int, every: int, ahead: int = 4) -> None:
        self._make, self._capacity, self._first, self._every, self._ahead = make, capacity, first, every, ahead
        self._items: dict[int, Future[T]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pretrain")

    def at(self, step: int) -> list[T]:
        """What is in the pool at a step, the oldest first; waits for what is not made yet."""
        last = min(self._first, self._capacity) + step // self._every
        low = max(0, last - self._capacity)
        for k in [k for k in self._items if k < low]:
            self._items.pop(k).cancel()
        for k in range(low, last + self._ahead):
            if k not in self._items:
                self._items[k] = self._thread.submit(self._make, k)
        return [self._items[k].result() for k in range(low, last)]

    def close(self) -> None:
        """Stops the thread; what it is making is thrown away."""
        self._thread.shutdown(wait=True, cancel_futures=True)


class WindowPool:
    """Windows of reels, the `Windows` of pretraining; and views of their frames that a teacher has seen.

    Args:
        reels: videos to read from; one that cannot be read is left out from then on, and named in `skipped`.
        seed: seed of what is read.
        teacher: teacher that embeds the views; None for none.
        uses: number of times a window is drawn before it leaves, about.
        clips_per_step: windows drawn a step.
        most_bytes: bytes of all windows at most.

    Attributes:
        seen: frames of each reel that was read from, by name.
        skipped: reason why a reel was left out, by name.
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
        capacity = max(2, most_bytes // WINDOW_BYTES - 4)
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


class PoolViews:
    """The views of a pool, as the `Views` of pretraining."""

    def __init__(self, pool: WindowPool) -> None:
        self.pool = pool

    def draw(self, step: int, rng: np.random.Generator, count: int) -> tuple[Frames, Embeddings]:
        """See `Views`."""
        return self.pool.views(step, rng, count)


def view_of(frames: Frames) -> Frames:
    """(N, H, W, 3) -> (N, 48, 48, 3), as the semantic encoder would look at them."""
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    small = F.adaptive_avg_pool2d(pictures, VIEW_SIZE)
    view: Frames = (small + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return view
