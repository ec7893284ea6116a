"""Stored tensors: a model's numbers by name, their shapes, and where they lie in its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .config import ModelConfig
from .inr import LatentINR

Kind = Literal["grid", "sequence", "matrix", "vector"]


@dataclass(frozen=True)
class TensorSpec:
    """One stored tensor.

    Attributes:
        name: unique in a model.
        shape: its dimensions.
        kind: meaning of its dimensions, and so which of them has quantisation step sizes of its own:
            `grid` (channels, rows, cols), one a channel;
            `sequence` (T, columns), one a column, neighbours in time alike;
            `matrix` (rows, cols), one a row;
            `vector` (n,), one.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind

    @property
    def axis(self) -> int | None:
        """The axis along which quantisation step sizes differ, None for one."""
        return {"grid": 0, "sequence": 1, "matrix": 0, "vector": None}[self.kind]

    @property
    def step_shape(self) -> tuple[int, ...]:
        """The shape of the step sizes, so that they broadcast against the tensor."""
        return tuple(size if k == self.axis else 1 for k, size in enumerate(self.shape))


# What is needed for embeddings, and nothing else.
SEMANTIC = ("latents.semantic", "embedding.weight", "embedding.bias")


def is_shared(name: str) -> bool:
    """Whether a tensor is stored as the difference from the parent's: all but latents and head."""
    return name not in SEMANTIC and not name.startswith("latents.")


def tensor_specs(config: ModelConfig) -> tuple[TensorSpec, ...]:
    """Every stored tensor of a model of this configuration, in the order in which they are stored."""
    specs = []
    if config.semantic_dim:
        specs += [
            TensorSpec("latents.semantic", (config.num_frames, config.semantic_dim), "sequence"),
            TensorSpec("embedding.weight", (config.semantic_dim, config.embedding_dim), "matrix"),
            TensorSpec("embedding.bias", (config.embedding_dim,), "vector"),
        ]
    if config.latent_dim > config.semantic_dim:
        free = config.latent_dim - config.semantic_dim
        specs.append(TensorSpec("latents.free", (config.num_frames, free), "sequence"))
    specs.append(TensorSpec("trunk", (config.latent_dim, config.trunk_width), "matrix"))
    if config.modulation == "sigmoid":
        specs.append(TensorSpec("trunk_bias", (config.trunk_width,), "vector"))
    for name, size in config.heads.items():
        specs.append(TensorSpec(f"heads.{name}", (config.bottleneck, size), "matrix"))
        specs.append(TensorSpec(f"offsets.{name}", (size,), "vector"))
    for k, level in enumerate(config.levels):
        channels = config.planes * level.channels * level.copies
        specs.append(TensorSpec(f"grids.{k}", (channels, level.rows, level.cols), "grid"))
    for k, (inputs, outputs) in enumerate(config.layer_sizes):
        specs.append(TensorSpec(f"weights.{k}", (outputs, inputs), "matrix"))
        specs.append(TensorSpec(f"biases.{k}", (outputs,), "vector"))
    return tuple(specs)


def tensor_views(config: ModelConfig, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The stored tensors as views into what a model's parameters, gradients or the like consist of.

    Args:
        config: the model's configuration.
        parameters: one tensor for each parameter of a `LatentINR`, by its name there and of its shape; those of N
            models of the same shape have a dimension of N before all others, and so have the views.

    Returns:
        For each of `tensor_specs`, by name and in that order, a view of its shape: writing to it writes there.
    """
    semantic, free = parameters["latents"].split([config.semantic_dim, config.latent_dim - config.semantic_dim], dim=-1)
    views = {"latents.semantic": semantic, "latents.free": free, "trunk": parameters["hypernetwork.trunk"]}
    if config.modulation == "sigmoid":
        views["trunk_bias"] = parameters["hypernetwork.trunk_bias"]
    sizes = list(config.heads.values())
    for name, part in zip(config.heads, parameters["hypernetwork.heads"].split(sizes, dim=-1), strict=True):
        views[f"heads.{name}"] = part
    for name, part in zip(config.heads, parameters["hypernetwork.offsets"].split(sizes, dim=-1), strict=True):
        views[f"offsets.{name}"] = part
    for k in range(len(config.levels)):
        grid = parameters[f"field.grids.{k}"]
        views[f"grids.{k}"] = grid.view(*grid.shape[:-4], -1, *grid.shape[-2:])
    for k in range(config.layers):
        views[f"weights.{k}"] = parameters[f"field.weights.{k}"]
        views[f"biases.{k}"] = parameters[f"field.biases.{k}"]
    if config.embedding_dim:
        views["embedding.weight"] = parameters["embedding_weight"]
        views["embedding.bias"] = parameters["embedding_bias"]
    return {spec.name: views[spec.name] for spec in tensor_specs(config)}


def model_parameters(config: ModelConfig, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `tensor_views`: what a model's parameters are, from its stored tensors.

    Args:
        config: the model's configuration.
        tensors: all of `tensor_specs`, by name.

    Returns:
        One tensor for each parameter of a `LatentINR`, by its name there: a state to load.
    """

    def joined(prefix: str) -> Tensor:
        return torch.cat([tensors[f"{prefix}.{name}"] for name in config.heads], dim=-1)

    latents = [tensors[name] for name in ("latents.semantic", "latents.free") if name in tensors]
    parameters = {
        "latents": torch.cat(latents, dim=1),
        "hypernetwork.trunk": tensors["trunk"],
        "hypernetwork.heads": joined("heads"),
        "hypernetwork.offsets": joined("offsets"),
    }
    if config.modulation == "sigmoid":
        parameters["hypernetwork.trunk_bias"] = tensors["trunk_bias"]
    for k, level in enumerate(config.levels):
        parameters[f"field.grids.{k}"] = tensors[f"grids.{k}"].view(config.planes, -1, level.rows, level.cols)
    for k in range(config.layers):
        parameters[f"field.weights.{k}"] = tensors[f"weights.{k}"]
        parameters[f"field.biases.{k}"] = tensors[f"biases.{k}"]
    if config.embedding_dim:
        parameters["embedding_weight"] = tensors["embedding.weight"]
        parameters["embedding_bias"] = tensors["embedding.bias"]
    return parameters


def model_views(model: LatentINR) -> dict[str, Tensor]:
    """`tensor_views` of a model's parameters, without gradients."""
    return tensor_views(model.config, {name: parameter.data for name, parameter in model.named_parameters()})
