"""What it gives a group of frames to start from an earlier one: steps to the same PSNR, and bytes of the residual.

    python -m benchmarks.groups [--clips DIR] [--only NAME] [--frames 16] [--jobs N] [--report]

Each clip without cuts, at 160x90 and preset `fast`: of two groups of `--frames` frames, one after the other, the second
is fitted from noise with all of its steps ("cold"), and from the first one with 60 % and 40 % of them ("warm").
Both are stored, and PSNR is that of what is stored. Bytes are those of the group's section: of the cold fit, and of the
warm one as the residual against its parent and, the same numbers, by itself.

A fit starts a group from another one only where their frames are alike (`FitConfig.similar`, PSNR between each frame
and the most similar one). Of all such pairs of a clip the most and the least alike are measured.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fiftyone_latent_inr import video
from fiftyone_latent_inr.encoding.measure import measure
from fiftyone_latent_inr.encoding.plan import Plan, Span, fingerprint
from fiftyone_latent_inr.fitting import PRESETS, FitConfig, Fitted, GroupTask, fit_frames
from fiftyone_latent_inr.fitting.start import Start
from fiftyone_latent_inr.latent_video.sections import decode_group, encode_group
from fiftyone_latent_inr.latent_video.stored import to_model
from fiftyone_latent_inr.model import ModelConfig
from fiftyone_latent_inr.progress import drive

from .shared.jobs import run_jobs
from .shared.records import CLIPS, keep, read_record, show_table, write_record

RECORD = "groups"
SIZE = (90, 160)
SHARES = (0.6, 0.4)
MOST_STEPS, AIMED_STEPS = 0.6, 0.4
LEAST_SAVED, AIMED_SAVED = 25.0, 40.0  # percent
CUT = ("mixed_scenes_qcif_1700f", "street_cuts")  # clips with cuts


def pairs(frames: np.ndarray, count: int, least: float) -> dict[int, float]:
    """Where groups begin whose successors are alike, and the PSNR in dB between them."""
    prints = np.stack([fingerprint(frame) for frame in frames])
    found = {}
    for begin in range(0, len(frames) - 2 * count + 1, count):
        middle, end = begin + count, begin + 2 * count
        nearest = _nearest(prints[begin:middle], prints[middle:end])
        error = ((frames[middle:end].astype(np.float64) - frames[begin:middle][nearest]) ** 2).mean()
        alike = round(float(10 * np.log10(255**2 / max(error, 1e-3))), 1)
        if alike >= least:
            found[begin] = alike
    return found


def measure_pair(path: Path, count: int, begin: int, alike: float) -> dict[str, Any]:
    """One row: the second of two groups of `count` frames, cold and warm."""
    torch.set_num_threads(1)
    frames = video.read(path, size=SIZE, max_frames=begin + 2 * count).array[begin:]
    first, second = frames[:count], frames[count:]
    config = replace(PRESETS["fast"], between=0.0)
    nearest = _nearest(*(np.stack([fingerprint(frame) for frame in part]) for part in (first, second)))
    row: dict[str, Any] = {"clip": path.stem, "frames": f"{begin}+{count}", "alike": alike}
    shape = replace(config.architecture.for_video(config.group_frames, *SIZE), num_frames=count)
    parent, steps = decode_group(shape, encode_group(*_model_and_steps(_fit(first, config, shape)), 8))
    cold = _fit(second, config, shape)
    row["cold_psnr"], row["cold_bytes"] = _judge(cold, second, shape, None)[:2]
    for share in SHARES:
        start = Start(parent, steps, torch.from_numpy(nearest))
        warm = _fit(second, replace(config, warm_steps=share), shape, start)
        psnr, size, alone = _judge(warm, second, shape, parent)
        name = f"warm_{share:.0%}".rstrip("%")
        row |= {f"{name}_psnr": psnr, f"{name}_bytes": size, f"{name}_alone": alone}
        # the residual against the same numbers by themselves, and against the cold fit, which has another PSNR
        row[f"{name}_residual"] = round(100 * (1 - size / alone), 1)
        row[f"{name}_saves"] = round(100 * (1 - size / row["cold_bytes"]), 1)
    return row


def _nearest(earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    plan = Plan((Span(0, 1), Span(1, 1, 0, 1)), (), (earlier, later), (np.arange(len(earlier)), np.arange(len(later))))
    return plan.nearest_prints(1, later)


def _fit(frames: np.ndarray, config: FitConfig, shape: ModelConfig, start: Start | None = None) -> Fitted:
    return drive(fit_frames(GroupTask(torch.from_numpy(frames), shape, start=start), config), lambda event: None)[0]


def _model_and_steps(fitted: Fitted) -> tuple[Any, Any]:
    return fitted.model, fitted.step_sizes


def _judge(fitted: Fitted, frames: np.ndarray, shape: ModelConfig, parent: Any) -> tuple[float, int, int]:
    """PSNR of what is stored, its bytes, and the bytes of the same numbers by themselves."""
    data = encode_group(*_model_and_steps(fitted), 8, parent)
    tensors, _ = decode_group(shape, data, parent)
    psnr = measure(to_model(shape, tensors), frames)[0] / len(frames)
    return round(psnr, 2), len(data), len(encode_group(*_model_and_steps(fitted), 8))


def judge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the rows, and what they say of gate and aim."""
    if not rows:
        return {}

    def mean(name: str) -> float:
        return round(float(np.mean([row[name] for row in rows])), 2)

    found: dict[str, Any] = {"pairs": len(rows), "cold_psnr": mean("cold_psnr")}
    for share in SHARES:
        name = f"warm_{share:.0%}".rstrip("%")
        found |= {f"{name}_{what}": mean(f"{name}_{what}") for what in ("psnr", "residual", "saves")}
        found[f"{name}_reached_by"] = sum(row[f"{name}_psnr"] >= row["cold_psnr"] for row in rows)
    gate, aim = (f"warm_{share:.0%}".rstrip("%") for share in (MOST_STEPS, AIMED_STEPS))
    for key, name, least in (("gate", gate, LEAST_SAVED), ("aim", aim, AIMED_SAVED)):
        good = found[f"{name}_psnr"] >= found["cold_psnr"] and found[f"{name}_residual"] >= least
        found[key] = ("passed" if good else "MISSED") if key == "gate" else ("reached" if good else "missed")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=CLIPS, help="directory of full-length clips")
    parser.add_argument("--only", default="", help="measure only clips whose name contains this")
    parser.add_argument("--frames", type=int, default=16, help="frames of a group (default: 16)")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="processes")
    parser.add_argument("--report", action="store_true", help="measure nothing, print what is recorded")
    arguments = parser.parse_args()
    rows = read_record(RECORD).get("rows", [])
    paths = [] if arguments.report else sorted(arguments.clips.glob("*.mp4"))
    paths = [path for path in paths if path.stem not in CUT and arguments.only in path.stem]
    work = []
    for path in paths:
        alike = pairs(video.read(path, size=SIZE).array, arguments.frames, PRESETS["fast"].similar)
        print(f"{path.stem}: {len(alike)} pairs of groups are alike")
        ends = {max(alike, key=alike.__getitem__), min(alike, key=alike.__getitem__)} if alike else set()
        work += [(measure_pair, (path, arguments.frames, begin, alike[begin])) for begin in sorted(ends)]
    for _, row in run_jobs(work, arguments.jobs):
        keep(rows, row, ("clip", "frames"))
        write_record(RECORD, {"rows": rows, "judged": judge(rows)})
    show_table(rows)
    print(judge(rows) or f"nothing measured: {arguments.clips} has no clips")


if __name__ == "__main__":
    main()
