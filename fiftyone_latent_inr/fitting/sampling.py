"""Which pixels of which frames a step looks at."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..frames.motion import Motion
from ..model.patch import middle, origin, places


class PixelSampler:
    """Draws jittered lattices of pixels from many frames at a time.

    Each frame of a step gets a lattice that covers it evenly, one random pixel a cell: the same cost as
    independent pixels with less noise in the gradient. Frames come in shuffled passes over the video.

    Args:
        frames: uint8 (T, H, W, 3), on the device to sample on; never copied as floats.
        max_frames: most frames a step.
        points: pixels a step, over all of its frames; the lattice makes it about that many.
        generator: source of randomness; indices are made where it is, on the frames' device or on the CPU.
        patch: p; whole patches of p x p pixels are drawn, about as many pixels in all.
    """

    def __init__(
        self, frames: Tensor, max_frames: int, points: int, generator: torch.Generator, patch: int = 1
    ) -> None:
        self.num_frames, self.size = frames.shape[0], (frames.shape[1], frames.shape[2])
        self.pixels = frames.reshape(self.num_frames, -1, 3)
        self.batch = min(max_frames, self.num_frames)
        self.patch = patch
        self.cells = cells_of(points // self.batch // patch**2, places(self.size, patch))
        self.generator = generator
        self._order = torch.empty(0, dtype=torch.long, device=generator.device)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """One step's samples.

        Returns:
            Frame indices (B,), coordinates (B, N, 2) as (x, y) in [-1, 1], colours (B, N, 3) in 0 to 1; of patches
            their middles, and the colours (B, N * p * p, 3) of all their pixels.
        """
        index = self._next_frames()
        row, col, middles = patches(self.batch, self.cells, self.size, self.patch, self.generator)
        device = self.pixels.device
        flat = row * self.size[1] + col
        colours = self.pixels[index[:, None].to(device), flat.to(device)].float() / 255
        return index.to(device), middles.to(device), colours

    def _next_frames(self) -> Tensor:
        if len(self._order) < self.batch:
            further = torch.randperm(self.num_frames, generator=self.generator, device=self.generator.device)
            self._order = torch.cat([self._order, further])
        index, self._order = self._order[: self.batch], self._order[self.batch :]
        return index


class MotionSampler:
    """Draws instants between frames, one a gap, and what a `Motion` says is to be seen there at a lattice of pixels.

    Args:
        motion: of the video; its tensors on the device to sample on.
        max_gaps: most gaps a step.
        points: pixels a step, over all of its instants.
        generator: source of randomness, on the motion's device or on the CPU.
        patch: as a `PixelSampler`'s.
    """

    def __init__(self, motion: Motion, max_gaps: int, points: int, generator: torch.Generator, patch: int = 1) -> None:
        self.motion, self.size = motion, (motion.height, motion.width)
        self.batch = min(max_gaps, len(motion.gaps))
        self.patch = patch
        self.cells = cells_of(points // self.batch // patch**2, places(self.size, patch))
        self.generator = generator

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """One step's samples.

        Returns:
            Times (B,) as fractional frame indices, coordinates (B, N, 2), colours (B, N, 3), as a `PixelSampler`'s.
        """
        device = self.motion.gaps.device
        source = self.generator.device
        which = torch.randperm(len(self.motion.gaps), generator=self.generator, device=source)[: self.batch].to(device)
        phase = torch.rand(self.batch, generator=self.generator, device=source).to(device)
        drawn = patches(self.batch, self.cells, self.size, self.patch, self.generator)
        row, col, middles = (part.to(device) for part in drawn)
        colours = self.motion.colours(which, phase, row, col)
        return self.motion.gaps[which] + phase, middles, colours


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
    shape, device = (frames, *cells), generator.device
    down, across = (torch.arange(count, device=device) for count in cells)
    rows = (down[:, None] + torch.rand(shape, generator=generator, device=device)) * (height / cells[0])
    cols = (across + torch.rand(shape, generator=generator, device=device)) * (width / cells[1])
    rows, cols = rows.long().clamp_(max=height - 1), cols.long().clamp_(max=width - 1)
    return rows.flatten(1), cols.flatten(1)


def patches(
    frames: int, cells: tuple[int, int], size: tuple[int, int], patch: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A random patch of a frame's own in each cell of each frame; beyond the border its edge goes on.

    Patches anywhere, not only where they lie side by side, were learned far worse (`benchmarks/notes.md`).

    Returns:
        Rows and columns of all pixels, (frames, cells * p * p) each, patch by patch, and the patches' middles.
    """
    which = lattice(frames, cells, places(size, patch), generator)
    rows, cols = (patch * place + origin(side, patch) for place, side in zip(which, size, strict=True))
    coords = middle(cols, size[1], patch), middle(rows, size[0], patch)
    if patch > 1:
        along = torch.arange(patch, device=rows.device)
        rows = (rows[:, :, None, None] + along[:, None]).clamp(0, size[0] - 1).expand(-1, -1, -1, patch).flatten(1)
        cols = (cols[:, :, None, None] + along).clamp(0, size[1] - 1).expand(-1, -1, patch, -1).flatten(1)
    return rows, cols, torch.stack(coords, -1)
