"""How long drawing takes and how large the videos become, said before it starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ...devices import pick_device
from ...errors import BitstreamError
from ...latent_video.limits import Limits
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

# Pixels drawn to see how fast this machine is, as many as are drawn at once; and multiply-adds that they may take, of a
# fraction of a second.
_TRIAL_CPU, _TRIAL_GPU = 16_384, 1_048_576
_TRIAL_LIMITS = Limits(multiply_adds=2e10, multiply_adds_per_byte=1e-9)
# What a file may make a run draw, which nobody watches: frames, and multiply-adds in all, some hours of one core; and
# more of both for each of its bytes. Fits take a byte for a few frames of pictures that stand still.
_FREE_FRAMES, _FRAMES_PER_BYTE = 100_000, 32
_FREE_WORK, _WORK_PER_BYTE = 1e15, 1e11


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
        """Looks at a video's header alone.

        Raises:
            InputError: it cannot be drawn so large, or so often.
            BitstreamError: it asks for more work than its bytes can be worth.
        """
        height, width = drawing.size(video.size)
        frames, stored = drawing.num_drawn(video.num_frames), video.metrics["bytes"]
        work = frames * video.check_drawing((height, width))
        if video.num_frames > _FREE_FRAMES + _FRAMES_PER_BYTE * stored or work > _FREE_WORK + _WORK_PER_BYTE * stored:
            raise BitstreamError(
                f"it asks for {frames:,} frames of {height}x{width} in {stored:,.0f} bytes, which no video is worth; "
                "if you trust it, draw it with latent-inr decode"
            )
        return cls(frames * height * width, stored)


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
        BitstreamError: the file is damaged, or takes long to draw.
    """
    video, trial = load(stored), load(stored, limits=_TRIAL_LIMITS)
    height, width = video.size
    pixels = _TRIAL_CPU if pick_device(device).type == "cpu" else _TRIAL_GPU
    size = scaled_size(video.size, (pixels / (height * width)) ** 0.5)
    spent = []
    for _ in range(3):
        started = time.perf_counter()
        trial.render([0], size, device)
        spent.append(time.perf_counter() - started)
    # the picture may be one of a larger frame, drawn at more points than it has pixels
    return min(spent) / trial.check_drawing(size) * video.check_drawing() / (height * width)
