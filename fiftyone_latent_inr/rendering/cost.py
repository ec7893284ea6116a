"""What drawing costs, told from a configuration and a size before anything is drawn."""

from __future__ import annotations

import math

from ..model import ModelConfig
from ..model.patch import places

# In multiply-adds of a network's layers, as long as they take on a core of a CPU: what a value that is read from a grid
# takes, and what a point takes besides, of writing its colour and of moving numbers.
_READING, _POINT = 100, 2000
# Of what a frame may cost, the share up to which smaller pictures are averages of the fitted frame; beyond, the share
# that is spent on them.
_EXACT, _SPENT = 1 / 2, 1 / 12
# Points of a fitted frame that are drawn for a smaller picture: those of 4K, as numbers of 32 bits.
_MOST_POINTS = 9_000_000


def point_cost(config: ModelConfig) -> float:
    """Multiply-adds of one point of a frame, or of one patch."""
    weights = config.samples * config.hidden + sum(i * o for i, o in config.layer_sizes[1:])
    warps = 4 * config.planes * config.warp_cols if config.warp_rows else 0
    return weights + warps + _READING * config.samples + _POINT


def stand_in(config: ModelConfig, size: tuple[int, int], most: float) -> tuple[int, int]:
    """The size in whose place a frame is drawn for a picture of a smaller one: its own, unless that costs too much.

    Args:
        config: of the model.
        size: (H, W) of the picture.
        most: multiply-adds that a frame may take, or infinity.

    Returns:
        (H, W), each side at most the model's, and at least the smaller of the model's and the picture's.
    """
    own, cost = (config.height, config.width), point_cost(config)
    wanted = math.prod(places(own, config.patch))
    if most == math.inf or (wanted * cost <= _EXACT * most and math.prod(own) <= _MOST_POINTS):
        return own
    share = min(1.0, math.sqrt(min(_SPENT * most / cost, _MOST_POINTS) / math.prod(own)))
    height, width = (max(min(n, asked), math.ceil(n * share)) for n, asked in zip(own, size, strict=True))
    return height, width


def frame_cost(config: ModelConfig, size: tuple[int, int], most: float) -> float:
    """Multiply-adds to draw a frame at a size (H, W); arguments as those of `stand_in`."""
    own, cost = (config.height, config.width), point_cost(config)
    base = stand_in(config, size, most)
    points = float(math.prod(places(own, config.patch) if base == own else base))
    large = max(base[0], size[0]), max(base[1], size[1])
    if large != base:  # those of patches are drawn at their own size, and resampled
        points += math.prod(large) * (1 if config.patch == 1 else _POINT / cost)
    predicted = sum(config.heads.values())
    once = config.latent_dim * config.trunk_width + config.bottleneck * predicted + frame_numbers(config, base[0])
    bent = 2 * config.planes * base[0] * config.warp_rows * config.warp_cols  # what warps are at its rows
    return points * cost + config.rank * once + bent


def frame_numbers(config: ModelConfig, height: int) -> int:
    """How many numbers a frame's own networks are, for a drawing of so many rows: weights, mixed grids, warps."""
    mixed = sum(n.channels * n.rows * n.cols for n in config.levels if n.copies > 1)
    warps = height * (4 * config.warp_cols + 4) if config.warp_rows else 4 * height
    return sum(i * o for i, o in config.layer_sizes) + config.planes * (mixed + warps)
