"""Every odd file and use, each tried once: what came of it before, what comes of it now, whether that is right.

    python -m benchmarks.real_files.cases [--before FILE] [--output FILE] [--only WORD]

Files are those of `inputs`, read and drawn again with their sound; uses are those of `uses`. `--output` writes what
happened to a file; `--before` takes such a file, of an earlier state of the package, into the table, which is written
to `results/real_cases.json`. What only ffmpeg can write or measure is left out where it is missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ..shared.database import own_database
from ..shared.records import show_table, write_record
from . import reference
from .drawn import draw_all
from .inputs import INPUTS, NoFFmpeg, make
from .judge import in_words, wrong
from .uses import USES, is_right
from .writing import has_ffmpeg

Row = dict[str, object]
_ROOT = Path(__file__).resolve().parents[2]


def of_files(folder: Path, only: str) -> list[Row]:
    """Rows of the odd files."""
    files, rows = {}, []
    for name in INPUTS:
        if only in name:
            try:
                files[make(name, folder / "inputs").name] = INPUTS[name]
            except NoFFmpeg as error:
                rows.append({"kind": INPUTS[name].kind, "case": name, "now": f"not tried: {error}", "right": None})
    drawn = draw_all([folder / "inputs" / file for file in files], folder / "drawings")
    for file, one in files.items():
        now = in_words(one, drawn[file]).replace(str(folder / "drawings") + "/", "")
        row: Row = {"kind": one.kind, "case": one.name, "now": now}
        rows.append({**row, "right": not wrong(one, drawn[file])})
    return rows


def of_uses(folder: Path, only: str) -> list[Row]:
    """Rows of the uses, all in one process, which has a database of its own."""
    names = [name for name in USES if only in name]
    if not names:
        return []
    with own_database(folder / "database") as environment:
        command = [sys.executable, "-m", f"{__package__}.uses", str(folder / "uses"), *names]
        done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, cwd=_ROOT, check=False)
    happened = dict(json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith("["))
    rows: list[Row] = []
    for name in names:
        now = happened.get(name, f"the process died ({done.returncode})")
        rows.append({"kind": USES[name].kind, "case": name, "now": now, "right": is_right(name, now)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="what happened earlier, by --output")
    parser.add_argument("--output", type=Path, help="write what happens here, and no record")
    parser.add_argument("--only", default="", help="cases whose names contain this; writes no record")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = [*of_files(Path(name), arguments.only), *of_uses(Path(name), arguments.only)]
    earlier: dict[object, Row] = {}
    if arguments.before:
        earlier = {row["case"]: row for row in json.loads(arguments.before.read_text(encoding="utf-8"))}
    table: list[Row] = [
        {
            "kind": row["kind"],
            "case": str(row["case"]).replace("_", " "),
            **({"before": earlier.get(row["case"], {}).get("now", "")} if earlier else {}),
            **{key: row[key] for key in ("now", "right")},
        }
        for row in rows
    ]
    for row in table:
        show_table([row])
    print(f"right: {sum(row['right'] is True for row in rows)} of {sum(row['right'] is not None for row in rows)}")
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    elif not arguments.only:
        write_record("real_cases", {**(reference.versions() if has_ffmpeg() else {}), "rows": table})


if __name__ == "__main__":
    main()
