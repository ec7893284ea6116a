"""A group of frames in, its fitted networks out. Yields progress, prints nothing, knows neither files nor teachers."""

from .config import FitConfig, Rate
from .loop import Fitted, fit_frames
from .presets import PRESETS, resolve
from .task import GroupTask

__all__ = ["PRESETS", "FitConfig", "Fitted", "GroupTask", "Rate", "fit_frames", "resolve"]
