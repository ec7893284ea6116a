"""Quality, bytes and CPU seconds of single fits against their gates, and our files against plainly rounded ones.

    python -m benchmarks.rate [--clips DIR] [--only NAME] [--report]

Runs each case on the CPU, from noise (the bundled prior has seen these clips), measures the file that is written,
prints a table and updates its rows of `results/rate.json`, one by one. `x264` is what x264 medium 4:2:0 reaches on the
same frames with as many bytes (packets and parameter sets, see `codecs`).

The plain file is what one does without a rate: a fit without a rate term, every number rounded to 8 bits with a scale
a channel (vectors: 16-bit floats), and zstd at its slowest; LZMA where that is smaller. It has no header, checksums or
index, ours is counted with all of them. Both sides at the plain file's PSNR: our bytes there are interpolated on our
own curve over several qualities. Two plain files a clip: of networks of the size that suited 8 bits (the presets before
there was a rate), and of the preset's own networks, which are larger than 8 bits a number would pay for.
"""

from __future__ import annotations

import argparse
import lzma
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.encoding.choose_prior import NO_PRIOR
from fiftyone_latent_inr.fitting import PRESETS, FitConfig
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.model import Architecture, LatentINR, Level
from fiftyone_latent_inr.model.tensors import model_views, tensor_specs
from fiftyone_latent_inr.rendering.draw import draw

from .rate_distortion.run import measure_file
from .shared.bjontegaard import quality_at, rate_at
from .shared.codecs import CODECS, measure_ladder
from .shared.records import CLIPS, keep, read_record, show_table, write_record

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # comes with FiftyOne

RECORD = "rate"


@dataclass(frozen=True)
class Limits:
    """What a file has to reach; None: not asked for."""

    psnr: float
    bpp: float
    cpu_seconds: float | None = None
    like_x264: bool = False  # at least the PSNR of x264 4:2:0 at the same bytes, instead of `psnr` and `bpp`


@dataclass(frozen=True)
class Case:
    """One clip, one fit, its gate and its aim. At most one of `quality` and `bpp`, see `linr.fit`."""

    name: str
    size: tuple[int, int]
    frames: int
    preset: str
    gate: Limits
    aim: Limits
    clip: str = "bunny_720p"
    quality: float | None = None
    bpp: float | None = None


CASES = (
    Case("small", (90, 160), 16, "fast", Limits(35.0, 1.3, 60), Limits(36.0, 1.0, 60)),
    Case("demo", (180, 320), 32, "balanced", Limits(36.0, 0.50, 240), Limits(36.5, 0.40, 240)),
    Case("long", (180, 320), 128, "balanced", Limits(34.4, 0.22, 400), Limits(0, 0, 400, like_x264=True), bpp=0.215),
)


@dataclass(frozen=True)
class PlainCase:
    """A fit stored plainly, and the qualities of ours whose curve has to reach its PSNR."""

    name: str
    size: tuple[int, int]
    frames: int
    preset: str
    qualities: tuple[float, ...]
    plain: FitConfig | None = None  # None: the preset's own networks
    clip: str = "bunny_720p"


# The presets before there was a rate: found by trying what is best at 8 bits a number.
_FOR_8_BITS = FitConfig(
    "8 bits",
    Architecture(levels=(Level(12, 8, 2), Level(4, 4), Level(1, 1))),
    steps=2000,
    steps_growth=0.5,
    learning_rate=2e-2,
)
PLAIN_CASES = (
    PlainCase("small, for 8 bits", (90, 160), 16, "fast", (40, 55), _FOR_8_BITS),
    PlainCase("demo, for 8 bits", (180, 320), 32, "balanced", (35, 50), replace(_FOR_8_BITS, steps=5000)),
    PlainCase("small", (90, 160), 16, "fast", (50, 65, 80, 95)),
    PlainCase("demo", (180, 320), 32, "balanced", (50, 65, 80)),
)
LEAST_SAVED, AIMED_SAVED = 35.0, 50.0  # percent


def measure(case: Case, path: Path) -> dict[str, object]:
    """Fits one case with the small teacher and judges the file."""
    frames = video.read(path, size=case.size, max_frames=case.frames).array
    cpu = time.process_time()
    fitted = linr.fit(
        path,
        preset=case.preset,
        size=case.size,
        max_frames=case.frames,
        quality=case.quality,
        bpp=case.bpp,
        prior=NO_PRIOR,
        teacher="small",
        device="cpu",
        progress=False,
    )
    cpu = time.process_time() - cpu
    found = measure_file(fitted, frames)
    ladder: list[dict[str, Any]] = list(measure_ladder(frames, CODECS[0]))
    x264 = quality_at(found["bpp"], [(rung["bpp"], rung["psnr"]) for rung in ladder])
    return {
        "case": case.name,
        "clip": case.clip,
        "frames": f"{case.size[1]}x{case.size[0]}x{len(frames)}",
        "preset": case.preset,
        "asked_for": f"{case.bpp} bpp" if case.bpp else f"quality {50 if case.quality is None else case.quality:g}",
        **found,
        "cpu_seconds": round(cpu, 1),
        "x264": None if x264 is None else round(x264, 2),
        "gate": "passed" if reached(case.gate, found, cpu, x264) else "MISSED",
        "aim": "reached" if reached(case.aim, found, cpu, x264) else "missed",
    }


