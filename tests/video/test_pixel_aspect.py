"""Pixels that are not square: read, kept in the file, and drawn so."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import media
import numpy as np
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.encoding.many import fit_many
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS

WIDE = Fraction(4, 3)
QUICK = replace(PRESETS["fast"], steps=3, steps_growth=0.0, points_per_step=256)
FIT: dict[str, Any] = {"config": QUICK, "progress": False, "device": "cpu"}


def not_square(path: Path, aspect: Fraction = WIDE, shape: tuple[int, int] = (64, 72), **options: Any) -> Path:
    return media.encode(path, media.moving_square(4, *shape), tags={"sample_aspect_ratio": aspect}, **options)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp4", {}),
        ("mov", {}),
        ("mkv", {}),
        ("ts", {}),
        ("avi", {}),
        ("flv", {}),
        ("h264", {}),
        ("mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("mp4", {"codec": "mpeg4"}),
    ],
)
def test_every_container_tells(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    path = not_square(tmp_path / f"a.{suffix}", Fraction(64, 45), **options)
    assert video.probe(path).pixel_aspect == Fraction(64, 45)
    read = video.read(path)
    assert read.pixel_aspect == Fraction(64, 45) and read.array.shape == (4, 64, 72, 3)
    assert not [line for line in read.warnings if "pixels" in line]


@pytest.mark.parametrize(("clockwise", "aspect"), [(90, 1 / WIDE), (180, WIDE), (270, 1 / WIDE)])
def test_quarter_turns_swap_it(tmp_path: Path, clockwise: int, aspect: Fraction) -> None:
    path = media.rotated(tmp_path / "a.mp4", media.moving_square(3, 64, 72), clockwise, {"sample_aspect_ratio": WIDE})
    assert video.read(path).pixel_aspect == video.probe(path).pixel_aspect == aspect
    upright = (72, 64) if clockwise != 180 else (64, 72)
    assert video.read(path, size=(upright[0] // 2, upright[1] // 2)).pixel_aspect == aspect


def test_square_ones_are_square_and_nothing_is_said_of_them(tmp_path: Path) -> None:
    for path in (media.encode(tmp_path / "a.mp4", media.moving_square(2)), not_square(tmp_path / "b.mkv", Fraction(1))):
        assert video.read(path).pixel_aspect == video.read(path, size=(10, 90)).pixel_aspect == 1
    video.write(tmp_path / "c.mp4", media.moving_square(2), 25)
    with av.open(str(tmp_path / "c.mp4")) as container:
        assert not container.streams.video[0].sample_aspect_ratio


def test_the_shape_shown_stays_when_frames_are_resized(tmp_path: Path) -> None:
    path = not_square(tmp_path / "a.mp4")
    for size, aspect in (
        ((32, 36), WIDE),
        ((64, 96), Fraction(1)),
        ((64, 36), Fraction(8, 3)),
        ((36, 54), Fraction(1)),
    ):
        read = video.read(path, size=size)
        assert (read.array.shape[1:3], read.pixel_aspect, read.source_size) == (size, aspect, (64, 72))


def test_absurd_ratios_are_taken_for_square(tmp_path: Path) -> None:
    for suffix in ("mp4", "mkv", "avi"):
        path = not_square(tmp_path / f"a.{suffix}", Fraction(1, 20))
        read = video.read(path)
        assert read.pixel_aspect == 1 and [line for line in read.warnings if "1:20 are taken for square" in line]


def test_a_ratio_that_changes_on_the_way(tmp_path: Path) -> None:
    parts = [not_square(tmp_path / f"{k}.h264", aspect) for k, aspect in enumerate((WIDE, Fraction(3, 2)))]
    (tmp_path / "both.h264").write_bytes(b"".join(part.read_bytes() for part in parts))
    read = video.read(tmp_path / "both.h264")
    assert len(read.array) == 8 and read.pixel_aspect == WIDE
    assert any("changes on the way" in line for line in read.warnings)


@pytest.mark.parametrize("suffix", ["mp4", "m4v", "mov", "mkv"])
@pytest.mark.parametrize("shape", [(64, 72), (17, 13), (1, 1)])
def test_written_and_read_again(tmp_path: Path, suffix: str, shape: tuple[int, int]) -> None:
    path = tmp_path / f"a.{suffix}"
    video.write(path, media.moving_square(3, *shape), 25, pixel_aspect=Fraction(64, 45))
    assert video.read(path).pixel_aspect == Fraction(64, 45)  # odd sides are padded, which does not change it
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.sample_aspect_ratio == stream.codec_context.sample_aspect_ratio == Fraction(64, 45)


@pytest.mark.parametrize("aspect", [0, -1, Fraction(1, 1000), float("nan"), "wide", None])
def test_what_cannot_be_written_is_refused(tmp_path: Path, aspect: Any) -> None:
    with pytest.raises(InputError, match=r"cannot write .*a\.mp4: a pixel's width over its height"):
        video.write(tmp_path / "a.mp4", media.moving_square(1), 25, pixel_aspect=aspect)
    assert not list(tmp_path.iterdir())


def test_from_a_file_to_its_drawing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, stored, drawn = not_square(tmp_path / "a.mp4"), tmp_path / "a.linr", tmp_path / "b.mp4"
    linr.fit(source, size=(16, 18), **FIT).save(stored)
    assert linr.load(stored).pixel_aspect == WIDE
    assert linr.fit(source, size=(16, 16), **FIT).pixel_aspect == Fraction(3, 2)
    (many,) = fit_many([source], size=(16, 18), **FIT)
    assert isinstance(many, linr.LatentVideo) and many.pixel_aspect == WIDE
    for options in ([], ["--scale", "2"], ["--fps-factor", "2"]):
        assert main(["decode", str(stored), str(drawn), "--quiet", "--device", "cpu", *options]) == 0
        assert video.probe(drawn).pixel_aspect == WIDE
    if shutil.which("ffprobe"):
        command = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", str(drawn)]
        (stream,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["streams"]
        assert (stream["sample_aspect_ratio"], stream["display_aspect_ratio"]) == ("4:3", "3:2")
    capsys.readouterr()
    assert main(["info", str(stored), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pixel_aspect"] == "4:3"
    assert main(["info", str(stored)]) == 0
    assert "4:3" in capsys.readouterr().out
    linr.fit(np.zeros((2, 16, 18, 3), np.uint8), **FIT).save(stored)
    assert main(["info", str(stored), "--json"]) == 0
    assert "pixel_aspect" not in json.loads(capsys.readouterr().out)
