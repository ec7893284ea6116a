"""One video among many that are fitted together: its groups of frames, what they are fitted with, and its file."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from ..errors import InputError
from ..fitting import FitConfig, Fitted
from ..fitting.batch import Task
from ..fitting.prior_start import prior_start
from ..fitting.start import Start
from ..latent_video.video import LatentVideo, from_bytes, to_bytes
from ..progress import FitProgress
from ..video.footage import Footage, Source
from .checkpoint import Checkpoint
from .fit import _METRICS_BYTES, _measure
from .fit_parts import motion_between
from .scan import Scan, scan
from .video_fit import Tensors, _LongFit

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..semantics.teachers import Teacher

Frames = npt.NDArray[np.uint8]

# Bytes of frames that one video may hold in memory.
_MOST_BYTES = 2 << 30


class TooLongError(InputError):
    """A video that `fit` reads group by group, and that cannot be fitted together with others."""


class Video(Protocol):
    """A video under way; its methods may be called from any thread, and take no part in each other's numbers."""

    bytes: int

    def first(self) -> list[int]:
        """The groups that start from no other."""

    def prepare(self, index: int) -> tuple[int, Task]:
        """A group and all that it is fitted with."""

    def keep(self, index: int, fitted: Fitted) -> list[int]:
        """Stores a group and gives those that may start now."""

    @property
    def is_done(self) -> bool:
        """Whether all groups are kept."""

    def finish(self) -> LatentVideo:
        """The fitted video."""

    def share(self, index: int) -> float:
        """How much of the video's work a group is."""


def open_video(
    source: Source,
    settings: FitConfig,
    teacher: Teacher | None,
    prior: Prior | None,
    size: tuple[int, int] | None,
    max_frames: int | None,
    seed: int,
    device: torch.device,
) -> Video:
    """Reads a video, shows it to the teacher, and plans its groups; arguments as those of `fit`, the prior on `device`.

    Raises:
        InputError: it cannot be read.
        TooLongError: it is too long to be held in memory.
    """
    start = time.monotonic()
    footage = Footage(source, size, max_frames)
    frames, held = [], 0
    for frame in footage.frames():
        held += frame.nbytes
        if held > _MOST_BYTES:
            raise TooLongError(f"{_named(source)}: it is too long to be held in memory")
        frames.append(frame)
    if not frames:
        raise InputError(f"{_named(source)}: there are no frames in it")
    if any(frame.shape != frames[0].shape for frame in frames):
        raise InputError(f"{_named(source)}: its frames are of several sizes; choose one (size=)")
    still = Footage(np.stack(frames), fps=footage.fps)
    found, together = scan(still, settings, teacher, _ignore)
    found = replace(found, warnings=footage.warnings)
    notes: dict[str, Any] = {
        "preset": settings.preset,
        "teacher": None if teacher is None else teacher.name,
        "teacher_id": None if teacher is None else teacher.id,
    }
    kept = {
        "seed": seed,
        **({} if prior is None else {"started_from": prior.id}),
        **({"warnings": list(found.warnings)} if found.warnings else {}),
    }
    if together is None:
        notes["metadata"] = {"config": settings.digest(), **kept}
        return _Long(still, found, settings, prior, seed, device, notes)
    notes["metadata"] = {"config": settings.digest(), "steps": settings.steps_for(*together.shape[:3]), **kept}
    targets = None if teacher is None else torch.from_numpy(teacher.embed_frames(together))
    return _Short(together, found, settings, targets, prior, seed, device, notes, start)


