"""Between models and what a `.linr` file holds of them: sections of quantised tensors, read when they are needed.

A video is one group of frames or several. What embeddings need, the semantic latents of all frames and the head, lies
in one section; everything else of a group lies in the group's own. A group may have an earlier one as its parent: its
networks are then stored as the difference from the parent's (NIRVANA, Maiya et al., CVPR 2023), its latents as such.
The parent may be a prior, not in the file, whose field alone is taken: the file cannot be read without it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from . import codec
from .errors import BitstreamError, InputError
from .model import LatentINR, ModelConfig, PriorNetworks
from .model.prior_tensors import check_shape, prior_tensors
from .model.tensors import SEMANTIC, TensorSpec, model_parameters, model_views, tensor_specs
from .prior_reference import PriorReference

if TYPE_CHECKING:
    from .prior import Prior

FloatArray = npt.NDArray[np.float32]
Steps = Mapping[str, npt.ArrayLike]

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

# Numbers of decoded sections that are kept for the next frame, beyond the one in hand: some groups of a usual video.
_KEPT = 24_000_000


@dataclass(frozen=True)
class Group:
    """A run of frames that share a model.

    Attributes:
        first: its first frame.
        config: the model's configuration, whose `num_frames` is the number of frames.
        entry: where its section is.
    """

    first: int
    config: ModelConfig
    entry: codec.Entry

    @property
    def parent(self) -> int | None:
        """The group that its networks are the difference from; `codec.PRIOR` for the prior."""
        return self.entry.parent


def to_sections(
    models: Sequence[LatentINR], steps: Sequence[Steps | None], bits: int, prior: PriorNetworks | None = None
) -> tuple[list[dict[str, Any]], list[codec.Section]]:
    """The sections that stand for the models of a video's groups of frames, and their configurations.

    The semantic latents and the head are those of all groups; the head is the first model's.

    Args:
        models: fitted models, on any device, in the order of their frames.
        steps: for each model the steps of its tensors by name, flat, or None for the smallest that `bits` allow.
        bits: bits of a stored number; the field's weights take two more, offsets and biases 16.
        prior: that the field is stored as the difference from, or None.

    Raises:
        InputError: the models do not fit together.
    """
    configs = [model.config for model in models]
    _check_groups(configs)
    quantised = []
    for model, given in zip(models, steps, strict=True):
        values = {name: view.detach().float().cpu().numpy() for name, view in model_views(model).items()}
        for name, reference in ({} if prior is None else prior_tensors(prior, model.config)).items():
            values[name] = values[name] - reference
        quantised.append({s.name: _quantise(s, values[s.name], given, bits) for s in tensor_specs(model.config)})
    count = sum(config.num_frames for config in configs)
    sections = []
    if configs[0].semantic_dim:
        tensors = {name: quantised[0][name] for name in SEMANTIC}
        if len(models) > 1:
            tensors["latents.semantic"] = _joined([own["latents.semantic"] for own in quantised])
        data = _encode(semantic_specs(replace(configs[0], num_frames=count)), tensors)
        sections.append(codec.Section(codec.SEMANTIC, count, 0, _padded(data, _semantic_work(configs[0], count))))
    documents: list[dict[str, Any]] = []
    for config, own in zip(configs, quantised, strict=True):
        document = config.to_json()
        if document not in documents:
            documents.append(document)
        data = _padded(_encode(group_specs(config), own), _group_work(config))
        parent = None if prior is None else codec.PRIOR
        sections.append(codec.Section(codec.GROUP, config.num_frames, documents.index(document), data, parent))
    return documents, sections


def encode_group(
    model: LatentINR, steps: Steps | None, bits: int, parent: Mapping[str, FloatArray] | None = None
) -> bytes:
    """The section of one group of frames.

    Args:
        model: its networks.
        steps: of its tensors by name, flat; None for the smallest that `bits` allow.
        bits: bits of a stored number, where no steps are given.
        parent: the stored tensors of the group that it is stored as the difference from; or a prior's, which has
            those of the field.
    """
    config = model.config
    quantised = {}
    views = model_views(model)
    for spec in group_specs(config):
        values = views[spec.name].detach().float().cpu().numpy()
        if parent is not None and is_shared(spec.name) and spec.name in parent:
            values = values - parent[spec.name]
        quantised[spec.name] = _quantise(spec, values, steps, bits)
    return _padded(_encode(group_specs(config), quantised), _group_work(config))


def decode_group(
    config: ModelConfig,
    data: bytes,
    parent: Mapping[str, FloatArray] | None = None,
    version: int = codec.VERSION,
    section: str = "group",
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """The inverse of `encode_group`: a group's tensors, the parent's added in float32, and their steps, by name.

    Raises:
        BitstreamError: the data cannot be such a section.
    """
    tensors, steps = _decode(group_specs(config), data, section, version)
    for name in tensors if parent is not None else ():
        if is_shared(name) and name in parent:  # type: ignore[operator]
            tensors[name] += parent[name]  # type: ignore[index]
    return tensors, steps


def encode_semantic(
    config: ModelConfig, latents: codec.Quantised, weight: codec.Quantised, bias: codec.Quantised
) -> bytes:
    """The semantic section of a video whose groups share a head.

    Args:
        config: of any group, `num_frames` being that of the video.
        latents: (T, S) of all frames.
        weight: (S, E) of the head.
        bias: (E,) of the head.
    """
    tensors = dict(zip(SEMANTIC, (latents, weight, bias), strict=True))
    return _padded(_encode(semantic_specs(config), tensors), _semantic_work(config, config.num_frames))


def is_shared(name: str) -> bool:
    """Whether a tensor is stored as the difference from the parent's: all but latents and head."""
    return name not in SEMANTIC and not name.startswith("latents.")


