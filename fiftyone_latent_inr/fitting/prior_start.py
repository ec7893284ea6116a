"""From pretrained networks and a video's frames to what its fit starts from.

frames --encoders of the prior--> latents, grids --hypernetwork of the prior--> modulations of each frame
    stored as the difference from the prior: the latents and the prior's hypernetwork as they are
    stored by itself: narrow latents and a hypernetwork that give the same modulations, by their principal components

A model of a long group has more channels and copies than the prior (`Architecture.for_video`): what the prior does not
know starts silent, with grids of zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..codec.quantisation import FloatArray
from ..model import LatentINR, ModelConfig, PriorNetworks, model_views
from ..model.prior_tensors import check_shape, grid_rows, prior_tensors, spread
from ..stored import is_shared
from .start import Start

# Spread of a latent over its video, as of one that starts from noise.
_SPREAD = 0.1
# What is left of random numbers where the prior knows none: enough for copies of a grid to tell themselves apart.
_QUIET = 0.1


@dataclass(frozen=True)
class PriorStart(Start):
    """Numbers of a prior, and those that its encoders predict for a video, to start a fit from.

    Attributes:
        residual: what the networks are stored as the difference from, by name; None where they are stored as such.
    """

    residual: Mapping[str, FloatArray] | None = None
    warm: ClassVar[bool] = False

    def load(self, model: LatentINR) -> None:
        """Puts the numbers into a model; a hypernetwork that is the prior's own stays as it is, and costs no bytes."""
        super().load(model)
        if self.residual is not None:
            model.hypernetwork.trunk.requires_grad_(False)
            model.hypernetwork.heads.requires_grad_(False)

    def references(self) -> dict[str, FloatArray] | None:
        """What residuals are taken against."""
        return None if self.residual is None else {k: v for k, v in self.residual.items() if is_shared(k)}


@torch.no_grad()
def prior_start(
    networks: PriorNetworks, frames: Tensor, shape: ModelConfig, seed: int, residual: bool = False
) -> PriorStart:
    """What a fit of some frames starts from.

    Args:
        networks: pretrained, on the device to encode on.
        frames: uint8 (T, H, W, 3).
        shape: of the model that is to be fitted.
        seed: of what the prior does not know.
        residual: whether the fitted networks are to be stored as the difference from the prior's; the model then has
            the prior's own hypernetwork, see `PriorConfig.shape`.

    Raises:
        InputError: the prior is not for models of this shape.
    """
    check_shape(networks, shape, whole=residual)
    count = len(frames)
    latents, grids = networks.encode(frames)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LatentINR(shape)
    views = model_views(model)
    whole = networks.config.shape(count, shape.height, shape.width)
    tensors = prior_tensors(networks, replace(whole, levels=shape.levels))
    if residual:
        trunk = views["trunk"].zero_()
        trunk[shape.semantic_dim :] = torch.from_numpy(tensors.pop("trunk"))
        views["latents.free"].copy_(latents)
    else:
        hyper = networks.hypernetwork
        _narrow(networks, shape, (latents @ hyper.trunk @ hyper.heads).cpu(), hyper.offsets.cpu(), views)
        for name in [name for name in tensors if name.split(".")[0] in ("trunk", "heads", "offsets")]:
            del tensors[name]
    for name, value in tensors.items():
        # columns that the prior does not have keep what they were given
        known = torch.from_numpy(value)
        views[name].copy_(torch.where(known == 0, views[name], known) if name == "weights.0" else known)
    for k, grid in enumerate(grids):
        view = views[f"grids.{k}"].zero_()
        view[list(grid_rows(networks, shape, k))] = grid.flatten(0, 1).cpu()
    values = {name: view.numpy().copy() for name, view in views.items()}
    return PriorStart(values, {}, torch.arange(count), prior_tensors(networks, shape) if residual else None)


def _narrow(
    networks: PriorNetworks, shape: ModelConfig, modulations: Tensor, offsets: Tensor, views: Mapping[str, Tensor]
) -> None:
    """Puts narrow latents and a hypernetwork into a model that give (T, outputs) modulations as well as they can.

    They are its principal components; a linear hypernetwork of T latents has rank T at most, so that of short videos
    nothing is lost.
    """
    count = len(modulations)
    mean = modulations.mean(0)
    left, scale, right = torch.linalg.svd((modulations - mean).double(), full_matrices=False)
    rank = min(len(scale), shape.latent_dim - shape.semantic_dim, shape.bottleneck)
    loud = _SPREAD * count**0.5  # every component as loud as a free latent that starts from noise
    views["latents.free"].zero_()[:, :rank] = (loud * left[:, :rank]).float()
    trunk = views["trunk"].zero_()  # what the teacher sees does not draw, at first
    trunk[shape.semantic_dim :].fill_diagonal_(1)
    heads = spread(networks, shape, "heads", (scale[:rank, None] * right[:rank] / loud).float())
    for name, known in {**heads, **spread(networks, shape, "offsets", offsets + mean)}.items():
        views[name].mul_(_QUIET)
        rows = views[name] if known.dim() == 1 else views[name][:rank]
        rows.copy_(torch.where(known == 0, rows, known))
