"""`latent-inr refine`: a better file in its place, or the old one, and what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import media
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.encoding import refine
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.video.images import content_of


def test_a_file_is_refined(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clip, path = tmp_path / "clip.mp4", tmp_path / "clip.linr"
    media.encode(clip, media.moving_square(num=6, height=36, width=48))
    short = replace(PRESETS["fast"], steps=20, steps_growth=0.0, points_per_step=1024)
    notes = {"source": clip.name, "fingerprint": content_of(clip)}
    linr.fit(clip, config=short, metadata=notes, device="cpu", progress=False).save(path)
    monkeypatch.setitem(refine.PRESETS, "fast", replace(short, steps=60))
    before = linr.load(path).metrics
    arguments = ["refine", str(path), "--preset", "fast", "--device", "cpu", "--quiet"]
    assert main(arguments) == 0
    after = linr.load(path).metrics
    assert after["psnr"] > before["psnr"]
    said = capsys.readouterr().out
    assert f"{before['bytes']:,.0f} -> {after['bytes']:,.0f} bytes" in said and f"{after['psnr']:.2f} dB" in said
    monkeypatch.setitem(refine.PRESETS, "fast", replace(short, steps=1, rate_weight=1.0, learning_rate=1.0))
    assert main(arguments) == 0
    assert "stays as it is" in capsys.readouterr().out and linr.load(path).metrics == after
    other = tmp_path / "other.mp4"
    media.encode(other, media.moving_square(num=6, height=36, width=48, seed=1))
    assert main([*arguments, "--source", str(other)]) == 2
    assert "other.mp4 is not, or no longer, the video" in capsys.readouterr().err
    assert main(["refine", str(tmp_path / "none.linr")]) == 2
    assert "there is no such file" in capsys.readouterr().err
