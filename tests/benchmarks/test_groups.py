"""What the record of groups that start from earlier ones says, on rows whose answer is known."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.groups import judge


def row(clip: str, lift: float = 0.0, saves: float = 50.0, counts: bool = True) -> dict[str, Any]:
    """A clip of 30 dB, cold, that the warm fits exceed by `lift`, the one of fewer steps by half a decibel less."""
    return {
        "clip": clip,
        "counts": counts,
        "cold_psnr": 30.0,
        "warm_60_psnr": 30.0 + lift,
        "warm_60_saves": saves,
        "warm_40_psnr": 29.5 + lift,
        "warm_40_saves": saves + 5,
    }


def test_means_are_over_the_rows_that_count() -> None:
    found = judge([row("a", 1.0, 30), row("b", 0.2, 40), row("c", -9.0, -80, counts=False)])
    assert (found["clips"], found["cold_psnr"]) == (2, 30.0)
    assert found["warm_60_psnr"] == pytest.approx(30.6) and found["warm_40_psnr"] == pytest.approx(30.1)
    assert (found["warm_60_saves"], found["warm_40_saves"]) == (35, 40)
    assert (found["warm_60_reached_by"], found["warm_40_reached_by"]) == (2, 1)


@pytest.mark.parametrize(
    ("lift", "saves", "gate", "aim"),
    [
        (0.6, 35, "passed", "reached"),
        (0.6, 34, "passed", "missed"),
        (0.3, 60, "passed", "missed"),
        (0.3, 24, "MISSED", "missed"),
        (-0.1, 60, "MISSED", "missed"),
    ],
)
def test_gate_and_aim(lift: float, saves: float, gate: str, aim: str) -> None:
    found = judge([row("a", lift, saves), row("b", lift, saves), row("c", 9, 90, counts=False)])
    assert (found["gate"], found["aim"]) == (gate, aim)


def test_without_rows_that_count_there_is_nothing_to_say() -> None:
    assert judge([]) == {} and judge([row("a", counts=False)]) == {}
