"""What the record of groups that start from earlier ones says, on rows whose answer is known."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.groups import judge


def row(clip: str, lift: float = 0.0, residual: float = 50.0) -> dict[str, Any]:
    """A pair of 30 dB, cold, that the warm fits exceed by `lift`, the one of fewer steps by half a decibel less."""
    return {
        "clip": clip,
        "cold_psnr": 30.0,
        "warm_60_psnr": 30.0 + lift,
        "warm_60_residual": residual,
        "warm_60_saves": residual - 20,
        "warm_40_psnr": 29.5 + lift,
        "warm_40_residual": residual + 5,
        "warm_40_saves": residual - 15,
    }


def test_means_are_over_all_pairs() -> None:
    found = judge([row("a", 1.0, 30), row("b", 0.2, 40)])
    assert (found["pairs"], found["cold_psnr"]) == (2, 30.0)
    assert found["warm_60_psnr"] == pytest.approx(30.6) and found["warm_40_psnr"] == pytest.approx(30.1)
    assert (found["warm_60_residual"], found["warm_40_residual"], found["warm_60_saves"]) == (35, 40, 15)
    assert (found["warm_60_reached_by"], found["warm_40_reached_by"]) == (2, 1)


@pytest.mark.parametrize(
    ("lift", "residual", "gate", "aim"),
    [
        (0.6, 35, "passed", "reached"),
        (0.6, 34, "passed", "missed"),
        (0.3, 60, "passed", "missed"),
        (0.3, 24, "MISSED", "missed"),
        (-0.1, 60, "MISSED", "missed"),
    ],
)
def test_gate_and_aim(lift: float, residual: float, gate: str, aim: str) -> None:
    found = judge([row("a", lift, residual), row("b", lift, residual)])
    assert (found["gate"], found["aim"]) == (gate, aim)


def test_without_rows_there_is_nothing_to_say() -> None:
    assert judge([]) == {}
