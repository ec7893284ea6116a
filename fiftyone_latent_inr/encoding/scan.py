"""A first look at a video: its plan of groups of frames, and what the teacher sees in them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..fitting import FitConfig
from ..frames.aspect import SQUARE
from ..progress import FitProgress, ProgressCallback, tell
from ..video.footage import Footage
from ..video.timing import Times
from .glances import Glances
from .plan import GroupPlanner, Plan, most_frames

if TYPE_CHECKING:
    from ..semantics.teachers import Teacher

# Frames that are shown to the teacher at a time, and between two progress events.
_TOGETHER = 32
# Bytes of a video's frames that are kept for a fit without steps, which takes hardly longer than reading them again.
_MOST_KEPT = 128 << 20


@dataclass(frozen=True)
class Scan:
    """What a first look at a video found.

    Attributes:
        plan: where it is cut into groups.
        size: (H, W) of its frames.
        fps: frames a second.
        warnings: what was odd about the file.
        embeddings: (T, E) of the teacher, float16 where there are several groups, or None.
        times: (T,) seconds at which each frame is shown, where they are not evenly spaced; else None.
        pixel_aspect: width over height of a pixel of its frames.
    """

    plan: Plan
    size: tuple[int, int]
    fps: float
    warnings: tuple[str, ...]
    embeddings: npt.NDArray[np.floating[Any]] | None
    times: Times | None = None
    pixel_aspect: Fraction = SQUARE


def scan(
    footage: Footage, settings: FitConfig, teacher: Teacher | None, report: ProgressCallback
) -> tuple[Scan, npt.NDArray[np.uint8] | None]:
    """Looks at all frames, one by one.

    Args:
        footage: the frames.
        settings: of the fit; how long groups are.
        teacher: what embeds the frames; None for no embeddings.
        report: takes progress.

    Returns:
        What was found, and the frames (T, H, W, 3) where they are one group; of a fit without steps those of any
        video that fits in memory.

    Raises:
        InputError: there is no frame, or the file cannot be read.
    """
    return (_scan_once if settings.at_once else _scan_all)(footage, settings, teacher, report)


def _scan_all(
    footage: Footage, settings: FitConfig, teacher: Teacher | None, report: ProgressCallback
) -> tuple[Scan, npt.NDArray[np.uint8] | None]:
    """`scan` for a fit of steps: all frames are shown to the teacher, and those of one group kept."""
    expected = footage.expected
    planner: GroupPlanner | None = None
    most = 1
    held: list[npt.NDArray[np.uint8]] | None = []  # all frames, as long as they may be one group
    waiting: list[npt.NDArray[np.uint8]] = []  # for the teacher
    embeddings: list[npt.NDArray[np.float16]] = []
    size = 0, 0

    def ask(frames: list[npt.NDArray[np.uint8]]) -> None:
        if teacher is not None and frames:
            embeddings.append(_embedded(teacher, np.stack(frames)).astype(np.float16))
        frames.clear()

    for count, frame in enumerate(footage.frames(), 1):
        if planner is None:
            size = frame.shape[0], frame.shape[1]
            planner = _planner(settings, size)
            most = planner.most
        planner.add(frame)
        if held is not None:
            held.append(frame)
            if count > most:
                waiting, held = held, None
        else:
            waiting.append(frame)
        if held is None and len(waiting) >= _TOGETHER:
            ask(waiting)
        if count % _TOGETHER == 0:
            report(FitProgress("scan", count, max(expected or 0, count)))
    plan = _plan_of(planner, footage, report)
    if held is not None and len(plan.spans) == 1:
        frames, targets = np.stack(held), None
        if teacher is not None:
            report(FitProgress("embed", 0, 1))
            targets = _embedded(teacher, frames)
        return _found(footage, plan, size, targets), frames
    ask([*(held or ()), *waiting])
    return _found(footage, plan, size, np.concatenate(embeddings) if embeddings else None), None


def _scan_once(
    footage: Footage, settings: FitConfig, teacher: Teacher | None, report: ProgressCallback
) -> tuple[Scan, npt.NDArray[np.uint8] | None]:
    """`scan` for a fit without steps, of which reading and embedding would be most: few frames are shown, all kept."""
    expected, size = footage.expected, (0, 0)
    planner: GroupPlanner | None = None
    held: list[npt.NDArray[np.uint8]] | None = []
    glances = None if teacher is None else Glances(partial(_embedded, teacher))
    for count, frame in enumerate(footage.frames(), 1):
        if planner is None:
            size = frame.shape[0], frame.shape[1]
            planner = _planner(settings, size)
        planner.add(frame)
        if glances is not None:
            glances.add(count - 1, frame, planner.cuts)
        if held is not None:
            held.append(frame)
            if count > planner.most and count * frame.nbytes > _MOST_KEPT:
                held = None
        if count % _TOGETHER == 0:
            report(FitProgress("scan", count, max(expected or 0, count)))
    plan = _plan_of(planner, footage, report)
    found = None if glances is None else glances.finish(plan.cuts)
    return _found(footage, plan, size, found), None if held is None else np.stack(held)


def _plan_of(planner: GroupPlanner | None, footage: Footage, report: ProgressCallback) -> Plan:
    """The plan of all frames, once they were seen; what was odd about them is told."""
    if planner is None:
        raise InputError(f"{footage.name}: there are no frames in it")
    plan = planner.finish()
    tell(report, [*footage.warnings, *footage.notes])
    return plan


def _found(footage: Footage, plan: Plan, size: tuple[int, int], embeddings: npt.NDArray[Any] | None) -> Scan:
    return Scan(plan, size, footage.fps, footage.warnings, embeddings, footage.times, footage.pixel_aspect)


def _embedded(teacher: Teacher, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.floating[Any]]:
    """What a teacher, which may be the user's own, sees in frames: (T, E).

    Raises:
        InputError: it gives something else, or other numbers than it says.
    """
    found = np.asarray(teacher.embed_frames(frames))
    wide = getattr(teacher, "embedding_dim", None)
    fits = found.ndim == 2 and len(found) == len(frames) and wide in (None, found.shape[1])
    if not fits or found.dtype.kind != "f" or not np.isfinite(found).all():
        raise InputError(
            f"the teacher's embed_frames gives {found.dtype} of shape {found.shape} for {len(frames)} frames, where "
            f"({len(frames)}, {wide or 'E'}) finite floating-point numbers are needed"
        )
    return found


def _planner(settings: FitConfig, size: tuple[int, int]) -> GroupPlanner:
    return GroupPlanner(settings.group_frames, most_frames(*size), settings.similar, settings.max_depth)
