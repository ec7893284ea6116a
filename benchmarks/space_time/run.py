"""Frames in between and larger frames: ours against the answers that cost nothing, on true frames that no fit saw.

    python -m benchmarks.space_time [--preset best balanced] [--only CLIP] [--jobs 2] [--again]
    python -m benchmarks.space_time --trivial-only | --report | --anchors
    python -m benchmarks.space_time --crop bunny_720p.npy [--device cuda]  # with --frames, --size or --steps: a trial

Every clip at 320x180: of its first 33 frames every second or fourth is kept and the others are asked for; or its first
32 frames are shrunk to 160x90 by area averaging and asked for at full size. Fits see the kept or small frames alone,
and what is judged is drawn from the stored file. `baselines` makes the other answers of the same true frames,
uncompressed. Rows go to `results/space_time.json` as they come, and a later run leaves out what was measured with the
same settings and code.

`--crop` is the literature's Bunny: the centre 640x1280 of `bunny_720p`, 132 frames, every 2nd, 4th or 8th kept, or from
half and a quarter of its size; meant for a GPU. A clip given as `bunny_720p.npy`, uint8 (T, H, W, 3), needs neither
PyAV nor FiftyOne. Without OpenCV the flow and the enlargements stay as they are recorded, by the clip's name, and ours
learns and draws no motion. Its record is `results/space_time_crop.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.fitting import PRESETS

from ..shared.clips import Clip, Video
from ..shared.jobs import Job, run_jobs
from ..shared.records import CLIPS, FIT_CODE, RESULTS, code_digest, insert, read_record, show_table, write_record
from . import baselines, judge
from .crops import draw, keep_crops
from .tasks import TASKS, Task, crop_tasks, trivial_answers

RECORD, CROP_RECORD = "space_time", "space_time_crop"
PAGE = RESULTS.parents[1] / "docs" / "results.md"
SIZE = (180, 320)
CROP, CROP_FRAMES = (640, 1280), 132
# What the trivial answers depend on.
TRIVIAL_CODE = ("../benchmarks/space_time/baselines.py", "frames")
ANCHORS_AGREE = 0.02  # dB

Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """How it is measured.

    Attributes:
        device: device of the fits; None takes the GPU where there is one.
        steps: instead of the presets'.
        perceptual: measure VIF, too; slow for large frames.
        crops: keep those for the picture.
    """

    device: str | None = "cpu"
    steps: int | None = None
    perceptual: bool = True
    crops: bool = True


def measure_trivial(clip: Clip, task: Task, options: Options) -> list[Row]:
    """The answers that cost nothing."""
    torch.set_num_threads(1)
    frames = clip.read(task.frames)
    truth = task.asked(frames)
    answers = dict(trivial_answers(task, frames))
    if options.crops:
        keep_crops(clip.name, task.name, task.given(frames), {"truth": truth, **answers})
    names = {"clip": clip.name, "task": task.name}
    digest = code_digest(*TRIVIAL_CODE)
    return [
        {**names, "answer": answer, **baselines.figures(truth, drawn, options.perceptual), "digest": digest}
        for answer, drawn in answers.items()
    ]


def measure_ours(clip: Clip, task: Task, preset: str, options: Options) -> list[Row]:
    """Fits what is given and draws what is asked for, from the stored file."""
    if options.device == "cpu":
        torch.set_num_threads(1)
    frames = clip.read(task.frames)
    truth = task.asked(frames)
    config = PRESETS[preset] if options.steps is None else replace(PRESETS[preset], steps=options.steps)
    wall, cpu = time.monotonic(), time.process_time()
    fitted = linr.fit(task.given(frames), config=config, device=options.device, progress=False)
    cost = {"cpu_seconds": round(time.process_time() - cpu, 1), "wall_seconds": round(time.monotonic() - wall, 1)}
    names = {"clip": clip.name, "task": task.name, "preset": preset}
    found = {"fit_psnr": round(fitted.metrics["psnr"], 3), "bpp": round(fitted.metrics["bpp"], 4), **cost}
    rows = []
    for answer, drawn in our_answers(task, fitted, frames, options.device):
        if options.crops and preset == judge.BEST:
            keep_crops(clip.name, task.name, task.given(frames), {"truth": truth, answer: drawn})
        figures = baselines.figures(truth, drawn, options.perceptual)
        rows.append({**names, "answer": answer, **figures, **found, "digest": our_digest(preset)})
    return rows


def our_answers(task: Task, fitted: linr.LatentVideo, frames: Video, device: str | None) -> Iterator[tuple[str, Video]]:
    """(name, what it draws): larger frames, or those in between by every interpolation there is."""
    if task.scale > 1:
        yield "ours", fitted.render(size=(frames.shape[1], frames.shape[2]), device=device)
        return
    times = task.times(len(frames))
    yield "ours, latents", fitted.render(times=times, device=device)
    if baselines.HAS_OPENCV:
        yield "ours, motion", fitted.render(times=times, device=device, motion=True)


def our_digest(preset: str) -> str:
    """Changes with the preset's settings and with the code that our files depend on."""
    return f"{PRESETS[preset].digest()}-{code_digest(*FIT_CODE)}"


