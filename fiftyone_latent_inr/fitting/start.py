"""What a group of frames is given by the groups before it: numbers to start from, and the head that all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ..codec import Quantised, dequantise, peak_steps, quantise, round_steps
from ..codec.quantisation import FloatArray
from ..model import LatentINR, ModelConfig, model_views
from ..model.tensors import SEMANTIC, is_shared

# Bits of a number of the head, which is stored once for all groups.
_HEAD_BITS = 10
# Spread of a semantic latent over the video, as of a free one at its start, and the step that it is rounded to: about
# five bits, less where neighbours in time are alike.
_SPREAD, _STEP = 0.1, 0.005


# Torch has one source of randomness for all threads, and several of them may prepare fits.
_randomness = Lock()


def random_model(shape: ModelConfig, seed: int) -> LatentINR:
    """Networks as a fit from noise begins with, on the CPU; may be called from any thread."""
    with _randomness, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LatentINR(shape)


@dataclass(frozen=True)
class Start:
    """An earlier group of the same shape, which a group starts from and is stored as the residual against.

    NIRVANA (Maiya et al., CVPR 2023) starts each group from the one before it and stores the difference of their
    quantised weights; here it may be any earlier group, since scenes recur.

    Attributes:
        tensors: the earlier group's numbers exactly as they are stored, by name (`model.tensors.tensor_specs`), the
            semantic ones included where there are any.
        steps: the quantisation steps that it was stored with, by name, flat.
        nearest: (T,) for each frame of the new group, which frame of the earlier one resembles it most.
        warm: whether it is fitted already, so that fewer steps do (`FitConfig.warm_steps`, `warm_weight`).
    """

    tensors: Mapping[str, FloatArray]
    steps: Mapping[str, FloatArray]
    nearest: Tensor
    warm: ClassVar[bool] = True

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
class Head:
    """The head into the teacher's space, fitted in closed form to all frames of a video, and stored once.

    Attributes:
        weight: (S, E), as it is stored.
        bias: (E,), as it is stored.
        steps: of the head's tensors and of the semantic latents, by name, flat.
        basis: (E, S) what turns a target, less the bias, into its semantic latent.
    """

    weight: Quantised
    bias: Quantised
    steps: Mapping[str, FloatArray]
    basis: Tensor

    @classmethod
    def of(cls, mean: Tensor, covariance: Tensor, width: int) -> Head:
        """The best head of `width` semantic dimensions: the principal components of the targets.

        Args:
            mean: (E,) of the targets over all frames.
            covariance: (E, E) of them.
            width: S.
        """
        scale, vectors = torch.linalg.eigh(covariance.double())
        order = scale.argsort(descending=True)[:width]
        spread = scale[order].clamp(min=1e-12).sqrt()
        rows = (vectors[:, order] * (spread / _SPREAD)).T.float().numpy()
        weight = Quantised(*quantise(rows, peak_steps(rows, 0, _HEAD_BITS), 0))
        bias = Quantised(*quantise(mean.float().numpy(), peak_steps(mean.float().numpy(), None, 16), None))
        steps = {
            "embedding.weight": weight.steps,
            "embedding.bias": bias.steps,
            "latents.semantic": round_steps(np.full(width, _STEP)),
        }
        return cls(weight, bias, steps, (vectors[:, order] * (_SPREAD / spread)).float())

    @property
    def weight_values(self) -> FloatArray:
        """(S, E) float32, as it is stored."""
        return dequantise(self.weight.codes, self.weight.steps, 0)

    @property
    def bias_values(self) -> FloatArray:
        """(E,) float32, as it is stored."""
        return dequantise(self.bias.codes, self.bias.steps, None)

    def load(self, model: LatentINR, targets: Tensor) -> None:
        """Puts the head, which is not to be learned, and the semantic latents of (T, E) targets into a model."""
        views = model_views(model)
        bias = torch.from_numpy(self.bias_values)
        views["embedding.weight"].copy_(torch.from_numpy(self.weight_values))
        views["embedding.bias"].copy_(bias)
        views["latents.semantic"].copy_((targets - bias) @ self.basis)
        model.embedding_weight.requires_grad_(False)
        model.embedding_bias.requires_grad_(False)
