"""The field: coordinates to colours, through warped canonical feature planes and a small modulated network."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def fourier(points: Tensor, frequencies: int) -> Tensor:
    """Positional encoding: sin and cos of pi 2^k x and of pi 2^k y, k < frequencies (NeRF, arXiv 2003.08934, eq. 4).

    Args:
        points: (..., 2) as (x, y).
        frequencies: L.

    Returns:
        (..., 4 L).
    """
    angles = points[..., None] * (math.pi * 2.0 ** torch.arange(frequencies, device=points.device))
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(-2)


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

    def forward(self, predicted: dict[str, Tensor], points: Tensor, grids: Sequence[Tensor] | None = None) -> Tensor:
        """Colours of N points in each of B frames.

        The modulations are laid on the weights, (B, out, in) a layer, not on what flows through them: a frame's
        weights are far fewer than its points.

        Args:
            predicted: the hypernetwork's output for B frames.
            points: (B, N, 2) coordinates (x, y), the frame being [-1, 1]^2.
            grids: read instead of the field's own.

        Returns:
            (B, 3, N) RGB, about 0 to 1, not clamped; of patches (B, 3 p^2, N), the three of a pixel together.
        """
        x = self._read(self._warp(predicted.get("warp"), points), grids)  # (B, samples, N)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            inputs = 1 + predicted["mix" if k == 0 else f"in{k}"]
            outputs = 1 + predicted[f"out{k}"]
            if k == 0:
                own = self._spread_over_copies(weight)
            else:
                own, x = weight, F.relu(x)
            modulated = own * (outputs[:, :, None] * inputs[:, None])
            x = torch.baddbmm((bias + predicted[f"shift{k}"])[:, :, None], modulated, x)
        return x

    def _warp(self, control: Tensor | None, points: Tensor) -> Tensor:
        """(B, N, 2) points -> (P, B, N, 2), where each plane is read."""
        c = self.config
        frames, count, _ = points.shape
        coords = points.expand(c.planes, frames, count, 2)
        if control is None:
            return coords
        control = control.view(frames, c.planes * 2, c.warp_rows, c.warp_cols)
        moved = bilinear(control, points[:, :, None]).view(frames, c.planes, 2, count)
        return coords + c.warp_scale * moved.permute(1, 0, 3, 2)

    def _read(self, coords: Tensor, grids: Sequence[Tensor] | None = None) -> Tensor:
        """(P, B, N, 2) points -> (B, samples, N): every level of every plane.

        The shared grids are read once at all frames' points. No frame ever has grids of its own in memory: mixing
        copies of a grid by a frame's coefficients is the same as weighting what was read from each.
        """
        _, frames, count, _ = coords.shape
        if self.config.frequencies:
            encoded = fourier(coords, self.config.frequencies)
            return encoded.permute(1, 0, 3, 2).reshape(frames, -1, count)
        read = [bilinear(grid, coords).reshape(-1, frames, count) for grid in (self.grids if grids is None else grids)]
        return torch.cat(read).transpose(0, 1)

    def _spread_over_copies(self, weight: Tensor) -> Tensor:
        """The first layer's (hidden, features) -> (hidden, samples): copies of a feature share its weight."""
        if not self.config.levels:
            return weight
        widths = [self.config.planes * level.channels for level in self.config.levels]
        parts = zip(weight.split(widths, dim=1), self.config.levels, strict=True)
        return torch.cat([part.repeat_interleave(level.copies, dim=1) for part, level in parts], dim=1)
