"""MongoDB that stops answering, or is killed and comes back, during a call: no sample may be lost."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..shared.database import Server
from .effects import Plan, read_log
from .interrupts import trouble
from .points import Outcome, Subject, judge
from .processes import start

# What happens, and for how many seconds
ENDS = (("stopped", 30.0), ("killed", 5.0), ("killed", 45.0))
# How far a call has come then, as a share of its side effects
MOMENTS = (0.3, 0.6, 0.95)


@dataclass(frozen=True)
class Case:
    """What becomes of MongoDB.

    Attributes:
        what: `stopped`, so that it does not answer, or `killed`.
        seconds: for how long.
        moment: how far the call has come then, as a share of its side effects.
    """

    what: str
    seconds: float
    moment: float


def cases() -> list[Case]:
    """Each end at each moment."""
    return [Case(*end, moment) for end in ENDS for moment in MOMENTS]


def try_database(subject: Subject, server: Server, case: Case) -> Outcome:
    """Takes MongoDB away from a call, brings it back, waits for the call's end, and does it again."""
    name = f"{subject.call}-{case.what}-{case.seconds:.0f}-{round(100 * case.moment)}"
    tried = subject.folder / name
    tried.mkdir()
    number = max(round(case.moment * len(subject.effects)), 1)
    running = start("first", subject.call, name, subject.given, tried, Plan(), folder=tried, name="first")
    while len(read_log(tried / "first.effects")) < number and running.process.is_alive():
        time.sleep(0.002)
    if case.what == "stopped":
        server.pause()
        time.sleep(case.seconds)
        server.resume()
    else:
        server.kill()
        time.sleep(case.seconds)
        server.start()
    ended = running.wait()
    problems = [f"it said: {line}" for line in trouble(ended.said)]
    if ended.error:
        problems.append(f"the run that lost its database: {ended.error[:300]}")
    plan = Plan(number, f"{case.what} {case.seconds:.0f} s")
    outcome = judge(subject, name, plan, problems)
    return Outcome(outcome.call, number, plan.how, outcome.kind, outcome.problems, ended.value)
