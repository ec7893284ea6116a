"""Our field of points against fields of patches and the paper's own network, at equal CPU seconds and equal lambda.

    python -m benchmarks.networks [--seconds S] [--clips DIR] [--only NAME]

Each fit gets as many steps as a short trial says fit into the seconds, on one thread, without steps between frames and
without a teacher. J = D + lambda * R is what all of them minimise (`benchmarks/notes.md`): smaller is better. Prints a
table and updates its rows of `results/networks.json`, one by one.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fiftyone_latent_inr import video
from fiftyone_latent_inr.fitting import PRESETS, FitConfig, Fitted, GroupTask, fit_frames
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.latent_video.write import to_bytes
from fiftyone_latent_inr.model import Architecture, LatentINR, Level
from fiftyone_latent_inr.model.patch import origin
from fiftyone_latent_inr.rendering.draw import draw

from .shared.records import CLIPS, keep, read_record, show_table, write_record

# (clip, (H, W), frames)
CASES = [
    ("bunny_720p", (180, 320), 32),
    ("toy_elf", (180, 320), 32),
    ("bunny_720p", (360, 640), 16),
]
LAMBDA = 5e-4
# Steps of a trial; a fit looks at its rate about this often however long it is.
_TRIAL, _LOOKS = 40, 500


@dataclass(frozen=True)
class Entry:
    """An architecture and what was found best for it."""

    architecture: Architecture
    learning_rate: float = 3e-2
    points: int = 8192

    @property
    def config(self) -> FitConfig:
        """How it is fitted, but for the steps."""
        return FitConfig(
            "benchmark",
            self.architecture,
            steps=_TRIAL,
            steps_growth=0.0,
            points_per_step=self.points,
            learning_rate=self.learning_rate,
            rate_weight=LAMBDA,
            between=0.0,
        )


_FAST, _PAPER = PRESETS["fast"].architecture, PRESETS["paper"].architecture


def _levels(*rows: tuple[float, int, int]) -> tuple[Level, ...]:
    return tuple(Level(*row) for row in rows)


ENTRIES = {
    "fast": Entry(_FAST),
    "balanced": Entry(PRESETS["balanced"].architecture),
    "patches of 2": Entry(
        replace(_FAST, patch=2, hidden=48, levels=_levels((16, 8, 2), (8, 4, 1), (4, 4, 1), (2, 4, 1))), points=32768
    ),
    "patches of 4": Entry(
        replace(_FAST, patch=4, hidden=64, levels=_levels((16, 8, 2), (8, 8, 1), (4, 16, 1))), points=65536
    ),
    "paper, grids": Entry(_PAPER, PRESETS["paper"].learning_rate),
    "paper, Fourier": Entry(replace(_PAPER, encoding="fourier", frequencies=7, levels=(), hidden=64)),
}


def fit_once(frames: torch.Tensor, config: FitConfig) -> tuple[Fitted, float]:
    """The fit and its CPU seconds."""
    start = time.process_time()
    running = fit_frames(GroupTask.of(frames, config), config)
    while True:
        try:
            next(running)
        except StopIteration as stop:
            return stop.value[0], time.process_time() - start


def steps_within(seconds: float, frames: torch.Tensor, config: FitConfig) -> int:
    """About how many steps fit into the CPU seconds."""
    fit_once(frames, replace(config, steps=2))
    _, plain = fit_once(frames, replace(config, rate_start=0.99))
    _, looking = fit_once(frames, replace(config, rate_start=0.01))  # a fit so short looks at each step
    plain, look = plain / _TRIAL, max(0.0, looking - plain) / _TRIAL
    return max(_TRIAL, round((seconds - _LOOKS * look) / plain), round(seconds / (plain + look)))


def measure(clip: str, frames: np.ndarray, name: str, seconds: float) -> dict[str, object]:
    """Fits, stores and draws; the row of the table."""
    entry, pixels = ENTRIES[name], torch.from_numpy(frames)
    count, height, width, _ = frames.shape
    config = replace(entry.config, steps=steps_within(seconds, pixels, entry.config))
    fitted, used = fit_once(pixels, config)
    data = to_bytes(fitted.model, step_sizes=fitted.step_sizes, fps=25, preset="benchmark")
    stored = from_bytes(data)
    model, times = stored.model("cpu"), np.arange(count, dtype=np.float32)
    drawn = np.stack(list(draw(model, times, height, width)))
    error = np.square((drawn.astype(np.float32) - frames) / 255)
    row: dict[str, object] = {
        "clip": clip,
        "frames": f"{width}x{height}x{count}",
        "architecture": name,
        "parameters": stored.num_parameters,
        "steps": config.steps,
        "bytes": len(data),
        "psnr": round(psnr(frames, drawn), 2),
        "J_1e4": round(1e4 * (float(error.mean()) + LAMBDA * 8 * len(data) / error[..., 0].size), 2),
        "cpu_seconds": round(used, 1),
        "decode_ms": round(decode_ms(model), 1),
    }
    patch = entry.architecture.patch
    if patch > 2:  # all pixels of patches of two are at a border
        border, inside = seams(error, patch)
        row |= {"psnr_at_seams": round(border, 2), "psnr_inside": round(inside, 2)}
    return row


def decode_ms(model: LatentINR) -> float:
    """CPU milliseconds for one frame, the best of eight: the machine may be busy."""
    times, size = np.zeros(1, np.float32), (model.config.height, model.config.width)
    taken = []
    for _ in range(8):
        start = time.process_time()
        next(draw(model, times, *size))
        taken.append(1000 * (time.process_time() - start))
    return min(taken)


def seams(error: np.ndarray, patch: int) -> tuple[float, float]:
    """PSNR of the pixels at patches' borders, and of all others; (T, H, W, 3) squared errors."""
    at = [(np.arange(side) - origin(side, patch)) % patch for side in error.shape[1:3]]
    rows, cols = (np.isin(where, (0, patch - 1)) for where in at)
    border = rows[:, None] | cols
    at_seams, elsewhere = (-10 * math.log10(error[:, which].mean()) for which in (border, ~border))
    return at_seams, elsewhere


def rows(clips: Path, only: str, seconds: float) -> Iterator[dict[str, object]]:
    """All cases, one after the other."""
    for clip, size, count in CASES:
        path, name = clips / f"{clip}.mp4", f"{clip} {size[1]}x{size[0]}x{count}"
        chosen = [entry for entry in ENTRIES if only in f"{name} {entry}"]
        if not chosen or not path.exists():
            continue
        frames = video.read(path, size=size, max_frames=count).array
        for entry in chosen:
            yield measure(clip, frames, entry, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=CLIPS, help="directory of full-length clips")
    parser.add_argument("--only", default="", help="only the cases whose clip, size or architecture contains this")
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds of a fit (default: 60)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = read_record("networks").get("fits", [])
    for row in rows(arguments.clips, arguments.only, arguments.seconds):
        keep(table, row, ("clip", "frames", "architecture"))
        write_record("networks", {"lambda": LAMBDA, "fits": table})
    print()
    show_table(table)


if __name__ == "__main__":
    main()
