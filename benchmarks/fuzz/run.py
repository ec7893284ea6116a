"""Mutated `.linr` files: whatever is done to a file, reading it must fail cleanly or give what its checksums vouch for.

    python -m benchmarks.fuzz [--minutes 10] [--count N] [--seed 0]

Three families of mutations. Blind ones flip bits, set bytes, cut, extend and splice files, and leave the checksums as
they are: not one such file may be read at all. Knowing ones change sizes, shapes, counts, JSON values and coded data,
and make the checksums right again: they may be read, as another video. Others are of any shape that the format allows.

Of each file everything is asked: header, embeddings, latents, tensors, a small picture, a frame, one in between, what
the command line says of it. Children do it, with 2 GiB of address space (RLIMIT_AS) on top of what this process has
mapped when they begin, its imports; an operation may take 2 seconds of the processor (user and system time), and as
many more for each MiB of the file. The default limits allow a frame that takes 4 seconds: here they are a quarter.
Writes `results/fuzz.json`: outcomes by mutation, the slowest, the most memory, and whatever broke the rules.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import resource
import select
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice

import numpy as np
import torch

from fiftyone_latent_inr import BitstreamError, InputError, Limits
from fiftyone_latent_inr.cli import main as cli
from fiftyone_latent_inr.latent_video.video import LatentVideo, from_bytes

from ..shared.records import show_table, write_record
from .children import fork, mapped
from .mutations import BLIND, KNOWING, Mutation, corpus
from .shapes import reshape

MAX_SECONDS = 2.0
ADDRESS_SPACE = 2 << 30
LIMITS = Limits(multiply_adds=30e9, multiply_adds_per_byte=1, array_bytes=1 << 28)
_AT_ONCE = 100  # files that a child reads
_PATIENCE = 60  # seconds of the processor after which a child is taken to hang
_TENSORS, _NUMBERS = 200, 15_000_000  # of a file that are looked at
_GROUPS = 200  # at most, of a file whose latents, one section each, are all asked for


def tensors(video: LatentVideo) -> str:
    """A digest of a video's header and numbers, of the first groups."""
    digest = hashlib.blake2b(
        repr((video.fps, video.config, video.metadata, dict(video.metrics))).encode("utf-8", "replace")
    )
    numbers = 0
    for name, tensor in islice(video.tensors.items(), _TENSORS):
        if not np.isfinite(tensor).all():
            raise AssertionError(f"{name} is not finite")
        digest.update(name.encode() + tensor.tobytes())
        numbers += tensor.size
        if numbers > _NUMBERS:
            break
    return digest.hexdigest()


def _picture(video: LatentVideo) -> object:
    return video.render([video.num_frames - 1], size=(3, 4), device="cpu")


def _between(video: LatentVideo) -> object:
    return video.render([(video.num_frames - 1) * 0.3], size=(5, 2), device="cpu")


def _frame(video: LatentVideo) -> object:
    return video.render([0], device="cpu")


OPERATIONS: dict[str, Callable[[LatentVideo], object]] = {
    "embedding": lambda video: video.embedding,
    "embeddings": lambda video: video.embeddings,
    "latents": lambda video: video.latents if video.num_groups <= _GROUPS else None,
    "tensors": tensors,
    "picture": _picture,
    "between": _between,
    "frame": _frame,
    "check": lambda video: video.check(),
}


@dataclass
class Report:
    """What reading one file came to: whether it is a video, what went wrong, the slowest operation, and memory.

    Attributes:
        status: `read`, or `refused` by its header or an operation.
        problem: what must not be, or None.
        seconds: of the processor, of the slowest operation.
        slowest: its name.
        peak: largest resident set of the child so far, bytes beyond what it began with.
    """

    status: str = "refused"
    problem: str | None = None
    seconds: float = 0.0
    slowest: str = ""
    peak: int = 0


def read(data: bytes, blind: bool) -> Report:
    """Asks everything of one file."""
    report, allowed = Report(), MAX_SECONDS * max(1.0, len(data) / 2**20)
    video: LatentVideo | None = None

    def tried(name: str, operation: Callable[[], object]) -> object:
        started, found = time.process_time(), None
        try:
            found = operation()
        except (BitstreamError, InputError):
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a coder's panic is not an Exception
            report.problem = report.problem or f"{name}: {type(error).__name__}: {error}"
        seconds = time.process_time() - started
        if seconds > report.seconds:
            report.seconds, report.slowest = seconds, name
        if seconds > allowed:
            report.problem = report.problem or f"{name}: {seconds:.2f} s"
        return found

    loaded = tried("load", lambda: from_bytes(data, limits=LIMITS))
    if isinstance(loaded, LatentVideo):
        video, read_all = loaded, True
        for name, operation in OPERATIONS.items():
            found = tried(name, lambda operation=operation: operation(video))  # type: ignore[misc]
            read_all &= name != "tensors" or found is not None
        tried("info", lambda: _info(data))
        if read_all:
            report.status = "read"
            if blind:
                report.problem = report.problem or "read in spite of its checksums"
    return report


