"""Commands are measured from outside."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.speed import length as speed_length
from fiftyone_latent_inr import resources


def test_commands_are_measured(tmp_path: Path) -> None:
    burn = (
        "x = bytearray(300 << 20); import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    )
    cost = speed_length.run_measured([sys.executable, "-c", burn])
    assert cost.peak_mib > 300 and 0.3 <= cost.cpu_seconds < 5 and cost.wall_seconds > 0.2
    assert speed_length.run_measured([sys.executable, "-c", ""]).peak_mib < 200
    with pytest.raises(RuntimeError, match=r"ended with 3: out of luck"):
        speed_length.run_measured([sys.executable, "-c", "import sys; print('out of luck'); sys.exit(3)"])


@pytest.mark.slow
def test_the_real_command_encodes(tmp_path: Path) -> None:
    whole = speed_length.command(Path("a.mp4"), Path("b.linr"), "fast", 400, "cpu", 1.0)
    assert whole[1:3] == ["-m", "fiftyone_latent_inr"] and whole[-2:] == ["--frames", "400"]
    clip = next(iter(resources.bundled_clips()))
    row = speed_length.measure_length(clip, "fast", 2, "cpu", "here", share=0.001)
    assert row["frames"] == 2 and row["bytes"] > 500 and row["peak_mib"] > 100
    assert row["cpu_a_frame"] == pytest.approx(row["cpu_seconds"] / 2, abs=0.06)
