"""What a pretrained prior gives a new video: the first picture, steps, bytes, and vectors without a fit.

    python -m benchmarks.prior [--prior fast-prior] [--only zero steps bytes space_time larger vectors] [--clip NAME]
    python -m benchmarks.prior --report

Of the clips that the shipped prior never saw (`shared.clips.TEST`), at 160x90, their first 16 frames:

- `zero`: PSNR of what prior and encoders draw without a step, and of the mean of the frames, a still.
- `steps`: PSNR and bytes of the stored file at shares of the preset's steps, from noise and from the prior; each fit
  has the whole schedule of its steps.
- `on_the_way`: PSNR of fits with all of their steps after a tenth of them, with nothing rounded yet.
- `bytes`: of files stored as a residual against the prior, at the PSNR that the fit from noise reached with as many
  steps: all of them, and a tenth.
- `space_time`: every second of 33 frames fitted and those between drawn; half the size fitted and the whole drawn.
- `larger`: PSNR and bytes of whole fits of 32 frames at 320x180, from noise and from the prior.
- `vectors`: 60 generated clips of combinations that neither teacher nor prior ever saw: centred cosine to the teacher's
  embeddings, recall at 1 by caption, and CPU seconds beside the teacher's.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.encoding.choose_prior import NO_PRIOR
from fiftyone_latent_inr.encoding.fit import fit_rates
from fiftyone_latent_inr.encoding.measure import measure
from fiftyone_latent_inr.encoding.video_fit import motion_between
from fiftyone_latent_inr.fitting import PRESETS, GroupTask
from fiftyone_latent_inr.fitting.loop import GroupFit
from fiftyone_latent_inr.fitting.prior_start import prior_start
from fiftyone_latent_inr.frames import metrics
from fiftyone_latent_inr.frames.cuts import find_cuts
from fiftyone_latent_inr.pretraining.trainer import drawn_unseen
from fiftyone_latent_inr.progress import silent
from fiftyone_latent_inr.semantics.scores import centred_cosine, pool, recall_at_k
from fiftyone_latent_inr.small_world.clips import write_clips

from .shared.clips import TEST, clip_frames
from .shared.jobs import Job, run_jobs
from .shared.records import CLIPS, insert, keep, read_record, show_table, signed, title, write_record
from .space_time.tasks import Task

RECORD = "prior"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "results.md"
MARKS = "<!-- prior: begin -->", "<!-- prior: end -->"
PARTS = ("zero", "steps", "on_the_way", "bytes", "space_time", "larger", "vectors")
SIZE, FRAMES = (90, 160), 16
LARGER_SIZE, LARGER_FRAMES = (180, 320), 32
SHARES = (0.1, 0.15, 0.4, 1.0)
QUALITIES = (56.0, 47.0, 38.0)
SHORT_QUALITIES = (45.0, 30.0, 15.0)
TASKS = (Task("every 2nd", 33, every=2), Task("x2", 16, scale=2))
KEYS = {part: ("clip",) for part in PARTS} | {"space_time": ("clip", "task"), "bytes": ("clip", "share")}
# (gate, aim) of each figure
LEAST_ZERO = (20.0, 24.0)  # dB
MOST_STEPS = (0.4, 0.15)  # share of the steps, to the PSNR that all of them reach from noise
LEAST_GAIN = (4.0, 8.0)  # dB at a tenth of the steps
LEAST_SAVED = (10.0, 10.0)  # percent
LEAST_COSINE, LEAST_RECALL = (0.8, 0.95), 0.7

Row = dict[str, Any]


def measure_zero(clip: str, prior: str, preset: str) -> Row:
    """Without a step."""
    torch.set_num_threads(1)
    frames = clip_frames(CLIPS / f"{clip}.mp4", FRAMES, SIZE)
    drawn = drawn_unseen(linr.load_prior(prior).networks, frames)
    still = np.broadcast_to(np.rint(frames.mean(0, keepdims=True)).astype(np.uint8), frames.shape)
    return {"clip": clip, "psnr": round(metrics.psnr(frames, drawn), 2), "still": round(metrics.psnr(frames, still), 2)}


def measure_steps(clip: str, prior: str, preset: str) -> Row:
    """From noise and from the prior, at shares of the steps."""
    torch.set_num_threads(1)
    frames = clip_frames(CLIPS / f"{clip}.mp4", FRAMES, SIZE)
    row: Row = {"clip": clip}
    for name, start in (("noise", NO_PRIOR), ("prior", linr.load_prior(prior))):
        for share in SHARES:
            config = replace(PRESETS[preset], steps=max(1, round(PRESETS[preset].steps * share)))
            fitted = linr.fit(frames, config=config, prior=start, device="cpu", progress=False)
            row[f"{name} {share:g}"] = round(fitted.metrics["psnr"], 2)
            row[f"{name} {share:g} bytes"] = int(fitted.metrics["bytes"])
    return row


def measure_on_the_way(clip: str, prior: str, preset: str) -> Row:
    """After a tenth of the steps of whole fits."""
    torch.set_num_threads(1)
    frames = clip_frames(CLIPS / f"{clip}.mp4", FRAMES, SIZE)
    pixels, config = torch.from_numpy(frames), PRESETS[preset]
    shape = config.architecture.for_video(*frames.shape[:3])
    motion = motion_between(frames, find_cuts(frames), config, silent)
    row: Row = {"clip": clip}
    total = config.steps_for(*frames.shape[:3])
    for name, start in (("noise", None), ("prior", prior_start(linr.load_prior(prior).networks, pixels, shape, 0))):
        state = GroupFit(GroupTask(pixels, shape, motion=motion, start=start), config, "cpu")
        for _ in state.run(0, round(0.1 * total), total):
            pass
        row[name] = round(measure(state.model, frames)[0] / len(frames), 2)
    return row


def measure_bytes(clip: str, prior: str, preset: str, share: float) -> Row:
    """Bytes as a residual against the prior, interpolated at the PSNR of the fit from noise of as many steps."""
    torch.set_num_threads(1)
    frames = clip_frames(CLIPS / f"{clip}.mp4", FRAMES, SIZE)
    config = replace(PRESETS[preset], steps=round(PRESETS[preset].steps * share))
    cold = linr.fit(frames, config=config, prior=NO_PRIOR, device="cpu", progress=False).metrics
    found = fit_rates(
        frames,
        qualities=QUALITIES if share == 1 else SHORT_QUALITIES,
        config=config,
        prior=linr.load_prior(prior),
        residual=True,
        device="cpu",
        progress=False,
    )
    curve = sorted((one.metrics["psnr"], math.log(one.metrics["bytes"])) for one in found)
    size = round(math.exp(np.interp(cold["psnr"], *zip(*curve, strict=True))))
    row: Row = {
        "clip": clip,
        "share": share,
        "psnr": round(cold["psnr"], 2),
        "noise": int(cold["bytes"]),
        "residual": size,
    }
    row["saves"] = round(100 * (1 - size / cold["bytes"]), 1)
    row["curve"] = " ".join(f"{psnr:.2f}:{math.exp(size):.0f}" for psnr, size in curve)
    # outside of the curve nothing is interpolated: its end is taken, and this says by how many dB it is off
    row["off"] = round(max(curve[0][0] - cold["psnr"], cold["psnr"] - curve[-1][0], 0.0), 2)
    return row


def measure_space_time(clip: str, prior: str, preset: str, task: Task) -> Row:
    """In between and larger: fits from noise and from the prior, of as many steps."""
    torch.set_num_threads(1)
    frames = clip_frames(CLIPS / f"{clip}.mp4", task.frames, (180, 320) if task.scale > 1 else SIZE)
    row: Row = {"clip": clip, "task": task.name}
    for name, start in (("noise", NO_PRIOR), ("prior", linr.load_prior(prior))):
        fitted = linr.fit(task.given(frames), preset=preset, prior=start, device="cpu", progress=False)
        if task.scale > 1:
            drawn = fitted.render(size=frames.shape[1:3], device="cpu")
        else:
            drawn = fitted.render(times=task.times(len(frames)), device="cpu")
        row[name] = round(metrics.psnr(task.asked(frames), drawn), 2)
    return row


def measure_larger(clip: str, prior: str, preset: str) -> Row:
    """Whole fits of a usual size."""
    torch.set_num_threads(1)
    frames = clip_frames(CLIPS / f"{clip}.mp4", LARGER_FRAMES, LARGER_SIZE)
    row: Row = {"clip": clip}
    for name, start in (("noise", NO_PRIOR), ("prior", linr.load_prior(prior))):
        fitted = linr.fit(frames, preset=preset, prior=start, device="cpu", progress=False)
        row[name], row[f"{name} bytes"] = round(fitted.metrics["psnr"], 2), int(fitted.metrics["bytes"])
    return row


def measure_vectors(clip: str, prior: str, preset: str) -> Row:
    """Embeddings without a fit, of clips of the small world that were held out from everything."""
    torch.set_num_threads(1)
    found, teacher = linr.load_prior(prior), linr.load_teacher("small", device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        clips = write_clips(folder, 60, 2024, size=(48, 64), num_frames=12, held_out=True)
        frames = [video.read(Path(folder) / str(one["file"])).array for one in clips]
    texts = teacher.embed_text([str(one["caption"]) for one in clips])
    seconds, embedded = [], []
    for embed in (found.embed_frames, teacher.embed_frames):
        embed(frames[0])
        start = time.process_time()
        embedded.append([embed(one) for one in frames])
        seconds.append(time.process_time() - start)
    ours, theirs = embedded
    recalls = [recall_at_k(texts, np.stack([pool(one) for one in each]), 1) for each in embedded]
    return {
        "clip": clip,
        "centred cosine": round(float(centred_cosine(np.concatenate(ours), np.concatenate(theirs))), 4),
        "R@1": round(float(recalls[0]), 4),
        "teacher R@1": round(float(recalls[1]), 4),
        "ms a frame": round(1000 * seconds[0] / sum(map(len, frames)), 3),
        "teacher ms a frame": round(1000 * seconds[1] / sum(map(len, frames)), 3),
    }


def verdicts(record: Row) -> list[Row]:
    """What was asked, what was reached: a row for each gate."""
    found: list[Row] = []

    def judge(gate: str, value: float, asked: tuple[float, float], most: bool = False) -> None:
        passed, reached = (value <= one if most else value >= one for one in asked)
        shown = round(value, 3) if math.isfinite(value) else "never"
        row = {"gate": gate, "value": shown, "asked": asked[0], "verdict": "passed" if passed else "MISSED"}
        found.append({**row, "aim": asked[1], "aim_verdict": "reached" if reached else "missed"})

    zero, steps, saved = (record.get(part, []) for part in ("zero", "steps", "bytes"))
    if zero:
        judge("dB without a step, mean", mean(row["psnr"] for row in zero), LEAST_ZERO)
    if steps:
        judge("dB more at a tenth of the steps, mean", mean(_gain(row, 0.1) for row in steps), LEAST_GAIN)
        judge(
            "share of the steps to the PSNR of all from noise, mean", mean(map(share_needed, steps)), MOST_STEPS, True
        )
        judge("the same, of the worst clip", max(map(share_needed, steps)), MOST_STEPS, True)
    if record.get("on_the_way"):
        gained = mean(row["prior"] - row["noise"] for row in record["on_the_way"])
        judge("dB more after a tenth of a whole fit's steps, mean", gained, LEAST_GAIN)
    for share, words in ((1, "all steps"), (0.1, "a tenth of the steps")):
        rows = [row for row in saved if row["share"] == share]
        if rows:
            judge(f"percent of bytes saved, {words}, mean", mean(row["saves"] for row in rows), LEAST_SAVED)
    for task in TASKS:
        rows = [row for row in record.get("space_time", []) if row["task"] == task.name]
        if rows:
            judge(f"dB more, {task.name}, mean", mean(row["prior"] - row["noise"] for row in rows), (0.0, 0.0))
    for row in record.get("vectors", []):
        judge("centred cosine to the teacher", row["centred cosine"], LEAST_COSINE)
        judge("recall at 1, 60 unseen combinations", row["R@1"], (LEAST_RECALL, row["teacher R@1"]))
        judge("times the teacher's CPU seconds", row["ms a frame"] / row["teacher ms a frame"], (1.0, 1.0), True)
    return found


def share_needed(row: Row) -> float:
    """Share of the steps that a fit from the prior takes to what all reach from noise, interpolated between shares."""
    wanted = row["noise 1"]
    reached = [(share, row[f"prior {share:g}"]) for share in SHARES]
    for (low, before), (high, after) in zip([(0.0, -math.inf), *reached], reached, strict=False):
        if after >= wanted:
            if before == -math.inf:
                return high
            return low + (high - low) * (wanted - before) / (after - before)
    return math.inf


def markdown(record: Row) -> str:
    """The table of docs/results.md: a line for each clip that was fitted."""
    saved = {(row["clip"], row["share"]): row["saves"] for row in record.get("bytes", [])}
    zero = {row["clip"]: row["psnr"] for row in record.get("zero", [])}
    lines = [
        "| clip | no step | a tenth of the steps | all steps | bytes at the same PSNR: a tenth | all steps |",
        "|" + " --- |" * 6,
    ]
    for row in record.get("steps", []):
        clip = row["clip"]
        if clip not in zero:
            continue
        figures = [f"{row[f'prior {share}']:.1f} dB ({signed(_gain(row, float(share)), '')})" for share in ("0.1", "1")]
        for share in (0.1, 1.0):
            known = (clip, share) in saved
            figures.append(signed(-saved[clip, share], " %", 0) if known else "not measured")
        lines.append(f"| {title(clip)} | {zero[clip]:.1f} dB | {' | '.join(figures)} |")
    return "\n".join(lines)


def _gain(row: Row, share: float) -> float:
    return float(row[f"prior {share:g}"] - row[f"noise {share:g}"])


def jobs(arguments: argparse.Namespace) -> Iterator[tuple[str, Job]]:
    """(part, what measures a row of it)."""
    functions = {
        "zero": measure_zero,
        "steps": measure_steps,
        "on_the_way": measure_on_the_way,
        "larger": measure_larger,
    }
    clips = [name for name in TEST if not arguments.clip or name in arguments.clip]
    for part in arguments.only:
        given = (arguments.prior, arguments.preset)
        if part == "vectors":
            yield part, (measure_vectors, ("small world", *given))
        elif part == "bytes":
            yield from ((part, (measure_bytes, (name, *given, share))) for name in clips for share in arguments.shares)
        elif part == "space_time":
            yield from ((part, (measure_space_time, (name, *given, task))) for name in clips for task in TASKS)
        else:
            yield from ((part, (functions[part], (name, *given))) for name in clips)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prior", default="fast-prior", help="a bundled one's name, or a folder")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--clip", nargs="+", choices=TEST, default=())
    parser.add_argument("--shares", nargs="+", type=float, default=(1.0, 0.1), help="of the steps, for `bytes`")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="print the record")
    arguments = parser.parse_args()
    record = read_record(RECORD)
    record.pop("machine", None)
    if not arguments.report:
        prior = linr.load_prior(arguments.prior)
        record |= {"prior": prior.name if prior.is_bundled else Path(prior.name).name, "prior_id": prior.id}
        work = list(jobs(arguments))
        for k, row in run_jobs([job for _, job in work], arguments.jobs):
            part = work[k][0]
            keep(record.setdefault(part, []), row, KEYS[part])
            record["gates"] = verdicts(record)
            write_record(RECORD, record)
        document = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(insert(document, markdown(record), *MARKS), encoding="utf-8")
    for part in (*PARTS, "gates"):
        if record.get(part):
            print(f"\n{part}")
            show_table(record[part])


if __name__ == "__main__":
    main()
