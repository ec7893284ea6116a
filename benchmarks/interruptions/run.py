"""Runs that are stopped, killed, doubled, or cut off from disk and database: is the next one as good as undisturbed?

    python -m benchmarks.interruptions [points|interrupts|pairs|mongod|disk ...]

Writes `results/interruptions.json`: for each part and call how many tries there were, and those that left something
wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..shared.database import Server, own_server
from ..shared.records import keep, read_record, write_record
from . import databases, full_disks, interrupts, pairs, points
from .given import CALLS, KEYS, Given
from .processes import start

Row = dict[str, Any]
TRIES, PAIRS = 60, 10
# Frames of the videos: two of one group, one of several
LENGTHS = (5, 5, 18)


@contextmanager
def workshop() -> Iterator[tuple[Path, Server]]:
    """A folder with a MongoDB of its own, which this process and those that it starts use."""
    with TemporaryDirectory(prefix="interruptions-") as folder, own_server(Path(folder)) as server:
        os.environ.update(server.environment())
        yield Path(folder), server


def subjects(folder: Path, names: Sequence[str], lengths: Sequence[int] = LENGTHS) -> Iterator[points.Subject]:
    """Calls by name, measured undisturbed.

    Args:
        folder: folder for all that they make.
        names: of `given.CALLS`.
        lengths: frames of the videos; the last one is to be of several groups.
    """
    clips = start("make_clips", folder, lengths, folder=folder, name="clips").wait()
    if clips.error:
        raise RuntimeError(clips.said)
    fit = points.Subject("fit", Given(clips.value, []), folder)
    fit.measure()
    for name in names:
        other = points.Subject(name, Given(clips.value, fit.fitted() if name in ("draw", "decode") else []), folder)
        if name != "fit":
            other.measure()
        yield fit if name == "fit" else other


def tell(outcome: points.Outcome, of: str) -> Row:
    """Prints what became of a try."""
    row = outcome.row()
    print(f"{row['call']} {row['how']} {row['point']} {of}: {row['kind']}", flush=True)
    for problem in row["problems"]:
        print(f"    {problem}", flush=True)
    return row


def try_points(folder: Path, names: list[str]) -> list[Row]:
    """Every crash point of some calls."""
    rows = []
    for subject in subjects(folder, names):
        for plan in points.all_points(subject):
            rows.append(tell(points.try_point(subject, plan), f"of {len(subject.effects)}"))
    return rows


def try_interrupts(folder: Path, names: list[str]) -> list[Row]:
    """Two Ctrl-C, 60 times each."""
    rows = []
    for subject in subjects(folder, names):
        for number, plan in enumerate(interrupts.plans(subject, TRIES)):
            rows.append(tell(interrupts.try_interrupts(subject, plan, number), f"of {len(subject.effects)}"))
    return rows


def try_pairs(folder: Path, _names: list[str]) -> list[Row]:
    """Two processes, 10 times each."""
    (subject,) = subjects(folder, ["fit"])
    alone = pairs.seeds_alone(subject)
    rows = [tell(pairs.overlapping(subject, k), f"of {PAIRS}") for k in range(PAIRS)]
    rows += [tell(pairs.one_checkpoint(subject, k, alone), f"of {PAIRS}") for k in range(PAIRS)]
    return rows + [tell(pairs.one_output(subject, k), f"of {PAIRS}") for k in range(PAIRS)]


def try_databases(folder: Path, names: list[str], server: Server) -> list[Row]:
    """MongoDB stopped, and killed, and back."""
    rows = []
    for subject in subjects(folder, [name for name in names if name in KEYS]):
        rows += [tell(databases.try_database(subject, server, case), "") for case in databases.cases()]
    return rows


def try_disks(folder: Path, names: list[str]) -> list[Row]:
    """A full disk at each write."""
    rows = []
    for subject in subjects(folder, names):
        for plan in full_disks.plans(subject):
            rows.append(tell(full_disks.try_disk(subject, plan), f"of {len(subject.effects)}"))
    return rows


PARTS: dict[str, Callable[..., list[Row]]] = {
    "points": try_points,
    "interrupts": try_interrupts,
    "pairs": try_pairs,
    "mongod": try_databases,
    "disk": try_disks,
}


def main() -> None:
    """Runs parts and writes the record."""
    parser = argparse.ArgumentParser(description="Interrupt calls in every way, and look what they leave.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="parts to run (default: all)")
    parser.add_argument("--calls", nargs="*", choices=list(CALLS), help="only these calls", default=None)
    parser.add_argument("--record", type=Path, help="file to write in place of the record")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of the blocks that end MongoDB
    record = {} if arguments.record else read_record("interruptions")
    rows, wrong = record.get("rows", []), record.get("wrong", [])
    failed = 0
    with workshop() as (home, server):
        for part in arguments.parts or PARTS:
            folder = home / part
            folder.mkdir()
            more = (server,) if part == "mongod" else ()
            found = PARTS[part](folder, arguments.calls or list(CALLS), *more)
            for call in dict.fromkeys(row["call"] for row in found):
                tries = [row for row in found if row["call"] == call]
                bad = [{"part": part, **row} for row in tries if row["problems"]]
                failed += len(bad)
                keep(rows, {"part": part, "call": call, "tries": len(tries), "wrong": len(bad)}, ("part", "call"))
                wrong = [row for row in wrong if (row["part"], row["call"]) != (part, call)] + bad
    record = {"rows": rows, "wrong": wrong}
    if arguments.record:
        arguments.record.write_text(json.dumps(record), encoding="utf-8")
    else:
        write_record("interruptions", record)
    sys.exit(bool(failed))
