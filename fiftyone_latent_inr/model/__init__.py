"""The model: torch only. Latent dictionary, hypernetwork, field."""

from .config import Architecture, GridLevel, Level, ModelConfig
from .inr import LatentINR, pixel_grid

__all__ = ["Architecture", "GridLevel", "LatentINR", "Level", "ModelConfig", "pixel_grid"]
