"""Patches of pixels in place of points (NIRVANA, arXiv 2212.14593): where they lie, and whole frames made of them.

Patches of p x p lie side by side over a frame. Where they do not come out even, what is too much is split between both
borders, so that the middles of all are within the frame.
"""

from __future__ import annotations

import torch
from torch import Tensor


def origin(side: int, patch: int) -> int:
    """The first pixel of the first patch along a side of a frame; 0 or before it."""
    return -((-side % patch) // 2)


def places(size: tuple[int, int], patch: int) -> tuple[int, int]:
    """(rows, cols) of patches over a frame of (H, W)."""
    rows, cols = (-(-side // patch) for side in size)
    return rows, cols


def middle(first: Tensor, side: int, patch: int) -> Tensor:
    """Coordinates, -1 to 1 along a side, of the middles of patches by their first pixels."""
    return (2 * first + patch) / side - 1


def middles(size: tuple[int, int], patch: int, device: torch.device | str = "cpu") -> Tensor:
    """The middles of all patches of a frame of (H, W): (rows, cols, 2) as (x, y)."""
    y, x = (middle(torch.arange(origin(side, patch), side, patch, device=device), side, patch) for side in size)
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)


def assemble(patches: Tensor, size: tuple[int, int], patch: int) -> Tensor:
    """Frames of their patches.

    Args:
        patches: (B, N * p * p, 3), in the order of `middles`, each row by row.
        size: (H, W).
        patch: p.

    Returns:
        (B, H, W, 3).
    """
    rows, cols = places(size, patch)
    tiles = patches.view(-1, rows, cols, patch, patch, 3).transpose(2, 3)
    frames = tiles.reshape(-1, rows * patch, cols * patch, 3)
    top, left = (-origin(side, patch) for side in size)
    return frames[:, top : top + size[0], left : left + size[1]]
