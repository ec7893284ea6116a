"""`make bench`: the CPU benchmarks, one after the other, each in a process of its own.

    python -m benchmarks.run [NAME ...]

Each writes its record to `benchmarks/results/`; together they take some hours on two cores, most of them the fits
of `rate_distortion` and `space_time`, which leave out what is recorded already. The long videos of `speed`, and
`peers`, which needs a GPU and other methods' code, have commands of their own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

BENCHMARKS = (
    "fit_quality",
    "search",
    "small_teacher",
    "rate",
    "rate_distortion",
    "space_time",
    "speed",
    "prior",
    "instant",
)
OPTIONS = {"speed": ("--device", "cpu", "--only", "fit", "decode", "frame")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)} (default: all)")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *OPTIONS.get(name, ())], check=True)


if __name__ == "__main__":
    main()
