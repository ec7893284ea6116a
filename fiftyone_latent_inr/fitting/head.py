"""The head into the teacher's space: what turns semantic latents into embeddings, as a video stores it, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..arrays import FloatArray
from ..codec import Quantised, dequantise, peak_step_sizes, quantise, round_step_sizes
from ..model import LatentINR, model_views

# Bits of a number of the head, which is stored once for all groups.
_HEAD_BITS = 10
# Spread of a semantic latent over the video, as of a free one at its start, and the step that it is rounded to: about
# five bits, less where neighbours in time are alike.
_SPREAD, _STEP = 0.1, 0.005


@dataclass(frozen=True)
class Head:
    """The head of a video, fitted in closed form to all of its frames, or learned with its only group's networks.

    Attributes:
        weight: (S, E), as it is stored.
        bias: (E,), as it is stored.
        step_sizes: quantisation step sizes of the head's tensors and of the semantic latents, by name, flat.
        basis: (E, S) what turns a target, less the bias, into its semantic latent; None of one that was learned.
    """

    weight: Quantised
    bias: Quantised
    step_sizes: Mapping[str, FloatArray]
    basis: Tensor | None = None

    @classmethod
    def of_targets(cls, targets: npt.NDArray[np.floating[Any]], width: int) -> Head:
        """The best head of S = `width` semantic dimensions for (T, E) targets: their principal components.

        It needs their mean and covariance alone, which are summed in parts that fit in memory.
        """
        count, size = targets.shape
        mean, square = np.zeros(size), np.zeros((size, size))
        for first in range(0, count, 4096):
            part = targets[first : first + 4096].astype(np.float64)
            mean += part.sum(0)
            square += part.T @ part
        mean /= count
        return cls.of(torch.from_numpy(mean), torch.from_numpy(square / count - np.outer(mean, mean)), width)

    @classmethod
    def of(cls, mean: Tensor, covariance: Tensor, width: int) -> Head:
        """The same from the mean (E,) and covariance (E, E) of the targets over all frames."""
        scale, vectors = torch.linalg.eigh(covariance.double())
        order = scale.argsort(descending=True)[:width]
        spread = scale[order].clamp(min=1e-12).sqrt()
        rows = (vectors[:, order] * (spread / _SPREAD)).T.float().numpy()
        weight = Quantised(*quantise(rows, peak_step_sizes(rows, 0, _HEAD_BITS), 0))
        bias = Quantised(*quantise(mean.float().numpy(), peak_step_sizes(mean.float().numpy(), None, 16), None))
        step_sizes = {
            "embedding.weight": weight.step_sizes,
            "embedding.bias": bias.step_sizes,
            "latents.semantic": round_step_sizes(np.full(width, _STEP)),
        }
        return cls(weight, bias, step_sizes, (vectors[:, order] * (_SPREAD / spread)).float())

    @classmethod
    def learned(cls, semantic: Mapping[str, Quantised]) -> Head:
        """That of a model, from its semantic tensors as they are stored, by name."""
        step_sizes = {name: tensor.step_sizes for name, tensor in semantic.items()}
        return cls(semantic["embedding.weight"], semantic["embedding.bias"], step_sizes)

    def latents(self, model: LatentINR) -> Quantised:
        """(T, S) the semantic latents of a model as they are stored."""
        values = model_views(model)["latents.semantic"].detach().float().cpu().numpy()
        return Quantised(*quantise(values, self.step_sizes["latents.semantic"], 1))

    def stored(self, codes: npt.NDArray[np.int16]) -> dict[str, Quantised]:
        """All semantic tensors as they are stored, by name, from the codes of the latents (T, S)."""
        latents = Quantised(codes, self.step_sizes["latents.semantic"])
        return {"latents.semantic": latents, "embedding.weight": self.weight, "embedding.bias": self.bias}

    def tensors(self, codes: npt.NDArray[np.int16]) -> dict[str, FloatArray]:
        """The same as a reader sees them, float32."""
        values = dequantise(codes, self.step_sizes["latents.semantic"], 1)
        return {"latents.semantic": values, "embedding.weight": self.weight_values, "embedding.bias": self.bias_values}

    @property
    def weight_values(self) -> FloatArray:
        """(S, E) float32, as it is stored."""
        return dequantise(self.weight.codes, self.weight.step_sizes, 0)

    @property
    def bias_values(self) -> FloatArray:
        """(E,) float32, as it is stored."""
        return dequantise(self.bias.codes, self.bias.step_sizes, None)

    def load(self, model: LatentINR, targets: Tensor) -> None:
        """Puts the head, which is not to be learned, and the semantic latents of (T, E) targets into a model."""
        assert self.basis is not None
        views = model_views(model)
        bias = torch.from_numpy(self.bias_values)
        views["embedding.weight"].copy_(torch.from_numpy(self.weight_values))
        views["embedding.bias"].copy_(bias)
        views["latents.semantic"].copy_((targets - bias) @ self.basis)
        model.embedding_weight.requires_grad_(False)
        model.embedding_bias.requires_grad_(False)
