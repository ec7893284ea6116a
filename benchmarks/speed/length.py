"""The part of `speed` about long videos: memory and seconds of the real command, by number of frames."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fiftyone_latent_inr as linr

from ..shared.clocks import Row

# The command has no steps to choose; a smoke test has.
_SHORTENED = (
    "import sys; from dataclasses import replace; from fiftyone_latent_inr.fitting import PRESETS as p; "
    "n, share = sys.argv[1], float(sys.argv[2]); p[n] = replace(p[n], steps=max(1, round(p[n].steps * share))); "
    "from fiftyone_latent_inr.cli.main import main; sys.exit(main(sys.argv[3:]))"
)

# A process is counted as at least as large as the one that it was forked from: a small one has to stand between.
_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.monotonic()
process = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(process.pid, 0)
found = [os.waitstatus_to_exitcode(status), used.ru_maxrss, used.ru_utime + used.ru_stime, time.monotonic() - start]
with open(sys.argv[1], "w") as file:
    json.dump(found, file)
"""


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Attributes:
        peak_mib: the most memory that was resident.
        cpu_seconds: seconds of the processor, user and system.
        wall_seconds: from start to end.
    """

    peak_mib: float
    cpu_seconds: float
    wall_seconds: float


def run_measured(command: Sequence[str]) -> Cost:
    """Runs a command to its end.

    Raises:
        RuntimeError: it ended badly; the message has what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        found, said = Path(folder) / "found.json", Path(folder) / "said.txt"
        with said.open("w") as log:
            launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(found), *command]
            subprocess.run(launcher, stdout=log, stderr=subprocess.STDOUT, check=True)
        status, peak, cpu, wall = json.loads(found.read_text())
        if status:
            text = said.read_text(errors="replace").strip()[-800:]
            raise RuntimeError(f"{' '.join(command)} ended with {status}: {text}")
    return Cost(peak / 1024, cpu, wall)


def command(clip: Path, output: Path, preset: str, frames: int | None, device: str, share: float) -> list[str]:
    """The command that encodes the first frames, or all."""
    start = ["-m", "fiftyone_latent_inr"] if share == 1 else ["-c", _SHORTENED, preset, str(share)]
    limit = [] if frames is None else ["--frames", str(frames)]
    rest = ["encode", str(clip), str(output), "--preset", preset, "--device", device, "--quiet", *limit]
    return [sys.executable, *start, *rest]


def measure_length(clip: Path, preset: str, frames: int, device: str, name: str, share: float = 1.0) -> Row:
    """One length."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "clip.linr"
        cost = run_measured(command(clip, output, preset, frames, device, share))
        stored = linr.load(output)
        return {
            "device": name,
            "on": device,
            "clip": clip.stem,
            "preset": preset,
            "frames": stored.num_frames,
            "groups": stored.num_groups,
            "psnr": round(stored.metrics["psnr"], 2),
            "bytes": output.stat().st_size,
            "bpp": round(stored.metrics["bpp"], 4),
            "peak_mib": round(cost.peak_mib),
            "cpu_seconds": round(cost.cpu_seconds, 1),
            "wall_seconds": round(cost.wall_seconds, 1),
            "cpu_a_frame": round(cost.cpu_seconds / stored.num_frames, 4),
            "wall_a_frame": round(cost.wall_seconds / stored.num_frames, 4),
        }