def pending(
    record: Row, clips: Sequence[Clip], tasks: Sequence[Task], presets: Sequence[str], options: Options, again: bool
) -> Iterator[tuple[str, Job]]:
    """What is not measured yet: the list of the record that its rows go to, the function and its arguments."""
    trivial, ours = code_digest(*TRIVIAL_CODE), {preset: our_digest(preset) for preset in presets}

    def is_new(kind: str, digest: str, **names: str) -> bool:
        rows = [row for row in record[kind] if all(row[key] == name for key, name in names.items())]
        return again or not rows or any(row["digest"] != digest for row in rows)

    for clip in clips:
        for task in tasks:
            possible = task.scale == 1 or baselines.HAS_OPENCV
            if possible and is_new("trivial", trivial, clip=clip.name, task=task.name):
                yield "trivial", (measure_trivial, (clip, task, options))
    for preset in presets:
        for clip in clips:
            for task in tasks:
                if is_new("ours", ours[preset], clip=clip.name, task=task.name, preset=preset):
                    yield "ours", (measure_ours, (clip, task, preset, options))


def replace_rows(record: Row, kind: str, rows: Sequence[Row]) -> None:
    """Puts rows into a record in place of those of the same clip, task and preset.

    Of the trivial ones only those with the same answer go: a machine without OpenCV leaves the others as they are.
    """
    keys = ("clip", "task", "answer") if kind == "trivial" else ("clip", "task", "preset")
    names = {tuple(row[key] for key in keys) for row in rows}
    record[kind] = [row for row in record[kind] if tuple(row[key] for key in keys) not in names] + list(rows)
    record[kind].sort(key=lambda row: [row.get(key, "") for key in ("preset", "clip", "task", "answer")])


def with_verdict(record: Row, name: str) -> Row:
    """The record of that name with all that follows from its rows; gates are of the clips, not of the crop."""
    trivial, ours = record["trivial"], record["ours"]
    return {
        "protocol": {
            "between": "every so-manyth of the first frames is fitted, the others up to the last kept are asked for",
            "larger": "fitted at a half (x2) or a quarter (x4) of the size, by area averaging",
            "psnr": "mean over the frames asked for; fit_psnr: over the fitted ones",
            "ours": "drawn from the stored file; bpp: its bytes, over the pixels that were fitted; no teacher",
        },
        "verdict": judge.verdicts(trivial, ours) if name == RECORD else [],
        "averages": judge.averages(trivial, ours),
        "anchors": record["anchors"],
        "ours": ours,
        "trivial": trivial,
    }


def show(record: Row, name: str) -> None:
    """Prints all tables."""
    trivial, ours = record["trivial"], record["ours"]
    for task in dict.fromkeys(row["task"] for row in [*trivial, *ours]):
        for preset in dict.fromkeys(row["preset"] for row in ours) or ("",):
            print(f"\n{task}{', ' if preset else ''}{preset}: PSNR of what was asked for")
            show_table(judge.by_clip(trivial, ours, task, preset))
    judged = with_verdict(record, name)
    for part in ("averages", "verdict"):
        print(f"\n{part}")
        show_table(judged[part])


def renew_documents(record: Row) -> None:
    """Draws the picture and renews the table of docs/results.md."""
    for path in draw([*record["trivial"], *record["ours"]]):
        print(f"drawn: {path.name}, {path.stat().st_size // 1000} KB")
    text = PAGE.read_text(encoding="utf-8")
    if record["ours"] and judge.MARKS[0] in text:
        table = judge.markdown(record["trivial"], record["ours"])
        PAGE.write_text(insert(text, table, *judge.MARKS), encoding="utf-8")
        print("docs/results.md: table renewed")


