"""A teacher that is shown some of the frames only; what it would see in the others is interpolated.

every fourth frame, the first of each scene --teacher--> embeddings --between neighbours of a scene--> (T, E)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import Frame, Frames
from ..frames.cuts import MAX_FLASH

# One frame of so many is looked at.
STRIDE = 4
# Frames that are shown to the teacher at a time.
_TOGETHER = 32

Embeddings = npt.NDArray[np.floating[Any]]


class Glances:
    """Looks at a video's frames as they come in.

    Args:
        embed: teacher's embeddings of frames, (T, H, W, 3) to (T, E).
    """

    def __init__(self, embed: Callable[[Frames], Embeddings]) -> None:
        self._embed = embed
        # a cut is certain a few frames after it
        self._recent: deque[tuple[int, Frame]] = deque(maxlen=MAX_FLASH + 2)
        self._known_cuts = 0
        self._waiting: list[tuple[int, Frame]] = []
        self._seen: dict[int, Embeddings] = {}

    def add(self, index: int, frame: Frame, cuts: Sequence[int]) -> None:
        """Takes the next frame, uint8 (H, W, 3), and the cuts that are known by now."""
        self._recent.append((index, frame))
        if index % STRIDE == 0:
            self._waiting.append((index, frame))
        self._take(cuts)
        if len(self._waiting) >= _TOGETHER:
            self._ask()

    def finish(self, cuts: Sequence[int]) -> Embeddings:
        """(T, E) of all frames, of unit norm; those that were not looked at are between those of their scene that were.

        Args:
            cuts: all of them.
        """
        self._take(cuts)
        self._ask()
        count = self._recent[-1][0] + 1
        known = np.array(sorted(self._seen))
        rows = np.stack([self._seen[k] for k in known.tolist()]).astype(np.float32)
        found = np.empty((count, rows.shape[1]), np.float32)
        bounds = [0, *cuts, count]
        for first, stop in pairwise(bounds):
            own = np.flatnonzero((known >= first) & (known < stop))
            if not own.size:
                own = np.abs(known - first).argmin(keepdims=True)
            times = np.arange(first, stop)
            place = np.interp(times, known[own], own)
            low = place.astype(np.int64)
            share = (place - low)[:, None]
            mixed = (1 - share) * rows[low] + share * rows[np.minimum(low + 1, own[-1])]
            found[first:stop] = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
        return found

    def _take(self, cuts: Sequence[int]) -> None:
        """Has the first frame of each new scene looked at, too."""
        new = set(cuts[self._known_cuts :])
        self._known_cuts = len(cuts)
        waiting = {index for index, _ in self._waiting}
        self._waiting += [
            one for one in self._recent if one[0] in new and one[0] not in waiting and one[0] not in self._seen
        ]

    def _ask(self) -> None:
        for k in range(0, len(self._waiting), _TOGETHER):
            part = self._waiting[k : k + _TOGETHER]
            embeddings = self._embed(np.stack([frame for _, frame in part]))
            self._seen |= {index: row for (index, _), row in zip(part, embeddings, strict=True)}
        self._waiting.clear()