class _Short:
    """A video of one group of frames."""

    def __init__(
        self,
        frames: Frames,
        scan: Scan,
        settings: FitConfig,
        targets: torch.Tensor | None,
        prior: Prior | None,
        seed: int,
        device: torch.device,
        notes: dict[str, Any],
        start: float,
    ) -> None:
        self.bytes = 2 * frames.nbytes
        self._frames, self._cuts, self._settings, self._targets = frames, scan.plan.cuts, settings, targets
        self._prior, self._seed, self._device, self._start = prior, seed, device, start
        self._notes = {**notes, "fps": scan.fps, "cuts": scan.plan.cuts}
        self._fitted: Fitted | None = None
        self._seconds = 0.0

    def first(self) -> list[int]:
        return [0]

    def prepare(self, index: int) -> tuple[int, Task]:
        pixels = torch.from_numpy(self._frames)
        count, height, width, _ = self._frames.shape
        embedding = 0 if self._targets is None else self._targets.shape[1]
        shape = self._settings.architecture.for_video(count, height, width, embedding)
        return index, Task(
            pixels,
            shape,
            self._targets,
            motion_between(self._frames, pixels, self._cuts, self._settings, _ignore),
            self._seed,
            start=None if self._prior is None else prior_start(self._prior.networks, pixels, shape, self._seed),
            size_of=lambda model, steps: len(to_bytes(model, steps=steps, **self._notes)) + _METRICS_BYTES,
        )

    def keep(self, index: int, fitted: Fitted) -> list[int]:
        self._fitted, self._seconds = fitted, time.monotonic() - self._start
        return []

    @property
    def is_done(self) -> bool:
        return self._fitted is not None

    def finish(self) -> LatentVideo:
        fitted = self._fitted
        assert fitted is not None
        pack = partial(to_bytes, fitted.model, steps=fitted.steps, bits=self._settings.bits, **self._notes)
        measured = _measure(fitted, from_bytes(pack()), self._frames, self._targets, self._device)
        measured["seconds"] = self._seconds
        return from_bytes(pack(metrics=measured))

    def share(self, index: int) -> float:
        return 1.0


class _Long:
    """A video of several groups, some of which start from earlier ones."""

    def __init__(
        self,
        footage: Footage,
        scan: Scan,
        settings: FitConfig,
        prior: Prior | None,
        seed: int,
        device: torch.device,
        notes: dict[str, Any],
    ) -> None:
        assert isinstance(footage.source, np.ndarray)
        self.bytes = 2 * footage.source.nbytes
        self._pixels, self._spans, self._plan = footage.source, scan.plan.spans, scan.plan
        self._settings, self._seed, self._device, self._notes = settings, seed, device, notes
        self._checkpoint = Checkpoint(None, "")
        self._job = _LongFit(footage, scan, settings, self._checkpoint, seed, device, _ignore, prior)
        self._parents: dict[int, Tensors | None] = {}
        self._begun: dict[int, float] = {}
        self._kept: set[int] = set()
        self._lock = Lock()

    def first(self) -> list[int]:
        return [k for k, span in enumerate(self._spans) if span.parent is None]

    def prepare(self, index: int) -> tuple[int, Task]:
        self._begun[index] = time.monotonic()
        job, span, frames = self._job, self._spans[index], self._frames(index)
        pixels, shape = torch.from_numpy(frames), job._shape(span)
        parent: Tensors | None = None
        start: Start | None = None
        if span.parent is not None:
            with self._lock:  # it keeps a few in a cache
                parent, steps = job._group(span.parent)
            start = Start(parent, steps, torch.from_numpy(self._plan.nearest(index, frames)))
        elif job.prior is not None:
            start = prior_start(job.prior.networks, pixels, shape, self._seed + index)
        self._parents[index] = parent
        return index, Task(
            pixels,
            shape,
            job._targets(span),
            motion_between(frames, pixels, job._cuts(span), self._settings, _ignore),
            self._seed + index,
            job.head,
            start,
            lambda model, steps: job._size(model, steps, parent),
        )

    def keep(self, index: int, fitted: Fitted) -> list[int]:
        self._job.keep(index, self._frames(index), fitted, self._parents.pop(index), self._begun[index])
        self._kept.add(index)
        return [k for k, span in enumerate(self._spans) if span.parent == index]

    @property
    def is_done(self) -> bool:
        return len(self._kept) == len(self._spans)

    def finish(self) -> LatentVideo:
        return self._job.video(self._notes)

    def share(self, index: int) -> float:
        return self._spans[index].count / len(self._pixels)

    def _frames(self, index: int) -> Frames:
        span = self._spans[index]
        return self._pixels[span.first : span.first + span.count]


def _named(source: Source) -> str:
    return f"frames {source.shape}" if isinstance(source, np.ndarray) else str(source)


def _ignore(event: FitProgress) -> None:
    """Progress of a part: what is told are the steps of all."""
