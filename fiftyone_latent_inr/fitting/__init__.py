"""Fitting: configurations, sampling, losses and the loop. It yields progress and prints nothing."""

from .config import PRESETS, FitConfig, Rate, resolve
from .loop import Fitted, fit_frames

__all__ = ["PRESETS", "FitConfig", "Fitted", "Rate", "fit_frames", "resolve"]
