"""What a record of space and time says, on rows whose answer is known."""

from __future__ import annotations

import pytest

from benchmarks.space_time import judge
from benchmarks.space_time.judge import BALANCED, BEST, LEFT_OUT, NUM_CLIPS, Row

CLIPS = [f"clip_{letter}" for letter in "abcdefghij"]
OURS = {"every 2nd": "ours, latents", "every 4th": "ours, latents", "x2": "ours"}


def trivial(clips: list[str]) -> list[Row]:
    answers = {"every 2nd": ("blend", "flow"), "every 4th": ("blend", "flow"), "x2": ("bicubic", "lanczos")}
    return [
        {"clip": clip, "task": task, "answer": answer, "psnr": 30.0 + k, "ms_ssim": 0.9, "vif": 0.5}
        for clip in clips
        for task, names in answers.items()
        for k, answer in enumerate(names)
    ]


def ours(clips: list[str], ahead: float, preset: str = BEST, **other: float) -> list[Row]:
    cost = {"bpp": 0.5, "cpu_seconds": 100.0, "fit_psnr": 36.0, "ms_ssim": 0.95, "vif": None, **other}
    return [
        {"clip": clip, "task": task, "preset": preset, "answer": answer, "psnr": 30 + ahead, **cost}
        for clip in clips
        for task, answer in OURS.items()
    ]


def said(rows: list[Row], kind: str = "gate", preset: str = BEST) -> dict[str, str]:
    found = judge.verdicts(trivial(CLIPS + list(LEFT_OUT)), rows)
    return {row["task"]: row["verdict"] for row in found if (row["kind"], row["preset"]) == (kind, preset)}


def test_there_are_as_many_clips_as_asked_for() -> None:
    assert len(CLIPS) == NUM_CLIPS


def test_gates_and_aims() -> None:
    assert set(said(ours(CLIPS, 1.5)).values()) == {"passed"}
    assert said(ours(CLIPS, 1.5), "aim") == {"every 2nd": "missed", "every 4th": "missed", "x2": "missed"}
    assert set(said(ours(CLIPS, 2.5), "aim").values()) == {"reached"}
    assert said(ours(CLIPS, 0.5)) == {"every 2nd": "MISSED", "every 4th": "MISSED", "x2": "passed"}
    assert set(said(ours(CLIPS, 0.1, BALANCED), preset=BALANCED).values()) == {"passed"}
    assert set(said(ours(CLIPS, -0.1, BALANCED), preset=BALANCED).values()) == {"MISSED"}


def test_what_it_costs_counts() -> None:
    assert set(said(ours(CLIPS, 2.5, bpp=2.1)).values()) == {"MISSED"}
    assert set(said(ours(CLIPS, 2.5, cpu_seconds=241.0)).values()) == {"MISSED"}
    assert set(said(ours(CLIPS, 2.5, bpp=1.5)).values()) == {"passed"}
    assert set(said(ours(CLIPS, 2.5, bpp=1.5), "aim").values()) == {"missed"}


def test_the_worst_clip_counts_and_is_named() -> None:
    rows = ours(CLIPS[:-1], 3.0) + ours(CLIPS[-1:], -0.5)
    assert said(rows) == {"every 2nd": "MISSED", "every 4th": "passed", "x2": "MISSED"}
    line = judge.verdicts(trivial(CLIPS), rows)[0]
    assert (line["worst_clip"], line["worst"], line["ahead"]) == ("clip_j", -0.5, pytest.approx(2.65))


def test_clips_with_cuts_are_left_out() -> None:
    rows = ours(CLIPS, 2.5) + ours(list(LEFT_OUT), -20.0)
    assert set(said(rows).values()) == {"passed"}
    mean = {(row["task"], row["answer"]): row for row in judge.averages(trivial(CLIPS), rows)}
    assert mean["every 2nd", "ours, latents"]["psnr"] == 32.5 and mean["every 2nd", "ours, latents"]["clips"] == 10
    assert mean["x2", "lanczos"]["bpp"] is None and mean["x2", "ours"]["vif"] is None


def test_a_part_of_the_clips_passes_no_gate() -> None:
    assert set(said(ours(CLIPS[:4], 9.0)).values()) == {"only 4 of 10 clips"}
    assert judge.verdicts(trivial(CLIPS), []) == []


def test_every_answer_of_ours_is_judged_and_the_best_one_shown() -> None:
    rows = ours(CLIPS, 0.5)
    rows += [{**row, "answer": "ours, motion", "psnr": 33.0} for row in rows if row["task"] != "x2"]
    lines = [row for row in judge.verdicts(trivial(CLIPS), rows) if row["kind"] == "gate" and row["task"] != "x2"]
    assert [(row["answer"], row["verdict"]) for row in lines] == 2 * [
        ("ours, latents", "MISSED"),
        ("ours, motion", "passed"),
    ]
    assert judge.best_answer(rows, "every 2nd") == "ours, motion" and judge.best_answer([], "x2") is None
    table = judge.markdown(trivial(CLIPS), rows + ours(["street_cuts"], 1.0)).splitlines()
    assert table[2] == "| clip a | 30.0 | 31.0 | 33.0 (+3.0) | 30.0 | 31.0 | 33.0 (+3.0) | 30.0 | 31.0 | 30.5 (+0.5) |"
    assert table[-2].startswith("| (street cuts) | – | – | – |")
    assert table[-1].startswith("| **mean of those that count** | 30.0 | 31.0 | 33.0 (+3.0) |")


def test_a_table_of_one_task() -> None:
    table = judge.by_clip(trivial([*CLIPS[:2], "street_cuts"]), ours(CLIPS[:2], 1.0), "every 2nd", BEST)
    assert [row["clip"] for row in table] == ["clip a", "clip b", "(street cuts)"]
    assert table[0]["blend"] == "30.00" and table[0]["ours, latents"] == "31.00" and table[0]["bpp"] == 0.5
    assert "bpp" not in table[2]
