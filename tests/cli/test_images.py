"""Folders of images on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import av
import media
import pytest
from PIL import Image

from fiftyone_latent_inr import load
from fiftyone_latent_inr.cli.main import main

QUICK = ["--preset", "fast", "--size", "16x24", "--frames", "2", "--quiet", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "frames"
    place.mkdir()
    for k, frame in enumerate(media.moving_square(4, 32, 48), 1):
        for side in ("left", "right"):
            Image.fromarray(frame).save(place / f"{side}_{k}.png")
    return place


def test_encode_compare_and_decode(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, drawn = tmp_path / "out.linr", tmp_path / "out.mp4"
    assert main(["encode", str(folder), str(path), *QUICK]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "several sequences of images" in line
    pattern = str(folder / "left_%d.png")
    assert main(["encode", pattern, str(path), *QUICK, "--fps", "12"]) == 0
    assert "2 frames of 24x16" in capsys.readouterr().out and load(path).fps == 12
    assert main(["compare", pattern, str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_frames"] == 2
    for side in (folder / "right_4.png").parent.glob("right_*.png"):
        side.unlink()
    assert main(["decode", str(path), str(drawn), "--quiet", "--audio", str(folder)]) == 0
    with av.open(str(drawn)) as container:
        assert not container.streams.audio and container.streams.video[0].average_rate == 12


def test_a_rate_for_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.mp4"
    media.encode(clip, media.moving_square(4, 32, 48))
    assert main(["encode", str(clip), str(tmp_path / "out.linr"), *QUICK, "--fps", "12"]) == 2
    assert "--fps is for a folder of images" in capsys.readouterr().err
