"""The loss of one step as one function of a model's parameters, so that it can be batched, and compiled for a GPU.

LATENT_INR_COMPILE=0        never compile
LATENT_INR_COMPILE=1        compile on any device
LATENT_INR_COMPILE=graphs   the same, and replay CUDA graphs of it
not set                     compile on CUDA, in fits that are long enough to pay for it
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..devices import is_memory_full
from ..model import LatentINR
from ..model.curves import latents_between
from .losses import alignment_loss, reconstruction_loss

log = logging.getLogger(__name__)

SWITCH = "LATENT_INR_COMPILE"
# Steps from which on compiling, which takes about a minute, is worth it.
_WORTH = 3000


class Objective(nn.Module):
    """What a step makes small, of the frames themselves or of what lies between them.

    Args:
        model: whose parameters are looked at.
        alignment_weight: lambda of the alignment loss.
    """

    def __init__(self, model: LatentINR, alignment_weight: float) -> None:
        super().__init__()
        self.model, self.alignment_weight = model, alignment_weight

    def forward(
        self,
        latents: Tensor,
        points: Tensor,
        colours: Tensor,
        targets: Tensor | None = None,
        spread: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The loss, and the squared error of the colours without gradient.

        Args:
            latents: (B, D) of the instants, as `looked_up` gives them: the dictionary itself, which is as long as the
                video, is no part of what is compiled, so that groups of other lengths need no compiling of their own.
            points: (B, N, 2), middles of the patches.
            colours: (B, N * p * p, 3), what is to be seen there.
            targets: (B, E) the teacher's embeddings of the frames, or None.
            spread: scalar, how much the embeddings of all frames vary.
        """
        loss = reconstruction_loss(self.model.render_patches(latents, points), colours)
        error = loss.detach()
        if targets is not None and spread is not None:
            aligned = alignment_loss(self.model.embed(latents, normalise=False), targets, spread)
            loss = loss + self.alignment_weight * aligned
        return loss, error


def looked_up(dictionary: Tensor, instants: Tensor, scene: Tensor) -> Tensor:
    """Latents (B, D) of a dictionary (T, D) at frames, or at times between them.

    Args:
        dictionary: the model's latents.
        instants: (B,) indices of frames, or times as floats.
        scene: (T,) of each frame, see `latents_between`.
    """
    return latents_between(dictionary, scene, instants) if instants.is_floating_point() else dictionary[instants]


class Loss:
    """A function that gives losses and errors, compiled where that is wanted and works.

    Args:
        function: gives losses, of any shape, and errors; see `Objective.forward`.
        mode: as `compile_mode` gives it.
    """

    def __init__(self, function: Callable[..., tuple[Tensor, Tensor]], mode: str | None) -> None:
        self.function, self.mode = function, mode
        self._compiled: Callable[..., tuple[Tensor, Tensor]] | None = None

    def backward(self, parameters: list[Tensor], *inputs: Any) -> Tensor:
        """Adds the gradients of the losses' sum to those of the parameters, and gives the errors."""
        if self.mode is not None:
            try:
                if self._compiled is None:
                    mode = "reduce-overhead" if self.mode == "graphs" else None
                    self._compiled = torch.compile(self.function, dynamic=False, mode=mode)
                return _backward(self._compiled, inputs)
            except Exception as error:  # whatever a compiler that does not work here raises
                if is_memory_full(error):
                    raise
                log.warning("the fit goes on without compiling, which failed: %s", str(error).strip().split("\n")[0])
                self.mode = self._compiled = None
                for parameter in parameters:
                    if parameter.grad is not None:
                        parameter.grad.zero_()
        return _backward(self.function, inputs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Loss:
        # what was compiled is bound to the model that it was compiled of
        return Loss(copy.deepcopy(self.function, memo), self.mode)


def _backward(function: Callable[..., tuple[Tensor, Tensor]], inputs: tuple[Any, ...]) -> Tensor:
    losses, errors = function(*inputs)
    (losses.sum() if losses.dim() else losses).backward()
    return errors


def compile_mode(device: torch.device | str, num_steps: int) -> str | None:
    """How a fit's loss is compiled: `plain`, `graphs`, or None for not at all."""
    wish = os.environ.get(SWITCH, "")
    on_gpu = torch.device(device).type == "cuda"
    if wish == "graphs" and on_gpu:
        return "graphs"
    if wish not in ("", "0"):
        return "plain"
    return "plain" if wish == "" and on_gpu and num_steps >= _WORTH else None


def generator_on(device: torch.device | str, seed: int) -> torch.Generator:
    """Randomness for a fit: on the GPU where it runs on one, so that no step copies anything, else on the CPU."""
    chosen = torch.device(device)
    return torch.Generator(chosen if chosen.type == "cuda" else "cpu").manual_seed(seed)
