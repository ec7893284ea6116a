"""Options say what is true of the package, which they cannot import to find out."""

from __future__ import annotations

import pytest
from command_line import status_of

from fiftyone_latent_inr import PretrainConfig
from fiftyone_latent_inr.cli.options import PRESETS
from fiftyone_latent_inr.fitting import PRESETS as FITTED


def test_the_presets_are_those_that_fits_know() -> None:
    assert tuple(FITTED) == PRESETS


def test_pretrain_names_its_default_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["pretrain", "--help"]) == 0
    config = PretrainConfig()
    assert f"{config.steps}, {config.drawing_steps} without a teacher" in " ".join(capsys.readouterr().out.split())
