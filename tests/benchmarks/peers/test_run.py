"""A run goes from frames to a row, and a method that fails does not cost the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from peer_fits import FRAMES

from benchmarks.peers import run as peers
from benchmarks.peers.runs import Found, PeerError
from benchmarks.shared import records
from fiftyone_latent_inr.frames.metrics import psnr


def test_a_row_measures_what_was_decoded() -> None:
    found = Found(255 - FRAMES, 12, 90, "somehow", 3.0, 0.25, 10.0, {"psnr": 50.0})
    row = peers.make_row({"method": "Fake"}, FRAMES, found, 4.0, 12, "epochs", 300)
    assert row["psnr"] == pytest.approx(float(psnr(FRAMES, 255 - FRAMES)), abs=1e-3) and row["own_psnr"] == 50
    assert row["bpp"] == pytest.approx(8 * 90 / FRAMES[..., 0].size, abs=1e-4)
    assert row["units"] == "12 epochs" and row["seconds_full"] == 75


def test_ours_keeps_to_the_parameters() -> None:
    found, wall = peers.our_run(FRAMES, "fast", "cpu")(20, 6_000)
    assert 5_500 < found.parameters <= 6_000 and found.decoded.shape == FRAMES.shape and found.fps > 0
    assert wall >= found.seconds == pytest.approx(20 * found.seconds_per_unit)


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    found = peers.parse(["--parameters", "1.5M", "350K", "--seconds", "60", "120"])
    assert found.parameters == [1_500_000, 350_000]
    assert peers.lengths(found, "hnerv", 300) == [("60 s", None), ("120 s", None)]
    found = peers.parse(["--epochs", "150"])
    assert peers.lengths(found, "hnerv", 300) == [("150 epochs", 150)]
    assert peers.lengths(found, "siedd", 20_000) == [("full", 20_000)]
    assert peers.units_for(60, 0.5, 3) == 120 and peers.units_for(1, 5.0, 3) == 3
    for wrong in (["--seconds", "9", "--epochs", "2"], ["--only", "hnerv"], ["--parameters", "many"]):
        with pytest.raises(SystemExit):
            peers.parse(wrong)
    assert "needs a checkout: --hnerv DIR" in capsys.readouterr().err


def test_a_method_that_fails_does_not_cost_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(records, "RESULTS", tmp_path / "benchmarks" / "results")
    (tmp_path / "benchmarks").mkdir()
    np.save(tmp_path / "clip.npy", FRAMES)

    def fails(units: int, parameters: int) -> tuple[Found, float]:
        raise PeerError("no such thing")

    def works(units: int, parameters: int) -> tuple[Found, float]:
        return Found(FRAMES // 2, parameters, 90, "somehow", units / 2, 0.5, 10.0, {}), 1.0

    found = {"hnerv": (fails, "epochs", 300, 3), "ours": (works, "steps", 1000, 10)}
    monkeypatch.setattr(peers, "chosen", lambda *_: found)
    arguments = peers.parse(["--device", "cpu", "--only", "ours", "--frames", str(tmp_path / "clip.npy")])
    for seconds in ([5.0], [5.0, 50.0]):
        arguments.seconds = seconds
        peers.measure(arguments, rows := records.read_record("peers").get("rows", []))
    assert "left out: no such thing" in capsys.readouterr().out
    written = json.loads((tmp_path / "benchmarks" / "results" / "peers.json").read_text())["rows"]
    assert written == rows and len(rows) == 4  # two sizes, two lengths; measured again, a row is replaced
    assert {row["units"] for row in rows} == {"10 steps", "100 steps"}
