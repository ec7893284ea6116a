"""Instants of a stored video to frames: which group of frames draws them, and whether the file may ask for so much."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..arrays import Frame
from ..devices import pick_device
from ..model import ModelConfig
from ..rendering.between import follow, join
from ..rendering.cost import frame_cost
from ..rendering.draw import draw
from .kept_models import kept_models
from .limits import guarded
from .stored import Stored

_AT_ONCE = 1 << 16  # instants whose groups are looked up at a time

Instants = npt.NDArray[np.float32]


def draw_frames(
    stored: Stored,
    cuts: Sequence[int],
    instants: Instants | None,
    size: tuple[int, int],
    device: str | None,
    motion: bool,
) -> Iterator[Frame]:
    """Draws frames one by one; arguments as those of `LatentVideo.iter_render`, checked, and its cuts."""
    chosen = pick_device(device)
    count = stored.num_frames if instants is None else len(instants)
    drawing = _Drawing(stored, cuts, size, chosen, motion)
    with guarded(stored.source.name, f"frames of {size[0]}x{size[1]}"):
        for first in range(0, count, _AT_ONCE):
            stop = min(first + _AT_ONCE, count)
            some = np.arange(first, stop, dtype=np.float32) if instants is None else instants[first:stop]
            yield from drawing.frames(some)


def most_expensive_frame(stored: Stored, size: tuple[int, int]) -> float:
    """Multiply-adds of the frame that takes the most, of any group.

    Raises:
        BitstreamError: they are more than the limits allow.
    """
    models = {group.entry.model: group.config for group in stored.groups}
    return max(_cost(stored, config, size) for config in models.values())


def _most(stored: Stored) -> float:
    return stored.limits.multiply_adds + stored.limits.multiply_adds_per_byte * stored.source.size


def _cost(stored: Stored, config: ModelConfig, size: tuple[int, int]) -> float:
    """Multiply-adds of a frame, once they are known to be allowed."""
    most = _most(stored)
    cost = frame_cost(config, size, most)
    what = f"{_in_words(cost)} multiply-adds to draw a frame of {size[0]}x{size[1]}"
    stored.limits.check("multiply_adds", cost, what, most)
    return cost


def _in_words(cost: float) -> str:
    return f"{cost / 1e9:,.0f} billion" if cost >= 1e10 else f"{math.ceil(cost):,}"


class _Drawing:
    """Everything that is settled before the first frame."""

    def __init__(
        self, stored: Stored, cuts: Sequence[int], size: tuple[int, int], device: torch.device, motion: bool
    ) -> None:
        self.stored, self.cuts, self.size, self.device = stored, cuts, size, device
        self.by, self.most = follow if motion else draw, _most(stored)
        self.starts = np.array([group.first for group in stored.groups])
        self.ends = np.append(self.starts[1:], stored.num_frames)

    def frames(self, instants: Instants) -> Iterator[Frame]:
        """The frames of some instants, in their order."""
        owners = np.searchsorted(self.starts, instants, side="right") - 1
        lasts = self.ends[owners] - 1
        # twice the group, and one more in the gap that follows it, which is in no group
        places = 2 * owners + (instants > lasts)
        for run in np.split(np.arange(len(instants)), np.flatnonzero(np.diff(places)) + 1):
            index = int(owners[run[0]])
            if places[run[0]] % 2:
                yield from self._join(index, instants[run] - lasts[run[0]])
                continue
            group = self.stored.groups[index]
            _cost(self.stored, group.config, self.size)
            stop = group.first + group.config.num_frames
            inner = self.cuts[bisect_right(self.cuts, group.first) : bisect_left(self.cuts, stop)]
            inside = (instants[run] - group.first).astype(np.float32)
            yield from self.by(self._model(index), inside, *self.size, [cut - group.first for cut in inner], self.most)

    def _join(self, index: int, phases: npt.NDArray[Any]) -> Iterator[Frame]:
        """What lies between a group's last frame and the next one's first: phases from 0 to 1."""
        groups, frames = self.stored.groups, []
        for k, frame in ((index, groups[index].config.num_frames - 1), (index + 1, 0)):
            _cost(self.stored, groups[k].config, self.size)
            frames.append(next(draw(self._model(k), np.array([frame], np.float32), *self.size, (), self.most)))
        before, after = frames
        start = groups[index + 1].first
        if bisect_right(self.cuts, start) > bisect_left(self.cuts, start):
            yield from (before if phase < 0.5 else after for phase in phases)
        else:
            yield from join(before, after, phases)

    def _model(self, index: int) -> Any:
        return kept_models.get(self.stored, index, self.device)
