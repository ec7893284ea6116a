"""Two Ctrl-C, one shortly after the other, all over a call and above all in its ending, where people press it again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .effects import Plan
from .points import Outcome, Subject, judge, stopped

# Seconds between the two
DELAYS = (0.001, 0.25, 0.01, 0.1, 0.003, 0.2, 0.03, 0.15, 0.006, 0.06)
# What a process says that was not only interrupted
_TROUBLE = re.compile(r"^(?!KeyboardInterrupt\b)[\w.]*(?:Error|Exception|Panic)\w*\b.*", re.MULTILINE)


def plans(subject: Subject, tries: int) -> Iterator[Plan]:
    """Half of them spread over the whole call, half over its last third, at all delays."""
    count = len(subject.effects)
    for k in range(tries):
        half, place = k % 2, (k // 2) / max(tries // 2 - 1, 1)
        first = 1 + (count * 2 // 3 if half else 0)
        yield Plan(first + round(place * (count - first)), "interrupt", DELAYS[(k + k // 10) % len(DELAYS)])


def try_interrupts(subject: Subject, plan: Plan, number: int) -> Outcome:
    """Interrupts a call twice, does it again, and compares."""
    name = f"{subject.call}-interrupt-{number}"
    ended = stopped(subject, name, plan)
    problems = []
    if ended.error is not None and not ended.error.startswith(("KeyboardInterrupt", "SystemExit: 130")):
        problems.append(f"it ended otherwise than interrupted: {ended.error}")
    problems += [f"it said: {line}" for line in trouble(ended.said)]
    return judge(subject, name, plan, problems)


def trouble(said: str) -> list[str]:
    """Lines of what a process said that tell of an exception, interruptions apart."""
    return [found[0][:200] for found in _TROUBLE.finditer(said)]
