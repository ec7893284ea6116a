"""Runs commands of the command line, and the clip that they are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.small_world.drawing import render
from fiftyone_latent_inr.small_world.world import random_specs
from fiftyone_latent_inr.video.decode import write

T, H, W, FPS = 4, 32, 48, 8.0


def write_clip(folder: Path) -> Path:
    """A clip of a shape, in a file whose name is not plain."""
    path = folder / "a clip, größer.mp4"
    write(path, render(random_specs(1, seed=3)[0], T, (H, W)), FPS)
    return path


def status_of(arguments: list[object]) -> int:
    """The exit status, whether `main` returns it or argparse leaves with it."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        assert isinstance(leaving.code, int)
        return leaving.code


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Checks status 2, nothing on stdout, one line on stderr; returns the line."""
    capsys.readouterr()
    status = status_of(list(arguments))
    out, err = capsys.readouterr()
    assert status == 2, err
    assert out == ""
    assert err.startswith("latent-inr: error: ") and err.count("\n") == 1 and err.endswith("\n"), err
    return err
