"""The model: torch only. Latent dictionary, hypernetwork, field."""

from .config import Architecture, GridLevel, Level, ModelConfig
from .inr import LatentINR, catmull_rom, pixel_grid
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
