"""The architecture of the paper (Latent-INR, Maiya et al., ECCV 2024, arXiv 2408.02672), to measure ours against.

    latent z --h_l, one for each layer l--> P, Q
    (x, y) --sines and cosines, or grids--> layers of weights sigmoid(P Q^T) * theta, ReLU between them --> (r, g, b)

It shares everything else: dictionary, alignment, the loop, the rate, the files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .field import Field
from .hypernetwork import Hypernetwork


class PaperHypernetwork(Hypernetwork):
    """One hypernetwork for each layer of the field, with one hidden layer of K tanh units.

        latent (B, D) -> hidden (B, layers, K) -> P of layer l (B, outputs * r), Q (B, inputs * r)

    All first layers are columns of one matrix, and all second ones of another.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        depth, width = config.latent_dim, config.trunk_width
        # latents start at a spread of 0.1: like this the hidden units start at about one
        self.trunk = nn.Parameter(10 * torch.randn(depth, width) / math.sqrt(depth))
        self.trunk_bias = nn.Parameter(torch.zeros(width))
        self._shape = config.layers, config.bottleneck

    def forward(self, latents: Tensor) -> dict[str, Tensor]:
        """Predicts the modulations of B frames, (B, size) for each name of `ModelConfig.heads`."""
        hidden = torch.tanh(latents @ self.trunk + self.trunk_bias).unflatten(-1, self._shape)  # (B, layers, K)
        predicted = {}
        parts = self.heads.split(list(self.layout.values()), dim=1), self.offsets.split(list(self.layout.values()))
        for k, (name, head, offset) in enumerate(zip(self.layout, *parts, strict=True)):  # two names a layer
            predicted[name] = torch.addmm(offset, hidden[:, k // 2], head)
        return predicted


class PaperField(Field):
    """A layer computes `(sigmoid(P Q^T) * W) x + b`, P (outputs, r) and Q (inputs, r) of the frame."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        with torch.no_grad():
            for weight in self.weights:
                weight.mul_(2)  # half of it is left where sigmoid(0) lies on it

    def forward(self, predicted: dict[str, Tensor], points: Tensor, grids: Sequence[Tensor] | None = None) -> Tensor:
        """Colours of N points in each of B frames, as `Field.forward`."""
        rank = self.config.rank
        x = self._read(self._warp(None, points), grids)
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            left = predicted[f"left{k}"].unflatten(-1, (-1, rank))
            right = predicted[f"right{k}"].unflatten(-1, (-1, rank))
            modulated = torch.sigmoid(left @ right.transpose(1, 2)) * weight  # (B, out, in)
            x = torch.baddbmm(bias[:, None], modulated, F.relu(x) if k else x)
        return x
