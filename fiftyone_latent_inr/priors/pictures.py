"""Pictures as tensors: what lies around the nodes of a grid, what a grid draws, smaller ones, moved ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cells_at_nodes(pictures: Tensor, rows: int, cols: int) -> Tensor:
    """What lies around the nodes of a grid whose corner nodes lie on a picture's corners.

    The picture is averaged over the cells between the nodes; each node gets the four cells around it. At a spacing of
    one pixel nothing is lost.

    Args:
        pictures: (B, C, H, W).
        rows: nodes in height, at least 2.
        cols: nodes in width, at least 2.

    Returns:
        (B, 4 C, rows, cols).
    """
    if pictures.shape[-2:] != (rows - 1, cols - 1):
        pictures = F.adaptive_avg_pool2d(pictures, (rows - 1, cols - 1))
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    corners = [padded[..., i : i + rows, j : j + cols] for i in (0, 1) for j in (0, 1)]
    return torch.cat(corners, dim=1)


def read_at_pixels(nodes: Tensor, height: int, width: int) -> Tensor:
    """A picture drawn by a grid whose corner nodes lie on its corners, as a field reads it.

    Args:
        nodes: (B, C, rows, cols).
        height: H of the picture.
        width: W of the picture.

    Returns:
        (B, C, H, W).
    """
    rest = _pixel_centres(height, width, nodes).expand(len(nodes), -1, -1, -1)
    return F.grid_sample(nodes, rest, padding_mode="border", align_corners=True)


def pooled(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) -> (B, C, *size); what has the size already is not gone over again."""
    return pictures if pictures.shape[-2:] == size else F.adaptive_avg_pool2d(pictures, size)


def moved(pictures: Tensor, control: Tensor) -> Tensor:
    """(N, C, H, W) read where each pixel is displaced to, by (N, 2, rows, cols) control points as of `motion_to`."""
    height, width = pictures.shape[-2:]
    displaced = F.interpolate(control, (height, width), mode="bilinear", align_corners=True).permute(0, 2, 3, 1)
    coords = _pixel_centres(height, width, pictures) + displaced
    return F.grid_sample(pictures, coords, padding_mode="border", align_corners=False)


def _pixel_centres(height: int, width: int, like: Tensor) -> Tensor:
    """(1, H, W, 2) as (x, y), the picture being [-1, 1]^2."""
    return F.affine_grid(torch.eye(2, 3, device=like.device)[None], [1, 1, height, width], align_corners=False)
