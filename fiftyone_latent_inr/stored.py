"""Between a model and what is stored of it: which tensors, under which names, in how many bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .codec import TensorCoding
from .errors import BitstreamError
from .model import LatentINR, ModelConfig

FloatArray = npt.NDArray[np.float32]

# Offsets and biases are few and shift everything that comes after them: sixteen bits cost next to nothing.
_FINE_BITS = 16
# Every point of every frame goes through the field's weights, a twentieth of all numbers: at the bits of the grids
# they alone caused two thirds of what storing cost.
_MORE_BITS_FOR_WEIGHTS = 2


def to_tensors(model: LatentINR, bits: int) -> tuple[dict[str, FloatArray], dict[str, TensorCoding]]:
    """The tensors that stand for a model, and how each is quantised.

    The hypernetwork's heads are stored one by one, so that a warp's small numbers have a step of their own.

    Args:
        model: a fitted model, on any device.
        bits: bits of a stored number; the field's weights take two more, offsets and biases 16.

    Returns:
        Two dicts with the same names: float32 tensors and their codings.
    """
    tensors: dict[str, FloatArray] = {}
    codings: dict[str, TensorCoding] = {}

    def put(name: str, value: Tensor, axis: int | None, bits: int = bits) -> None:
        tensors[name] = value.detach().float().cpu().numpy()
        codings[name] = TensorCoding(bits, axis)

    hyper, field = model.hypernetwork, model.field
    put("latents", model.latents, 1)
    put("trunk", hyper.trunk, 0)
    sizes = list(hyper.layout.values())
    for name, part in zip(hyper.layout, hyper.heads.split(sizes, dim=1), strict=True):
        put(f"heads.{name}", part, 0)
    for name, part in zip(hyper.layout, hyper.offsets.split(sizes), strict=True):
        put(f"offsets.{name}", part, None, _FINE_BITS)
    for k, grid in enumerate(field.grids):
        put(f"grids.{k}", grid.flatten(0, 1), 0)
    for k, (weight, bias) in enumerate(zip(field.weights, field.biases, strict=True)):
        put(f"weights.{k}", weight, 0, min(bits + _MORE_BITS_FOR_WEIGHTS, 16))
        put(f"biases.{k}", bias, None, _FINE_BITS)
    if model.config.embedding_dim:
        put("embedding.weight", model.embedding_weight, 0)
        put("embedding.bias", model.embedding_bias, None, _FINE_BITS)
    return tensors, codings


def tensor_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every stored tensor of a model of this configuration."""
    shapes: dict[str, tuple[int, ...]] = {
        "latents": (config.num_frames, config.latent_dim),
        "trunk": (config.latent_dim, config.bottleneck),
    }
    for name, size in config.heads.items():
        shapes[f"heads.{name}"] = (config.bottleneck, size)
        shapes[f"offsets.{name}"] = (size,)
    for k, level in enumerate(config.levels):
        shapes[f"grids.{k}"] = (config.planes * level.channels * level.copies, level.rows, level.cols)
    for k, (inputs, outputs) in enumerate(config.layer_sizes):
        shapes[f"weights.{k}"] = (outputs, inputs)
        shapes[f"biases.{k}"] = (outputs,)
    if config.embedding_dim:
        shapes["embedding.weight"] = (config.semantic_dim, config.embedding_dim)
        shapes["embedding.bias"] = (config.embedding_dim,)
    return shapes


def check_tensors(config: ModelConfig, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Checks that a file holds exactly the tensors that its configuration needs.

    Raises:
        BitstreamError: a tensor is missing, unknown or of another shape.
    """
    expected = tensor_shapes(config)
    if set(expected) != set(tensors):
        odd = sorted(set(expected) ^ set(tensors))[:3]
        raise BitstreamError(f"its tensors do not fit its configuration (see {', '.join(odd)})")
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise BitstreamError(f"tensor {name} has shape {tensors[name].shape}, its configuration says {shape}")


def to_model(config: ModelConfig, tensors: Mapping[str, FloatArray]) -> LatentINR:
    """Rebuilds a model from its stored tensors; the inverse of `to_tensors` but for the rounding.

    Args:
        config: the model's configuration.
        tensors: dequantised tensors that passed `check_tensors`.

    Returns:
        The model on the CPU, in evaluation mode, without gradients.
    """
    with torch.device("meta"):
        model = LatentINR(config)

    def joined(prefix: str) -> Tensor:
        return torch.cat([torch.from_numpy(tensors[f"{prefix}.{name}"]) for name in config.heads], dim=-1)

    state = {
        "latents": torch.from_numpy(tensors["latents"]),
        "hypernetwork.trunk": torch.from_numpy(tensors["trunk"]),
        "hypernetwork.heads": joined("heads"),
        "hypernetwork.offsets": joined("offsets"),
    }
    for k, level in enumerate(config.levels):
        grid = torch.from_numpy(tensors[f"grids.{k}"])
        state[f"field.grids.{k}"] = grid.view(config.planes, -1, level.rows, level.cols)
    for k in range(config.layers):
        state[f"field.weights.{k}"] = torch.from_numpy(tensors[f"weights.{k}"])
        state[f"field.biases.{k}"] = torch.from_numpy(tensors[f"biases.{k}"])
    if config.embedding_dim:
        state["embedding_weight"] = torch.from_numpy(tensors["embedding.weight"])
        state["embedding_bias"] = torch.from_numpy(tensors["embedding.bias"])
    model.load_state_dict(state, assign=True)
    return model.requires_grad_(False).eval()
