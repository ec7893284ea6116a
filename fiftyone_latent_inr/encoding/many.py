"""`fit_many`: several videos at once, their groups of frames fitted together, as many as the device has room for.

threads:   frames --scan, teacher--> video --> its groups' motion -->|
main:                                                   groups of one shape --fitted together-->|
threads:                                       stored, measured <--|--> groups that start from them
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .. import arguments
from ..devices import MemoryTooSmallError, is_memory_full, one_thread, or_too_small
from ..errors import InputError, bare
from ..fitting import FitConfig, Fitted, GroupTask, resolve
from ..fitting.batch import fit_together
from ..latent_video.video import LatentVideo
from ..progress import FitProgress, ProgressCallback, drive, lets_listener_raise, reporting, silent
from ..torch_settings import plain_torch
from ..video.footage import Footage, Source
from .choose_prior import NO_PRIOR
from .fit import fit
from .memory import fit_in_memory, most_together
from .request import FitRequest
from .scan import scan
from .video_fit import VideoFit

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..semantics.teachers import Teacher

# Seconds that a thread may keep others from running Python.
_SWITCH = 2e-4
# Bytes of frames of videos that are being fitted or wait for it, and of one video.
_MOST_HELD, _MOST_BYTES = 6 << 30, 2 << 30


@lets_listener_raise
def fit_many(  # noqa: PLR0913
    sources: Sequence[Source],
    *,
    preset: str = "balanced",
    config: FitConfig | None = None,
    teacher: str | Teacher | None = None,
    prior: str | Prior | None = None,
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
    device: str | None = None,
    seed: int = 0,
    progress: bool | ProgressCallback = True,
    together: int | None = None,
    fps: float | None = None,
) -> list[LatentVideo | InputError]:
    """Fits videos, many at once on a GPU, where one alone leaves most of the card idle.

    Groups of frames of the same size are fitted as one batch of networks, across videos; the next videos are decoded
    and shown to the teacher meanwhile, and finished ones are stored and measured.

    Args:
        sources: paths of videos or of folders of images, or frames, uint8 (T, H, W, 3) RGB; of any size and length.
        preset: as in `fit`, like all others that are not named here.
        config: settings to use instead of the preset's.
        teacher: what the latents are aligned with.
        prior: pretrained networks to start from.
        size: (H, W) to resize to.
        max_frames: fit the first frames only.
        device: torch device; by default the GPU where there is one.
        seed: of every video, as if each were fitted alone.
        progress: a bar on standard error, a callback for `FitProgress` events, or nothing. A step is a thousandth
            of a video.
        together: groups of frames to fit at once; by default 1 on the CPU, where more gain little, and on a GPU
            as many as its memory holds. Of a size for which memory runs out, half as many.
        fps: frames a second of those that are images or arrays.

    Returns:
        A video for each source, in their order. Where a source cannot be fitted, the `InputError` that says why is
        in its place, and costs the others nothing. With one group at a time each video is what `fit` gives; with
        more it is so up to rounding, and on a GPU the pixels drawn are others.

    Raises:
        InputError: an argument is bad for all of them.
        TeacherUnavailableError: the teacher's weights cannot be had.

    Example:
        >>> videos = linr.fit_many(["a.mp4", "b.mp4"], preset="fast")       # doctest: +SKIP
        >>> failed = [v for v in videos if isinstance(v, linr.InputError)]  # doctest: +SKIP
    """
    if isinstance(sources, str | os.PathLike) or not hasattr(sources, "__len__") or getattr(sources, "ndim", 5) < 5:
        raise InputError("sources must be a list of videos: paths, or frames (T, H, W, 3) each; fit takes one")
    # what is wrong for all is known before the first
    size = None if size is None else arguments.side_lengths("size", size)
    max_frames = None if max_frames is None else arguments.whole("max_frames", max_frames, 1)
    together = None if together is None else arguments.whole("together", together, 1)
    began = time.monotonic()
    settings = resolve(preset, config)
    with ExitStack() as stack:
        report = stack.enter_context(reporting(progress, began))
        stack.enter_context(plain_torch())
        request = FitRequest.settle([settings], report, teacher=teacher, prior=prior, device=device, seed=seed)
        # also beside a card: what several threads do is not split once more, over a thread for each core
        stack.enter_context(one_thread(torch.device("cpu")))
        run = _Run([partial(Footage, source, size, max_frames, fps) for source in sources], request, together, report)
        interval = sys.getswitchinterval()
        # a step is hundreds of short calls: threads that work beside it must not keep it waiting at each
        sys.setswitchinterval(_SWITCH)
        try:
            run.all()
        finally:
            sys.setswitchinterval(interval)
            run.close()
        for place in run.too_long:
            options: dict[str, Any] = {
                "size": size,
                "max_frames": max_frames,
                "seed": seed,
                "progress": report,
                "fps": fps,
            }
            options |= {"teacher": request.teacher, "prior": request.prior or NO_PRIOR, "device": str(request.device)}
            try:
                run.results[place] = fit(sources[place], config=settings, **options)
            except InputError as error:
                run.results[place] = bare(error)
        return [one for one in run.results if one is not None]


class _TooLongError(InputError):
    """A video that `fit` reads group by group, and that cannot be fitted together with others."""


def _open(request: FitRequest, footage: Callable[[], Footage]) -> VideoFit:
    """Reads a video, shows it to the teacher, and plans its groups.

    Raises:
        InputError: it cannot be read.
        _TooLongError: it is too long to be held in memory.
    """
    began, source = time.monotonic(), footage()
    frames, held = [], 0
    for frame in source.frames():
        held += frame.nbytes
        if held > _MOST_BYTES:
            raise _TooLongError(f"{source.name}: it is too long to be held in memory")
        frames.append(frame)
    if not frames:
        raise InputError(f"{source.name}: there are no frames in it")
    if any(frame.shape != frames[0].shape for frame in frames):
        raise InputError(f"{source.name}: its frames are of several sizes; choose one (size=)")
    source.check_unchanged()
    whole = np.stack(frames)
    found, _ = scan(Footage(whole, fps=source.fps), request.config, request.teacher, silent)
    found = replace(found, warnings=source.warnings, times=source.times, pixel_aspect=source.pixel_aspect)
    return VideoFit(request, found, frames=whole, began=began)


@dataclass(frozen=True)
class _Job:
    """What a thread does for a video."""

    kind: str
    place: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __call__(self) -> Any:
        return self.function(*self.arguments)


@dataclass
class _Ready:
    """A group of frames that may be fitted at once."""

    place: int
    video: VideoFit
    index: int
    task: GroupTask


def _prepare(place: int, video: VideoFit, index: int) -> _Ready:
    return _Ready(place, video, index, video.prepare(index))


class _Run:
    """Videos under way."""

    def __init__(
        self,
        sources: Sequence[Callable[[], Footage]],
        request: FitRequest,
        together: int | None,
        report: ProgressCallback,
    ) -> None:
        self.request, self.config, self.device, self.report = request, request.config, request.device, report
        self.together = together
        # of kinds of groups that were too many at once for the memory
        self._room: dict[tuple[Any, ...], int] = {}
        self.results: list[LatentVideo | InputError | None] = [None] * len(sources)
        self._waiting = deque(enumerate(sources))
        self._videos: dict[int, VideoFit] = {}
        self._finishing: set[int] = set()
        self.too_long: list[int] = []
        self._ready: list[_Ready] = []
        # On a CPU one thread is all that may be taken from the fit
        workers = 1 if self.device.type == "cpu" else min(8, max(2, (os.cpu_count() or 2) // 2))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="fit_many")
        self._jobs: dict[Future[Any], _Job] = {}
        # jobs for which the card's memory was too small beside what else is done there
        self._put_off: list[_Job] = []
        self._done = 0.0  # videos, with fractions

    def all(self) -> None:
        """Fits everything but what is too long."""
        self._begin_videos()
        while self._jobs or self._ready or self._put_off:
            batch = self._batch()
            if batch is None and not self._jobs:
                self._try_alone(self._put_off.pop())
                continue
            if batch is None:
                self._collect(wait(self._jobs, return_when=FIRST_COMPLETED).done)
                continue
            self._fit(batch)
            self._collect({job for job in self._jobs if job.done()})

    def close(self) -> None:
        """Ends the threads; what has not been begun is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin_videos(self) -> None:
        """Has the next videos decoded, as many as may be needed soon and as memory allows."""
        opening = sum(job.kind == "open" for job in self._jobs.values())
        held = sum(video.bytes for video in self._videos.values())
        most = 2 * self._most(self._ready[0].task) if self._ready else 2 * (self.together or 4)
        while self._waiting and opening + len(self._videos) < most and held < _MOST_HELD:
            place, source = self._waiting.popleft()
            self._submit("open", place, _open, self.request, source)
            opening += 1
            held += max((video.bytes for video in self._videos.values()), default=0)

    def _submit(self, kind: str, place: int, function: Callable[..., Any], *arguments: Any) -> None:
        job = _Job(kind, place, function, arguments)
        self._jobs[self._pool.submit(job)] = job

    def _try_alone(self, job: _Job) -> None:
        """What found the card's memory full, with nothing beside it; full again, the video is given up."""
        try:
            result = or_too_small(job, "this video")
        except InputError as error:
            self._take_error(job, error)
        else:
            self._take(job, result)
        self._begin_videos()

    def _collect(self, finished: set[Future[Any]]) -> None:
        """Takes what threads have done, and gives them what follows from it."""
        for future in finished:
            job = self._jobs.pop(future)
            try:
                result = future.result()
            except Exception as error:
                if is_memory_full(error):
                    self._put_off.append(job)
                elif isinstance(error, InputError):
                    self._take_error(job, error)
                else:
                    raise
                continue
            self._take(job, result)
        self._begin_videos()

    def _take(self, job: _Job, result: Any) -> None:
        """What a job gives, and what follows from it."""
        place = job.place
        if job.kind == "open":
            self._videos[place] = result
            self._prepare(place, result.ready())
        elif job.kind == "prepare" and place in self._videos:
            self._ready.append(result)
        elif job.kind == "keep" and place in self._videos:
            self._prepare(place, result)
            if self._videos[place].is_done and place not in self._finishing:
                self._finishing.add(place)
                self._submit("finish", place, self._videos[place].finish)
        elif job.kind == "finish":
            self.results[place] = result
            self._videos.pop(place, None)

    def _take_error(self, job: _Job, error: InputError) -> None:
        if isinstance(error, _TooLongError):
            self.too_long.append(job.place)
        else:
            self._fail(job.place, error)

    def _prepare(self, place: int, groups: Sequence[int]) -> None:
        for index in groups:
            self._submit("prepare", place, _prepare, place, self._videos[place], index)

    def _fail(self, place: int, error: InputError) -> None:
        self.results[place] = bare(error)
        self._videos.pop(place, None)
        self._ready = [one for one in self._ready if one.place != place]
        self._put_off = [job for job in self._put_off if job.place != place]

    def _batch(self) -> list[_Ready] | None:
        """Groups to fit now; None where it is better, or needed, to wait for more."""
        kinds: dict[tuple[Any, ...], list[_Ready]] = {}
        for one in self._ready:
            kinds.setdefault(one.task.key, []).append(one)
        if not kinds:
            return None
        best = max(kinds.values(), key=len)
        most = self._most(best[0].task)
        if len(best) < most and self._jobs:
            return None
        # of about equal length, since all take the steps of the longest; the longest first, which others may wait for
        best.sort(key=lambda one: -one.task.steps(self.config))
        return best[:most]

    def _most(self, task: GroupTask) -> int:
        """Groups like this one to fit at once."""
        most = self.together or most_together(task.shape, self.config, self.device)
        return min(most, self._room.get(task.key, most))

    def _fit(self, batch: list[_Ready]) -> None:
        """Fits groups together, or as many of them as the memory allows."""
        fitted: list[Fitted] = []
        try:
            fitted = fit_in_memory(partial(self._fitted, batch), [one.task for one in batch], self.config)
        except MemoryTooSmallError as refusal:
            self._fail(batch[0].place, refusal)
        if len(fitted) < len(batch):
            self._room[batch[0].task.key] = max(len(fitted), 1)
        for one, result in zip(batch, fitted, strict=False):
            self._ready.remove(one)
            self._submit("keep", one.place, one.video.keep, one.index, result)

    def _fitted(self, batch: list[_Ready], tasks: Sequence[GroupTask], config: FitConfig) -> list[Fitted]:
        shares = sum(one.video.share(one.index) for one in batch[: len(tasks)])
        begun = self._done

        def heard(event: FitProgress) -> None:
            self._done = begun + shares * event.step / event.total_steps
            total = len(self.results)
            left = event.seconds_left
            if left is not None and self._done > begun:
                left = event.seconds / (self._done - begun) * (total - self._done)
            self.report(replace(event, step=round(1000 * self._done), total_steps=1000 * total, seconds_left=left))

        try:
            return drive(fit_together(tasks, config, self.device), heard)
        except BaseException:
            self._done = begun
            raise
