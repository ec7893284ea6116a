"""The JSON header of a `.linr` file without its models' configurations: what it says of the video, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BitstreamError
from ..frames.aspect import from_header
from ..video.timing import MAX_FPS, MIN_FPS, unpacked_times


@dataclass(frozen=True)
class Header:
    """What a file says of its video: the attributes of `LatentVideo` of the same names."""

    fps: float
    times: npt.NDArray[np.float64] | None
    pixel_aspect: Fraction
    cuts: tuple[int, ...]
    preset: str
    teacher: str | None
    teacher_id: str | None
    metrics: Mapping[str, float]
    metadata: Mapping[str, Any]


def read_header(document: Mapping[str, Any], num_frames: int) -> Header:
    """Checks the header of a file, which may be a stranger's, against the format.

    Args:
        document: the JSON object.
        num_frames: T, of all groups of frames.

    Raises:
        BitstreamError: something is missing, of another type, or out of range.
    """
    try:
        texts = [document[key] for key in ("preset", "teacher", "teacher_id")]
        if not all(text is None or isinstance(text, str) for text in texts):
            raise ValueError("preset, teacher and teacher_id must be text or null")
        metrics, metadata = document["metrics"], document["metadata"]
        if not isinstance(metrics, dict) or not isinstance(metadata, dict):
            raise ValueError("metrics and metadata must be objects")
        return Header(
            fps=_fps(document["fps"]),
            times=unpacked_times(document["times"], num_frames) if "times" in document else None,
            pixel_aspect=from_header(document),
            cuts=_cuts(document.get("cuts", []), num_frames),
            preset=texts[0] or "",
            teacher=texts[1],
            teacher_id=texts[2],
            metrics={name: _number(f"metrics: {name}", value) for name, value in metrics.items()},
            metadata=metadata,
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        text = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise BitstreamError(f"its header is not that of a Latent-INR video: {text[:200]}") from error


def _number(name: str, value: Any) -> float:
    """JSON knows only finite ones; text that looks like one is text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name[:80]} must be a number")
    return float(value)


def _fps(value: Any) -> float:
    fps = _number("fps", value)
    if not MIN_FPS <= fps <= MAX_FPS:
        raise ValueError(f"fps must be from {MIN_FPS:g} to {MAX_FPS:g}, not {fps:g}: a value is out of range")
    return fps


def _cuts(cuts: Any, num_frames: int) -> tuple[int, ...]:
    whole = isinstance(cuts, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in cuts)
    if not whole or not all(low < high for low, high in pairwise([0, *cuts, num_frames])):
        raise ValueError("cuts are not ascending frames of the video")
    return tuple(cuts)
