"""The run: what is measured again, small fits of each kind, and a machine without PyAV and OpenCV."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from media import moving_square
from PIL import Image

from benchmarks.shared.clips import Clip
from benchmarks.space_time import crops as space_time_crops
from benchmarks.space_time import run as space_time
from benchmarks.space_time.run import Options, Row, measure_ours, measure_trivial, pending, replace_rows
from benchmarks.space_time.tasks import TASKS, Task

FRAMES = moving_square(9, 48, 64)
TRIAL = Options(steps=12, crops=False)


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    np.save(tmp_path / "square.npy", FRAMES)
    return Clip(tmp_path / "square.npy", None)


def test_each_task_is_measured(clip: Clip) -> None:
    rows = [row for task in TASKS for row in measure_trivial(clip, task, TRIAL)]
    named = {(row["task"], row["answer"]): row for row in rows}
    assert [answer for _, answer in named] == [*2 * ["blend", "nearest", "flow"], "bicubic", "lanczos"]
    assert all(row["clip"] == "square" and 10 < row["psnr"] < 60 and 0 < row["vif"] < 1.2 for row in rows)
    assert named["every 2nd", "blend"]["psnr"] > named["every 4th", "blend"]["psnr"]


@pytest.mark.parametrize("task", [TASKS[1], TASKS[2]], ids=lambda task: task.name)
def test_ours_is_measured_on_what_the_fit_did_not_see(clip: Clip, task: Task) -> None:
    rows = measure_ours(clip, task, "fast", TRIAL)
    assert [row["answer"] for row in rows] == (["ours"] if task.scale > 1 else ["ours, latents", "ours, motion"])
    for row in rows:
        assert 8 < row["psnr"] < row["fit_psnr"] + 3 < 50 and row["bpp"] > 0 and row["cpu_seconds"] > 0
        assert row["preset"] == "fast" and row["digest"] == space_time.our_digest("fast")


def test_what_is_measured_is_not_measured_again(clip: Clip) -> None:
    record: Row = {"trivial": [], "ours": []}

    def wanted(again: bool = False) -> list[str]:
        return [kind for kind, _ in pending(record, [clip], TASKS[:1], ["fast"], TRIAL, again)]

    assert wanted() == ["trivial", "ours"]
    replace_rows(record, "trivial", measure_trivial(clip, TASKS[0], TRIAL))
    assert wanted() == ["ours"]
    mine = {"clip": "square", "task": "every 2nd", "preset": "fast", "answer": "ours, latents"}
    replace_rows(record, "ours", [{**mine, "digest": space_time.our_digest("fast")}])
    assert wanted() == [] and wanted(again=True) == ["trivial", "ours"]
    replace_rows(record, "ours", [{**mine, "digest": "older"}])
    assert wanted() == ["ours"] and len(record["ours"]) == 1
    flow = next(row for row in record["trivial"] if row["answer"] == "flow")
    replace_rows(record, "trivial", [{**flow, "answer": "blend", "psnr": 0.0}])
    assert [row["answer"] for row in record["trivial"] if row["psnr"] == 0] == ["blend"]
    assert len(record["trivial"]) == 3


def test_the_page_of_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space_time_crops, "FOLDER", tmp_path / "crops")
    large = moving_square(5, *space_time_crops.SIZE)
    rows: list[Row] = []
    for task in (TASKS[0], TASKS[2]):
        ours = "ours" if task.scale > 1 else "ours, latents"
        clip, others = space_time_crops.PICTURED[task.name][0][0], space_time_crops.PICTURED[task.name][1]
        truth = task.asked(large)
        videos = {"truth": truth, **{answer: truth // 2 for answer in (ours, *others, "nearest")}}
        space_time_crops.keep_crops(clip, task.name, task.given(large), videos)
        space_time_crops.keep_crops("another", task.name, task.given(large), videos)
        rows += [{"clip": clip, "task": task.name, "answer": answer, "psnr": 30.0} for answer in others]
        rows.append({"clip": clip, "task": task.name, "answer": ours, "psnr": 31.0, "preset": "best"})
    assert len(list((tmp_path / "crops").iterdir())) == 2 * 4
    (path,) = space_time_crops.draw(rows, tmp_path / "page.png")
    page = np.asarray(Image.open(path))
    assert page.shape[1] > 1000 and len(np.unique(page.reshape(-1, 3), axis=0)) > 50
    assert space_time_crops.draw(rows[:2], tmp_path / "other.png") == []


def test_the_crop_is_where_the_square_moves() -> None:
    frames = np.full((3, 180, 320, 3), 90, np.uint8)
    frames[2, 100:140, 200:260] = 250
    index, top, left = space_time_crops.place(frames[[0, 0, 2]], frames[:2])
    assert index == 1 and top <= 100 and top + 64 >= 140 and left <= 200 and left + 96 >= 260


@pytest.mark.slow
def test_a_machine_without_pyav_opencv_and_fiftyone(clip: Clip, tmp_path: Path) -> None:
    """`--crop` on a GPU machine: the fits and what needs no OpenCV, and no word of a record."""
    absent = "av cv2 fiftyone open_clip torchmetrics"
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {absent.split()}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    options = ["--frames", "5", "--size", "32x48", "--preset", "fast", "--steps", "4", "--device", "cpu"]
    command = ["-m", "benchmarks.space_time", "--crop", str(clip.path), *options, "--task", "every 4th", "x4"]
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no OpenCV here" in done.stdout and "nothing is recorded" in done.stdout and "written:" not in done.stdout
    for task in ("every 4th", "x4"):
        assert f"\n{task}, fast: PSNR of what was asked for" in done.stdout
    tables = done.stdout.split("tasks to measure")[1]
    assert "ours, latents" in tables and "motion" not in tables
    assert "blend" in tables and "flow" not in tables and "bicubic" not in tables
