"""Rate and distortion of `.linr` files against x264, x265 and AV1, on all clips: real bytes on both sides.

    python -m benchmarks.rate_distortion [--codecs-only] [--only CLIP] [--jobs 2] [--again]
    python -m benchmarks.rate_distortion --report     # judge and draw what is recorded, renew docs/results.md

Everybody gets the same frames: the first 32 of each clip, area-averaged to 320x180. Rows go to
`results/rate_distortion.json` as soon as a clip is done, and a later run leaves out what was measured with the same
settings and the same code. Codecs take about ten minutes, ours some minutes a clip.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.frames.metrics import bpp

from ..shared.codecs import CODECS, Codec, measure_ladder, quality
from ..shared.jobs import run_jobs
from ..shared.records import CLIPS, FIT_CODE, RESULTS, code_digest, insert, read_record, show_table, write_record
from . import judge

RECORD = "rate_distortion"
PAGE = RESULTS.parents[1] / "docs" / "results.md"
SIZE, FRAMES = (180, 320), 32
PRESET = "balanced"
QUALITIES = (20.0, 35.0, 50.0, 65.0)

Row = dict[str, Any]


def measure_codec(path: Path, codec: Codec) -> list[Row]:
    """A codec's ladder on a clip."""
    torch.set_num_threads(1)
    frames = video.read(path, size=SIZE, max_frames=FRAMES).array
    names = {"clip": path.stem, "codec": codec.name}
    return [{**names, **rung, "digest": codec.digest()} for rung in measure_ladder(frames, codec)]


def measure_ours(path: Path, qualities: Sequence[float]) -> list[Row]:
    """One fit, stored once a quality; every file is written, read again, drawn and measured anew.

    `cpu_seconds` is that of the whole fit, for all of its rates together.
    """
    torch.set_num_threads(1)
    frames = video.read(path, size=SIZE, max_frames=FRAMES).array
    cpu = time.process_time()
    fitted = linr.fit_rates(
        path,
        qualities=qualities,
        preset=PRESET,
        size=SIZE,
        max_frames=FRAMES,
        teacher="small",
        device="cpu",
        progress=False,
    )
    cpu = time.process_time() - cpu
    names = {"cpu_seconds": round(cpu, 1), "rates_in_fit": len(qualities), "digest": our_digest()}
    return [
        {"clip": path.stem, "quality": wanted, **measure_file(one, frames), **names}
        for wanted, one in zip(qualities, fitted, strict=True)
    ]


def measure_file(fitted: linr.LatentVideo, frames: npt.NDArray[np.uint8]) -> Row:
    """Writes a video, reads it again, draws it and measures that: real bytes against the frames of its source.

    `psnr_in_file` is what the file says of itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clip.linr"
        fitted.save(file)
        num_bytes = file.stat().st_size
        rebuilt = linr.load(file).render(device="cpu")
    return {
        "bytes": num_bytes,
        "bpp": round(bpp(num_bytes, *frames.shape[:3]), 5),
        **quality(frames, rebuilt),
        "psnr_in_file": round(fitted.metrics["psnr"], 3),
    }


def our_digest() -> str:
    """Changes with the preset's settings and with the code that our files depend on."""
    return f"{PRESETS[PRESET].digest()}-{code_digest(*FIT_CODE)}"


def pending(
    record: Row, paths: Sequence[Path], qualities: Sequence[float], codecs_only: bool, again: bool
) -> Iterator[tuple[str, str, Callable[..., list[Row]], tuple[Any, ...]]]:
    """What is not measured yet: the list of the record it goes to, whose it is, the function and its arguments."""
    for path in paths:
        for codec in CODECS:
            rows = [row for row in record["codecs"] if (row["clip"], row["codec"]) == (path.stem, codec.name)]
            if again or not rows or any(row["digest"] != codec.digest() for row in rows):
                yield "codecs", codec.name, measure_codec, (path, codec)
    for path in paths if not codecs_only else ():
        mine = {row["quality"] for row in record["ours"] if row["clip"] == path.stem and row["digest"] == our_digest()}
        if again or not mine >= set(qualities):
            yield "ours", "", measure_ours, (path, tuple(qualities))


def replace_rows(record: Row, kind: str, rows: Sequence[Row]) -> None:
    """Puts rows into a record in place of those of the same clip and codec (ours: of the same clip)."""
    names = {(row["clip"], row.get("codec")) for row in rows}
    record[kind] = [row for row in record[kind] if (row["clip"], row.get("codec")) not in names] + list(rows)
    record[kind].sort(key=lambda row: (row["clip"], row.get("codec", ""), row["bpp"]))


def measure(record: Row, work: Sequence[tuple[str, str, Callable[..., list[Row]], tuple[Any, ...]]], jobs: int) -> None:
    """Does the work, in `jobs` processes, and writes the record after each part."""
    for k, rows in run_jobs([(function, args) for _, _, function, args in work], jobs):
        show_table(rows)
        replace_rows(record, work[k][0], rows)
        write_record(RECORD, with_verdict(record))


def with_verdict(record: Row) -> Row:
    """The record with all that follows from its rows."""
    codecs, ours = record["codecs"], record["ours"]
    judged = judge.judge(codecs, ours)
    return {
        "protocol": {
            "frames": f"first {FRAMES}, {SIZE[1]}x{SIZE[0]} by area averaging",
            "preset": PRESET,
            "teacher": "small",
            "bpp": "ours: the whole file; codecs: packets and parameter sets (`packet_bytes`), without the container",
        },
        "verdict": judge.verdict(judged),
        "judged": judged,
        "bd_rate_percent": judge.bd_rates(codecs, ours),
        "ours": ours,
        "codecs": codecs,
    }


def report(record: Row) -> None:
    """Prints the tables, draws the plots, renews the table of docs/results.md."""
    from .plot import draw

    judged = with_verdict(record)
    for name in ("judged", "bd_rate_percent"):
        print(f"\n{name}")
        show_table(judged[name])
    print()
    show_table([judged["verdict"]])
    write_record(RECORD, judged)
    for path in draw(record["codecs"], record["ours"]):
        print(f"drawn: {path.name}, {path.stat().st_size // 1000} KB")
    text = PAGE.read_text(encoding="utf-8")
    if record["ours"] and judge.MARKS[0] in text:
        table = judge.markdown(record["codecs"], record["ours"])
        PAGE.write_text(insert(text, table, *judge.MARKS), encoding="utf-8")
        print("docs/results.md: table renewed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=CLIPS, help="directory of full-length clips")
    parser.add_argument("--only", default="", help="measure only clips whose name contains this")
    parser.add_argument("--qualities", type=float, nargs="+", default=list(QUALITIES), help="of our files, 0 to 100")
    parser.add_argument("--codecs-only", action="store_true", help="leave our side as it is recorded")
    parser.add_argument("--again", action="store_true", help="measure also what is recorded")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--report", action="store_true", help="measure nothing; judge, draw and renew docs/results.md")
    arguments = parser.parse_args()
    stored = read_record(RECORD)
    record: Row = {kind: stored.get(kind, []) for kind in ("codecs", "ours")}
    paths = sorted(arguments.clips.glob("*.mp4"))
    if not paths:
        print(f"{arguments.clips} has no clips; reporting what is recorded")
    elif not arguments.report:
        chosen = [path for path in paths if arguments.only in path.stem]
        work = list(pending(record, chosen, arguments.qualities, arguments.codecs_only, arguments.again))
        print(f"{len(work)} ladders and fits to measure", flush=True)
        measure(record, work, arguments.jobs)
    report(record)


if __name__ == "__main__":
    main()
