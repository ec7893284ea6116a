"""The hypernetwork: from a frame's latent to the numbers that turn the shared field into that frame's field."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .config import ModelConfig


class Hypernetwork(nn.Module):
    """A trunk and one head for each thing that is predicted.

        latent (B, D) -> trunk (B, K) -> mix | warp | in1 | out1 | shift1 | ...

    Both are linear. A non-linear trunk fitted no better, and a linear one makes everything that is predicted,
    the warps included, move along a straight line while the latent does, which is what interpolation wants.
    All heads are columns of one matrix, so that an optimiser step handles one tensor.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layout = config.heads
        outputs = sum(self.layout.values())
        self.trunk = nn.Parameter(torch.randn(config.latent_dim, config.bottleneck) / math.sqrt(config.latent_dim))
        self.heads = nn.Parameter(torch.randn(config.bottleneck, outputs) / math.sqrt(config.bottleneck))
        self.offsets = nn.Parameter(torch.zeros(outputs))

    def forward(self, latents: Tensor) -> dict[str, Tensor]:
        """Predicts the modulations of B frames.

        Args:
            latents: (B, D).

        Returns:
            For each name of `ModelConfig.heads` a tensor (B, size). Zero leaves the shared field as it is.
        """
        predicted = latents @ self.trunk @ self.heads + self.offsets
        return dict(zip(self.layout, predicted.split(list(self.layout.values()), dim=-1), strict=True))
