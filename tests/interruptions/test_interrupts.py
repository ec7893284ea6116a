"""Two Ctrl-C: some of `python -m benchmarks.interruptions interrupts`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.interruptions import interrupts, run
from benchmarks.interruptions.effects import Plan
from benchmarks.interruptions.points import Subject


@pytest.mark.parametrize(("before_the_end", "delay"), [(2, 0.003)])
def test_the_second_comes_in_the_ending(subjects: dict[str, Subject], before_the_end: int, delay: float) -> None:
    fit = subjects["fit"]
    plan = Plan(len(fit.effects) - before_the_end, "interrupt", delay)
    assert interrupts.try_interrupts(fit, plan, 0).problems == []


@pytest.mark.slow
@pytest.mark.parametrize("call", ["fit", "draw", "pretrain", "encode"])
def test_all_over_a_call(tmp_path: Path, call: str) -> None:
    (subject,) = run.subjects(tmp_path, [call])
    plans = list(interrupts.plans(subject, run.TRIES))
    assert len(plans) == run.TRIES and max(plan.number for plan in plans) == len(subject.effects)
    found = [interrupts.try_interrupts(subject, plan, number).row() for number, plan in enumerate(plans)]
    assert not [row for row in found if row["problems"]]


def test_other_exceptions_are_noticed() -> None:
    said = "Traceback (most recent call last):\nKeyboardInterrupt\nDuring handling\nValueError: no\nfine\n"
    assert interrupts.trouble(said) == ["ValueError: no"]
