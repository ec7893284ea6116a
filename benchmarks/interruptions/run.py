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
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..shared.database import Server, own_server
from ..shared.records import keep, read_record, write_record
from . import databases, full_disks, interrupts, pairs, points
from .given import CALLS, KEYS, Given
from .processes import start

Row = dict[str, Any]
Try = Callable[[], points.Outcome]
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


def tell(row: Row, of: str) -> Row:
    """Prints what became of a try."""
    print(f"{row['call']} {row['how']} {row['point']}, {of}: {row['kind']}", flush=True)
    for problem in row["problems"]:
        print(f"    {problem}", flush=True)
    return row


def point_tries(folder: Path, names: Sequence[str]) -> Iterator[Try]:
    """Every crash point of some calls."""
    for subject in subjects(folder, names):
        yield from (partial(points.try_point, subject, plan) for plan in points.all_points(subject))


def interrupt_tries(folder: Path, names: Sequence[str]) -> Iterator[Try]:
    """Two Ctrl-C, 60 times a call."""
    for subject in subjects(folder, names):
        for number, plan in enumerate(interrupts.plans(subject, TRIES)):
            yield partial(interrupts.try_interrupts, subject, plan, number)


def pair_tries(folder: Path, _names: Sequence[str]) -> Iterator[Try]:
    """Two processes, 10 times each."""
    (subject,) = subjects(folder, ["fit"])
    alone = pairs.seeds_alone(subject)
    for number in range(PAIRS):
        yield partial(pairs.overlapping, subject, number)
        yield partial(pairs.one_checkpoint, subject, number, alone)
        yield partial(pairs.one_output, subject, number)


def database_tries(folder: Path, names: Sequence[str], server: Server) -> Iterator[Try]:
    """MongoDB stopped, and killed, and back."""
    for subject in subjects(folder, [name for name in names if name in KEYS]):
        yield from (partial(databases.try_database, subject, server, case) for case in databases.cases())


def disk_tries(folder: Path, names: Sequence[str]) -> Iterator[Try]:
    """A full disk at each write."""
    for subject in subjects(folder, names):
        yield from (partial(full_disks.try_disk, subject, plan) for plan in full_disks.plans(subject))


PARTS: dict[str, Callable[..., Iterator[Try]]] = {
    "points": point_tries,
    "interrupts": interrupt_tries,
    "pairs": pair_tries,
    "mongod": database_tries,
    "disk": disk_tries,
}


def _share(text: str) -> tuple[int, int]:
    """`1/3` is the first third."""
    part, _, parts = text.partition("/")
    return int(part) - 1, int(parts)


def main() -> None:
    """Runs parts and writes the record."""
    parser = argparse.ArgumentParser(description="Interrupt calls in every way, and look what they leave.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="parts to run (default: all)")
    parser.add_argument("--calls", nargs="*", choices=list(CALLS), help="only these calls", default=None)
    parser.add_argument("--share", type=_share, default=(0, 1), metavar="K/N", help="every N-th try, from the K-th on")
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
            tries = PARTS[part](folder, arguments.calls or CALLS, *more)
            found = [tell(one().row(), part) for one in islice(tries, arguments.share[0], None, arguments.share[1])]
            for call in dict.fromkeys(row["call"] for row in found):
                of_call = [row for row in found if row["call"] == call]
                bad = [{"part": part, **row} for row in of_call if row["problems"]]
                failed += len(bad)
                keep(rows, {"part": part, "call": call, "tries": len(of_call), "wrong": len(bad)}, ("part", "call"))
                wrong = [row for row in wrong if (row["part"], row["call"]) != (part, call)] + bad
    record = {"rows": rows, "wrong": wrong}
    if arguments.record:
        arguments.record.write_text(json.dumps(record), encoding="utf-8")
    else:
        write_record("interruptions", record)
    sys.exit(bool(failed))
