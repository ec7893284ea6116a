"""Small models of every kind of field, for the ways of drawing to agree on."""

from __future__ import annotations

import torch

from fiftyone_latent_inr.model import Architecture, LatentINR, Level

_SMALL = {"latent_dim": 6, "semantic_dim": 4, "bottleneck": 5}

ARCHITECTURES = {
    "copies": Architecture((Level(8, 4, 3), Level(3, 2)), hidden=12, **_SMALL),
    "copies everywhere": Architecture((Level(8, 2, 2), Level(2, 1, 3)), hidden=12, planes=3, **_SMALL),
    "one plane": Architecture((Level(8, 9), Level(4, 7), Level(1, 1)), hidden=36, planes=1, layers=2, **_SMALL),
    "no warp": Architecture((Level(6, 3), Level(2, 2, 2)), hidden=20, layers=4, warp_rows=0, **_SMALL),
    "one control point": Architecture((Level(4, 3),), hidden=16, warp_rows=1, warp_cols=1, planes=4, **_SMALL),
    "far warps": Architecture((Level(4, 3),), hidden=16, warp_scale=2.0, **_SMALL),
}


def field_model(name: str, num_frames: int = 5, size: tuple[int, int] = (24, 32)) -> LatentINR:
    """Random networks, away from the quiet start so that every part matters, with colours about 0 to 1."""
    torch.manual_seed(0)
    made = LatentINR(ARCHITECTURES[name].for_video(num_frames, *size, 8)).requires_grad_(False)
    made.latents.normal_()
    for grid in made.field.grids:
        grid.normal_()
    made.hypernetwork.offsets.normal_(std=0.3)
    made.field.weights[-1].mul_(0.1)
    return made
