"""Crops for docs/results.md: what was asked for, ours, and the trivial answers, side by side.

They are taken while `space_time` measures, and kept as small pictures, so that drawing the page needs no fit. Each is
of the place that is hardest by the true frames alone: where most moves between two kept frames, or where most is lost
by making a frame smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..shared.clips import Video
from ..shared.records import RESULTS, title
from .judge import BEST, best_answer

FOLDER = RESULTS / "space_time_crops"
IMAGE = RESULTS.parents[1] / "docs" / "images" / "space_time.png"
SIZE = (180, 320)  # of the frames that crops are taken from
CROP, ZOOM = (64, 96), 3
# What is shown, from the top, and the two trivial answers beside ours
PICTURED = {
    "every 2nd": (("bunny_720p", "cups_ball_720p", "coffee_pour_720p"), ("blend", "flow")),
    "x2": (("bunny_720p", "dog_catch_720p", "flower_720p"), ("bicubic", "lanczos")),
}
HEADINGS = {
    "every 2nd": ("A frame between two kept ones", "where most moves; PSNR of all such frames"),
    "x2": ("From half the size", "where most is lost; PSNR of all frames"),
}
_MARGIN, _GAP, _LINE = 24, 10, 26
_INK, _FAINT, _PAPER = (28, 32, 38), (110, 116, 124), (255, 255, 255)

Row = dict[str, Any]


def keep_crops(clip: str, task: str, given: Video, videos: Mapping[str, Video]) -> None:
    """Writes a crop of each video that the page may show; of most clips and tasks it shows none.

    Args:
        clip: name of the clip.
        task: name of the task.
        given: what a fit may see, uint8 (T, h, w, 3).
        videos: answer -> uint8 (N, H, W, 3); `truth` must be among them.
    """
    truth = videos["truth"]
    if task not in PICTURED or clip not in PICTURED[task][0] or truth.shape[1:3] != SIZE:
        return
    index, top, left = place(given, truth)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for answer, frames in videos.items():
        if answer not in ("truth", *PICTURED[task][1]) and not answer.startswith("ours"):
            continue
        crop = frames[index, top : top + CROP[0], left : left + CROP[1]]
        Image.fromarray(np.ascontiguousarray(crop)).save(_file(clip, task, answer), optimize=True)


def place(given: Video, truth: Video) -> tuple[int, int, int]:
    """The frame of the truth, and the top left corner in it, where the task is hardest; answers have no say in it."""
    if given.shape[1:3] == truth.shape[1:3]:
        lost = np.abs(np.diff(given.astype(np.int16), axis=0)).mean(-1)
        pair = int(lost.mean(axis=(1, 2)).argmax())
        each = len(truth) // len(lost)
        index, plane = pair * each + each // 2, lost[pair]
    else:
        index = len(truth) // 2
        small = Image.fromarray(given[index]).resize(truth.shape[2:0:-1], Image.Resampling.BICUBIC)
        plane = np.abs(truth[index].astype(np.int16) - np.asarray(small)).mean(-1)
    sums = np.pad(plane.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = CROP
    boxes = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(boxes.argmax()), boxes.shape)
    return index, int(top), int(left)


def draw(rows: Sequence[Row], path: Path | None = None) -> list[Path]:
    """Draws the page of all crops that were kept; PSNR of the whole clip, preset `best`, below each.

    Returns:
        the picture's path, or nothing where a crop is missing.
    """
    mine = [row for row in rows if row.get("preset") == BEST]
    cells = []
    for task, (clips, others) in PICTURED.items():
        for clip in clips:
            answers = ["truth", best_answer(mine, task), *others]
            files = [_file(clip, task, answer) for answer in answers if answer]
            if len(files) == len(answers) and all(file.exists() for file in files):
                cells.append((task, clip, [(str(answer), file) for answer, file in zip(answers, files, strict=True)]))
    if not cells:
        return []
    path = path or IMAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    _page(cells, {(r["clip"], r["task"], r["answer"]): r["psnr"] for r in rows if r.get("preset", BEST) == BEST}).save(
        path, optimize=True
    )
    return [path]


def _page(cells: Sequence[tuple[str, str, Sequence[tuple[str, Path]]]], psnr: Mapping[Any, float]) -> Image.Image:
    height, width = (ZOOM * side for side in CROP)
    tasks = list(dict.fromkeys(task for task, _, _ in cells))
    page_width = 2 * _MARGIN + 4 * width + 3 * _GAP
    page_height = _MARGIN + len(tasks) * 2 * _LINE + len(cells) * (height + _LINE + _GAP)
    page = Image.new("RGB", (page_width, page_height), _PAPER)
    pen = ImageDraw.Draw(page)
    y, before = _MARGIN // 2, None
    for task, clip, shown in cells:
        if task != before:
            heading, subtitle = HEADINGS[task]
            pen.text((_MARGIN, y + 12), heading, _INK, _font(22))
            pen.text((page_width - _MARGIN, y + 16), subtitle, _FAINT, _font(16), anchor="ra")
            y, before = y + 2 * _LINE, task
        for k, (answer, file) in enumerate(shown):
            x = _MARGIN + k * (width + _GAP)
            crop = Image.open(file).convert("RGB")
            page.paste(crop.resize((width, height), Image.Resampling.NEAREST), (x, y))
            said = title(clip) if answer == "truth" else answer.split(",")[0]
            pen.text((x, y + height + 3), said, _INK, _font(16))
            figure = "truth" if answer == "truth" else f"{psnr[clip, task, answer]:.1f} dB"
            pen.text((x + width, y + height + 3), figure, _FAINT, _font(16), anchor="ra")
        y += height + _LINE + _GAP
    return page


def _file(clip: str, task: str, answer: str) -> Path:
    return FOLDER / f"{clip}-{task}-{answer}.png".replace(", ", "-").replace(" ", "_")


def _font(size: int) -> Any:
    return ImageFont.load_default(size=size)
