"""What a record of `space_time` says: averages, gaps to the trivial answers, gates, and the table of docs/results.md.

Pure functions of the rows that `space_time` measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from ..shared.records import signed, title

Row = dict[str, Any]

BEST, BALANCED = "best", "balanced"
# Of clips with cuts, or near-still ones, interpolation says nothing: measured, but left out of averages and gates.
LEFT_OUT = ("mixed_scenes_qcif_1700f", "nasa_mirror_180p", "street_cuts")
NUM_CLIPS = 10  # the others
MOST_BPP, AIMED_BPP = 2.0, 1.0  # of what was fitted
MOST_CPU_SECONDS = 240.0
MARKS = "<!-- space-time: begin -->", "<!-- space-time: end -->"  # of the table in docs/results.md


@dataclass(frozen=True)
class Gate:
    """How many dB of PSNR a preset has to be ahead of another answer, on average and on the worst clip.

    `gate` must be passed, for any of our answers to the task; an aim is reported. None: not asked for.
    """

    preset: str
    task: str
    against: str
    average: float
    worst: float | None = None
    aim: bool = False


GATES = (
    Gate(BEST, "every 2nd", "blend", 1.0, 0.0),
    Gate(BEST, "every 2nd", "blend", 2.0, 0.3, aim=True),
    Gate(BEST, "every 4th", "blend", 1.0),
    Gate(BEST, "every 4th", "blend", 2.0, aim=True),
    Gate(BEST, "x2", "bicubic", 0.3, -0.3),
    Gate(BEST, "x2", "lanczos", 1.0, aim=True),
    Gate(BALANCED, "every 2nd", "blend", 0.0),
    Gate(BALANCED, "every 4th", "blend", 0.0),
    Gate(BALANCED, "x2", "bicubic", 0.0),
)


def gaps(trivial: Sequence[Row], ours: Sequence[Row], gate: Gate, answer: str) -> dict[str, float]:
    """Of every clip that counts: by how many dB one of our answers is ahead."""
    there = {row["clip"]: row["psnr"] for row in trivial if (row["task"], row["answer"]) == (gate.task, gate.against)}
    return {
        row["clip"]: row["psnr"] - there[row["clip"]]
        for row in ours
        if (row["preset"], row["task"], row["answer"]) == (gate.preset, gate.task, answer)
        and row["clip"] in there
        and row["clip"] not in LEFT_OUT
    }


def verdicts(trivial: Sequence[Row], ours: Sequence[Row]) -> list[Row]:
    """A row for each gate or aim and each of our answers: asked, reached, passed.

    Bits per pixel and CPU seconds are the most that any clip's fit took, and count, too; those of a GPU's fits do not.
    """
    lines = []
    for gate in GATES:
        mine = [row for row in ours if (row["preset"], row["task"]) == (gate.preset, gate.task)]
        for answer in sorted({row["answer"] for row in mine}):
            ahead = gaps(trivial, ours, gate, answer)
            if ahead:
                lines.append(_verdict(gate, answer, ahead, [row for row in mine if row["answer"] == answer]))
    return lines


def _verdict(gate: Gate, answer: str, ahead: dict[str, float], rows: Sequence[Row]) -> Row:
    counted = [row for row in rows if row["clip"] in ahead]
    worst = min(ahead, key=lambda clip: ahead[clip])
    bpp = max(row["bpp"] for row in counted)
    seconds = max(row["cpu_seconds"] for row in counted)
    good = mean(ahead.values()) >= gate.average and (gate.worst is None or ahead[worst] >= gate.worst)
    good = good and bpp <= (AIMED_BPP if gate.aim else MOST_BPP) and seconds <= MOST_CPU_SECONDS
    said = ("reached", "missed") if gate.aim else ("passed", "MISSED")
    return {
        "kind": "aim" if gate.aim else "gate",
        "preset": gate.preset,
        "task": gate.task,
        "answer": answer,
        "against": gate.against,
        "clips": len(ahead),
        "asked": gate.average,
        "ahead": round(mean(ahead.values()), 2),
        "asked_worst": gate.worst,
        "worst": round(ahead[worst], 2),
        "worst_clip": worst,
        "most_bpp": bpp,
        "most_cpu_seconds": seconds,
        "verdict": f"only {len(ahead)} of {NUM_CLIPS} clips" if len(ahead) < NUM_CLIPS else said[not good],
    }


def averages(trivial: Sequence[Row], ours: Sequence[Row]) -> list[Row]:
    """A row for each task and answer, ours by preset: means over the clips that count."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in (*trivial, *ours):
        if row["clip"] not in LEFT_OUT:
            groups.setdefault((row["task"], row.get("preset", ""), row["answer"]), []).append(row)
    lines = []
    for (task, preset, answer), rows in sorted(groups.items()):
        line: Row = {"task": task, "preset": preset, "answer": answer, "clips": len(rows)}
        for key, digits in {"psnr": 2, "ms_ssim": 4, "vif": 3, "fit_psnr": 2, "bpp": 3, "cpu_seconds": 0}.items():
            values = [row[key] for row in rows if row.get(key) is not None]
            line[key] = round(mean(values), digits) if values else None
        lines.append(line)
    return lines


