"""From pretrained networks and a video's frames to what its fit starts from.

frames --encoders of the prior--> latents, grids --hypernetwork of the prior--> modulations of each frame
                            --principal components--> narrow latents, and a hypernetwork that gives the same modulations

A model of a long group has more channels and copies than the prior (`Architecture.for_video`): what the prior does not
know starts silent, with grids of zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..arrays import FloatArray
from ..errors import InputError
from ..model import LatentINR, ModelConfig, model_views
from ..priors.model_tensors import check_shape, grid_rows, prior_tensors, spread
from ..priors.networks import PriorNetworks
from .start import Start, random_model

# Spread of a latent over its video, as of one that starts from noise.
_SPREAD = 0.1
# Of the loudest component: quieter ones are errors of rounding, as T frames' last one is. They would be given steps as
# short as they are, far too short for what a fit makes of them.
_LEAST_SCALE = 1e-3
# Colours are about 0 to 1, those of networks that were never trained a few times as many: gradients of colours that are
# far beyond are numbers that no step can work with.
_MAX_COLOUR, _LOOKED_AT = 1e4, 64
# What is left of random numbers where the prior knows none: enough for copies of a grid to tell themselves apart.
_QUIET = 0.1

_NO_COLOURS = (
    "its weights are too large: what it draws of this video are no colours; take another, or none (prior='none')"
)


@dataclass(frozen=True)
class PriorStart(Start):
    """Numbers of a prior, and those that its encoders predict for a video, to start a fit from.

    Attributes:
        residual: what the field is stored as the difference from, by name; None where it is stored as such.
    """

    residual: Mapping[str, FloatArray] | None = None

    @property
    def warm(self) -> bool:
        """A prior is fitted to no video."""
        return False

    def references(self) -> dict[str, FloatArray] | None:
        """What residuals are taken against."""
        return None if self.residual is None else dict(self.residual)


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
        residual: whether the fitted field is to be stored as the difference from the prior's.

    Raises:
        InputError: the prior is not for models of this shape, or draws no colours.
    """
    check_shape(networks, shape)
    count = len(frames)
    latents, grids = networks.encode(frames)
    model = random_model(shape, seed)
    views, hyper = model_views(model), networks.hypernetwork
    modulations = (latents @ hyper.trunk @ hyper.heads).cpu()
    if not bool(modulations.isfinite().all()):
        raise InputError(_NO_COLOURS)
    _narrow(networks, shape, modulations, hyper.offsets.cpu(), views)
    field = prior_tensors(networks, shape)
    for name, value in field.items():
        # columns that the prior does not have keep what they were given
        known = torch.from_numpy(value)
        views[name].copy_(torch.where(known == 0, views[name], known) if name == "weights.0" else known)
    for k, grid in enumerate(grids):
        view = views[f"grids.{k}"].zero_()
        view[list(grid_rows(networks, shape, k))] = grid.flatten(0, 1).cpu()
    _check_colours(model)
    values = {name: view.numpy().copy() for name, view in views.items()}
    return PriorStart(values, {}, torch.arange(count), field if residual else None)


def _check_colours(model: LatentINR) -> None:
    """Draws a few points of every frame: finite weights may be so large that what they draw is not."""
    places = torch.linspace(-1, 1, _LOOKED_AT)
    points = torch.stack([places, places.roll(_LOOKED_AT // 3)], -1)
    drawn = model.render_patches(model.latents, points)
    if not bool((drawn.abs() <= _MAX_COLOUR).all()):  # not a number is no less
        raise InputError(_NO_COLOURS)


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
    sounding = int((scale > _LEAST_SCALE * scale[0]).sum())
    rank = min(sounding, shape.latent_dim - shape.semantic_dim, shape.bottleneck)
    loud = _SPREAD * count**0.5  # every component as loud as a free latent that starts from noise
    views["latents.free"].zero_()[:, :rank] = (loud * left[:, :rank]).float()
    trunk = views["trunk"].zero_()  # what the teacher sees does not draw, at first
    trunk[shape.semantic_dim :].fill_diagonal_(1)
    heads = spread(networks, shape, "heads", (scale[:rank, None] * right[:rank] / loud).float())
    for name, known in {**heads, **spread(networks, shape, "offsets", offsets + mean)}.items():
        views[name].mul_(_QUIET)
        rows = views[name] if known.dim() == 1 else views[name][:rank]
        rows.copy_(torch.where(known == 0, rows, known))
