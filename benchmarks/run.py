"""`make bench`: the CPU benchmarks, one after the other, each in a process of its own.

    python -m benchmarks.run [NAME ...]

Each writes its record to `benchmarks/results/`; together they take some hours on two cores, most of them the fits
of `rate_distortion` and `space_time`, which leave out what is recorded already. The long videos of `speed`, and
`peers`, which needs a GPU and other methods' code, have commands of their own.
"""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = ("fit_quality", "search", "small_teacher", "rate", "rate_distortion", "space_time", "speed", "prior")
OPTIONS = {"speed": ("--device", "cpu", "--only", "fit", "decode", "frame")}


def main() -> None:
    names = sys.argv[1:] or BENCHMARKS
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *OPTIONS.get(name, ())], check=True)


if __name__ == "__main__":
    main()
