"""What the record of a prior says, on rows whose answer is known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmarks.prior import markdown, share_needed, verdicts


def steps(clip: str, *prior: float) -> dict[str, Any]:
    """From noise 30, 32, 35 and 36 dB at a tenth, .15, .4 and all of the steps."""
    shares = ("0.1", "0.15", "0.4", "1")
    row: dict[str, Any] = {"clip": clip}
    for name, values in (("noise", (30.0, 32.0, 35.0, 36.0)), ("prior", prior)):
        row |= {f"{name} {share}": value for share, value in zip(shares, values, strict=True)}
        row |= {f"{name} {share} bytes": 1000 for share in shares}
    return row


@pytest.mark.parametrize(
    ("prior", "share"),
    [
        ((37.0, 38.0, 39.0, 40.0), 0.1),
        ((34.0, 36.0, 37.0, 38.0), 0.15),
        ((34.0, 35.0, 37.0, 38.0), 0.275),  # half way from .15 to .4
        ((34.0, 35.0, 35.5, 36.5), 0.7),
        ((34.0, 35.0, 35.5, 35.9), math.inf),
    ],
)
def test_share_of_the_steps_to_what_all_reach_from_noise(prior: tuple[float, ...], share: float) -> None:
    assert share_needed(steps("a", *prior)) == pytest.approx(share)


def verdict(record: dict[str, Any], words: str) -> tuple[str, str]:
    found = next(row for row in verdicts(record) if words in row["gate"])
    return found["verdict"], found["aim_verdict"]


def test_gates_are_those_that_were_asked_for() -> None:
    for gain, found in ((3.9, "MISSED"), (4.0, "passed")):
        record = {"steps": [steps("a", 30 + gain, 35, 36, 37)]}
        assert verdict(record, "dB more at a tenth") == (found, "missed")
        assert verdict(record, "share of the steps to") == ("passed", "missed")
    for psnr, found in ((19.9, ("MISSED", "missed")), (20.0, ("passed", "missed")), (24.0, ("passed", "reached"))):
        assert verdict({"zero": [{"clip": "a", "psnr": psnr, "still": 15.0}]}, "without a step") == found
    for saves, found in ((9.9, "MISSED"), (10.0, "passed")):
        assert verdict({"bytes": [{"clip": "a", "share": 1.0, "saves": saves}]}, "saved, all")[0] == found
    rows = [{"clip": clip, "task": "x2", "noise": 30.0, "prior": 30 + more} for clip, more in (("a", 0.3), ("b", -0.1))]
    assert verdict({"space_time": rows}, "x2") == ("passed", "reached")
    assert verdict({"space_time": rows[1:]}, "x2")[0] == "MISSED"
    vectors = {"centred cosine": 0.91, "R@1": 0.9, "teacher R@1": 0.95, "ms a frame": 0.2, "teacher ms a frame": 0.6}
    record = {"vectors": [vectors]}
    assert verdict(record, "cosine") == ("passed", "missed") and verdict(record, "recall") == ("passed", "missed")
    assert verdict(record, "CPU seconds") == ("passed", "reached")


def test_the_worst_clip_counts_and_what_never_arrives_is_said() -> None:
    found = verdicts({"steps": [steps("a", 37, 38, 39, 40), steps("b", 31, 32, 33, 34)]})
    worst = next(row for row in found if "worst" in row["gate"])
    assert worst["value"] == "never" and worst["verdict"] == "MISSED"


def test_the_table_has_a_line_for_each_clip() -> None:
    record = {
        "zero": [{"clip": "dog_catch_720p", "psnr": 29.5, "still": 29.0}],
        "steps": [steps("dog_catch_720p", 34, 35, 36, 37)],
        "bytes": [{"clip": "dog_catch_720p", "share": 0.1, "saves": 12.3}],
    }
    lines = markdown(record).splitlines()
    assert len(lines) == 3 and lines[2].startswith("| dog catch | 29.5 dB | 34.0 dB (+4.0) |") and "-12 %" in lines[2]