def semantic_specs(config: ModelConfig) -> list[TensorSpec]:
    """The tensors of the semantic section; `num_frames` counts those of all groups."""
    return [spec for spec in tensor_specs(config) if spec.name in SEMANTIC]


def group_specs(config: ModelConfig) -> list[TensorSpec]:
    """The tensors of a group's section."""
    return [spec for spec in tensor_specs(config) if spec.name not in SEMANTIC]


class Stored:
    """A file's header, and its tensors as they are asked for; what was read once is kept.

    Args:
        source: the file or its bytes.
        prior: that it is stored as the difference from, where it is; looked for on this machine if not given.

    Raises:
        BitstreamError: it is damaged or foreign.
        InputError: the prior given is another one.

    Attributes:
        header: the JSON header.
        groups: the groups of frames, in order.
        num_frames: of all groups.
    """

    def __init__(self, source: codec.Source, prior: Prior | None = None) -> None:
        self.source = source
        self.header, entries = codec.parse(source)
        self.prior, self._prior = PriorReference.from_json(self.header.get("prior")), prior
        if prior is not None and self.prior is not None and prior.id != self.prior.id:
            raise InputError(
                f"{source.name or 'it'} is stored as the difference from {self.prior}, not from {prior.id}"
            )
        if self.prior is None and any(entry.parent == codec.PRIOR for entry in entries):
            raise BitstreamError("its header lacks the prior that its groups are the difference from")
        configs = _configs(self.header.get("models"))
        self.groups: list[Group] = []
        self._semantic = next((e for e in entries if e.kind == codec.SEMANTIC), None)
        for entry in entries:
            if entry.model >= len(configs):
                raise BitstreamError("the index names a model configuration that is not there")
            if entry.kind == codec.GROUP:
                if configs[entry.model].num_frames != entry.count:
                    raise BitstreamError("the index and a model's configuration differ in the number of frames")
                self.groups.append(Group(entry.first, configs[entry.model], entry))
        try:
            _check_groups([group.config for group in self.groups])
            for group in self.groups:
                if group.parent not in (None, codec.PRIOR) and not _same_shape(
                    group.config, self.groups[group.parent].config
                ):
                    raise InputError("model configuration: a group's networks have another shape than its parent's")
        except InputError as error:
            raise BitstreamError(str(error)) from error
        self.num_frames = sum(group.config.num_frames for group in self.groups)
        if (self._semantic is None) != (self.groups[0].config.semantic_dim == 0):
            raise BitstreamError("its sections do not fit its configuration: the semantic one is missing or extra")
        works = [_group_work(config) for config in configs]
        for entry in entries:
            # the padding of version 2, which counted all sections together, may lie in another section
            size = entry.size if entry.version > 2 else source.size
            if entry.kind == codec.GROUP:
                work = works[entry.model]
            else:
                work = _semantic_work(self.groups[0].config, self.num_frames)
            if work > _work_allowed(size):
                raise BitstreamError("it declares more numbers than a section of its size may hold")
        self._lock = threading.RLock()
        self._kept: OrderedDict[int, dict[str, FloatArray]] = OrderedDict()

    def semantic(self) -> dict[str, FloatArray]:
        """The semantic latents (T, S) and the head, by name; empty without a teacher."""
        entry = self._semantic
        if entry is None:
            return {}
        specs = semantic_specs(replace(self.groups[0].config, num_frames=self.num_frames))
        return self._keep(-1, lambda: _decode(specs, self._read(entry), entry.name, entry.version)[0])

    def group(self, index: int) -> dict[str, FloatArray]:
        """A group's own tensors by name; those of its parents are decoded, too."""
        group = self.groups[index]

        def decode() -> dict[str, FloatArray]:
            parent: Mapping[str, FloatArray] | None = None
            if group.parent == codec.PRIOR:
                parent = self._of_prior(group.config)
            elif group.parent is not None:
                parent = self.group(group.parent)
            entry = group.entry
            return decode_group(group.config, self._read(entry), parent, entry.version, entry.name)[0]

        return self._keep(index, decode)

    def model(self, index: int) -> LatentINR:
        """A group's model, rebuilt on the CPU, in evaluation mode, without gradients."""
        group = self.groups[index]
        semantic = dict(self.semantic())
        if semantic:
            stop = group.first + group.config.num_frames
            semantic["latents.semantic"] = semantic["latents.semantic"][group.first : stop]
        return to_model(group.config, {**semantic, **self.group(index)})

    def check(self) -> None:
        """Reads every section and compares its checksum, without decoding.

        Raises:
            BitstreamError: one is damaged.
        """
        for entry in [*([self._semantic] if self._semantic else []), *(group.entry for group in self.groups)]:
            codec.read_section(self.source, entry)

    def _of_prior(self, config: ModelConfig) -> dict[str, FloatArray]:
        """The prior's networks as tensors of a model."""
        assert self.prior is not None
        if self._prior is None:
            try:
                self._prior = self.prior.find()
            except InputError as error:
                raise InputError(f"{self.source.name or 'the video'}: {error}") from error
        try:
            check_shape(self._prior.networks, config)
        except InputError as error:
            raise BitstreamError(str(error)) from error
        return prior_tensors(self._prior.networks, config)

    def _read(self, entry: codec.Entry) -> bytes:
        return codec.read_section(self.source, entry)

    def _keep(self, key: int, decode: Callable[[], dict[str, FloatArray]]) -> dict[str, FloatArray]:
        """What was decoded before, or is now; the semantic section stays, of groups the latest ones."""
        with self._lock:
            if key not in self._kept:
                try:
                    self._kept[key] = decode()
                except BitstreamError as error:
                    name, text = self.source.name, str(error)
                    raise BitstreamError(text if not name or text.startswith(name) else f"{name}: {text}") from error
            self._kept.move_to_end(key)
            found = self._kept[key]
            sizes = {k: sum(t.size for t in tensors.values()) for k, tensors in self._kept.items()}
            for old in [k for k in self._kept if k not in (key, -1)]:
                if sum(sizes.values()) <= _KEPT:
                    break
                del self._kept[old], sizes[old]
            return found


