"""The model: torch only. Latent dictionary, hypernetwork, field."""

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