def reached(limits: Limits, found: dict[str, Any], cpu: float, x264: float | None) -> bool:
    """Whether a file keeps to all of the limits."""
    if limits.cpu_seconds is not None and cpu > limits.cpu_seconds:
        return False
    if limits.like_x264:
        return x264 is not None and bool(found["psnr"] >= x264)
    return bool(found["psnr"] >= limits.psnr and found["bpp"] <= limits.bpp)


def measure_plain(case: PlainCase, path: Path) -> dict[str, object]:
    """A plain file of a clip, and how much smaller ours is at its PSNR."""
    frames = video.read(path, size=case.size, max_frames=case.frames).array
    common: dict[str, Any] = {
        "size": case.size,
        "max_frames": case.frames,
        "prior": NO_PRIOR,
        "teacher": "small",
        "device": "cpu",
        "progress": False,
    }
    # 16 bits stand for the unrounded fit.
    settings = replace(case.plain or PRESETS[case.preset], rate_weight=0.0, bits=16)
    plain = linr.fit(path, config=settings, **common).model()
    parts = round_plainly(plain)
    times = np.arange(len(frames), dtype=np.float32)
    plain_psnr = psnr(frames, np.stack(list(draw(plain, times, *case.size))))
    sizes = packed_sizes(parts)
    ours = [
        measure_file(one, frames)
        for one in linr.fit_rates(path, qualities=case.qualities, preset=case.preset, **common)
    ]
    curve = [(row["bytes"], row["psnr"]) for row in ours]
    smallest = min(curve)
    # A plain file that is worse than our smallest is held against that one.
    mine = smallest[0] if plain_psnr <= smallest[1] else rate_at(plain_psnr, curve)
    saved = None if mine is None else 100 * (1 - mine / min(sizes.values()))
    return {
        "case": case.name,
        "clip": case.clip,
        "frames": f"{case.size[1]}x{case.size[0]}x{len(frames)}",
        "preset": case.preset,
        "plain_psnr": round(plain_psnr, 3),
        **{f"plain_{name}": size for name, size in sizes.items()},
        "our_curve": curve,
        "our_bytes": None if mine is None else round(mine),
        "saved_percent": None if saved is None else round(saved, 1),
        "gate": "passed" if saved is not None and saved >= LEAST_SAVED else "MISSED",
        "aim": "reached" if saved is not None and saved >= AIMED_SAVED else "missed",
    }


def round_plainly(model: LatentINR) -> list[npt.NDArray[Any]]:
    """Rounds a model in place, 8 bits a number with the smallest scale a channel that holds them all.

    Returns:
        What has to be stored: for each tensor its scales, float16, and its codes, int8; for vectors float16 alone.
    """
    parts: list[npt.NDArray[Any]] = []
    views = model_views(model)
    for spec in tensor_specs(model.config):
        values = views[spec.name].numpy()
        if spec.kind == "vector":
            parts.append(values.astype(np.float16))
            values[...] = parts[-1]
            continue
        others = tuple(k for k in range(values.ndim) if k != spec.axis)
        # Rounded up to a half-precision number, so that no code leaves the range; never zero.
        scale = np.nextafter(np.float16(np.abs(values).max(axis=others, keepdims=True) / 127), np.float16(math.inf))
        codes = np.rint(values / scale.astype(np.float32)).clip(-127, 127).astype(np.int8)
        parts += [scale, codes]
        values[...] = codes * scale.astype(np.float32)
    return parts


def packed_sizes(parts: Sequence[npt.NDArray[Any]]) -> dict[str, int]:
    """Bytes of the arrays one after the other: as they are, and by general compressors at their slowest."""
    data = b"".join(part.tobytes() for part in parts)
    return {
        "raw": len(data),
        "zstd": len(zstd.compress(data, level=22)),
        "lzma": len(lzma.compress(data, format=lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=CLIPS, help="directory of full-length clips")
    parser.add_argument("--only", default="", help="measure only cases whose name contains this, as in `plain demo`")
    parser.add_argument("--report", action="store_true", help="measure nothing, print what is recorded")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    record = read_record(RECORD)
    fits, plain = record.get("fits", []), record.get("plain", [])
    for case in () if arguments.report else CASES:
        path = arguments.clips / f"{case.clip}.mp4"
        if path.exists() and arguments.only in f"fit {case.name}":
            keep(fits, measure(case, path), ("case",))
            write_record(RECORD, {"fits": fits, "plain": plain})
    for plain_case in () if arguments.report else PLAIN_CASES:
        path = arguments.clips / f"{plain_case.clip}.mp4"
        if path.exists() and arguments.only in f"plain {plain_case.name}":
            keep(plain, measure_plain(plain_case, path), ("case",))
            write_record(RECORD, {"fits": fits, "plain": plain})
    print()
    show_table(fits)
    show_table(plain)
    if not fits:
        print(f"nothing measured: {arguments.clips} has no clips")


if __name__ == "__main__":
    main()
