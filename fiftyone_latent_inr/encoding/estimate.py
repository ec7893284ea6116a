"""How long a fit will take, before it begins."""

from __future__ import annotations

import math

from ..devices import pick_device
from ..fitting import FitConfig, resolve

# Of `instant`, on any device: looking for motion, and everything else. The teacher's time is not in it.
_SECONDS_OF_FRAME, _SECONDS_OF_PIXEL = 0.018, 2.3e-7


def estimate_seconds(
    preset: str,
    num_frames: int,
    height: int,
    width: int,
    device: str | None = None,
    config: FitConfig | None = None,
) -> float:
    """Roughly how many wall seconds a fit takes; from steps alone, good to a factor of about two.

    Args:
        preset: name of a preset; ignored where `config` is given.
        num_frames: T.
        height: H in pixels.
        width: W in pixels.
        device: as in `fit`.
        config: settings to use instead of the preset's.
    """
    settings = resolve(preset, config)
    if settings.at_once:
        return _SECONDS_OF_FRAME * num_frames + _SECONDS_OF_PIXEL * num_frames * height * width
    groups = 1 if num_frames <= settings.group_frames * 9 // 4 else num_frames / settings.group_frames
    steps = groups * settings.steps_for(math.ceil(num_frames / groups), height, width)
    on_gpu = pick_device(device).type != "cpu"
    # drawing grows with the points of a step, planes and layers, the optimiser and the rate with the grids
    planes = settings.architecture.planes
    points = settings.points_per_step / settings.architecture.patch**2 * settings.architecture.layers / 3
    step = 0.008 if on_gpu else 4e-7 * points * (1 + planes) + 3e-8 * planes * height * width
    between = 0.002 if on_gpu else 1e-6 * settings.points_per_step
    drawing = num_frames * height * width * (5e-9 if on_gpu else 6e-7)
    return steps * (step + settings.between * between) + 2 * drawing
