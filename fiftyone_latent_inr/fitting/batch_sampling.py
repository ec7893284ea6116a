"""Which pixels of which frames a step looks at, of many videos at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from ..frames.motion import Motion
from ..model.patch import places
from .sampling import cells_of, patches

# Passes over the frames that are shuffled at a time.
_PASSES = 16

Drawn = tuple[Tensor, Tensor, Tensor]
Draw = Callable[[], Drawn]


def side_by_side(draws: Sequence[Draw]) -> Draw:
    """Draws what each of N samplers does, with a dimension of N before all others."""

    def draw() -> Drawn:
        parts = [one() for one in draws]
        index, points, colours = (torch.stack(part) for part in zip(*parts, strict=True))
        return index, points, colours

    return draw


class _Shuffled:
    """Runs of indices, for each of N videos in shuffled passes over as many as it has.

    Args:
        counts: of each video, at least 1.
        width: indices of a run.
        generator: on the device where they are to be.
        passes: whether a run goes on where the last one ended, or begins a pass of its own.
    """

    def __init__(self, counts: Sequence[int], width: int, generator: torch.Generator, passes: bool) -> None:
        device = generator.device
        self.width, self.passes, self.generator = width, passes, generator
        self.counts = torch.tensor(counts, device=device)
        self._longest = max(counts)
        self._beyond = torch.arange(self._longest, device=device) >= self.counts[:, None]
        self._ready = min(counts) * _PASSES if passes else 0
        self._places = torch.arange(max(self._ready, width), device=device)
        self._order = torch.empty(len(counts), 0, dtype=torch.long, device=device)
        # a short video may be passed more than once in a run
        self._rounds = -(-len(self._places) // min(counts))

    def next(self) -> Tensor:
        """(N, width) indices."""
        if not self.passes:
            return self._pass()[:, : self.width]
        while self._order.shape[1] < self.width:
            self._order = torch.cat([self._order, self._pass()], 1)
        index, self._order = self._order[:, : self.width], self._order[:, self.width :]
        return index

    def _pass(self) -> Tensor:
        """(N, places): what is beyond a video's end is sorted behind it, and never read."""
        shape = (len(self.counts), self._rounds, self._longest)
        keys = torch.rand(shape, generator=self.generator, device=self.counts.device)
        order = keys.masked_fill_(self._beyond[:, None], 2).argsort(-1).flatten(1)
        counts = self.counts[:, None]
        return order.gather(1, self._places // counts * self._longest + self._places % counts)


class JointPixels:
    """As `PixelSampler`, of N videos of one size.

    Args:
        frames: of all videos one after the other, uint8 (sum of T, H, W, 3).
        counts: T of each.
        max_frames: most frames of a video in a step.
        points: pixels of a video in a step.
        generator: on the frames' device.
        patch: p.
    """

    def __init__(
        self,
        frames: Tensor,
        counts: Sequence[int],
        max_frames: int,
        points: int,
        generator: torch.Generator,
        patch: int = 1,
    ) -> None:
        self.size, self.patch, self.generator = (frames.shape[1], frames.shape[2]), patch, generator
        self.pixels = frames.reshape(len(frames), -1, 3)
        self.batch = min(max_frames, max(counts))
        self.cells = cells_of(points // self.batch // patch**2, places(self.size, patch))
        self.first = torch.tensor([0, *accumulate(counts[:-1])], device=frames.device)
        self._index = _Shuffled(counts, self.batch, generator, passes=True)

    def draw(self) -> Drawn:
        """Frame indices (N, B), middles (N, B, M, 2) and colours (N, B, M * p * p, 3) of one step."""
        index = self._index.next()
        row, col, middles = patches(index.numel(), self.cells, self.size, self.patch, self.generator)
        which = (index + self.first[:, None]).flatten()
        colours = self.pixels[which[:, None], row * self.size[1] + col].float() / 255
        return index, middles.view(*index.shape, -1, 2), colours.view(*index.shape, -1, 3)


class JointMotion:
    """As `MotionSampler`, of N videos of one size.

    Args:
        motions: of the videos, on any device; at least one gap in each.
        frames: of all videos one after the other, uint8 (sum of T, H, W, 3).
        max_gaps: most gaps of a video in a step.
        points: pixels of a video in a step.
        generator: on the frames' device.
        patch: p.
    """

    def __init__(
        self,
        motions: Sequence[Motion],
        frames: Tensor,
        max_gaps: int,
        points: int,
        generator: torch.Generator,
        patch: int = 1,
    ) -> None:
        first = [0, *accumulate(motion.num_frames for motion in motions[:-1])]
        counts = [len(motion.gaps) for motion in motions]
        # Last and first gap of two videos are two frames apart: nothing takes them for neighbours.
        gaps = torch.cat([motion.gaps + start for motion, start in zip(motions, first, strict=True)])
        flows = torch.cat([motion.flows for motion in motions])
        self.motion = Motion(frames, gaps.to(frames.device), flows.to(frames.device))
        self.size, self.patch, self.generator = (motions[0].height, motions[0].width), patch, generator
        self.batch = min(max_gaps, max(counts))
        self.cells = cells_of(points // self.batch // patch**2, places(self.size, patch))
        self.first_frame = torch.tensor(first, device=frames.device)
        self.first_gap = torch.tensor([0, *accumulate(counts[:-1])], device=frames.device)
        self._which = _Shuffled(counts, self.batch, generator, passes=False)

    def draw(self) -> Drawn:
        """Times (N, B), middles and colours of one step, as `JointPixels.draw`."""
        which = self._which.next() + self.first_gap[:, None]
        phase = torch.rand(which.shape, generator=self.generator, device=which.device)
        row, col, middles = patches(which.numel(), self.cells, self.size, self.patch, self.generator)
        colours = self.motion.colours(which.flatten(), phase.flatten(), row, col)
        times = self.motion.gaps[which] - self.first_frame[:, None] + phase
        return times, middles.view(*which.shape, -1, 2), colours.view(*which.shape, -1, 3)
