"""A view of some 200 files as people have them, through `fit_dataset` and `reconstruct`, and through both once more.

    python -m benchmarks.real_files.view [--files 200] [--folder DIR]

The odd files of `inputs`, containers and codecs of `forms`, and what else lies in folders: files that are gone, empty,
cut short, no videos, pipes, the same one twice. Fits are tiny. Held against what is claimed: each sample is fitted or
has failed, in one line that names the file; each that is fitted is drawn or has failed likewise; the second time
nothing is fitted or drawn again; there is no traceback in the log or on the terminal. Writes `results/real_view.json`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..shared.database import own_database
from ..shared.records import show_table, write_record
from .forms import forms, write_form
from .inputs import INPUTS, REFUSED, NoFFmpeg, make
from .writing import Pictures, has_ffmpeg, moving, write

FILES = 200
_ROOT = Path(__file__).resolve().parents[2]
# A reason that is only a type and what some library had to say
_RAW = re.compile(r"[A-Za-z]+(Error|Exception|Warning)\b")
_LONGEST = 1000


@dataclass
class Case:
    """One sample of the view.

    Attributes:
        path: its file.
        kind: `odd`, `form`, `folder` (what else lies there) or `cut`.
        readable: whether it must be fitted (True), refused (False), or either in one line (None).
        fitted: what became of it first, then what was said.
        drawn: likewise of its drawing.
    """

    path: str
    kind: str
    readable: bool | None
    fitted: list[str] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[tuple[str, str, bool]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps level, text, and whether a traceback comes with it."""
        self.records.append((record.levelname, record.getMessage(), record.exc_info is not None))


