"""Containers and codecs that ffmpeg writes, as the package reads them and as the program ffmpeg does.

    python -m benchmarks.real_files.compare [--folder DIR] [--only WORD] [--before FILE] [--output FILE]

For each form of `forms`: the number of frames, their mean difference in levels (same conversion; `levels_bare` is
against the bare command, where that differs), and frames over frames a second against the duration that ffprobe states.
Equal are: as many frames, at most 2 levels, at most 1.5 frames. What this ffmpeg cannot write is listed, and not
counted. Writes `results/real_files.json`, and its table in docs/kinds_of_files.md; `--output` writes rows to another
file, and `--before` takes the verdicts of such a file, of an earlier state of the package, into the table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.video.decode import read

from ..shared.records import insert, show_table, write_record
from . import reference
from .forms import Form, forms, write_form
from .writing import has_ffmpeg

MOST_LEVELS, MOST_FRAMES = 2.0, 1.5

# Where ffmpeg's own answer is not the one to have.
REASONS = {
    "vob, mpeg1": "ffprobe takes the last two frames for none; 50 frames at 25 a second are 2 seconds",
    "flv, h264 B frames": "the header counts the decoder's delay; 20 frames at 10 a second are 2 seconds",
}

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "kinds_of_files.md"
MARKS = ("<!-- forms: begin -->", "<!-- forms: end -->")

Row = dict[str, object]


def compare(form: Form, folder: Path) -> Row:
    """One row: what the two make of a form, and whether they agree."""
    row: Row = {"form": form.name}
    try:
        path = write_form(form, folder)
    except RuntimeError as error:
        return {**row, "verdict": "not written", "why": str(error)}
    row.update(measure(path))
    if row["why"] and form.name in REASONS:
        row.update(verdict="explained", why=f"{row['why']}: {REASONS[form.name]}")
    return row


def measure(path: Path) -> Row:
    """A file's figures, `verdict` and `why`: `equal`, or `differs` in what."""
    theirs = reference.frames(path)
    stated = reference.seconds(path)
    if not len(theirs):
        return {"verdict": "not read", "why": "ffmpeg itself decodes nothing"}
    try:
        video = read(path)
    except InputError as error:
        return {"frames_ffmpeg": len(theirs), "verdict": "differs", "why": str(error).replace(str(path), path.name)}
    except Exception as error:
        return {"frames_ffmpeg": len(theirs), "verdict": "differs", "why": f"{type(error).__name__}: {error}"}
    ours = video.array
    row: Row = {"frames": len(ours), "frames_ffmpeg": len(theirs)}
    wrong = [] if len(ours) == len(theirs) else [f"{len(ours)} frames, not {len(theirs)}"]
    if ours.shape[1:] != theirs.shape[1:]:
        wrong.append(f"{ours.shape[1:3]} pixels, not {theirs.shape[1:3]}")
    else:
        count = min(len(ours), len(theirs))
        levels = float(np.abs(ours[:count].astype(np.int16) - theirs[:count]).mean())
        row["levels"] = round(levels, 2)
        bare = reference.frames(path, exact=False)[:count]
        if not np.array_equal(bare, theirs[:count]):
            row["levels_bare"] = round(float(np.abs(ours[:count].astype(np.int16) - bare).mean()), 2)
        if levels > MOST_LEVELS:
            wrong.append(f"{levels:.1f} levels apart")
    row["seconds"] = round(len(ours) / video.fps, 4)
    if stated is not None:
        row["seconds_ffprobe"] = round(stated, 4)
        apart = abs(len(ours) / video.fps - stated) * len(theirs) / max(stated, 1e-9)
        if apart > MOST_FRAMES:
            wrong.append(f"{len(ours) / video.fps:.3f} s, not {stated:.3f}")
    if video.warnings:
        row["warnings"] = list(video.warnings)
    return {**row, "verdict": "differs" if wrong else "equal", "why": ", ".join(wrong)}


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many rows there are of each verdict."""
    verdicts = [str(row["verdict"]) for row in rows]
    return {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}


def document(record: dict[str, Any]) -> str:
    """The table of the document: what is equal in each container, and what is not, with its reason."""
    rows = [row for row in record["rows"] if row["verdict"] not in ("not written", "not read")]
    equal = sum(row["verdict"] == "equal" for row in rows)
    lines = [
        f"{equal} of {len(rows)} are equal, by PyAV {record['pyav']} (FFmpeg {record['pyav_ffmpeg']}) and ffmpeg "
        f"{record['ffmpeg']}.",
        "",
        "| container | codecs |",
        "| --- | --- |",
    ]
    containers: dict[str, list[str]] = {}
    for row in rows:
        container, _, codec = str(row["form"]).partition(", ")
        mark = "" if row["verdict"] == "equal" else f" ({row['why']})"
        containers.setdefault(container, []).append(codec + mark)
    return "\n".join([*lines, *(f"| {name} | {', '.join(codecs)} |" for name, codecs in containers.items())])


def renew(record: dict[str, Any]) -> None:
    """Writes the table into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(insert(text, document(record), *MARKS), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the files are kept (default: made anew, and removed)")
    parser.add_argument("--only", default="", help="forms whose names contain this; writes no record")
    parser.add_argument("--before", type=Path, help="rows of an earlier state, by --output")
    parser.add_argument("--output", type=Path, help="write the rows here, and no record")
    arguments = parser.parse_args()
    if not has_ffmpeg():
        raise SystemExit("benchmarks.real_files.compare needs the programs ffmpeg and ffprobe")
    with tempfile.TemporaryDirectory() as name:
        rows = [compare(form, arguments.folder or Path(name)) for form in forms() if arguments.only in form.name]
    if arguments.before:
        earlier = {row["form"]: row for row in json.loads(arguments.before.read_text(encoding="utf-8"))}
        for row in rows:
            old = earlier.get(row["form"], {})
            row["before"] = old.get("why") or old.get("verdict", "")
    show_table([{key: value for key, value in row.items() if key != "warnings"} for row in rows])
    total = counts(rows)
    print(", ".join(f"{verdict}: {count}" for verdict, count in total.items()))
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    elif not arguments.only:
        record = {**reference.versions(), "counts": total, "rows": rows}
        write_record("real_files", record)
        renew(record)


if __name__ == "__main__":
    main()
