"""Between latents: the curve through a dictionary's entries, and the cubic that it is made of."""

from __future__ import annotations

import torch
from torch import Tensor


def catmull_rom(zero: Tensor, one: Tensor, two: Tensor, three: Tensor, phase: Tensor) -> Tensor:
    """The cubic through `one` (phase 0) and `two` (phase 1) whose slopes there are those of their neighbours."""
    slope, bend = two - zero, 2 * zero - 5 * one + 4 * two - three
    return one + 0.5 * phase * (slope + phase * (bend + phase * (3 * (one - two) + three - zero)))


def latents_between(z: Tensor, scene: Tensor, times: Tensor) -> Tensor:
    """What `LatentINR.latents_at` gives, of a dictionary and the scene that each of its entries belongs to.

    Args:
        z: (T, D).
        scene: (T,) numbers that change where a scene begins.
        times: (B,) in [0, T - 1].

    Returns:
        (B, D).
    """
    last = len(z) - 1
    low = times.floor().long().clamp(0, last)
    high = (low + 1).clamp(max=last)
    phase = (times - low).to(z.dtype)[:, None]
    one, two = z[low], z[high]
    before, after = (low - 1).clamp(min=0), (high + 1).clamp(max=last)
    # at the ends of a scene the path goes on in a straight line
    has_before = (before < low) & (scene[before] == scene[low])
    has_after = (after > high) & (scene[after] == scene[high])
    zero = torch.where(has_before[:, None], z[before], 2 * one - two)
    three = torch.where(has_after[:, None], z[after], 2 * two - one)
    between = catmull_rom(zero, one, two, three, phase)
    nearer = torch.where(phase < 0.5, one, two)
    between = torch.where((scene[low] == scene[high])[:, None], between, nearer)
    return torch.where(phase > 0, between, one)