def check_anchors(folder: Path) -> Row:
    """Measures the trivial answers at every clip's own size as `anchors.json` did, and compares.

    The clips' folder has that file, whose figures were made by other code.
    """
    anchors = json.loads((folder / "anchors.json").read_text(encoding="utf-8"))["clips"]
    rows = []
    for file, wanted in anchors.items():
        clip = Clip(folder / file, None)
        frames = clip.read(33)
        for task in (TASKS[0], TASKS[1], replace(TASKS[2], frames=8), Task("x4", 8, scale=4)):
            used = frames[: task.frames]
            for answer, drawn in trivial_answers(task, used):
                kind = f"sr_{task.name}" if task.scale > 1 else f"interp_a{task.every}"
                there = wanted.get(f"{kind}_{'DISflow' if answer == 'flow' else answer}")
                if there is not None:
                    here = float(baselines.psnr(task.asked(used), drawn))
                    rows.append({"clip": clip.name, "task": task.name, "answer": answer, "here": round(here, 3)})
                    rows[-1] |= {"there": there, "apart": round(abs(here - there), 3)}
    show_table(rows)
    worst = max(rows, key=lambda row: row["apart"])
    return {
        "figures": len(rows),
        "most_apart": worst["apart"],
        "at": f"{worst['clip']}, {worst['task']}, {worst['answer']}",
        "agree": all(row["apart"] <= ANCHORS_AGREE for row in rows),
    }


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=CLIPS, help="directory of full-length clips")
    parser.add_argument("--only", default="", help="measure only clips whose name contains this")
    parser.add_argument("--task", nargs="+", help="measure only these tasks, such as `every 2nd` or `x2`")
    parser.add_argument("--preset", nargs="+", default=["best", "balanced"], choices=list(PRESETS))
    parser.add_argument("--steps", type=int, help="a trial with as many steps; nothing is recorded")
    parser.add_argument("--device", default=None, help="of the fits; the CPU, and with --crop a GPU where there is one")
    parser.add_argument("--trivial-only", action="store_true", help="leave our side as it is recorded")
    parser.add_argument("--again", action="store_true", help="measure also what is recorded")
    parser.add_argument("--jobs", type=int, default=1, help="processes, on a CPU one thread each")
    parser.add_argument("--report", action="store_true", help="measure nothing; judge, draw and renew docs/results.md")
    parser.add_argument("--anchors", action="store_true", help="only compare the trivial answers with anchors.json")
    parser.add_argument("--crop", type=Path, help="the literature's Bunny: a 720p clip, or its frames as .npy")
    parser.add_argument("--frames", type=int, default=CROP_FRAMES, help="with --crop: the first ones")
    parser.add_argument("--size", help="with --crop: HxW to shrink to, for a trial")
    return parser.parse_args()


def plan(arguments: argparse.Namespace) -> tuple[str, list[Clip], list[Task]]:
    """The record's name, the clips and the tasks that the arguments ask for."""
    if arguments.crop:
        size = tuple(int(side) for side in arguments.size.split("x")) if arguments.size else None
        name, clips, tasks = CROP_RECORD, [Clip(arguments.crop, size, CROP)], crop_tasks(arguments.frames)
    else:
        paths = sorted(arguments.clips.glob("*.mp4"))
        if not paths:
            print(f"{arguments.clips} has no clips; reporting what is recorded")
        name, clips, tasks = RECORD, [Clip(path, SIZE) for path in paths if arguments.only in path.stem], TASKS
    return name, clips, [task for task in tasks if not arguments.task or task.name in arguments.task]


def main() -> None:
    arguments = parse()
    name, clips, tasks = plan(arguments)
    record: Row = {"ours": [], "trivial": [], "anchors": {}}
    # Other steps, frames or sizes than the benchmark's are for trying it: their figures must not get among the others
    trial = bool(arguments.steps or arguments.size or arguments.frames != CROP_FRAMES)
    if not trial:
        record |= {key: value for key, value in read_record(name).items() if key in record}
    if arguments.anchors:
        record["anchors"] = check_anchors(arguments.clips)
        show_table([record["anchors"]])
    elif not arguments.report:
        if not baselines.HAS_OPENCV:
            print("no OpenCV here: the flow and the enlargements stay as recorded, and ours knows no motion")
        device = arguments.device or (None if arguments.crop else "cpu")
        options = Options(device, arguments.steps, perceptual=not arguments.crop, crops=not (trial or arguments.crop))
        presets = () if arguments.trivial_only else arguments.preset
        work = list(pending(record, clips, tasks, presets, options, arguments.again))
        print(f"{len(work)} tasks to measure", flush=True)
        for k, rows in run_jobs([job for _, job in work], arguments.jobs):
            show_table(rows)
            replace_rows(record, work[k][0], rows)
            if not trial:
                write_record(name, with_verdict(record, name))
    show(record, name)
    if trial:
        print("\na trial: nothing is recorded")
    else:
        write_record(name, with_verdict(record, name))
        if name == RECORD:
            renew_documents(record)


if __name__ == "__main__":
    main()
