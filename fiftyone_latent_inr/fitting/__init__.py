"""Fitting: configurations, sampling, losses and the loop. It yields progress and prints nothing."""

from .config import PRESETS, FitConfig, resolve
from .loop import fit_frames

__all__ = ["PRESETS", "FitConfig", "fit_frames", "resolve"]