def to_model(config: ModelConfig, tensors: Mapping[str, FloatArray]) -> LatentINR:
    """Rebuilds a model from its stored tensors.

    Args:
        config: the model's configuration.
        tensors: all of `tensor_specs`, by name.

    Returns:
        The model on the CPU, in evaluation mode, without gradients.
    """
    with torch.device("meta"):
        model = LatentINR(config)
    state = model_parameters(config, {name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    model.load_state_dict(state, assign=True)
    return model.requires_grad_(False).eval()


def _quantise(spec: TensorSpec, values: FloatArray, steps: Steps | None, bits: int) -> codec.Quantised:
    if steps is None:
        more = _MORE_BITS_FOR_WEIGHTS if spec.name.startswith("weights.") else 0
        own = _FINE_BITS if spec.kind == "vector" else min(bits + more, 16)
        return codec.Quantised(*codec.quantise(values, codec.peak_steps(values, spec.axis, own), spec.axis))
    return codec.Quantised(*codec.quantise(values, steps[spec.name], spec.axis))


def _joined(parts: Sequence[codec.Quantised]) -> codec.Quantised:
    """Semantic latents of all groups under the finest of their steps."""
    steps = np.min([np.where(part.steps > 0, part.steps, np.inf) for part in parts], axis=0)
    steps = np.where(np.isfinite(steps), steps, 0)
    values = np.concatenate([codec.dequantise(part.codes, part.steps, 1) for part in parts])
    return codec.Quantised(*codec.quantise(values, steps, 1))


def _layouts(specs: Sequence[TensorSpec]) -> list[codec.Layout]:
    return [codec.Layout(spec.kind, spec.shape) for spec in specs]


def _encode(specs: Sequence[TensorSpec], tensors: Mapping[str, codec.Quantised]) -> bytes:
    return codec.encode(_layouts(specs), [tensors[spec.name] for spec in specs])


def _decode(
    specs: Sequence[TensorSpec], data: bytes, section: str, version: int
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Tensors and steps of a section, by name."""
    try:
        found = codec.decode(_layouts(specs), data, version)
    except BitstreamError as error:
        raise BitstreamError(f"the section {section!r} is damaged: {error}") from error
    tensors, steps = {}, {}
    for spec in specs:
        one = found.pop(0)  # codes go as their values come, so that both are never there in full
        tensors[spec.name] = codec.dequantise(one.codes, one.steps, spec.axis)
        steps[spec.name] = one.steps
    return tensors, steps


def _configs(documents: Any) -> list[ModelConfig]:
    if not isinstance(documents, list):
        raise BitstreamError("its header lacks the model configurations")
    try:
        return [ModelConfig.from_json(document) for document in documents]
    except (InputError, TypeError, ValueError, OverflowError) as error:
        raise BitstreamError(f"its header is not that of a Latent-INR video: {error}") from error


def _check_groups(configs: Sequence[ModelConfig]) -> None:
    """Checks that groups are of one video, and that their work is bounded."""
    first = configs[0]
    for config in configs:
        for name in ("height", "width", "semantic_dim", "embedding_dim"):
            if getattr(config, name) != getattr(first, name):
                raise InputError(f"model configuration: groups of frames differ in {name}")


def _same_shape(one: ModelConfig, other: ModelConfig) -> bool:
    return replace(one, num_frames=1) == replace(other, num_frames=1)


def _group_work(config: ModelConfig) -> int:
    """The numbers of a group's section, and a constant for each section."""
    elsewhere = config.num_frames * config.semantic_dim + (config.semantic_dim + 1) * config.embedding_dim
    return config.num_parameters - elsewhere + _WORK_PER_SECTION


def _semantic_work(config: ModelConfig, num_frames: int) -> int:
    """The same of the semantic section, which is that of all frames."""
    return num_frames * config.semantic_dim + (config.semantic_dim + 1) * config.embedding_dim + _WORK_PER_SECTION


def _work_allowed(size: int) -> int:
    return _FREE_WORK + _WORK_PER_BYTE * max(0, size - _FREE_BYTES)


def _padded(data: bytes, work: int) -> bytes:
    """Zeros behind a section of much work in few bytes, which the decoder never looks at."""
    if work <= _work_allowed(len(data)):
        return data
    missing = _FREE_BYTES + (work - _FREE_WORK) // _WORK_PER_BYTE + 1 - len(data)
    return data + bytes(missing + -(len(data) + missing) % 4)
