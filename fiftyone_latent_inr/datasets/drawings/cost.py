"""How long drawing takes and how large the videos become, said before it starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ...devices import pick_device
from ...latent_video.video import LatentVideo, load
from ...rendering.timeline import scaled_size
from ...video.writer import DEFAULT_CRF
from ..words import duration, megabytes, video_count
from .drawing import Drawing

# Processor seconds that x264 takes for a pixel, wherever it is drawn.
_WRITING = 8e-8
# Measured with two fits of Bunny (160x90 and 320x180, preset fast) at sides x1, x2, x4, rates x1, x2 and crf 6 to 24:
# within a factor of two, H.264 takes this many times the bytes of the `.linr` file, with the side's power, ...
_BYTES, _SIDE = 1.4, 1.33
# ... this much more for each further frame in between, and half of it for each so many steps of crf.
_BETWEEN, _HALF = 0.12, 7.0

# Pixels drawn to see how fast this machine is: as many as are drawn at once.
_TRIAL_CPU, _TRIAL_GPU = 16_384, 1_048_576


@dataclass(frozen=True)
class Estimate:
    """What drawing is going to cost, good to a factor of about two.

    Attributes:
        videos: number of videos to be drawn.
        seconds: wall seconds, None where the speed is not known.
        size: bytes of all videos.
    """

    videos: int
    seconds: float | None
    size: float

    def text(self) -> str:
        """`12 videos · about 3 min · about 40 MB`."""
        parts = [video_count(self.videos)]
        if self.videos:
            parts += [f"about {duration(self.seconds)}"] if self.seconds is not None else []
            parts.append(f"about {megabytes(self.size)}")
        return " · ".join(parts)


@dataclass(frozen=True)
class Workload:
    """What is to be drawn of one video: pixels in all, and the bytes of what it is drawn from."""

    pixels: int
    stored: float

    @classmethod
    def of(cls, video: LatentVideo, drawing: Drawing) -> Workload:
        """Looks at a video's header alone."""
        height, width = drawing.size(video.size)
        times, _ = drawing.times(video.num_frames)
        return cls(len(times) * height * width, video.metrics["bytes"])


def estimate(loads: Sequence[Workload], drawing: Drawing, speed: float | None, videos: int | None = None) -> Estimate:
    """Adds up.

    Args:
        loads: work of some of the videos, or of all.
        drawing: size, rate and compression of the videos.
        speed: seconds to draw one pixel, as `seconds_per_pixel` gives them; None where they are not known.
        videos: number of videos in all; None for as many as `loads`.
    """
    count = len(loads) if videos is None else videos
    share = count / max(len(loads), 1)
    pixels = share * sum(load.pixels for load in loads)
    factor = _BYTES * drawing.scale**_SIDE * (1 + _BETWEEN * (drawing.factor - 1))
    size = factor * 2 ** ((DEFAULT_CRF - drawing.crf) / _HALF) * share * sum(load.stored for load in loads)
    return Estimate(count, None if speed is None else pixels * (speed + _WRITING), size)


@lru_cache(maxsize=64)
def seconds_per_pixel(stored: str, device: str | None) -> float:
    """Draws a small picture to see how fast this machine is: the quickest of three, as the first loads the model.

    Raises:
        InputError: the file is gone, or the device cannot be used.
        BitstreamError: the file is damaged.
    """
    video = load(stored)
    height, width = video.size
    pixels = _TRIAL_CPU if pick_device(device).type == "cpu" else _TRIAL_GPU
    size = scaled_size(video.size, (pixels / (height * width)) ** 0.5)
    spent = []
    for _ in range(3):
        started = time.perf_counter()
        video.render([0], size, device)
        spent.append(time.perf_counter() - started)
    return min(spent) / (size[0] * size[1])
