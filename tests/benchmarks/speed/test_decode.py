"""Drawings are measured, and frames of a file on the disk."""

from __future__ import annotations

from pathlib import Path

from benchmarks.speed import decode as speed_decode


def test_drawings_are_measured() -> None:
    rows = speed_decode.measure_decode("fast", (32, 48), 1, (1, 4), "cpu", "here")
    assert [(row["batch"], row["threads"]) for row in rows] == [(1, 1), (4, 1)]
    assert all(row["fps"] > 1 for row in rows)


def test_a_frame_from_the_disk_is_measured(tmp_path: Path) -> None:
    speed_decode.unfitted("fast", (32, 48)).save(tmp_path / "long.linr")
    row = speed_decode.measure_frame(tmp_path / "long.linr", 1, "cpu", "here")
    assert row["file"] == "48x32x32" and 0 < row["median_ms"] <= row["max_ms"]
