"""What a group of frames starts from: random networks, the numbers of an earlier group, or its own of before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

from ..arrays import FloatArray
from ..model import LatentINR, ModelConfig, model_views
from ..model.tensors import SEMANTIC, is_shared

# Torch has one source of randomness for all threads, and several of them may prepare fits.
_randomness = Lock()


def random_model(shape: ModelConfig, seed: int) -> LatentINR:
    """Networks as a fit from noise begins with, on the CPU; may be called from any thread."""
    with _randomness, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` seeds the cards as well, which are the host's
        return LatentINR(shape)


@dataclass(frozen=True)
class Start:
    """An earlier group of the same shape, which a group starts from and is stored as the residual against.

    NIRVANA (Maiya et al., CVPR 2023) starts each group from the one before it and stores the difference of their
    quantised weights; here it may be any earlier group, since scenes recur.

    Attributes:
        tensors: the earlier group's numbers exactly as they are stored, by name (`model.tensors.tensor_specs`), the
            semantic ones included where there are any.
        step_sizes: quantisation step sizes that it was stored with, by name, flat.
        nearest: (T,) for each frame of the new group, which frame of the earlier one resembles it most.
    """

    tensors: Mapping[str, FloatArray]
    step_sizes: Mapping[str, FloatArray]
    nearest: Tensor

    @property
    def warm(self) -> bool:
        """Whether it is fitted already, so that fewer steps do (`FitConfig.warm_steps`, `warm_weight`)."""
        return True

    @property
    def semantic(self) -> FloatArray | None:
        """(T, S) semantic latents that the fit leaves as they are; None where it learns them."""
        return None

    def load(self, model: LatentINR) -> None:
        """Puts the earlier group's numbers into a model, which is on the CPU."""
        for name, view in model_views(model).items():
            if name in SEMANTIC:
                continue
            values = torch.from_numpy(self.tensors[name])
            view.copy_(values[self.nearest] if name.startswith("latents.") else values)

    def references(self) -> dict[str, FloatArray] | None:
        """What residuals are taken against: everything but the latents, which are each frame's own, and the head."""
        return {name: value for name, value in self.tensors.items() if is_shared(name)}


@dataclass(frozen=True)
class OwnStart(Start):
    """A group's own stored numbers, which its fit goes on from; semantic latents and head stay as they are.

    Attributes:
        parent: numbers that it is stored as the residual against, by name; None where it is stored as such.
        of_group: whether those are an earlier group's, so that it was fitted in fewer steps, and is again.
    """

    parent: Mapping[str, FloatArray] | None = None
    of_group: bool = False

    @property
    def warm(self) -> bool:
        """Whether it takes as few steps as a group that starts from an earlier one."""
        return self.of_group

    @property
    def semantic(self) -> FloatArray | None:
        """(T, S) semantic latents, which stay; None without a teacher."""
        return self.tensors.get(SEMANTIC[0])

    def load(self, model: LatentINR) -> None:
        """Puts all numbers into a model, which is on the CPU; the head is not learned any further."""
        super().load(model)
        views = model_views(model)
        for name in SEMANTIC:
            if name in views:
                views[name].copy_(torch.from_numpy(self.tensors[name]))
        if model.config.embedding_dim:
            model.embedding_weight.requires_grad_(False)
            model.embedding_bias.requires_grad_(False)

    def references(self) -> dict[str, FloatArray] | None:
        """What residuals are taken against."""
        return None if self.parent is None else {name: v for name, v in self.parent.items() if is_shared(name)}
