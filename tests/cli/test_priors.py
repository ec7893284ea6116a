"""Priors on the command line: made, fitted from, and needed by a file."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import fails, status_of, write_clip

from fiftyone_latent_inr import load, load_prior
from fiftyone_latent_inr.cli.main import main


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def quick_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of a hundredth of the work."""
    from fiftyone_latent_inr.pretraining import config as pretraining

    small = pretraining.PretrainConfig(
        clips_per_step=1, window=4, frames_per_step=2, points_per_frame=64, sizes=((16, 16),), semantic_frames=4
    )
    monkeypatch.setattr(pretraining, "PretrainConfig", lambda: replace(small))


@pytest.mark.usefixtures("quick_training")
def test_pretrain_and_encode_from_it(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, linr = tmp_path / "prior", tmp_path / "clip.linr"
    options = ["--steps", "4", "--teacher", "small", "--device", "cpu", "--quiet"]
    assert main(["pretrain", str(clip.parent), str(clip), "--out", str(out), *options]) == 0
    prior = load_prior(out)
    assert f"{out}: prior {prior.id}, " in capsys.readouterr().out and prior.config.teacher == "small"
    fast = ["--preset", "fast", "--frames", "2", "--quiet", "--device", "cpu"]
    assert main(["encode", str(clip), str(linr), *fast, "--prior", str(out)]) == 0
    assert load(linr).metadata["started_from"] == prior.id


def test_pretrain_refuses_what_cannot_be(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert "no video in this folder" in fails(capsys, "pretrain", tmp_path / "empty", "--out", tmp_path / "prior")
    assert "smal" in fails(capsys, "pretrain", clip, "--out", tmp_path / "prior", "--teacher", "smal", "--quiet")
    assert "--out" in fails(capsys, "pretrain", clip)
    assert "--steps" in fails(capsys, "pretrain", clip, "--out", tmp_path, "--steps", "0")


def test_a_file_that_needs_a_prior_of_a_folder(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(Path(__file__).parents[2] / "hub_models" / "fast-prior", tmp_path / "my-prior")
    stored = tmp_path / "a.linr"
    options = ["--preset", "fast", "--size", "24x32", "--frames", "2", "--device", "cpu", "--quiet"]
    assert status_of(["encode", clip, stored, *options, "--prior", folder, "--residual"]) == 0
    capsys.readouterr()
    assert status_of(["info", stored, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prior"].startswith("a prior that was never published")
    assert "prior=" in fails(capsys, "compare", clip, stored)
    assert status_of(["compare", clip, stored, "--json", "--prior", folder]) == 0
    assert json.loads(capsys.readouterr().out)["psnr"] > 30
    assert status_of(["decode", stored, tmp_path / "a.mp4", "--quiet", "--prior", folder]) == 0
    assert (tmp_path / "a.mp4").stat().st_size > 0
