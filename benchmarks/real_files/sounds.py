"""Draws videos with sounds of every kind, and measures what ffmpeg hears of them against the flash that it sees.

    python -m benchmarks.real_files.sounds [--folder DIR] [--only REGEX] [--output FILE]

All in one process, which is to survive. A sound is right if its tone begins with the flash, within one frame and 25 ms,
and if it lasts as long as the source's, cut at the last picture; or if a note says why it is silent. Writes
`results/sounds.json`; `--output` writes elsewhere. Needs the program ffmpeg, which makes the files.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.video import read, write

from ..shared.records import write_record
from .sound_cases import CASES, FPS, Case, base, ffmpeg, make

MOST_APART = 1 / FPS + 0.025  # seconds
_RATE = 48000


def measure(case: Case, folder: Path) -> dict[str, Any]:
    """Makes a case's file, draws its pictures with its sound, and says what ffmpeg sees and hears of the drawing."""
    try:
        source = make(case, folder)
    except RuntimeError as error:
        return {"name": case.name, "verdict": "not made", "why": str(error)}
    try:
        video = read(source)
    except InputError:  # where the pictures cannot be read either, others are drawn
        video = read(base(folder, case.channels, case.rate, case.seconds))
    drawing = folder / f"{case.name}.drawn.mp4"
    notes = write(drawing, video.array, video.fps, audio=source)
    flash, tone, pictures = flash_and_tone(drawing)
    lasts = tone_and_length(drawing)[1]
    wanted = min(case.seconds, pictures) if case.change is None else None
    row = {"name": case.name, "frames": len(video.array), "flash": flash, "tone": tone, "sound": lasts, "notes": notes}
    if len(video.array) != round(pictures * video.fps):
        why = "pictures are missing"
    elif tone is None or flash is None:
        why = "" if notes else "silent without a note"
    elif case.silent:
        why = "" if notes else "not to be heard"
    elif abs(tone - flash) > MOST_APART:
        why = "flash and tone are apart"
    elif wanted is not None and abs(lasts - wanted) > 0.15:
        why = "the sound's length"
    else:
        why = ""
    return {**row, "verdict": "wrong" if why else "drawn" if tone is not None else "silent, noted", "why": why}


def flash_and_tone(path: Path) -> tuple[float | None, float | None, float]:
    """When the first white picture is shown, when the tone begins, and how long the pictures are, in seconds.

    Of a drawing, whose pictures follow each other at one rate from 0 on.
    """
    levels = np.frombuffer(
        ffmpeg(
            *("-i", path, "-map", "0:V:0", "-vsync", "passthrough", "-vf", "scale=1:1:flags=area,format=gray"),
            *("-f", "rawvideo", "-"),
        ),
        np.uint8,
    )
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate)
    white = np.flatnonzero(levels > 180)
    return (float(white[0]) / rate if len(white) else None), tone_and_length(path)[0], len(levels) / rate


def tone_and_length(path: Path) -> tuple[float | None, float]:
    """When the tone begins and the sound ends, seconds on the file's clock; None and 0 where there is none."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None, 0.0
    # Resampled before the gap in front is filled: that one is counted in samples of the input
    filters = f"aresample={_RATE},aresample={_RATE}:async=1:first_pts={-_RATE},aformat=channel_layouts=mono"
    data = ffmpeg("-copyts", "-i", path, "-map", "0:a:0", "-af", filters, "-f", "f32le", "-")
    samples = np.frombuffer(data, "<f4")
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    return (float(loud[0]) / _RATE - 1 if len(loud) else None), len(samples) / _RATE - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the files are made; by default a temporary one")
    parser.add_argument("--only", default="", metavar="REGEX", help="cases whose name matches")
    parser.add_argument("--output", type=Path, help="write the rows here, not into `results`")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for case in CASES:
            if re.search(args.only, case.name):
                rows.append(measure(case, folder))
                print(line(rows[-1]), flush=True)
    record = {"most_apart": MOST_APART, "rows": rows}
    if args.output:
        args.output.write_text(json.dumps(record, indent=1), encoding="utf-8")
    else:
        write_record("sounds", record)


def line(row: dict[str, Any]) -> str:
    """A row in words."""
    told = [f"{row[key]:.3f}" if row.get(key) is not None else "-" for key in ("flash", "tone", "sound")]
    return "  ".join([f"{row['name']:22}", f"{row['verdict']:14}", *told, row["why"], "; ".join(row.get("notes", ()))])


if __name__ == "__main__":
    main()
