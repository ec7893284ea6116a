"""Latents and coordinates in, colours and embeddings out: one video as networks, in torch alone.

config         Architecture, and the ModelConfig that it becomes for one video
inr            LatentINR: latents, hypernetwork, field and head together
hypernetwork   a frame's latent to modulations          field   coordinates to colours under them
curves         latents between frames                   patch   patches of pixels in place of points
paper          the paper's own hypernetwork and field   tensors its numbers by name, as they are stored
"""

from .config import Architecture, GridLevel, Level, ModelConfig
from .curves import catmull_rom
from .inr import LatentINR, pixel_grid
from .tensors import SEMANTIC, TensorSpec, model_views, tensor_specs, tensor_views

__all__ = [
    "SEMANTIC",
    "Architecture",
    "GridLevel",
    "LatentINR",
    "Level",
    "ModelConfig",
    "TensorSpec",
    "catmull_rom",
    "model_views",
    "pixel_grid",
    "tensor_specs",
    "tensor_views",
]
