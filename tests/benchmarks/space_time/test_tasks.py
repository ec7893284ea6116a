"""Tasks: what a fit may see of a clip, and what it is asked for."""

from __future__ import annotations

import numpy as np
from media import moving_square

from benchmarks.space_time.tasks import TASKS, Task, crop_tasks
from fiftyone_latent_inr.frames.resize import area_resize

FRAMES = moving_square(9, 48, 64)


def test_frames_between_are_those_between_kept_ones() -> None:
    frames = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)
    task = Task("every 4th", 12, every=4)
    assert task.given(frames).ravel().tolist() == [0, 4, 8]
    assert task.asked(frames).ravel().tolist() == [1, 2, 3, 5, 6, 7]
    assert task.times(12) == [0.25, 0.5, 0.75, 1.25, 1.5, 1.75]
    assert [len(task.times(132)) for task in crop_tasks(132)[:3]] == [65, 96, 112]


def test_larger_frames_come_from_area_averages() -> None:
    task = TASKS[2]
    assert np.array_equal(task.given(FRAMES), area_resize(FRAMES, (24, 32))) and task.asked(FRAMES) is FRAMES
