"""What a `.linr` file holds of models: sections of quantised tensors, read when they are needed.

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
import torch

from .. import codec
from ..arrays import FloatArray
from ..errors import BitstreamError, InputError
from ..model import LatentINR, ModelConfig
from ..model.tensors import model_parameters
from ..priors.model_tensors import check_shape, prior_tensors
from ..priors.reference import PriorReference
from .limits import Limits, guarded
from .sections import (
    check_groups,
    decode_first,
    decode_group,
    decode_section,
    group_specs,
    group_work,
    semantic_specs,
    semantic_work,
    work_allowed,
)

if TYPE_CHECKING:
    from ..priors.prior import Prior

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


class Stored:
    """A file's header, and its tensors as they are asked for; what was read once is kept.

    Args:
        source: the file or its bytes.
        prior: that it is stored as the difference from, where it is; looked for on this machine if not given.
        limits: what it may make its reader do.

    Raises:
        BitstreamError: it is damaged or foreign, or asks for more.
        InputError: the prior given is another one, or `limits` are none.

    Attributes:
        header: the JSON header.
        limits: as given.
        groups: the groups of frames, in order.
        num_frames: of all groups.
        num_parameters: stored numbers of all groups, the embedding head counted once.
    """

    def __init__(self, source: codec.Source, prior: Prior | None = None, limits: Limits | None = None) -> None:
        self.source, self.limits = source, Limits.settle(limits)
        self.header, entries = codec.parse(source)
        self.prior, self._prior = PriorReference.from_json(self.header.get("prior")), prior
        if prior is not None and self.prior is not None and prior.id != self.prior.id:
            raise InputError(
                f"{source.name or 'it'} is stored as the difference from {self.prior}, not from {prior.id}"
            )
        if self.prior is None and any(entry.parent == codec.PRIOR for entry in entries):
            raise BitstreamError("its header lacks the prior that its groups are the difference from")
        configs = _configs(self.header.get("models"), len(entries))
        self.groups: list[Group] = []
        self._semantic = next((e for e in entries if e.kind == codec.SEMANTIC), None)
        for entry in entries:
            if entry.model >= len(configs):
                raise BitstreamError("the index names a model configuration that is not there")
            if entry.kind == codec.GROUP:
                if configs[entry.model].num_frames != entry.count:
                    raise BitstreamError("the index and a model's configuration differ in the number of frames")
                self.groups.append(Group(entry.first, configs[entry.model], entry))
        # of many groups few differ: what is looked at here is models, not groups
        used = {group.entry.model: group.config for group in self.groups}
        related = {
            (group.entry.model, self.groups[group.parent].entry.model)
            for group in self.groups
            if group.parent not in (None, codec.PRIOR)
        }
        try:
            check_groups(list(used.values()))
            for own, parent in related:
                if own != parent and not _same_shape(used[own], used[parent]):
                    raise InputError("model configuration: a group's networks have another shape than its parent's")
        except InputError as error:
            raise BitstreamError(str(error)) from error
        self.num_frames = sum(group.config.num_frames for group in self.groups)
        self.limits.check("frames", self.num_frames, f"{self.num_frames:,} frames")
        first = self.groups[0].config
        head = (first.semantic_dim + 1) * first.embedding_dim
        each = {model: config.num_parameters - head for model, config in used.items()}
        self.num_parameters = sum(each[group.entry.model] for group in self.groups) + head
        if (self._semantic is None) != (self.groups[0].config.semantic_dim == 0):
            raise BitstreamError("its sections do not fit its configuration: the semantic one is missing or extra")
        self._check_work(entries, {model: group_work(config) for model, config in used.items()})
        self._lock = threading.RLock()
        self._kept: OrderedDict[int, dict[str, FloatArray]] = OrderedDict()
        self._sizes: dict[int, int] = {}  # numbers of each, and their sum
        self._size = 0

    def _check_work(self, entries: Sequence[codec.Entry], works: Mapping[int, int]) -> None:
        """Refuses sections that declare more numbers than their size may hold."""
        semantic = semantic_work(self.groups[0].config, self.num_frames)
        for entry in entries:
            # the padding of version 2, which counted all sections together, may lie in another section
            size = entry.size if entry.version > 2 else self.source.size
            work = works[entry.model] if entry.kind == codec.GROUP else semantic
            if work > work_allowed(size):
                raise BitstreamError("it declares more numbers than a section of its size may hold")

    def semantic(self) -> dict[str, FloatArray]:
        """The semantic latents (T, S) and the head, by name; empty without a teacher."""
        entry = self._semantic
        if entry is None:
            return {}
        specs = semantic_specs(self.groups[0].config, self.num_frames)
        return self._keep(-1, lambda: decode_section(specs, self._read(entry), entry.name, entry.version)[0])

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

    def step_sizes(self, index: int) -> dict[str, FloatArray]:
        """Quantisation step sizes of a group's own tensors by name, flat: for a fit that goes on from it."""
        group, entry = self.groups[index], self.groups[index].entry
        with guarded(self.source.name, "its stored numbers"):
            return decode_group(group.config, self._read(entry), None, entry.version, entry.name)[1]

    def quantised_semantic(self) -> dict[str, codec.Quantised]:
        """Semantic latents and head exactly as they are stored, by name; empty without a teacher."""
        entry = self._semantic
        if entry is None:
            return {}
        specs = semantic_specs(self.groups[0].config, self.num_frames)
        with guarded(self.source.name, "its embeddings"):
            tensors, steps = decode_section(specs, self._read(entry), entry.name, entry.version)
        return {s.name: codec.Quantised(*codec.quantise(tensors[s.name], steps[s.name], s.axis)) for s in specs}

    def reference_prior(self) -> Prior | None:
        """The prior that its groups are the difference from; None where they stand alone.

        Raises:
            InputError: it is not on this machine.
        """
        if self.prior is not None and self._prior is None:
            self._of_prior(self.groups[0].config)
        return self._prior if self.prior is not None else None

    def free_latents(self, index: int) -> FloatArray:
        """A group's own latents (T, D - S), of no parent; nothing else of the group is decoded."""
        group = self.groups[index]
        if index in self._kept or group.config.latent_dim == group.config.semantic_dim:
            return self.group(index).get("latents.free", np.zeros((group.config.num_frames, 0), np.float32))
        with guarded(self.source.name, "its latents"):
            entry = group.entry
            return decode_first(group_specs(group.config), self._read(entry), entry.name, entry.version)

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
                with guarded(self.source.name, "its stored numbers"):
                    self._kept[key] = decode()
                self._sizes[key] = sum(tensor.size for tensor in self._kept[key].values())
                self._size += self._sizes[key]
            self._kept.move_to_end(key)
            found = self._kept[key]
            while self._size > _KEPT and (old := next((k for k in self._kept if k not in (key, -1)), None)) is not None:
                del self._kept[old]
                self._size -= self._sizes.pop(old)
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


def _configs(documents: Any, most: int) -> list[ModelConfig]:
    if not isinstance(documents, list) or not 0 < len(documents) <= most:
        raise BitstreamError("its header lacks the model configurations, or has more than there are groups of frames")
    try:
        return [ModelConfig.from_json(document) for document in documents]
    except (InputError, TypeError, ValueError, OverflowError) as error:
        raise BitstreamError(f"its header is not that of a Latent-INR video: {error}") from error


def _same_shape(one: ModelConfig, other: ModelConfig) -> bool:
    return replace(one, num_frames=1) == replace(other, num_frames=1)
