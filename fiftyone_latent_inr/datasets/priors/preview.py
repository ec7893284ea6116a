"""What pretraining would do, told without doing it: for forms."""

from __future__ import annotations

from typing import Any

from fiftyone.core.collections import SampleCollection

from ...devices import pick_device
from ...errors import InputError
from ...pretraining.trainer import PretrainConfig
from ..originals import originals, require_originals
from ..samples import dataset_of, number_of
from ..teachers import check_teacher
from ..words import duration, video_count
from .known_priors import local_priors, priors_dir
from .pretrain_dataset import prior_name

# Seconds of a step of the default settings, of what draws and of what embeds: see "about half an hour of one core" in
# `pretraining.pretrain`.
_STEP_CPU, _STEP_GPU = (0.25, 0.09), (0.02, 0.01)


def read_steps(steps: Any) -> PretrainConfig:
    """The default settings with so many steps.

    Raises:
        InputError: they are not a whole number of at least 1.
    """
    if isinstance(steps, bool) or not isinstance(steps, int | float) or steps != int(steps):
        raise InputError(f"steps must be a whole number, not {steps!r}")
    return PretrainConfig(steps=int(steps))


def problems(samples: SampleCollection, options: dict[str, Any]) -> dict[str, str]:
    """Finds what would stop a pretraining: argument -> what is wrong with it.

    Args:
        samples: videos to pretrain on; the key of what is wrong with them is `samples`.
        options: what was filled in: `preset`, `steps`, `teacher`, `device`, `name`, `licence_field`.
    """
    try:
        dataset_of(samples, "pretrain")
        require_originals(samples, "give their files to pretrain in Python")
    except InputError as error:
        return {"samples": str(error)}
    found: dict[str, str] = {}
    try:
        read_steps(options["steps"])
    except InputError as error:
        found["steps"] = str(error)
    try:
        check_teacher(options["teacher"])
    except InputError as error:
        found["teacher"] = str(error)
    field = options["licence_field"]
    if field is not None and not samples.has_field(field):
        found["licence_field"] = f"there is no field {field!r}"
    return found


def pretrain_status(samples: SampleCollection, options: dict[str, Any]) -> str:
    """One line: how many videos, how long, and where the result goes.

    Args:
        samples: videos that `problems` has passed.
        options: what was filled in, see there.
    """
    name = prior_name(samples._root_dataset, options["preset"], options["name"])
    parts = [video_count(number_of(originals(samples)[0])), f"about {duration(pretrain_seconds(options))}"]
    there = name in local_priors()
    parts.append(f"{'replaces' if there else 'is stored as'} {priors_dir() / name}")
    return " · ".join(parts)


def pretrain_seconds(options: dict[str, Any]) -> float:
    """Estimated wall seconds of what was filled in, see `problems`."""
    try:
        each = _STEP_CPU if pick_device(options["device"]).type == "cpu" else _STEP_GPU
    except InputError:  # said when it runs, where the device may be there
        each = _STEP_GPU
    config = read_steps(options["steps"])
    seconds = each[0] * min(config.steps, config.drawing_steps)
    if options["teacher"] is not None:
        seconds += each[1] * config.steps
    return seconds
