"""Frames' own networks: what the hypernetwork makes of the shared field, ready to be asked for points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.inr import LatentINR


@dataclass(frozen=True)
class FrameNetworks:
    """B frames' own networks, ready to be asked for points.

    Attributes:
        grids: a level each, (P, C, rows, cols) where frames share it, (B, P, C, rows, cols) where copies were mixed.
        control: (B, P, 2, R, Q) displacements (x, y) at the warps' control points; None without warps.
        weights: a layer each, (B, out, in).
        biases: a layer each, (B, out).
    """

    grids: list[Tensor]
    control: Tensor | None
    weights: list[Tensor]
    biases: list[Tensor]


def frame_networks(model: LatentINR, latents: Tensor) -> FrameNetworks:
    """What the hypernetwork makes of the shared field for (B, D) latents."""
    config, field = model.config, model.field
    predicted = model.hypernetwork(latents)
    frames = latents.shape[0]
    widths = [config.planes * level.channels * level.copies for level in config.levels]
    grids, scales = [], []
    for grid, level, mix in zip(field.grids, config.levels, (1 + predicted["mix"]).split(widths, 1), strict=True):
        if level.copies == 1:
            grids.append(grid)
            scales.append(mix)  # of what is read, and so of the first layer's weights
        else:
            shape = config.planes, level.channels, level.copies
            mixed = torch.einsum("bpck,pckn->bpcn", mix.view(frames, *shape), grid.view(*shape, -1))
            grids.append(mixed.view(frames, *shape[:2], level.rows, level.cols))
            scales.append(mix.new_ones(frames, config.planes * level.channels))
    weights, biases = [], []
    for k, (weight, bias) in enumerate(zip(field.weights, field.biases, strict=True)):
        inputs = 1 + predicted[f"in{k}"] if k else torch.cat(scales, 1)
        weights.append(weight * ((1 + predicted[f"out{k}"])[:, :, None] * inputs[:, None]))
        biases.append(bias + predicted[f"shift{k}"])
    control = predicted.get("warp")
    if control is not None:
        control = config.warp_scale * control.view(frames, config.planes, 2, config.warp_rows, config.warp_cols)
    return FrameNetworks(grids, control, weights, biases)