def cases(folder: Path, count: int, is_video: Callable[[str], bool]) -> tuple[list[Case], int]:
    """Files for the view: of each kind some, `count` in all or as many as there are.

    Args:
        folder: where they are made.
        count: how many.
        is_video: whether FiftyOne takes a path for that of a video; it goes by the suffix.

    Returns:
        them, and how many others were left out, as FiftyOne takes them for pictures or for nothing that it knows.
    """
    odd = [name for name in INPUTS if is_video(f"x{INPUTS[name].suffix}")]
    usual = [form for form in forms() if is_video(form.file)] if has_ffmpeg() else []
    made = _spread(list(_others(folder / "others")), -(-count // 4))
    for name in _spread(odd, (count - len(made)) // 2):
        with suppress(NoFFmpeg):
            made.append(Case(str(make(name, folder / "odd")), "odd", INPUTS[name].has != REFUSED))
    for form in _spread(usual, count - len(made)):
        with suppress(RuntimeError):
            made.append(Case(str(write_form(form, folder / "forms")), "form", None))
    return made, len(INPUTS) - len(odd) + len(list(forms())) - len(usual)


def _spread(all_of_them: list[Any], most: int) -> list[Any]:
    """So many of them, from begin to end."""
    most = min(most, len(all_of_them))
    return [all_of_them[k * len(all_of_them) // most] for k in range(most)]


def _others(folder: Path) -> Iterator[Case]:
    """What lies about beside videos."""
    folder.mkdir(parents=True, exist_ok=True)
    good = folder / "ordinary.mp4"
    if not good.exists():
        write(good, Pictures(moving(8)))
    data = good.read_bytes()
    wrong = {
        "empty": b"",
        "text": b"no video at all\n" * 200,
        "zeros": bytes(5000),
        "one byte": b"\0",
        "head": data[:40],
    }
    for name, content in wrong.items():
        (folder / f"{name}.mp4").write_bytes(content)
        yield Case(str(folder / f"{name}.mp4"), "folder", False)
    (folder / "folder.mp4").mkdir(exist_ok=True)
    with suppress(FileExistsError):
        os.mkfifo(folder / "pipe.mp4")
    for name in ("folder.mp4", "pipe.mp4", "gone.mp4", "no such folder/gone.mp4"):
        yield Case(str(folder / name), "folder", False)
    for name, target in (
        ("link.mp4", good),
        ("dangling.mp4", folder / "nowhere.mp4"),
        ("ring.mp4", folder / "ring.mp4"),
    ):
        with suppress(FileExistsError):
            (folder / name).symlink_to(target)
        yield Case(str(folder / name), "folder", target == good)
    for name in ("動" * 83, "a b  c", "quote'\"", "-dash", "percent%d", "new\nline", "x" * 250, "emoji🎈", "dots.a.b"):
        shutil.copy(good, folder / f"{name}.mp4")
        yield Case(str(folder / f"{name}.mp4"), "folder", True)
    yield Case(str(good), "folder", True)
    yield Case(str(good), "folder", True)
    for tenth in range(1, 10):
        cut = folder / f"cut {tenth}.mp4"
        cut.write_bytes(data[: len(data) * tenth // 10])
        yield Case(str(cut), "cut", None)
        hole = bytearray(data)
        start = len(data) * tenth // 10
        hole[start : start + len(data) // 20] = bytes(len(hole[start : start + len(data) // 20]))
        (folder / f"hole {tenth}.mp4").write_bytes(hole)
        yield Case(str(folder / f"hole {tenth}.mp4"), "cut", None)


def run(folder: Path, count: int) -> dict[str, Any]:
    """Does it all, in a process whose FiftyOne has a database of its own; returns the record."""
    import fiftyone as fo
    from fiftyone.core.media import VIDEO, get_media_type

    import fiftyone_latent_inr as linr
    from fiftyone_latent_inr.fitting import PRESETS

    tiny = replace(PRESETS["fast"], preset="tiny", steps=20, points_per_step=128, prior=None)
    options = {"config": tiny, "teacher": "small", "size": (32, 48), "max_frames": 6, "output_dir": folder / "fitted"}
    taken, left_out = cases(folder / "files", count, lambda path: get_media_type(path) == VIDEO)
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=case.path) for case in taken])
    by_id = dict(zip(dataset.values("id"), taken, strict=True))
    kept = Kept()
    logging.getLogger("fiftyone_latent_inr").addHandler(kept)
    logging.getLogger("fiftyone_latent_inr").setLevel(logging.INFO)
    started, wrong, stamps, seconds = time.monotonic(), [], [], []
    for turn in (1, 2):
        for what, call, more in (("fitted", linr.fit_dataset, options), ("drawn", linr.reconstruct, {})):
            kept.records.clear()
            summary = call(dataset, progress=False, device="cpu", **more)
            seconds.append(round(time.monotonic() - started, 1))
            wrong += wrong_with(summary, what, turn, by_id, kept.records)
            for sample_id, outcome in _outcomes(summary).items():
                getattr(by_id[sample_id], what).append(outcome)
        stamps.append({path: path.stat().st_mtime_ns for path in sorted((folder / "fitted").iterdir())})
    wrong += [f"{path.name} was written again" for path in stamps[0] if stamps[0][path] != stamps[1].get(path)]
    wrong += [f"{path.name} is left over" for path in stamps[1] if path.suffix not in (".linr", ".mp4")]
    for case in taken:
        state = case.fitted[0].partition(":")[0]
        if case.readable is not None and case.readable != (state != "failed"):
            wrong.append(
                f"{Path(case.path).name!r} is {'to be fitted' if case.readable else 'no video'}: {case.fitted[0]}"
            )
    done = [i for i, case in by_id.items() if not case.fitted[0].startswith("failed")]
    found = dataset.sort_by_similarity("a red circle", k=len(taken)).values("id")
    if sorted(found) != sorted(done):
        wrong.append(f"a search finds {len(found)} of the {len(done)} that are fitted")
    return {
        "files": len(taken),
        "not_videos_for_fiftyone": left_out,
        "fitted": Counter(case.fitted[0].partition(":")[0] for case in taken),
        "drawn": Counter(case.drawn[0].partition(":")[0] for case in taken if case.drawn),
        "again": Counter(case.fitted[1].partition(":")[0] for case in taken if len(case.fitted) > 1),
        "drawn_again": Counter(case.drawn[1].partition(":")[0] for case in taken if len(case.drawn) > 1),
        "seconds_after_each_call": seconds,
        "wrong": wrong,
        "rows": [_bare({**asdict(case), "path": Path(case.path).name}, f"{folder / 'files'}/") for case in taken],
    }


def _bare(row: dict[str, Any], folder: str) -> dict[str, Any]:
    """A row that does not tell where the files lay."""
    return {**row, **{what: [said.replace(folder, "") for said in row[what]] for what in ("fitted", "drawn")}}


def _outcomes(summary: Any) -> dict[str, str]:
    """What became of each sample, by its id."""
    found = {i: f"failed: {failure.reason}" for failure in summary.failed for i in [failure.sample_id]}
    for state in ("fitted", "drawn", "adopted", "skipped"):
        found.update(dict.fromkeys(getattr(summary, state, ()), state))
    return found


def wrong_with(
    summary: Any, what: str, turn: int, by_id: dict[str, Case], records: list[tuple[str, str, bool]]
) -> Iterator[str]:
    """What of a call is not as it is claimed to be."""
    call = f"{what}, time {turn}"
    fitted = {i for i, case in by_id.items() if case.fitted and not case.fitted[0].startswith("failed")}
    asked = set(by_id) if what == "fitted" else fitted
    listed = [*getattr(summary, what), *summary.adopted, *summary.skipped, *(f.sample_id for f in summary.failed)]
    if sorted(listed) != sorted(asked):
        yield f"{call}: {len(asked)} samples were asked for, {len(set(listed))} of them told of, {len(listed)} times"
    if turn == 2 and (getattr(summary, what) or summary.adopted):
        yield f"{call}: {len(getattr(summary, what))} once more, {len(summary.adopted)} taken up"
    yield from (f"{call}: a traceback with {text[:200]!r}" for _, text, traceback in records if traceback)
    for failure in summary.failed:
        name = Path(failure.filepath).name
        if "\n" in failure.reason or len(failure.reason) > _LONGEST or _RAW.match(failure.reason):
            yield f"{call}: {name!r} has no clear line: {failure.reason[:200]!r}"
        said = sum(failure.reason in text for _, text, _ in records)
        if said != 1:
            yield f"{call}: the log tells {said} times of {name!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=FILES, help="how many at most")
    parser.add_argument("--folder", type=Path, help="keep the files there")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        arguments.inside.write_text(json.dumps(run(arguments.folder, arguments.files)), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as scratch:
        record = in_a_process(arguments.folder or Path(scratch), arguments.files)
    for line in record["wrong"]:
        print(f"wrong: {line}")
    show_table([{name: record[name] for name in ("files", "fitted", "drawn", "again", "drawn_again")}])
    write_record("real_view", record)
    sys.exit(bool(record["wrong"]))


def in_a_process(folder: Path, count: int) -> dict[str, Any]:
    """The record of `run` in a new process, with what it has left on the terminal and how it has ended."""
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / "record.json"
    result.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch, own_database(Path(scratch)) as environment:
        command = [sys.executable, "-m", f"{__package__}.view", "--folder", str(folder), "--files", str(count)]
        command += ["--inside", str(result)]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment, cwd=_ROOT, check=False
        )
    if not result.exists():
        raise RuntimeError(f"the process ended with {done.returncode}: {done.stderr[-2000:]}")
    record: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if "Traceback" in done.stdout + done.stderr:
        record["wrong"].append("a traceback on the terminal")
    if done.returncode:
        record["wrong"].append(f"the process ended with {done.returncode}")
    return record


if __name__ == "__main__":
    main()
