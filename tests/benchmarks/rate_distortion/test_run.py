"""The run: what is measured again, what is kept, and that files are measured as they lie on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.rate_distortion import plot as rd_plot
from benchmarks.rate_distortion import run as rate_distortion
from benchmarks.rate_distortion.run import Row, measure_file, our_digest, pending, replace_rows
from benchmarks.shared import records
from benchmarks.shared.codecs import CODECS
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.latent_video.write import to_bytes
from fiftyone_latent_inr.model import Architecture, LatentINR, Level

CLIP = Path("clips/a.mp4")
FRAMES = np.random.default_rng(0).integers(0, 255, (3, 24, 32, 3), np.uint8)


def model() -> LatentINR:
    torch.manual_seed(0)
    return LatentINR(Architecture(levels=(Level(8, 2, 1), Level(4, 2, 1))).for_video(3, 24, 32, 0)).eval()


def codec_rows(clip: str, shift: float = 0.0) -> list[Row]:
    return [
        {
            "clip": clip,
            "codec": codec.name,
            "digest": codec.digest(),
            "bpp": bpp,
            "psnr": value,
            "ms_ssim": 0.9 + bpp / 20,
        }
        for codec in CODECS
        for bpp, value in ((0.1, 30.0 + shift), (0.5, 35.0), (1.5, 40.0))
    ]


def our_rows(clip: str) -> list[Row]:
    return [
        {"clip": clip, "quality": quality, "digest": our_digest(), "bpp": bpp, "psnr": value, "ms_ssim": 0.95}
        for quality, bpp, value in ((35.0, 0.2, 31.0), (50.0, 0.4, 34.0))
    ]


def test_what_is_measured_is_not_measured_again() -> None:
    full: Row = {"codecs": codec_rows("a"), "ours": our_rows("a")}
    assert list(pending(full, [CLIP], [35.0, 50.0], codecs_only=False, again=False)) == []
    assert len(list(pending(full, [CLIP], [35.0, 50.0], codecs_only=False, again=True))) == len(CODECS) + 1
    assert [kind for kind, *_ in pending(full, [CLIP], [35.0, 65.0], codecs_only=False, again=False)] == ["ours"]
    assert list(pending(full, [CLIP], [65.0], codecs_only=True, again=False)) == []
    full["codecs"][0]["digest"] = full["ours"][0]["digest"] = "older"
    assert [kind for kind, *_ in pending(full, [CLIP], [35.0], codecs_only=False, again=False)] == ["codecs", "ours"]


def test_new_rows_take_the_place_of_old_ones() -> None:
    record: Row = {"codecs": codec_rows("a") + codec_rows("b"), "ours": our_rows("a") + our_rows("b")}
    ladder = [row for row in codec_rows("a", shift=1.0) if row["codec"] == CODECS[1].name]
    replace_rows(record, "codecs", ladder)
    replace_rows(record, "ours", our_rows("a")[:1])
    assert len(record["codecs"]) == 2 * 3 * len(CODECS) and len(record["ours"]) == 3
    changed = [row for row in record["codecs"] if row["psnr"] == 31.0]
    assert [(row["clip"], row["codec"]) for row in changed] == [("a", CODECS[1].name)]


def test_files_are_measured_as_they_lie_on_the_disk() -> None:
    stored = from_bytes(to_bytes(model(), bits=8, fps=25, preset="fast", metrics={"psnr": 12.3456}))
    found = measure_file(stored, FRAMES)
    assert found["bytes"] == len(stored.data) and found["bpp"] == pytest.approx(
        8 * len(stored.data) / (3 * 24 * 32), abs=1e-5
    )
    assert found["psnr"] == pytest.approx(psnr(FRAMES, stored.render(device="cpu")), abs=1e-3)
    assert found["psnr_in_file"] == 12.346


def test_a_report_of_measured_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "results.md"
    page.write_text("one\n<!-- rate-distortion: begin -->\n<!-- rate-distortion: end -->\ntwo\n")
    (tmp_path / "benchmarks").mkdir()
    monkeypatch.setattr(records, "RESULTS", tmp_path / "benchmarks" / "results")
    monkeypatch.setattr(rate_distortion, "PAGE", page)
    monkeypatch.setattr(rd_plot.draw, "__defaults__", (tmp_path / "images",))
    rows = [row for clip in "ab" for row in codec_rows(clip)]
    rate_distortion.report({"codecs": rows, "ours": our_rows("a")})
    assert "| a | 0.40 | 34.0 dB |" in page.read_text()
    written = json.loads((tmp_path / "benchmarks" / "results" / "rate_distortion.json").read_text())
    assert written["verdict"]["clips"] == 1 and len(written["codecs"]) == len(rows)
    pictures = sorted((tmp_path / "images").iterdir())
    assert len(pictures) == 2 and all(0 < path.stat().st_size < 300_000 for path in pictures)
