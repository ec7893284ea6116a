"""What a rate-distortion record says: the gap to each codec at equal bytes, BD-rates, gates, and a table.

Pure functions of the rows that `rate_distortion` measures. Codecs are counted by their bare packets and we by the
whole file, so that no container speaks for us.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from ..shared.bjontegaard import Curve, bd_rate, quality_at
from ..shared.codecs import CODECS, REFERENCE
from ..shared.records import signed, title

Row = dict[str, Any]

LEAST_GAP = -8.0  # dB to x264 4:2:0 at equal bytes, on every clip
AIMED_GAP = 0.0  # on half of the clips
PRESET_QUALITY = 50.0  # a preset as it is
MARKS = "<!-- rate-distortion: begin -->", "<!-- rate-distortion: end -->"  # of the table in docs/results.md


def ms_ssim_db(value: float) -> float:
    """MS-SSIM on a logarithmic scale, -10 log10(1 - MS-SSIM), on which curves are as straight as those of PSNR."""
    return -10 * math.log10(max(1 - value, 1e-6))


def curve(rows: Iterable[Row], clip: str, codec: str | None = None, metric: str = "psnr") -> Curve:
    """(bpp, quality) of a clip, of a codec or, where none is named, of ours; MS-SSIM in dB."""
    found = [row for row in rows if row["clip"] == clip and (codec is None or row["codec"] == codec)]
    return sorted((row["bpp"], row[metric] if metric == "psnr" else ms_ssim_db(row[metric])) for row in found)


def judge(codecs: Sequence[Row], ours: Sequence[Row]) -> list[Row]:
    """A row for each of our files: the gap in dB to every codec at equal bytes.

    Positive where we are better; `ms_ssim_gap` is to x264 4:2:0, in dB of 1 - MS-SSIM. A codec that cannot spend as
    many bytes as our file has is taken at its best (`codec_at_its_best`); a file below a codec's whole ladder has no
    gap, and `gate` then says `no ladder` instead of passing.
    """
    judged = []
    for row in ours:
        clip, rate = row["clip"], row["bpp"]
        line: Row = {"clip": clip, "quality": row["quality"], "bpp": rate, "psnr": row["psnr"]}
        for codec in CODECS:
            there = _at(rate, curve(codecs, clip, codec.name))
            line[f"gap, {codec.name}"] = None if there is None else round(row["psnr"] - there, 2)
        there = _at(rate, curve(codecs, clip, REFERENCE, "ms_ssim"))
        line["ms_ssim_gap"] = None if there is None else round(ms_ssim_db(row["ms_ssim"]) - there, 2)
        line["codec_at_its_best"] = rate > max((spent for spent, _ in curve(codecs, clip, REFERENCE)), default=rate)
        gap = line[f"gap, {REFERENCE}"]
        line["gate"] = "no ladder" if gap is None else "passed" if gap >= LEAST_GAP else "MISSED"
        judged.append(line)
    return judged


def _at(rate: float, points: Curve) -> float | None:
    """The best quality that a codec reaches with at most this rate, between its rungs interpolated."""
    if points and rate > max(spent for spent, _ in points):
        return max(value for _, value in points)
    return quality_at(rate, points)


def bd_rates(codecs: Sequence[Row], ours: Sequence[Row]) -> list[Row]:
    """A row a clip: BD-rate of ours against each codec, in percent, by PSNR, and by MS-SSIM against x264 4:2:0.

    Positive: we need that much more. None: the curves share no quality.
    """

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 1)

    rows = []
    for clip in dict.fromkeys(row["clip"] for row in ours):
        line: Row = {"clip": clip}
        for codec in CODECS:
            line[codec.name] = rounded(bd_rate(curve(codecs, clip, codec.name), curve(ours, clip)))
        by_similarity = bd_rate(curve(codecs, clip, REFERENCE, "ms_ssim"), curve(ours, clip, metric="ms_ssim"))
        rows.append({**line, f"{REFERENCE}, by MS-SSIM": rounded(by_similarity)})
    return rows


def verdict(judged: Sequence[Row]) -> Row:
    """Gate and aim over all clips that were measured."""
    gaps = {(row["clip"], row["quality"]): row[f"gap, {REFERENCE}"] for row in judged}
    known = {key: gap for key, gap in gaps.items() if gap is not None}
    at_preset = {clip: gap for (clip, quality), gap in known.items() if quality == PRESET_QUALITY}
    if not known or not at_preset:
        return {"clips": 0, "gate": "nothing measured"}
    worst = min(known, key=lambda key: known[key])
    level = sum(gap >= AIMED_GAP for gap in at_preset.values())
    return {
        "clips": len(at_preset),
        "worst_gap": known[worst],
        "worst_at": f"{worst[0]}, quality {worst[1]:g}",
        "level_or_better": level,
        "gate": "passed" if len(known) == len(gaps) and known[worst] >= LEAST_GAP else "MISSED",
        "aim": "reached" if 2 * level >= len(at_preset) else "missed",
    }


def markdown(codecs: Sequence[Row], ours: Sequence[Row]) -> str:
    """The table of docs/results.md: each clip at the preset's own quality, best clip first."""
    rates = {row["clip"]: row for row in bd_rates(codecs, ours)}
    judged = [row for row in judge(codecs, ours) if row["quality"] == PRESET_QUALITY]
    drawn = [codec.name for codec in CODECS if codec.in_plots]
    head = ["clip", "bpp", "PSNR", *(f"to {name}" for name in drawn), f"BD-rate to {REFERENCE}"]
    lines = [head, ["---"] * len(head)]
    for row in sorted(judged, key=lambda row: -(row[f"gap, {REFERENCE}"] or 0)):
        gaps = [signed(row[f"gap, {name}"], " dB") for name in drawn]
        rate = signed(rates[row["clip"]][REFERENCE], " %", digits=0)
        lines.append([title(row["clip"]), f"{row['bpp']:.2f}", f"{row['psnr']:.1f} dB", *gaps, rate])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