def by_clip(trivial: Sequence[Row], ours: Sequence[Row], task: str, preset: str) -> list[Row]:
    """A row a clip: the PSNR of every answer, then what the fit cost; clips that do not count in brackets."""
    lines: dict[str, Row] = {}
    for row in (*(row for row in ours if row["preset"] == preset), *trivial):
        if row["task"] == task:
            name = title(row["clip"])
            line = lines.setdefault(row["clip"], {"clip": f"({name})" if row["clip"] in LEFT_OUT else name})
            line[row["answer"]] = f"{row['psnr']:.2f}"
    for row in ours:
        if (row["task"], row["preset"]) == (task, preset):
            names = ("fit_psnr", "bpp", "cpu_seconds", "wall_seconds")
            lines[row["clip"]] |= {name: row[name] for name in names if name in row}
    return sorted(lines.values(), key=lambda line: (line["clip"].startswith("("), line["clip"]))


def best_answer(rows: Sequence[Row], task: str) -> str | None:
    """Our answer to a task that is best on average, None where there is none."""
    answers = {row["answer"] for row in rows if row["task"] == task}
    return max(
        answers,
        key=lambda answer: mean(r["psnr"] for r in rows if (r["task"], r["answer"]) == (task, answer)),
        default=None,
    )


def markdown(trivial: Sequence[Row], ours: Sequence[Row]) -> str:
    """The document's table, preset `best`: a clip a row, our PSNR and in brackets how far it is ahead; then means."""
    mine = [row for row in ours if row["preset"] == BEST]
    columns = {"every 2nd": ("blend", "flow"), "every 4th": ("blend", "flow"), "x2": ("bicubic", "lanczos")}
    head = ["clip"]
    for task, (reference, other) in columns.items():
        head += [f"{task}: {reference}", other, "ours"]
    lines = [head, ["---"] * len(head)]
    psnr = {(row["clip"], row["task"], row["answer"]): row["psnr"] for row in (*trivial, *mine)}
    clips = sorted({row["clip"] for row in mine}, key=lambda clip: (clip in LEFT_OUT, clip))
    for label, group in [(title(clip), [clip]) for clip in clips] + [
        ("**mean of those that count**", [clip for clip in clips if clip not in LEFT_OUT])
    ]:
        line = [f"({label})" if group and group[0] in LEFT_OUT else label]
        for task, answers in columns.items():
            line += _cells(psnr, group, task, [*answers, best_answer(mine, task)])
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(psnr: dict[tuple[str, str, str], float], clips: Sequence[str], task: str, answers: Sequence[Any]) -> Any:
    """Mean PSNR of the answers, the last one's with its lead over the first; a dash where one is missing."""
    values = [[psnr.get((clip, task, answer)) for clip in clips] for answer in answers]
    means = [None if not column or None in column else mean(v for v in column if v is not None) for column in values]
    cells = ["–" if value is None else f"{value:.1f}" for value in means]
    if means[0] is not None and means[-1] is not None:
        cells[-1] += f" ({signed(means[-1] - means[0], '')})"
    return cells
