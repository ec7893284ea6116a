"""Which pixels of which frames a step looks at."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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
        self.num_frames, self.height, self.width, _ = frames.shape
        self.pixels = frames.reshape(self.num_frames, self.height * self.width, 3)
        self.batch = min(max_frames, self.num_frames)
        self.generator = generator
        self._order = torch.empty(0, dtype=torch.long)
        # cells as square as the frame's shape allows
        count = min(max(1, points // self.batch), self.height * self.width)
        rows = round(math.sqrt(count * self.height / self.width))
        self.rows = min(max(1, rows), self.height)
        self.cols = min(max(1, round(count / self.rows)), self.width)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """One step's samples.

        Returns:
            Frame indices (B,), coordinates (B, N, 2) as (x, y) in [-1, 1], colours (B, N, 3) in 0 to 1.
        """
        index = self._next_frames()
        row = self._jittered(torch.arange(self.rows)[:, None], self.rows, self.height)
        col = self._jittered(torch.arange(self.cols), self.cols, self.width)
        device = self.pixels.device
        flat = (row * self.width + col).flatten(1)
        colours = self.pixels[index[:, None].to(device), flat.to(device)].float() / 255
        x = (2 * col + 1) / self.width - 1
        y = (2 * row + 1) / self.height - 1
        return index.to(device), torch.stack([x, y], -1).flatten(1, 2).to(device), colours

    def _jittered(self, cells: Tensor, count: int, size: int) -> Tensor:
        """(B, rows, cols) pixel indices along one axis: a random one in each of `count` cells of `size` pixels."""
        offset = torch.rand(self.batch, self.rows, self.cols, generator=self.generator)
        return ((cells + offset) * (size / count)).long().clamp_(max=size - 1)

    def _next_frames(self) -> Tensor:
        if len(self._order) < self.batch:
            self._order = torch.cat([self._order, torch.randperm(self.num_frames, generator=self.generator)])
        index, self._order = self._order[: self.batch], self._order[self.batch :]
        return index
