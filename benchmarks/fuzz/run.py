"""Mutated `.linr` files: whatever is done to a file, reading it must fail cleanly or give what its checksums vouch for.

    python -m benchmarks.fuzz [--count 100000] [--seed 0]

Two families of mutations, half and half. Blind ones flip bits, set bytes, cut, extend and splice files, and leave the
checksums as they are: not one such file may be read at all. Knowing ones change sizes, shapes, counts, JSON values and
coded data, and make the checksums right again: they may be read, as another video. Each file is read in full: header,
embeddings, every tensor, a frame. Writes `results/fuzz.json`: outcomes by mutation, the slowest, the largest peak of
memory (traced on every 25th file), and whatever broke the rules.
"""

from __future__ import annotations

import argparse
import hashlib
import time
import tracemalloc
from dataclasses import dataclass, field

import numpy as np
import torch

from fiftyone_latent_inr import BitstreamError
from fiftyone_latent_inr.latent_video.video import from_bytes

from ..shared.records import show_table, write_record
from .mutations import BLIND, KNOWING, corpus

MAX_SECONDS = 4.0  # 15 million numbers, the most of a small section
MAX_MEMORY = 200 << 20  # their float32 are 60 MiB
_TRACED = 25  # every so manieth file


def read(data: bytes) -> str:
    """Reads all of a file; returns a digest of its numbers and header."""
    video = from_bytes(data)
    digest = hashlib.blake2b(
        repr((video.fps, video.config, video.metadata, dict(video.metrics))).encode("utf-8", "replace")
    )
    _ = video.embedding
    for name, tensor in video.tensors.items():
        if not np.isfinite(tensor).all():
            raise AssertionError(f"{name} is not finite")
        digest.update(name.encode() + tensor.tobytes())
    video.render([video.num_frames - 1], size=(3, 4), device="cpu")
    return digest.hexdigest()


@dataclass
class Outcome:
    """What became of the files of one mutation."""

    files: int = 0
    unchanged: int = 0
    refused: int = 0
    read: int = 0
    slowest: float = 0.0
    peak: int = 0
    broken: list[str] = field(default_factory=list)


def run(count: int, seed: int) -> dict[str, Outcome]:
    """Mutates and reads `count` files.

    Returns:
        Outcomes by mutation; `broken` lists what must not be: other exceptions, files read in spite of their
        checksums, and files that took too long or too much memory.
    """
    files = corpus()
    for data in files:
        read(data)  # loads what a first reading loads
    outcomes = {mutation.__name__: Outcome() for mutation in BLIND + KNOWING}
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        family = BLIND if k % 2 == 0 else KNOWING
        mutation = family[int(rng.integers(0, len(family)))]
        original = files[int(rng.integers(0, len(files)))]
        mutated = mutation(original, rng, files)
        one = outcomes[mutation.__name__]
        one.files += 1
        if mutated in files:
            one.unchanged += 1
            continue
        traced = k // 2 % _TRACED == 0
        problem = _try(mutated, mutation in BLIND, one, traced)
        if problem:
            one.broken.append(f"file {k}: {problem}")
    return outcomes


def _try(mutated: bytes, blind: bool, one: Outcome, traced: bool) -> str | None:
    """Reads one file; what was wrong about it."""
    if traced:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
    start, problem = time.perf_counter(), None
    try:
        read(mutated)
        one.read += 1
        if blind:
            problem = "read in spite of its checksums"
    except BitstreamError:
        one.refused += 1
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a coder's panic is not an Exception
        problem = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - start
    if traced:
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        one.peak = max(one.peak, peak)
        if peak > MAX_MEMORY and len(mutated) < 1 << 20:
            problem = problem or f"{peak >> 20} MiB"
    else:  # tracing slows a file down many times
        one.slowest = max(one.slowest, seconds)
        if seconds > MAX_SECONDS * max(1, len(mutated) / 2**20):
            problem = problem or f"{seconds:.2f} s"
    return problem


def main() -> None:
    """Runs, prints a table and writes the record."""
    parser = argparse.ArgumentParser(description="Read mutated files.")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    outcomes = run(arguments.count, arguments.seed)
    rows: list[dict[str, object]] = [
        {
            "mutation": name,
            "files": one.files,
            "unchanged": one.unchanged,
            "refused": one.refused,
            "read": one.read,
            "slowest_ms": round(1e3 * one.slowest, 1),
            "peak_mib": round(one.peak / 2**20, 2),
            "broken": len(one.broken),
        }
        for name, one in outcomes.items()
    ]
    show_table(rows)
    broken = [f"{name}, {text}" for name, one in outcomes.items() for text in one.broken]
    print(*broken[:20], sep="\n")
    seconds = round(time.perf_counter() - start, 1)
    record = {"count": arguments.count, "seed": arguments.seed, "seconds": seconds, "mutations": rows}
    write_record("fuzz", {**record, "broken": broken[:200]})
    raise SystemExit(bool(broken))


if __name__ == "__main__":
    main()
