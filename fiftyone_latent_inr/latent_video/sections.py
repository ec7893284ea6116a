"""Tensors to the sections of a `.linr` file, and back.

Tensors are quantised, coded, and padded where they would ask for too much work.
What embeddings need, the semantic latents of all frames and the head, lies in one section; everything else of a group
of frames lies in the group's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .. import codec
from ..arrays import FloatArray
from ..errors import BitstreamError, InputError
from ..model import LatentINR, ModelConfig
from ..model.tensors import SEMANTIC, TensorSpec, is_shared, model_views, tensor_specs

if TYPE_CHECKING:
    pass

StepSizes = Mapping[str, npt.ArrayLike]

# Offsets and biases are few and shift everything that comes after them: sixteen bits cost next to nothing.
_FINE_BITS = 16
# Every point of every frame goes through the field's weights, a twentieth of all numbers: at the bits of the grids
# they alone caused two thirds of what storing cost.
_MORE_BITS_FOR_WEIGHTS = 2

# What a section may make its reader do, as one is decoded at a time. In numbers, and as many as take a section's
# constant time: enough for four planes of 1080p whatever its size, and 12 for each byte beyond the first MiB.
_FREE_WORK = 15_000_000
_WORK_PER_BYTE = 12
_WORK_PER_SECTION = 24_576
_FREE_BYTES = 1 << 20


def encode_group(
    model: LatentINR,
    step_sizes: StepSizes | None,
    bits: int,
    parent: Mapping[str, FloatArray] | None = None,
    quick: bool = False,
) -> bytes:
    """The section of one group of frames.

    Args:
        model: its networks.
        step_sizes: of its tensors by name, flat; None for the smallest that `bits` allow.
        bits: bits of a stored number, where no step sizes are given.
        parent: the stored tensors of the group that it is stored as the difference from; or a prior's, which has
            those of the field.
        quick: as in `codec.encode`.
    """
    config = model.config
    quantised = {}
    views = model_views(model)
    for spec in group_specs(config):
        values = views[spec.name].detach().float().cpu().numpy()
        if parent is not None and is_shared(spec.name) and spec.name in parent:
            values = values - parent[spec.name]
        quantised[spec.name] = _quantise(spec, values, step_sizes, bits)
    return _padded(_encode(group_specs(config), quantised, quick), group_work(config))


def decode_group(
    config: ModelConfig,
    data: bytes,
    parent: Mapping[str, FloatArray] | None = None,
    version: int = codec.VERSION,
    section: str = "group",
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """The inverse of `encode_group`: a group's tensors, the parent's added in float32, and their step sizes, by name.

    Raises:
        BitstreamError: the data cannot be such a section.
    """
    tensors, step_sizes = decode_section(group_specs(config), data, section, version)
    for name in tensors if parent is not None else ():
        if is_shared(name) and name in parent:  # type: ignore[operator]
            tensors[name] += parent[name]  # type: ignore[index]
    return tensors, step_sizes


def quantised_semantic(model: LatentINR, step_sizes: StepSizes | None, bits: int) -> dict[str, codec.Quantised]:
    """Semantic latents and head of a model as they are stored, by name; arguments as those of `encode_group`."""
    views = model_views(model)
    return {
        spec.name: _quantise(spec, views[spec.name].detach().float().cpu().numpy(), step_sizes, bits)
        for spec in semantic_specs(model.config)
    }


def joined_latents(parts: Sequence[codec.Quantised]) -> codec.Quantised:
    """Semantic latents of all groups under the finest of their step sizes."""
    if len(parts) == 1:
        return parts[0]
    step_sizes = np.min([np.where(part.step_sizes > 0, part.step_sizes, np.inf) for part in parts], axis=0)
    step_sizes = np.where(np.isfinite(step_sizes), step_sizes, 0)
    values = np.concatenate([codec.dequantise(part.codes, part.step_sizes, 1) for part in parts])
    return codec.Quantised(*codec.quantise(values, step_sizes, 1))


def encode_semantic(config: ModelConfig, num_frames: int, tensors: Mapping[str, codec.Quantised]) -> bytes:
    """The semantic section of a video.

    Args:
        config: of any group.
        num_frames: T, of all groups.
        tensors: semantic latents (T, S) of all frames, and weight (S, E) and bias (E,) of the head, by name.
    """
    return _padded(_encode(semantic_specs(config, num_frames), tensors), semantic_work(config, num_frames))


def semantic_specs(config: ModelConfig, num_frames: int | None = None) -> list[TensorSpec]:
    """The tensors of the semantic section of `num_frames` frames, those of all groups; None for the group's own."""
    shape = num_frames or config.num_frames, config.semantic_dim
    # a video may have more frames than a model may: it has no configuration of its own
    return [
        replace(spec, shape=shape) if spec.name == SEMANTIC[0] else spec
        for spec in tensor_specs(config)
        if spec.name in SEMANTIC
    ]


