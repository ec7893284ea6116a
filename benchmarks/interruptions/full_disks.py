"""A disk that is full from a side effect on: one clear line, and the same call completes once there is room."""

from __future__ import annotations

from collections.abc import Iterator

from .compare import differences
from .effects import Plan
from .interrupts import trouble
from .points import Outcome, Subject
from .processes import start

# How it is said: that the disk is full, or that too little is left to begin; and of MongoDB's own disk
_WORDS = ("disk", "space left on device")


def plans(subject: Subject) -> Iterator[Plan]:
    """Before each write of a file the disk is filled, and MongoDB has no room for each of its documents."""
    for number, (kind, _) in enumerate(subject.effects, 1):
        operation = kind.rpartition(".")[2]
        if operation.startswith(("insert", "update", "replace", "bulk")):  # what is deleted needs no room
            yield Plan(number, "full")
        elif kind.startswith(("open ", "os.mkdir", "os.open", "os.replace")):
            yield Plan(number, "fill")


def try_disk(subject: Subject, plan: Plan) -> Outcome:
    """Does a call on a disk that becomes full, then again with room, and compares."""
    name = f"{subject.call}-{plan.how}-{plan.number}"
    folder = subject.folder / name
    folder.mkdir()
    given = subject.given
    ended = start("on_full_disk", subject.call, name, given, folder, plan, folder=folder, name="full").wait()
    problems = []
    if ended.error:
        problems.append(f"with room again: {ended.error}")
    else:
        problems += _judge_error(ended.value["error"], ended.said)
        problems += differences(subject.clean, ended.value["state"])
    start("forget", name, folder=folder, name="forget").wait()
    kind = subject.effects[plan.number - 1][0]
    said = None if ended.error else ended.value["error"] or ended.value["first"]
    return Outcome(subject.call, plan.number, plan.how, kind, problems, said)


def _judge_error(error: str | None, said: str) -> list[str]:
    """What is not as it should be of what is said: nothing where nothing was lost, or one line."""
    problems = [f"it said: {line}" for line in trouble(said)]
    if error is None:
        return problems
    kind, _, text = error.partition(": ")
    if kind not in ("InputError", "StorageError", "SystemExit"):
        problems.append(f"raised {error[:300]}")
    elif kind != "SystemExit" and ("\n" in text or not any(word in text for word in _WORDS)):
        problems.append(f"does not say in a line that the disk is full: {error[:300]}")
    return problems
