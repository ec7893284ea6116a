"""How many groups of frames a card holds; out of memory, fewer of them, then fewer pixels a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch

from ..devices import ADVICE, MemoryTooSmallError, unless_full
from ..fitting import FitConfig, Fitted
from ..model import ModelConfig

# Pixels of a step below which a fit that does not fit into a card's memory is given up.
_LEAST_POINTS = 2048
# More networks than this at once gain nothing: a card has enough to do with each step.
_MOST_TOGETHER = 64
# Share of a card's free memory that a batch may take by the estimate, which is a rough one.
_SHARE = 0.5

Task = TypeVar("Task")


def fit_in_memory(
    run: Callable[[Sequence[Task], FitConfig], list[Fitted]], tasks: Sequence[Task], config: FitConfig
) -> list[Fitted]:
    """Runs a fit, and runs it again where a card's memory was too small: of half the groups, then at half the pixels.

    Args:
        run: fits groups together, or one alone.
        tasks: the groups, or what makes them.
        config: of the fit.

    Returns:
        What `run` gives, for all of the tasks or for the first ones.

    Raises:
        MemoryTooSmallError: the memory is too small for one group with few pixels a step.
    """
    while True:
        fitted = unless_full(partial(run, tasks, config))
        if fitted is not None:
            return fitted
        if len(tasks) > 1:
            tasks = tasks[: len(tasks) // 2]
        elif config.points_per_step > _LEAST_POINTS:
            config = replace(config, points_per_step=config.points_per_step // 2)
        else:
            raise MemoryTooSmallError(f"the GPU's memory is too small for this video; {ADVICE}")


def most_together(shape: ModelConfig, config: FitConfig, device: torch.device) -> int:
    """Groups of a shape that are fitted at once: 1 on a CPU, where more gain little, else as many as the card holds."""
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(1, min(_MOST_TOGETHER, int(_SHARE * free / bytes_of_one(shape, config))))


def bytes_of_one(shape: ModelConfig, config: FitConfig) -> int:
    """Roughly the memory that a group takes in a batch: numbers, what a step keeps for its gradient, and frames."""
    numbers = 4 * 16 * shape.num_parameters
    points = config.points_per_step / shape.patch**2
    # values that a point passes through, forward and backward
    step = 4 * 4 * points * (shape.samples + shape.layers * shape.hidden + 12 * shape.planes + 60)
    # frames and their motion, twice while they are put together; the motion of the drawn gaps, as floats
    pixels = shape.num_frames * shape.height * shape.width
    drawn = min(config.max_frames_per_step, shape.num_frames) * shape.height * shape.width
    return int(numbers + step + 12 * pixels + 24 * drawn * (config.between > 0))
