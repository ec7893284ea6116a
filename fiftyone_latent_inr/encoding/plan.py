"""Groups of frames: where a long video is split, by its content, and which earlier group is the parent of each.

    frame by frame:  fingerprint --> a scene that was not seen in this group? enough change for one group? --> a span
    span by span:    fingerprints of earlier spans --> the most similar one, if it is similar enough --> its parent

A group is what one network draws (NIRVANA, Maiya et al., CVPR 2023). Frames come one by one, and what is kept of a span
is a few small pictures, so that memory hardly grows with a video's length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import Frame
from ..frames.cuts import MAX_FLASH, CutFinder

Print = npt.NDArray[np.uint8]

# Points of a frame that make its fingerprint: rows and columns. Taken as they are, not averaged, so that their distance
# is the mean squared error between frames.
_PRINT = (18, 32)
# Fingerprints kept of a finished span.
_KEPT = 24
# How much the frames of a group may change: a frame that differs from the one before by this many levels (root mean
# square) counts once, others up to twice or down to half as often.
_USUAL_CHANGE = 12.0
# A scene that no frame of the group resembles within this mean squared error (20 dB) is a new one.
_UNSEEN = 650.0
# Pixels of a group at most: its frames, their motion and what a step needs take about eight bytes each.
_MOST_PIXELS = 1 << 27


@dataclass(frozen=True)
class Span:
    """A group of frames before it is fitted.

    Attributes:
        first: its first frame.
        count: how many it has.
        parent: the earlier span that its networks start from and are stored against, or None.
        depth: how many parents of parents it has.
    """

    first: int
    count: int
    parent: int | None = None
    depth: int = 0


@dataclass(frozen=True)
class Plan:
    """How a video is cut.

    Attributes:
        spans: the groups, in order, without gaps.
        cuts: frames that start a new scene, ascending.
        prints: for each span its fingerprints, (P, 18 * 32 * 3) uint8.
        frames: for each span which of its frames those are of, (P,).
    """

    spans: tuple[Span, ...]
    cuts: tuple[int, ...]
    prints: tuple[Print, ...] = field(repr=False)
    frames: tuple[npt.NDArray[np.int64], ...] = field(repr=False)

    @property
    def num_frames(self) -> int:
        """T."""
        return self.spans[-1].first + self.spans[-1].count

    def nearest(self, index: int, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """(T,) for each frame of a span, which frame of its parent resembles it most."""
        return self.nearest_prints(index, np.stack([fingerprint(frame) for frame in frames]))

    def nearest_prints(self, index: int, prints: Print) -> npt.NDArray[np.int64]:
        """The same of frames of which there are fingerprints (T, 18 * 32 * 3)."""
        parent = self.spans[index].parent
        assert parent is not None
        distances = _distances(prints, self.prints[parent])
        return np.asarray(self.frames[parent][distances.argmin(1)])

    @classmethod
    def read(cls, document: Mapping[str, Any], counts: list[int], prints: Print, frames: npt.NDArray[np.int64]) -> Plan:
        """The way back from `to_json` and the arrays, of which each span has so many rows.

        Raises:
            ValueError: they are not those of one video.
            KeyError, TypeError: there is something else in their place.
        """
        spans, cuts = tuple(Span(*span) for span in document["spans"]), tuple(document["cuts"])
        shapes = prints.ndim == 2 and frames.shape == (len(prints),) and frames.dtype == np.int64
        known = shapes and len(counts) == len(spans) > 0 and min(counts) > 0 and sum(counts) == len(frames)
        if not known or prints.shape[1] != 3 * _PRINT[0] * _PRINT[1] or prints.dtype != np.uint8:
            raise ValueError("the fingerprints are not those of the spans")
        ends = np.cumsum(counts)[:-1]
        plan = cls(spans, cuts, tuple(np.split(prints, ends)), tuple(np.split(frames, ends)))
        first = 0
        for index, (span, kept) in enumerate(zip(spans, plan.frames, strict=True)):
            of_whole = all(type(number) is int for number in (span.first, span.count, span.depth))
            # the first and the last of a span's frames are among those of which there are fingerprints
            if not of_whole or span.first != first or (kept[0], kept[-1]) != (0, span.count - 1):
                raise ValueError("the spans do not follow one another")
            if (np.diff(kept) <= 0).any():
                raise ValueError("the frames of the fingerprints do not ascend")
            parent = span.parent
            if parent is not None and (type(parent) is not int or not 0 <= parent < index):
                raise ValueError("a span's parent is not an earlier one")
            if span.depth != (0 if parent is None else spans[parent].depth + 1):
                raise ValueError("a span's depth is not one more than its parent's")
            first += span.count
        steps = (-1, *cuts, first)
        if not all(type(cut) is int for cut in cuts) or any(a >= b for a, b in pairwise(steps)):
            raise ValueError("the cuts do not ascend")
        return plan

    def to_json(self) -> dict[str, Any]:
        """Spans and cuts as JSON-able data; the fingerprints are arrays of their own."""
        spans = [[span.first, span.count, span.parent, span.depth] for span in self.spans]
        return {"spans": spans, "cuts": list(self.cuts)}


class GroupPlanner:
    """Plans while frames come in one by one.

    Args:
        usual: frames of a group of usual content. Still ones get up to twice as many, restless ones down to half.
        most: frames of a group at most, whatever its content; None for 9/4 of the usual number. A video that is no
            longer and shows no new scenes is one group.
        similar: smallest PSNR in dB between a group's frames and the most similar ones of an earlier group that it may
            start from; None for no such starts.
        max_depth: parents of parents at most, each of which must be decoded before a frame can be drawn.

    Attributes:
        most: frames of a group at most.

    Example:
        >>> planner = GroupPlanner(usual=8)
        >>> for level in range(20):
        ...     planner.add(np.full((8, 8, 3), level, np.uint8))
        >>> [span.count for span in planner.finish().spans]
        [15, 5]
    """

    def __init__(self, usual: int, most: int | None = None, similar: float | None = 26.0, max_depth: int = 2) -> None:
        self._usual, self.most = usual, min(usual * 9 // 4, most or usual * 9 // 4)
        self._similar, self._max_depth = similar, max_depth
        self._finder = CutFinder()
        self._cuts: list[int] = []
        self._pending: deque[Print] = deque()
        self._taken = 0  # frames that are in a span or in the current group
        self._first = 0  # of the current group
        self._current: list[Print] = []
        self._changes: list[float] = []
        self._new_scenes = False  # whether a group ended because of one
        self._spans: list[Span] = []
        self._prints: list[Print] = []
        self._frames: list[npt.NDArray[np.int64]] = []

    @property
    def cuts(self) -> Sequence[int]:
        """Frames that start a new scene, of those for which it is certain, ascending."""
        return self._cuts

    def add(self, frame: Frame) -> None:
        """Takes the next frame, uint8 (H, W, 3)."""
        self._cuts.extend(self._finder.add(frame))
        self._pending.append(fingerprint(frame))
        if len(self._pending) > MAX_FLASH:  # by now it is certain whether a scene begins with it
            self._take(self._pending.popleft())

    def finish(self) -> Plan:
        """The plan, once all frames have been given; at least one."""
        self._cuts.extend(self._finder.finish())
        while self._pending:
            self._take(self._pending.popleft())
        if self._taken <= self.most and not self._new_scenes:
            while self._spans:
                self._reopen()
        short = len(self._current) < self._usual // 4
        if short and self._spans and self._spans[-1].count + len(self._current) <= self.most:
            self._reopen()
        self._close(len(self._current))
        return Plan(self._with_parents(), tuple(self._cuts), tuple(self._prints), tuple(self._frames))

    def _take(self, now: Print) -> None:
        cut = self._taken in self._cuts[-self.most - MAX_FLASH :]
        if self._current:
            change = float(np.sqrt(_distances(now[None], self._current[-1][None])[0, 0])) / _USUAL_CHANGE
            change = 1.0 if cut else min(max(change, 0.5), 2.0)
            new = cut and len(self._current) >= self._usual // 4 and self._is_new(now)
            if new or len(self._current) >= self.most or sum(self._changes) + change > self._usual:
                self._new_scenes |= new
                self._close(len(self._current) if new else self._best_end())
            self._changes.append(change)
        else:
            self._changes.append(1.0)
        self._current.append(now)
        self._taken += 1

    def _is_new(self, now: Print) -> bool:
        return float(_distances(now[None], np.stack(self._current)).min()) > _UNSEEN

    def _best_end(self) -> int:
        """After how many frames the current group should end: at a cut near its end, if there is one."""
        count = len(self._current)
        near = [cut - self._first for cut in self._cuts if count * 3 // 4 <= cut - self._first < count]
        return near[-1] if near else count

    def _close(self, count: int) -> None:
        """Ends the current group after so many frames; the others begin the next one."""
        kept = np.unique(np.linspace(0, count - 1, min(count, _KEPT)).round().astype(np.int64))
        self._spans.append(Span(self._first, count))
        self._prints.append(np.stack([self._current[k] for k in kept]))
        self._frames.append(kept)
        self._first += count
        self._current, self._changes = self._current[count:], self._changes[count:]

    def _reopen(self) -> None:
        """Joins the last span, of which only some fingerprints are left, with the current group."""
        span, prints, frames = self._spans.pop(), self._prints.pop(), self._frames.pop()
        nearest = np.abs(np.arange(span.count)[:, None] - frames).argmin(1)
        self._current = [*(prints[k] for k in nearest), *self._current]
        self._first = span.first

    def _with_parents(self) -> tuple[Span, ...]:
        if self._similar is None:
            return tuple(self._spans)
        limit = 255**2 / 10 ** (self._similar / 10)
        found: list[Span] = []
        for k, span in enumerate(self._spans):
            best, parent = limit, None
            for earlier in range(k - 1, -1, -1):  # of equals the latest
                if found[earlier].depth < self._max_depth:
                    distance = float(_distances(self._prints[k], self._prints[earlier]).min(1).mean())
                    if distance < best:
                        best, parent = distance, earlier
            depth = 0 if parent is None else found[parent].depth + 1
            found.append(replace(span, parent=parent, depth=depth))
        return tuple(found)


def plan_groups(frames: Sequence[Frame] | npt.NDArray[np.uint8], usual: int, **options: Any) -> Plan:
    """The plan of frames that are all there; see `GroupPlanner`."""
    planner = GroupPlanner(usual, **options)
    for frame in frames:
        planner.add(frame)
    return planner.finish()


def no_prints(spans: Sequence[Span]) -> tuple[tuple[Print, ...], tuple[npt.NDArray[np.int64], ...]]:
    """Fingerprints, and of which frames they are, of spans whose frames nobody has looked at."""
    frames = tuple(np.unique([0, span.count - 1]).astype(np.int64) for span in spans)
    return tuple(np.zeros((len(one), 3 * _PRINT[0] * _PRINT[1]), np.uint8) for one in frames), frames


def most_frames(height: int, width: int) -> int:
    """Frames of H x W that a group may have before it takes too much memory."""
    return max(2, _MOST_PIXELS // (height * width))


def fingerprint(frame: Frame) -> Print:
    """Some points of a frame, flat: uint8 (18 * 32 * 3,)."""
    rows, cols = (
        ((2 * np.arange(count) + 1) * side // (2 * count)).clip(0, side - 1)
        for count, side in zip(_PRINT, frame.shape[:2], strict=True)
    )
    return np.ascontiguousarray(frame[rows[:, None], cols]).reshape(-1)


def _distances(one: Print, other: Print) -> npt.NDArray[np.float32]:
    """(P, n) and (Q, n) -> (P, Q) mean squared errors."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * (a @ b.T)
    return np.asarray(np.maximum(squares, 0) / np.float32(a.shape[1]))