def group_specs(config: ModelConfig) -> list[TensorSpec]:
    """The tensors of a group's section."""
    return [spec for spec in tensor_specs(config) if spec.name not in SEMANTIC]


def _quantise(spec: TensorSpec, values: FloatArray, step_sizes: StepSizes | None, bits: int) -> codec.Quantised:
    if step_sizes is None:
        more = _MORE_BITS_FOR_WEIGHTS if spec.name.startswith("weights.") else 0
        own = _FINE_BITS if spec.kind == "vector" else min(bits + more, 16)
        return codec.Quantised(*codec.quantise(values, codec.peak_step_sizes(values, spec.axis, own), spec.axis))
    return codec.Quantised(*codec.quantise(values, step_sizes[spec.name], spec.axis))


def _layouts(specs: Sequence[TensorSpec]) -> list[codec.Layout]:
    return [codec.Layout(spec.kind, spec.shape) for spec in specs]


def _encode(specs: Sequence[TensorSpec], tensors: Mapping[str, codec.Quantised], quick: bool = False) -> bytes:
    return codec.encode(_layouts(specs), [tensors[spec.name] for spec in specs], quick=quick)


def decode_section(
    specs: Sequence[TensorSpec], data: bytes, section: str, version: int
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Tensors and step sizes of a section, by name.

    Args:
        specs: of the tensors that it holds, in order.
        data: the section.
        section: its name, for errors.
        version: of the format.

    Raises:
        BitstreamError: the data cannot be such a section.
    """
    found = _decode(specs, data, section, version)
    tensors, step_sizes = {}, {}
    for spec in specs:
        one = found.pop(0)  # codes go as their values come, so that both are never there in full
        tensors[spec.name] = codec.dequantise(one.codes, one.step_sizes, spec.axis)
        step_sizes[spec.name] = one.step_sizes
    return tensors, step_sizes


def decode_first(specs: Sequence[TensorSpec], data: bytes, section: str, version: int) -> FloatArray:
    """The first tensor of a section alone, which must be a sequence; arguments as those of `decode_section`."""
    first = _decode(specs, data, section, version, 1)[0]
    return codec.dequantise(first.codes, first.step_sizes, specs[0].axis)


def _decode(
    specs: Sequence[TensorSpec], data: bytes, section: str, version: int, wanted: int | None = None
) -> list[codec.Quantised]:
    try:
        return codec.decode(_layouts(specs), data, version, wanted)
    except BitstreamError as error:
        raise BitstreamError(f"the section {section!r} is damaged: {error}") from error


def check_groups(configs: Sequence[ModelConfig]) -> None:
    """Checks that groups of frames are of one video.

    Raises:
        InputError: names what differs.
    """
    first = configs[0]
    for config in configs:
        for name in ("height", "width", "semantic_dim", "embedding_dim"):
            if getattr(config, name) != getattr(first, name):
                raise InputError(f"model configuration: groups of frames differ in {name}")


def group_work(config: ModelConfig) -> int:
    """The numbers of a group's section, and a constant for each section."""
    elsewhere = config.num_frames * config.semantic_dim + (config.semantic_dim + 1) * config.embedding_dim
    return config.num_parameters - elsewhere + _WORK_PER_SECTION


def semantic_work(config: ModelConfig, num_frames: int) -> int:
    """The same of the semantic section, which is that of all frames."""
    return num_frames * config.semantic_dim + (config.semantic_dim + 1) * config.embedding_dim + _WORK_PER_SECTION


def work_allowed(size: int) -> int:
    """How many numbers a section of so many bytes may ask its reader for."""
    return _FREE_WORK + _WORK_PER_BYTE * max(0, size - _FREE_BYTES)


def _padded(data: bytes, work: int) -> bytes:
    """Zeros behind a section of much work in few bytes, which the decoder never looks at."""
    if work <= work_allowed(len(data)):
        return data
    missing = _FREE_BYTES + (work - _FREE_WORK) // _WORK_PER_BYTE + 1 - len(data)
    return data + bytes(missing + -(len(data) + missing) % 4)
