"""Our model at a number of parameters: an `Architecture` scaled until it stores as many as asked for."""

from __future__ import annotations

from dataclasses import replace

from fiftyone_latent_inr.model import Architecture

_BISECTIONS = 40
_MOST_CHANNELS = 64


def at_most(base: Architecture, parameters: int, num_frames: int, height: int, width: int) -> Architecture:
    """`base` scaled to the largest model that stores at most `parameters` numbers of a video.

    The spacing of all grids is stretched or shrunk by one factor, so that the pyramid keeps its form; the planes, the
    field and the hypernetwork, where a number is used by every pixel, stay as they are. A node a pixel is the finest:
    where that leaves numbers over, levels get more channels first, and are stretched then.

    Raises:
        ValueError: even the coarsest grids are too many numbers.
    """

    def stretched(channels: float, factor: float) -> Architecture:
        levels = tuple(
            replace(level, spacing=level.spacing * factor, channels=max(1, round(level.channels * channels)))
            for level in base.levels
        )
        return replace(base, levels=levels)

    def numbers(architecture: Architecture) -> int:
        return architecture.for_video(num_frames, height, width).num_parameters

    finest = 1 / min(level.spacing for level in base.levels)
    coarsest = max(height, width) * finest
    least = numbers(stretched(1, coarsest))
    if least > parameters:
        raise ValueError(f"{parameters:,} parameters are too few: the coarsest grids of this model take {least:,}")
    channels = 1.0
    while numbers(stretched(channels, finest)) < parameters and channels < _MOST_CHANNELS:
        if numbers(stretched(channels + 0.5, coarsest)) > parameters:
            break
        channels += 0.5
    low, high = finest, coarsest  # high is always few enough
    if numbers(stretched(channels, low)) <= parameters:
        return stretched(channels, low)
    for _ in range(_BISECTIONS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if numbers(stretched(channels, middle)) <= parameters else (middle, high)
    return stretched(channels, high)


def number(text: str) -> int:
    """`1.5M`, `350K` or `1500000` as a whole number.

    Raises:
        ValueError: it is not a number above 0.
    """
    unit = {"K": 1e3, "M": 1e6}.get(text[-1:].upper(), 1)
    value = float(text[:-1] if unit > 1 else text) * unit
    if not 1 <= value < 1e12:
        raise ValueError(f"{text!r} is not a number of parameters such as 1.5M")
    return round(value)


def in_words(parameters: int) -> str:
    """1,500,000 is `1.5M`."""
    return f"{parameters / 1e6:g}M" if parameters >= 1e5 else f"{parameters / 1e3:g}K"
