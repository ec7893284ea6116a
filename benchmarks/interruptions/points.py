"""A call that is killed beside each of its side effects in turn, and done again: is all as if undisturbed?"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .compare import differences
from .effects import Plan, read_log
from .given import Given
from .processes import Ended, start

State = dict[str, Any]

# What may be made only once: a `.linr` file, a drawing, a group of frames
COSTLY = (".linr", ".mp4", ".part")


@dataclass
class Subject:
    """A call, what it begins with, and what it leaves when nothing disturbs it.

    Attributes:
        call: its name in `given.CALLS`.
        given: what it begins with.
        folder: folder for all tries.
        clean: what is there after an undisturbed one.
        effects: kinds of its side effects, in order.
    """

    call: str
    given: Given
    folder: Path
    clean: State = field(default_factory=dict)
    effects: list[tuple[str, str]] = field(default_factory=list)

    def measure(self) -> None:
        """Does the call undisturbed.

        Raises:
            RuntimeError: it fails.
        """
        name = f"{self.call}-clean"
        folder = self.folder / name
        folder.mkdir()
        ended = start("first", self.call, name, self.given, folder, Plan(), folder=folder, name="first").wait()
        found = start("look", self.call, name, folder, folder=folder, name="look").wait()
        start("forget", name, folder=folder, name="forget").wait()
        for end in (ended, found):
            if end.error:
                raise RuntimeError(f"{self.call} fails undisturbed: {end.error}\n{end.said}")
        self.clean, self.effects = found.value, read_log(folder / "first.effects")

    def fitted(self) -> list[str]:
        """Paths of the `.linr` files that a fit has left."""
        return sorted(str(path) for path in (self.folder / f"{self.call}-clean" / "out").glob("*.linr"))


@dataclass(frozen=True)
class Outcome:
    """What became of one point.

    Attributes:
        call: the call.
        number: number of the side effect.
        how: whether the process died before or after it.
        kind: what it is.
        problems: what was not as after an undisturbed call; empty if all was.
        said: what the interrupted call said in the end, where that is of interest.
    """

    call: str
    number: int
    how: str
    kind: str
    problems: list[str]
    said: str | None = None

    def row(self) -> dict[str, Any]:
        """As a record has it."""
        row = {"call": self.call, "point": self.number, "how": self.how, "kind": self.kind, "problems": self.problems}
        return row if self.said is None else {**row, "said": self.said}


def try_point(subject: Subject, plan: Plan, name: str = "") -> Outcome:
    """Kills a call at a side effect, does it again, and compares.

    A call may have fewer side effects than the undisturbed one had, which gives signs of life where it takes long: then
    it is killed at its last.
    """
    name = name or f"{subject.call}-{plan.how}-{plan.number}"
    ended = stopped(subject, name, plan)
    if ended.status == -signal.SIGKILL:
        return judge(subject, name, plan, [])
    count = len(read_log(subject.folder / name / "first.effects"))
    if ended.error is None and 0 < count < plan.number:
        start("forget", name, folder=subject.folder, name=f"{name}-forget").wait()
        return try_point(subject, replace(plan, number=count), f"{name}-last")
    return judge(subject, name, plan, [f"it was not killed, but ended: {ended.error or ended.status}"])


def stopped(subject: Subject, name: str, plan: Plan) -> Ended:
    """Does a call under a plan."""
    folder = subject.folder / name
    folder.mkdir()
    return start("first", subject.call, name, subject.given, folder, plan, folder=folder, name="first").wait()


def judge(subject: Subject, name: str, plan: Plan, problems: list[str]) -> Outcome:
    """Does a call again that was stopped, and compares what is there then with what an undisturbed one leaves.

    Args:
        subject: the call.
        name: name of the try.
        plan: what was to happen.
        problems: what is known to be wrong already.
    """
    folder = subject.folder / name
    finished = {p: p.stat().st_ino for p in (folder / "out").rglob("*") if p.suffix in (".linr", ".mp4")}
    ended = start("again", subject.call, name, subject.given, folder, folder=folder, name="again").wait()
    if ended.error:
        problems.append(f"the second run: {ended.error}")
    else:
        problems += differences(subject.clean, {k: v for k, v in ended.value.items() if k != "said"})
    problems += [f"{p.name}: made twice" for p, node in finished.items() if p.exists() and p.stat().st_ino != node]
    problems += _made_twice(folder)
    kind = subject.effects[plan.number - 1][0] if 0 < plan.number <= len(subject.effects) else ""
    return Outcome(subject.call, plan.number, plan.how, kind, problems)


def _made_twice(folder: Path) -> Iterator[str]:
    made = Counter(
        target
        for log in ("first.effects", "again.effects")
        for kind, target in read_log(folder / log)
        if kind.startswith(("os.replace", "os.rename")) and target.endswith(COSTLY)
    )
    return (f"{Path(target).name}: made {count} times" for target, count in made.items() if count > 1)


def all_points(subject: Subject) -> list[Plan]:
    """Right after each side effect, and right before those where something has happened that is not counted.

    To die before a side effect is to die after the one before it, but for the first, and for the flush of a file that
    a library has written by itself.
    """
    plans = []
    for number, (kind, _) in enumerate(subject.effects, 1):
        if kind.startswith("FAILED"):
            continue
        if number == 1 or kind.startswith("os.fsync"):
            plans.append(Plan(number, "before"))
        plans.append(Plan(number, "after"))
    return plans


def spread(subject: Subject, most: int) -> list[Plan]:
    """Some points, of kinds that are spread evenly over the call: after the last side effect of each kind."""
    last = {kind: number for number, (kind, _) in enumerate(subject.effects, 1) if not kind.startswith("FAILED")}
    numbers = sorted(last.values())
    places = {int((k + 0.5) * len(numbers) / most) for k in range(most)}
    return [Plan(numbers[place]) for place in sorted(places)]
