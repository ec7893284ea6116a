"""Pictures to the nodes of grids that draw them: least squares, a pyramid of levels, each rounded before the next."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..arrays import DoubleArray
from ..model.config import GridLevel
from ..model.field import bilinear
from ..priors.pictures import cells_at_nodes, read_at_pixels

# Weight of smoothness in least squares of a picture's nodes: without it those of a grid as fine as the pixels, each of
# which sees the mean of four, would go up and down by any amount. That of motion, whose flow has errors.
SMOOTH_PICTURE, SMOOTH_MOTION = 0.01, 0.03
# Pixels in a row from which on nodes are means of what is around them: least squares grow with their cube.
_LONGEST_ROW = 4096
# Share of a quantisation step by which numbers are pulled to zero before they are rounded; a half is gone up to there.
_DEAD_ZONE = 1 / 6


def nodes_of(pictures: Tensor, rows: int, cols: int, smooth: float = SMOOTH_PICTURE) -> Tensor:
    """The nodes of a grid that draws pictures as well as it can.

    Args:
        pictures: (C, H, W).
        rows: nodes in height, at least 2; the first and the last lie on the picture's edges.
        cols: nodes in width.
        smooth: weight of the squared differences of neighbours, of that of the pixels' squared errors.

    Returns:
        (C, rows, cols).
    """
    height, width = pictures.shape[-2:]
    if max(height, width) > _LONGEST_ROW:
        return cells_at_nodes(pictures[None], rows, cols).view(4, len(pictures), rows, cols).mean(0)
    return _solver(rows, height, smooth) @ pictures @ _solver(cols, width, smooth).T


def pyramid(
    picture: Tensor, levels: Sequence[GridLevel], step_sizes: Sequence[Tensor], smooth: float = SMOOTH_PICTURE
) -> list[Tensor]:
    """The grids of one plane, coarse to fine: each draws what the coarser ones, as they are stored, leave.

    Args:
        picture: (3, H, W); a level of fewer channels knows the first ones.
        levels: of the grids, coarse to fine.
        step_sizes: (channels,) of each level.
        smooth: as in `nodes_of`.

    Returns:
        For each level (channels, rows, cols), multiples of the step sizes.
    """
    left, grids = picture.clone(), []
    for level, step in zip(levels, step_sizes, strict=True):
        seen = left[: level.channels]
        nodes = nodes_of(seen, level.rows, level.cols, smooth) / step[:, None, None]
        rounded = nodes.sign() * (nodes.abs() - _DEAD_ZONE).clamp(min=0).round() * step[:, None, None]
        grids.append(rounded)
        if len(grids) < len(levels):
            seen -= read_at_pixels(rounded[None], *picture.shape[1:])[0]
    return grids


def read_plane(grids: Sequence[Tensor], coords: Tensor) -> Tensor:
    """What the grids of a plane, (channels, rows, cols) each, draw at (B, N, 2) points: (B, 3, N)."""
    found = coords.new_zeros(len(coords), 3, coords.shape[1])
    for grid in grids:
        read = bilinear(grid.expand(len(coords), -1, -1, -1), coords[:, :, None])
        found[:, : len(grid)] += read[..., 0]
    return found


@lru_cache(maxsize=32)
def _solver(nodes: int, pixels: int, smooth: float) -> Tensor:
    """(nodes, pixels) what gives a line of nodes from a line of pixels."""
    read = _reading(nodes, pixels)
    slopes = np.diff(np.eye(nodes), axis=0)
    normal = read.T @ read + smooth * max(1.0, pixels / nodes) * (slopes.T @ slopes)
    return torch.from_numpy(np.linalg.solve(normal, read.T).astype(np.float32))


def _reading(nodes: int, pixels: int) -> DoubleArray:
    """(pixels, nodes) how the centres of pixels are read between nodes."""
    places = (np.arange(pixels) + 0.5) / pixels * (nodes - 1)
    low = np.minimum(places.astype(np.int64), nodes - 2)
    read = np.zeros((pixels, nodes))
    read[np.arange(pixels), low] = 1 - (places - low)
    read[np.arange(pixels), low + 1] = places - low
    return read
