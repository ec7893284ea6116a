"""A prior's networks as the tensors of the model that is started from it.

A model of a long group has more channels and copies than the prior (`Architecture.for_video`): the prior's are the
first of them, plane by plane and channel by channel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..arrays import FloatArray
from ..errors import InputError
from ..model.config import ModelConfig
from .networks import PriorNetworks


@torch.no_grad()
def prior_tensors(networks: PriorNetworks, shape: ModelConfig) -> dict[str, FloatArray]:
    """A prior's field as stored tensors of a model, by name, all but the grids.

    Args:
        networks: pretrained.
        shape: the model's, as `check_shape` allows it; zeros fill what it has more of than the prior.
    """
    tensors = {}
    for k, (inputs, outputs) in enumerate(shape.layer_sizes):
        weight = torch.zeros(outputs, inputs)
        weight[:, list(_columns(networks, shape)) if k == 0 else slice(None)] = networks.field.weights[k].cpu()
        tensors[f"weights.{k}"], tensors[f"biases.{k}"] = weight, networks.field.biases[k].cpu()
    return {name: value.detach().numpy().astype(np.float32, copy=True) for name, value in tensors.items()}


def spread(networks: PriorNetworks, shape: ModelConfig, kind: str, values: Tensor) -> dict[str, Tensor]:
    """What the prior's hypernetwork predicts, (..., outputs), as tensors of a model, `heads.mix` and so on."""
    names = networks.config.shape(1, 16, 16).heads
    parts = dict(zip(names, values.split(list(names.values()), dim=-1), strict=True))
    firsts = _firsts(shape)
    mixed = torch.zeros(*values.shape[:-1], shape.heads["mix"])
    mixed[..., [firsts[k] + row for k in range(len(firsts)) for row in grid_rows(networks, shape, k)]] = parts["mix"]
    return {f"{kind}.{name}": part for name, part in {**parts, "mix": mixed}.items()}


def check_shape(networks: PriorNetworks, shape: ModelConfig) -> None:
    """Refuses a model that the prior's networks do not fit into. The model's hypernetwork is its own.

    Args:
        networks: pretrained.
        shape: the model's.

    Raises:
        InputError: names what differs, and both values.
    """
    prior = networks.config.shape(1, shape.height, shape.width)
    names = ("planes", "hidden", "layers", "warp_rows", "warp_cols", "warp_scale", "patch", "modulation")
    pairs = [(name, getattr(prior, name), getattr(shape, name)) for name in (*names, "encoding")]
    pairs.append(("grid levels", [(n.rows, n.cols) for n in prior.levels], [(n.rows, n.cols) for n in shape.levels]))
    for name, has, wanted in pairs:
        if has != wanted:
            raise InputError(f"the prior does not fit this configuration: its {name} is {has}, not {wanted}")
    for k, (has_level, level) in enumerate(zip(prior.levels, shape.levels, strict=True)):
        if has_level.channels > level.channels or has_level.copies > level.copies:
            raise InputError(
                f"the prior does not fit this configuration: level {k} has {has_level.channels} channels in "
                f"{has_level.copies} copies, not {level.channels} in {level.copies}"
            )


def _firsts(shape: ModelConfig) -> list[int]:
    """Where each level's grids begin among all that the mixing coefficients are for."""
    sizes = [shape.planes * level.channels * level.copies for level in shape.levels]
    return [sum(sizes[:k]) for k in range(len(sizes))]


def grid_rows(networks: PriorNetworks, shape: ModelConfig, k: int) -> Iterator[int]:
    """For each grid of the prior's level, its index in the model's."""
    prior, level = networks.config.shape(1, 16, 16).levels[k], shape.levels[k]
    for plane in range(shape.planes):
        for channel in range(prior.channels):
            for copy in range(prior.copies):
                yield (plane * level.channels + channel) * level.copies + copy


def _columns(networks: PriorNetworks, shape: ModelConfig) -> Iterator[int]:
    """For each of the features that the prior's first layer reads, its index in the model's."""
    first = 0
    for has, level in zip(networks.config.shape(1, 16, 16).levels, shape.levels, strict=True):
        for plane in range(shape.planes):
            for channel in range(has.channels):
                yield first + plane * level.channels + channel
        first += shape.planes * level.channels
