"""Fits are measured: one of a share of the steps, and several together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.shared.clips import noise
from benchmarks.speed import fit as speed_fit
from fiftyone_latent_inr.fitting import PRESETS

MISSING = Path("no such clip.mp4")


def test_a_share_of_the_steps_and_at_most_so_many_parameters() -> None:
    case = speed_fit.FitCase((640, 1280), 132, "balanced", 1_500_000)
    config = case.config(0.25)
    assert config.steps == 1000 and config.preset == "balanced"
    assert 1_400_000 < config.architecture.for_video(132, 640, 1280).num_parameters <= 1_500_000
    assert speed_fit.FitCase((180, 320), 32, "fast").config(1.0) == PRESETS["fast"]


def test_fits_are_measured() -> None:
    row = speed_fit.measure_fit(speed_fit.FitCase((32, 48), 3, "fast"), MISSING, 0.02, "cpu", "here")
    assert row["clip"] == "noise" and row["frames"] == "48x32x3" and row["clock"] == "CPU"
    assert row["steps"] < 40 and 10 < row["psnr"] < 50 and row["peak_mib"] > 50


def test_several_clips_are_fitted_together_and_one_alone() -> None:
    config = replace(PRESETS["fast"], steps=20, steps_growth=0.0)
    clip = noise(2, 32, 48)
    fitted, how = speed_fit.fit_all([clip, clip], config, "cpu")
    assert how == "together" and [(one.num_frames, one.size) for one in fitted] == [(2, (32, 48))] * 2
    fitted, how = speed_fit.fit_all([clip], config, "cpu")
    assert how == "alone" and len(fitted) == 1 and fitted[0].embeddings is not None