def _info(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".linr") as file:
        file.write(data)
        file.flush()
        for more in ([], ["--json"]):
            out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                cli.main(["info", file.name, *more])


@dataclass
class Outcome:
    """What became of the files of one mutation."""

    files: int = 0
    unchanged: int = 0
    refused: int = 0
    read: int = 0
    slowest: float = 0.0
    slowest_operation: str = ""
    peak: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, number: int, report: Report) -> None:
        """Counts one file."""
        self.read += report.status == "read"
        self.refused += report.status == "refused"
        if report.seconds > self.slowest:
            self.slowest, self.slowest_operation = report.seconds, report.slowest
        self.peak = max(self.peak, report.peak)
        if report.problem:
            self.broken.append(f"file {number}: {report.problem}")


def mutated(files: list[bytes], seed: int, number: int) -> tuple[Mutation, bytes]:
    """The file of a number, and what was done to it."""
    rng = np.random.default_rng([seed, number])
    family: tuple[Mutation, ...] = (BLIND, KNOWING, (reshape,))[number % 3]
    mutation = family[int(rng.integers(0, len(family)))]
    return mutation, mutation(files[int(rng.integers(0, len(files)))], rng, files)


def run(count: int | None, seed: int, minutes: float | None = None) -> dict[str, Outcome]:
    """Mutates and reads files, so many or for so long.

    Returns:
        Outcomes by mutation; `broken` lists what must not be: other exceptions, files read in spite of their
        checksums, and operations that took too long or killed their process.
    """
    files = corpus()
    for data in files:
        read(data, False)  # loads what a first reading loads
    end = time.monotonic() + (60 * minutes if minutes is not None else 1e9)
    outcomes = {mutation.__name__: Outcome() for mutation in (*BLIND, *KNOWING, reshape)}
    first = 0
    while (count is None or first < count) and time.monotonic() < end:
        stop = first + _AT_ONCE if count is None else min(first + _AT_ONCE, count)
        for number, name, report in _batch(files, seed, range(first, stop)):
            outcomes[name].files += 1
            first = number + 1
            if report is None:
                outcomes[name].unchanged += 1
            else:
                outcomes[name].add(number, report)
    return outcomes


def _batch(files: list[bytes], seed: int, numbers: range) -> Iterator[tuple[int, str, Report | None]]:
    """Reads files in a child; where it dies of one, that is the last."""
    read_end, write_end = os.pipe()
    child = fork()
    if not child:
        os.close(read_end)
        try:
            _serve(files, seed, numbers, write_end)
        finally:
            os._exit(1)  # whatever happens: it is not to go on as its parent
    os.close(write_end)
    done = 0
    with os.fdopen(read_end, "rb") as pipe:
        while select.select([pipe], [], [], 100 * _PATIENCE)[0] and (line := pipe.readline()):
            number, name, report = json.loads(line)
            yield number, name, None if report is None else Report(**report)
            done += 1
        if done < len(numbers):
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if done < len(numbers):
        mutation, _ = mutated(files, seed, numbers[done])
        yield numbers[done], mutation.__name__, Report(problem=f"its process died or hung (status {status})")


def _serve(files: list[bytes], seed: int, numbers: range, write_end: int) -> None:
    space = mapped() + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in numbers:
        mutation, data = mutated(files, seed, number)
        spent = int(time.process_time()) + _PATIENCE
        resource.setrlimit(resource.RLIMIT_CPU, (spent, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        report = None if data in files else read(data, mutation in BLIND)
        if report is not None:
            report.peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
        line = json.dumps([number, mutation.__name__, None if report is None else asdict(report)])
        os.write(write_end, line.encode() + b"\n")
    os._exit(0)


def main() -> None:
    """Runs, prints a table and writes the record."""
    parser = argparse.ArgumentParser(description="Read mutated files.")
    parser.add_argument("--minutes", type=float, default=10.0, help="wall minutes to go on for")
    parser.add_argument("--count", type=int, default=None, help="files, in place of a time")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    outcomes = run(arguments.count, arguments.seed, None if arguments.count else arguments.minutes)
    rows: list[dict[str, object]] = [
        {
            "mutation": name,
            "files": one.files,
            "unchanged": one.unchanged,
            "refused": one.refused,
            "read": one.read,
            "slowest_ms": round(1e3 * one.slowest, 1),
            "slowest": one.slowest_operation,
            "peak_mib": one.peak >> 20,
            "broken": len(one.broken),
        }
        for name, one in outcomes.items()
    ]
    show_table(rows)
    broken = [f"{name}, {text}" for name, one in outcomes.items() for text in one.broken]
    print(*broken[:20], sep="\n")
    seconds = round(time.perf_counter() - start, 1)
    record = {"files": sum(one.files for one in outcomes.values()), "seed": arguments.seed, "seconds": seconds}
    record |= {"address_space_mib": ADDRESS_SPACE >> 20, "max_seconds": MAX_SECONDS, "limits": asdict(LIMITS)}
    write_record("fuzz", {**record, "mutations": rows, "broken": broken[:200]})
    raise SystemExit(bool(broken))


if __name__ == "__main__":
    main()
