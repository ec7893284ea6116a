"""Which pixels of which frames a step looks at."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..motion import Motion


class PixelSampler:
    """Draws jittered lattices of pixels from many frames at a time.

    Each frame of a step gets a lattice that covers it evenly, one random pixel a cell: the same cost as
    independent pixels with less noise in the gradient. Frames come in shuffled passes over the video.

    Args:
        frames: uint8 (T, H, W, 3), on the device to sample on; never copied as floats.
        max_frames: most frames a step.
        points: pixels a step, over all of its frames; the lattice makes it about that many.
        generator: source of randomness, on the CPU, so that a seed gives the same pixels on any device.
    """

    def __init__(self, frames: Tensor, max_frames: int, points: int, generator: torch.Generator) -> None:
        self.num_frames, self.size = frames.shape[0], (frames.shape[1], frames.shape[2])
        self.pixels = frames.reshape(self.num_frames, -1, 3)
        self.batch = min(max_frames, self.num_frames)
        self.cells = cells_of(points // self.batch, self.size)
        self.generator = generator
        self._order = torch.empty(0, dtype=torch.long)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """One step's samples.

        Returns:
            Frame indices (B,), coordinates (B, N, 2) as (x, y) in [-1, 1], colours (B, N, 3) in 0 to 1.
        """
        index = self._next_frames()
        row, col = lattice(self.batch, self.cells, self.size, self.generator)
        device = self.pixels.device
        flat = row * self.size[1] + col
        colours = self.pixels[index[:, None].to(device), flat.to(device)].float() / 255
        return index.to(device), centres(row, col, self.size).to(device), colours

    def _next_frames(self) -> Tensor:
        if len(self._order) < self.batch:
            self._order = torch.cat([self._order, torch.randperm(self.num_frames, generator=self.generator)])
        index, self._order = self._order[: self.batch], self._order[self.batch :]
        return index


class MotionSampler:
    """Draws instants between frames, one a gap, and what a `Motion` says is to be seen there at a lattice of pixels.

    Args:
        motion: of the video; its tensors on the device to sample on.
        max_gaps: most gaps a step.
        points: pixels a step, over all of its instants.
        generator: source of randomness, on the CPU.
    """

    def __init__(self, motion: Motion, max_gaps: int, points: int, generator: torch.Generator) -> None:
        self.motion, self.size = motion, (motion.height, motion.width)
        self.batch = min(max_gaps, len(motion.gaps))
        self.cells = cells_of(points // self.batch, self.size)
        self.generator = generator

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """One step's samples.

        Returns:
            Times (B,) as fractional frame indices, coordinates (B, N, 2), colours (B, N, 3), as a `PixelSampler`'s.
        """
        device = self.motion.gaps.device
        which = torch.randperm(len(self.motion.gaps), generator=self.generator)[: self.batch].to(device)
        phase = torch.rand(self.batch, generator=self.generator).to(device)
        row, col = (n.to(device) for n in lattice(self.batch, self.cells, self.size, self.generator))
        colours = self.motion.colours(which, phase, row, col)
        return self.motion.gaps[which] + phase, centres(row, col, self.size), colours


def cells_of(points: int, size: tuple[int, int]) -> tuple[int, int]:
    """(rows, cols) of about `points` cells over a frame of (H, W), as square as its shape allows."""
    height, width = size
    count = min(max(1, points), height * width)
    rows = min(max(1, round(math.sqrt(count * height / width))), height)
    return rows, min(max(1, round(count / rows)), width)


def lattice(
    frames: int, cells: tuple[int, int], size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A random pixel in each cell of each frame: rows and columns, (frames, cells) each."""
    height, width = size
    shape = (frames, *cells)
    rows = (torch.arange(cells[0])[:, None] + torch.rand(shape, generator=generator)) * (height / cells[0])
    cols = (torch.arange(cells[1]) + torch.rand(shape, generator=generator)) * (width / cells[1])
    rows, cols = rows.long().clamp_(max=height - 1), cols.long().clamp_(max=width - 1)
    return rows.flatten(1), cols.flatten(1)


def centres(rows: Tensor, cols: Tensor, size: tuple[int, int]) -> Tensor:
    """Coordinates (..., 2) of pixel centres, as (x, y) in [-1, 1]."""
    height, width = size
    return torch.stack([(2 * cols + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
