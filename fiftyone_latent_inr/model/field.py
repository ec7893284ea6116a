"""The field: coordinates to colours, through warped canonical feature planes and a small modulated network."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig


def bilinear(grid: Tensor, points: Tensor) -> Tensor:
    """Samples grids bilinearly; their corner nodes lie on the corners of [-1, 1]^2.

    Args:
        grid: (B, C, rows, cols).
        points: (B, N, M, 2) as (x, y).

    Returns:
        (B, C, N, M).
    """
    return F.grid_sample(grid, points, mode="bilinear", padding_mode="border", align_corners=True)


class Field(nn.Module):
    """What all frames of a video share, drawn as one frame by the hypernetwork's predictions.

        (x, y) -> warp_p(x, y) -> grids of plane p, every level --mix--> features -> layers, each modulated -> (r, g, b)

    A layer computes `out * W (in * x) + b + shift`: the rank-one modulation W * (out in^T) of its weights, element by
    element, and a shift of its bias (Latent-INR's modulation without the sigmoid, at rank one).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.grids = nn.ParameterList(
            # small: features start as a whisper and the network's own bias draws the mean colour
            nn.Parameter(1e-2 * torch.randn(config.planes, n.channels * n.copies, n.rows, n.cols))
            for n in config.levels
        )
        sizes = config.layer_sizes
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(o, i) * math.sqrt(2 / i)) for i, o in sizes)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(o)) for _, o in sizes)
        with torch.no_grad():
            self.weights[-1] *= 0.5
            self.biases[-1].fill_(0.5)

    def forward(self, predicted: dict[str, Tensor], points: Tensor) -> Tensor:
        """Colours of N points in each of B frames.

        Args:
            predicted: the hypernetwork's output for B frames.
            points: (B, N, 2) coordinates (x, y), the frame being [-1, 1]^2.

        Returns:
            (B, N, 3) RGB, about 0 to 1, not clamped.
        """
        x = self._features(predicted["mix"], self._warp(predicted.get("warp"), points))
        last = len(self.weights) - 1
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if k:
                x = x * (1 + predicted[f"in{k}"])[:, None]
            x = F.linear(x, weight) * (1 + predicted[f"out{k}"])[:, None] + (bias + predicted[f"shift{k}"])[:, None]
            if k < last:
                x = F.relu(x)
        return x

    def _warp(self, control: Tensor | None, points: Tensor) -> Tensor:
        """(B, N, 2) points -> (P, B, N, 2), where each plane is read."""
        c = self.config
        frames, count, _ = points.shape
        where = points.expand(c.planes, frames, count, 2)
        if control is None:
            return where
        control = control.view(frames, c.planes * 2, c.warp_rows, c.warp_cols)
        moved = bilinear(control, points[:, :, None]).view(frames, c.planes, 2, count)
        return where + c.warp_scale * moved.permute(1, 0, 3, 2)

    def _features(self, mix: Tensor, where: Tensor) -> Tensor:
        """(B, samples) coefficients and (P, B, N, 2) points -> (B, N, features).

        The shared grids are read once at all frames' points; the coefficients multiply what was read. No frame
        ever has grids of its own in memory.
        """
        planes, frames, count, _ = where.shape
        features = []
        start = 0
        for grid, level in zip(self.grids, self.config.levels, strict=True):
            read = bilinear(grid, where)  # (P, C R, B, N)
            width = planes * level.channels * level.copies
            scale = 1 + mix[:, start : start + width].view(frames, planes, -1, 1)
            start += width
            read = read.permute(2, 0, 1, 3) * scale  # (B, P, C R, N)
            if level.copies > 1:
                read = read.view(frames, planes, level.channels, level.copies, count).sum(3)
            features.append(read.reshape(frames, planes * level.channels, count))
        return torch.cat(features, 1).transpose(1, 2)
