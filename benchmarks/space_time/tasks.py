"""The tasks of `space_time`: what is kept of a clip, what is asked for, and what can be answered without a fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fiftyone_latent_inr.frames.resize import area_resize

from ..shared.clips import Video
from . import baselines


@dataclass(frozen=True)
class Task:
    """What is taken from the frames of a clip, and what is asked for.

    Attributes:
        name: name in the record.
        frames: number of a clip's first frames that are used.
        every: distance of the frames that are kept; those in between are asked for; or
        scale: factor by which all are made smaller; they are asked for at their size.
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
