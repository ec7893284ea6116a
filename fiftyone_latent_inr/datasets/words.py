"""Numbers in words: videos, durations, sizes of files, what became of a job's samples; errors in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sized

from ..text import brief, log_line

__all__ = ["brief", "duration", "failed_last_time", "log_line", "megabytes", "of_source", "outcomes", "video_count"]


def video_count(count: int) -> str:
    """`1 video`, `12 videos`."""
    return f"{count} video{'s' if count != 1 else ''}"


def duration(seconds: float) -> str:
    """Says a duration the short way: `40 s`, `4 min`, `2 h 5 min`."""
    if seconds < 59.5:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def megabytes(size: float) -> str:
    """Says a file's size: `740 KB`, `1.2 MB`, `12 GB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.{0 if size >= 10 * scale else 1}f} {unit}"
    return f"{max(size / 1e3, 1):.0f} KB"


def of_source(size: int, source: int) -> str:
    """A stored video's bytes beside its source's: `12 % of the source's 132,000 bytes`, or `2.1x the source's 7,733`.

    Args:
        size: bytes of the stored video.
        source: bytes of the file, or of the images, that it was made of; above 0.
    """
    ratio = size / source
    share = f"{ratio:.1f}x" if ratio >= 0.995 else f"{max(100 * ratio, 0.1):.{0 if ratio >= 0.01 else 1}f} % of"
    return f"{share} the source's {source:,} bytes"


def failed_last_time(count: int, reason: str) -> str:
    """`4 failed last time, such as: it is empty`: at most 160 characters of a reason."""
    return f"{count} failed last time, such as: {reason if len(reason) <= 160 else f'{reason[:78]} … {reason[-79:]}'}"


def outcomes(samples: Mapping[str, Sized]) -> str:
    """`12 fitted, 3 up to date`: the first in any case, of the others those that there are."""
    parts = [f"{len(of_them)} {what}" for what, of_them in samples.items()]
    return ", ".join([parts[0], *(part for part in parts[1:] if not part.startswith("0 "))])
