"""Two processes at once: on views that overlap, on one folder of finished groups, on one output folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from .compare import differences
from .effects import read_log
from .interrupts import trouble
from .points import COSTLY, Outcome, Subject
from .processes import Ended, Running, start


def overlapping(subject: Subject, number: int) -> Outcome:
    """Two fits of views that share samples."""
    name, folder = _begin(subject, f"views-{number}")
    count = len(subject.given.clips)
    views = ([*range(count - 1)], [*range(1, count)]) if number % 2 else ([*range(count)], [*range(count)][::-1])
    pair = [
        start("fit_view", name, folder, view, k, {}, folder=folder, name=f"fit-{k}") for k, view in enumerate(views)
    ]
    problems = _ended(pair)
    found = start("look", "fit", name, folder, folder=folder, name="look").wait()
    problems += [found.error] if found.error else _differences(subject, found.value)
    problems += _made_twice(folder)
    start("forget", name, folder=folder, name="forget").wait()
    return Outcome("two views", number, "pair", "", problems)


def one_output(subject: Subject, number: int) -> Outcome:
    """Two fits of two datasets of the same videos into one folder."""
    name, folder = _begin(subject, f"outputs-{number}")
    other = f"{name}-other"
    start("prepare", other, subject.given, folder, folder=folder, name="other").wait()
    every = list(range(len(subject.given.clips)))
    pair = [
        start("fit_view", one, folder, every, k, {}, folder=folder, name=f"fit-{k}")
        for k, one in enumerate((name, other))
    ]
    problems = _ended(pair)
    for one in (name, other):
        found = start("look", "fit", one, folder, folder=folder, name=f"look-{one}").wait()
        lines = [found.error] if found.error else _differences(subject, found.value)
        # of both datasets together there is twice as much in the database
        problems += [line for line in lines if not line.startswith("documents ")]
    problems += _made_twice(folder)
    for one in (name, other):
        start("forget", one, folder=folder, name=f"forget-{one}").wait()
    return Outcome("two datasets, one folder", number, "pair", "", problems)


def one_checkpoint(subject: Subject, number: int, alone: list[str]) -> Outcome:
    """Two fits of one video with two seeds and one folder of finished groups.

    Args:
        subject: whose longest clip is taken.
        number: of the try.
        alone: what each of two seeds gives by itself.
    """
    folder = subject.folder / f"seeds-{number}"
    folder.mkdir()
    clip, parts = subject.given.clips[-1], folder / "out.linr.parts"

    def begin(seed: int, name: str) -> Running:
        return start("fit_seed", clip, seed, parts, folder / f"{seed}.linr", folder=folder, name=name)

    pair = [begin(seed, f"seed-{seed}") for seed in range(2)]
    ends = [one.wait() for one in pair]
    problems = []
    for seed, end in enumerate(ends):
        refused = (end.error or "").startswith(("BusyError", "InputError"))
        if refused and "\n" not in str(end.error):
            end = begin(seed, f"seed-{seed}-again").wait()  # noqa: PLW2901
        elif end.error:
            problems.append(f"seed {seed}: {end.error}")
        if end.error is None and end.value != alone[seed]:
            problems.append(f"seed {seed} gave another file than it does alone")
    if all(end.error for end in ends):
        problems.append(f"both were refused: {ends[0].error}")
    problems += [f"{path.name} is left" for path in folder.iterdir() if path.suffix not in (".linr", ".log", ".json")]
    return Outcome("one checkpoint", number, "pair", "", problems)


def seeds_alone(subject: Subject) -> list[str]:
    """What each of two seeds gives when nobody disturbs it."""
    found = []
    for seed in range(2):
        path = subject.folder / f"alone-{seed}.linr"
        clip = subject.given.clips[-1]
        end = start("fit_seed", clip, seed, None, path, folder=subject.folder, name=f"alone-{seed}").wait()
        if end.error:
            raise RuntimeError(end.said)
        found.append(end.value)
    return found


def _begin(subject: Subject, name: str) -> tuple[str, Path]:
    folder = subject.folder / name
    folder.mkdir()
    ended = start("prepare", name, subject.given, folder, folder=folder, name="prepare").wait()
    if ended.error:
        raise RuntimeError(ended.said)
    return name, folder


def _ended(pair: list[Running]) -> list[str]:
    ends: list[Ended] = [one.wait() for one in pair]
    problems: list[Any] = []
    for number, end in enumerate(ends):
        problems += [f"process {number}: {end.error}"] if end.error else [f"failed: {line}" for line in end.value]
        problems += [f"process {number} said: {line}" for line in trouble(end.said)]
    return problems


def _differences(subject: Subject, found: dict[str, Any]) -> list[str]:
    # each run counts what it was asked for and has done itself
    return [line for line in differences(subject.clean, found) if not line.startswith("record counted")]


def _made_twice(folder: Path) -> list[str]:
    made = Counter(
        Path(target).name
        for number in range(2)
        for kind, target in read_log(folder / f"{number}.effects")
        if kind.startswith(("os.replace", "os.rename")) and target.endswith(COSTLY)
    )
    return [f"{name}: made {count} times" for name, count in made.items() if count > 1]
