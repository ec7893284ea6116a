"""Rows are kept one by one, and a part that fails costs no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.shared import records
from benchmarks.speed import run as speed


def fails() -> None:
    raise ValueError("no luck")


def gives() -> dict[str, Any]:
    return {"device": "here", "clip": "real", "value": 1}


def made_of_noise() -> dict[str, Any]:
    return {**gives(), "clip": "noise"}


def test_rows_are_kept_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(records, "RESULTS", tmp_path / "benchmarks" / "results")
    (tmp_path / "benchmarks").mkdir()
    monkeypatch.setattr(speed, "alone", lambda function, *given: function(*given))
    monkeypatch.setattr(speed, "_fit", lambda *_: iter([(fails, ()), (gives, ()), (made_of_noise, ())]))
    for _ in range(2):
        speed.main(["--device", "cpu", "--only", "fit"])
    said = capsys.readouterr().out
    assert "left out: fails: ValueError: no luck" in said and "not recorded: there is no clip" in said
    written = json.loads((tmp_path / "benchmarks" / "results" / "speed.json").read_text())
    assert written["fit"] == [gives()] and written["gates"] == []
    speed.main(["--device", "cpu", "--only", "fit", "--steps", "0.5"])
    assert "a trial: nothing is recorded" in capsys.readouterr().out


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    found = speed.parse(["--only", "fit", "length", "--steps", "0.1", "--frames", "50"])
    assert found.only == ["fit", "length"] and found.steps == 0.1 and found.frames == [50]
    for wrong in (["--steps", "0"], ["--steps", "2"], ["--only", "nothing"], ["--preset", "slow"]):
        with pytest.raises(SystemExit):
            speed.parse(wrong)
    assert "above 0 and up to 1, not 2" in capsys.readouterr().err
