"""The parts of `speed` that draw: frames a second, and one frame of a long file from the disk to pixels."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.latent_video.write import to_bytes
from fiftyone_latent_inr.model import LatentINR

from ..shared.clips import clip_frames
from ..shared.clocks import Row, size_in_words

SIZES = ((90, 160), (180, 320), (360, 640), (640, 1280))
THREADS = (1, 2)
BATCHES = {"cpu": (1, 8), "cuda": (1, 8, 32)}
_FRAMES = 32
_LEAST_SECONDS, _MOST_SECONDS, _REPEATS = 0.3, 2.0, 5
LONG, LOOKS = 300, 50
SHARE = 0.05  # of the preset's steps, for a file of that length


def unfitted(preset: str, size: tuple[int, int]) -> linr.LatentVideo:
    """A stored video of random numbers: drawing takes as long whatever they are."""
    torch.manual_seed(0)
    model = LatentINR(PRESETS[preset].architecture.for_video(_FRAMES, *size)).eval()
    return from_bytes(to_bytes(model, fps=25, preset=preset))


def measure_decode(
    preset: str, size: tuple[int, int], threads: int, batches: Sequence[int], device: str, name: str
) -> list[Row]:
    """Frames a second from an open file to 8-bit pixels in host memory, by frames asked for at once."""
    torch.set_num_threads(threads)
    stored = unfitted(preset, size)
    row: Row = {"device": name, "size": size_in_words(*size), "preset": preset}
    row["threads"] = threads if device == "cpu" else ""
    return [{**row, "batch": n, "fps": round(frames_a_second(stored, n, device), 1)} for n in batches]


def frames_a_second(stored: linr.LatentVideo, batch: int, device: str) -> float:
    """The best of some tries, as other programs only ever make it slower."""
    times = _times(stored.num_frames, batch)
    stored.render(next(times)[:1], device=device)  # reads the file, warms up
    best, begin = 0.0, time.monotonic()
    for _ in range(_REPEATS):
        drawn, start = 0, time.monotonic()
        while (seconds := time.monotonic() - start) < _LEAST_SECONDS or not drawn:
            drawn += len(stored.render(next(times), device=device))  # pixels on the host: nothing is left running
        best = max(best, drawn / seconds)
        if time.monotonic() - begin > _MOST_SECONDS:
            break
    return best


def _times(count: int, batch: int) -> Iterator[list[float]]:
    k = 0
    while True:
        yield [float((k + n) % count) for n in range(batch)]
        k += batch


def measure_frame(file: Path, threads: int, device: str, name: str) -> Row:
    """Milliseconds from the path of a long file to one frame's pixels, of frames at random."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other.linr"
        unfitted("fast", (48, 64)).save(other)
        linr.load(other).render([0], device=device)
    count = linr.load(file).num_frames
    taken = []
    for k in np.random.default_rng(0).integers(0, count, LOOKS):
        start = time.perf_counter()
        linr.load(file).render([float(k)], device=device)
        taken.append(1000 * (time.perf_counter() - start))
    stored = linr.load(file)
    return {
        "device": name,
        "file": size_in_words(*stored.size, count),
        "preset": stored.preset,
        "groups": stored.num_groups,
        "bytes": file.stat().st_size,
        "threads": threads if device == "cpu" else "",
        "median_ms": round(statistics.median(taken), 1),
        "max_ms": round(max(taken), 1),
    }


def make_long_file(source: Path, path: Path, preset: str, share: float, device: str) -> None:
    """Fits a file of 300 frames briefly: how many of its numbers are zero, and so take no time, is soon settled."""
    frames = clip_frames(source, LONG, SIZES[1])
    config = PRESETS[preset]
    # so few steps have no time to warm up to the preset's rate: at 300 frames in one group the numbers overflowed
    rate = config.learning_rate / 10
    config = replace(config, steps=max(1, round(config.steps * share)), learning_rate=rate)
    linr.fit(frames, config=config, device=device, progress=False).save(path)
