"""What the command line says before it is too late: of missing files, of shapes, of another video, of another index."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import media
import numpy as np
import pytest
from command_line import fails, status_of

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.fitting import PRESETS

QUICK = ["--preset", "fast", "--device", "cpu", "--quiet"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film, others, and the film as it is stored."""
    folder = tmp_path_factory.mktemp("place")
    frames = media.moving_square(6, 32, 48)
    media.encode(folder / "film.mp4", frames)
    media.encode(folder / "other.mp4", 255 - frames)
    media.encode(folder / "longer.mp4", np.concatenate([frames] * 4))
    media.encode(folder / "square.mp4", media.moving_square(6, 48, 48))
    media.encode(folder / "large.mp4", media.moving_square(6, 64, 96))
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(PRESETS, "fast", replace(PRESETS["fast"], steps=60))
        assert status_of(["encode", folder / "film.mp4", folder / "film.linr", *QUICK]) == 0
    return folder


@pytest.mark.parametrize("command", ["encode", "decode", "info", "compare", "pretrain", "preset"])
def test_a_missing_file_is_said_before_anything_is_loaded(command: str, tmp_path: Path) -> None:
    """And a preset that there is not."""
    names = {
        "encode": ["nope.mp4", "x.linr"],
        "compare": ["nope.mp4", "nope.linr"],
        "info": ["nope.linr"],
        "pretrain": ["nope.mp4", "--out", "x"],
        "preset": ["nope.mp4", "x.linr", "--preset", "quick"],
    }
    missing = "there is no such file; check the spelling"
    said = "unknown preset 'quick'; choose one of" if command == "preset" else missing
    code = (
        "import sys\nfrom fiftyone_latent_inr.cli.main import main\nstatus = main(sys.argv[1:])\n"
        "print(status, sorted({'torch', 'open_clip', 'fiftyone'} & set(sys.modules)))"
    )
    arguments = [
        sys.executable,
        "-c",
        code,
        command.replace("preset", "encode"),
        *names.get(command, ["nope.linr", "x.mp4"]),
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "2 []\n" and done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    ("size", "fitted", "squeezed"),
    [("16p", (16, 24), False), ("16x24", (16, 24), False), ("20p", (20, 30), False), ("16x16", (16, 16), True)],
)
def test_a_size_that_changes_the_shape_is_said(
    place: Path, tmp_path: Path, size: str, fitted: tuple[int, int], squeezed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.linr"
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(PRESETS, "fast", replace(PRESETS["fast"], steps=2))
        assert status_of(["encode", place / "film.mp4", out, *QUICK, "--frames", "2", "--size", size]) == 0
    assert linr.load(out).size == fitted
    assert ("size 16x16 changes the shape of the pictures" in capsys.readouterr().err) == squeezed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("film.mp4", []),
        ("large.mp4", []),
        ("other.mp4", ["likely another video"]),
        ("square.mp4", ["square.mp4 is of another shape, 48x48 where 32x48 is stored", "likely another video"]),
        ("longer.mp4", ["has about 24 frames, of which the first 6 are compared"]),
    ],
)
def test_compare_says_what_suggests_another_video(
    place: Path, name: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", place / name, place / "film.linr", "--device", "cpu"]
    assert status_of(arguments) == 0
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == len(words) and all(word in line for word, line in zip(words, lines, strict=True)), err
    assert "psnr" in out and "remarks" not in out
    assert status_of([*arguments, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["remarks"]) == len(words)


def test_search_asks_the_index_that_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    module = ModuleType("search")  # FiftyOne takes seconds to load
    module.search = lambda *_, **options: asked.append(options["brain_key"]) or []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fiftyone_latent_inr.datasets.search.search", module)
    assert status_of(["search", "clips", "a star"]) == 0 and status_of(["search", "x", "y", "--brain-key", "mine"]) == 0
    assert asked == ["latent_inr", "mine"]
    assert "--brain-key" in fails(capsys, "search", "clips", "a star", "--brain-key")
