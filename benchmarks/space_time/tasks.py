"""The tasks of `space_time`: what is kept of a clip, what is asked for, and what can be answered without a fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fiftyone_latent_inr.frames.resize import area_resize

from . import baselines

Video = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Task:
    """What is taken from the frames of a clip, and what is asked for.

    Attributes:
        name: in the record.
        frames: the first ones of a clip are used.
        every: of these every so-manyth is kept, and those in between are asked for; or
        scale: all are made smaller by this factor, and asked for at their size.
    """

    name: str
    frames: int
    every: int = 1
    scale: int = 1

    def given(self, frames: Video) -> Video:
        """What a fit may see."""
        if self.scale > 1:
            return area_resize(frames, (frames.shape[1] // self.scale, frames.shape[2] // self.scale))
        return frames[:: self.every]

    def asked(self, frames: Video) -> Video:
        """The truth: all frames, or those between two kept ones."""
        return frames if self.scale > 1 else frames[self._held_out(len(frames))]

    def times(self, num_frames: int) -> list[float]:
        """When the frames between were, in units of kept frames."""
        return [k / self.every for k in self._held_out(num_frames)]

    def _held_out(self, num_frames: int) -> list[int]:
        last = (num_frames - 1) // self.every * self.every
        return [k for k in range(last) if k % self.every]


TASKS = (Task("every 2nd", 33, every=2), Task("every 4th", 33, every=4), Task("x2", 32, scale=2))


def crop_tasks(frames: int) -> tuple[Task, ...]:
    """The literature's tasks for Bunny, as far as there are frames between kept ones."""
    between = [Task(f"every {k}{'nd' if k == 2 else 'th'}", frames, every=k) for k in (2, 4, 8) if k < frames]
    return (*between, *(Task(f"x{k}", frames, scale=k) for k in (2, 4)))


@dataclass(frozen=True)
class Clip:
    """Where frames come from.

    Attributes:
        path: a video, or a `.npy` of uint8 (T, H, W, 3).
        size: (H, W) to resize to by area averaging; None keeps them.
        crop: (H, W) to cut from the middle before that.
    """

    path: Path
    size: tuple[int, int] | None
    crop: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    def read(self, num: int) -> Video:
        """The first `num` frames, or all where there are fewer."""
        if self.path.suffix == ".npy":
            frames = np.load(self.path, mmap_mode="r")[:num]
        else:
            from fiftyone_latent_inr import video

            size = None if self.crop else self.size
            frames = video.read(self.path, size=size, max_frames=num).array
        if self.crop:
            top, left = ((have - wanted) // 2 for have, wanted in zip(frames.shape[1:3], self.crop, strict=True))
            frames = frames[:, max(top, 0) :, max(left, 0) :][:, : self.crop[0], : self.crop[1]]
        frames = np.ascontiguousarray(frames)
        return area_resize(frames, self.size) if self.size else frames


def trivial_answers(task: Task, frames: Video) -> Iterator[tuple[str, Video]]:
    """(name, what it draws) for a task; without OpenCV only those that can be."""
    given = task.given(frames)
    if task.scale > 1:
        for how in baselines.ENLARGEMENTS if baselines.HAS_OPENCV else ():
            yield how, baselines.enlarge(given, (frames.shape[1], frames.shape[2]), how)
        return
    times = task.times(len(frames))
    yield "blend", baselines.blend(given, times)
    yield "nearest", baselines.nearest(given, times)
    if baselines.HAS_OPENCV:
        yield "flow", baselines.flow(given, times)
