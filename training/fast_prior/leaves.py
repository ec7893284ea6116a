"""Moving dead leaves: clips of layered ellipses whose sizes follow the power law of natural pictures.

Opaque discs that cover one another at random, with a density of radii that falls with the third power, have the edges,
the occlusions and the spectrum of photographs (Lee, Mumford and Huang, IJCV 2001). Here each leaf moves and turns by
itself, and a camera slides and shakes over all of them.
"""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.shared.clips import Video

# Fixed-point bits of cv2's coordinates.
_BITS = 4
_SMALLEST, _LARGEST = 3.0, 80.0


class LeavesReel:
    """Windows of moving dead leaves, see `pretraining.reels.Reel`.

    Args:
        weight: share of the draws, compared with others.
        num_frames: frames of a window.
        size: (H, W) of a window.
    """

    name = "generated: dead leaves"

    def __init__(self, weight: float, num_frames: int = 24, size: tuple[int, int] = (144, 224)) -> None:
        self.weight, self.num_frames, self.size = weight, num_frames, size

    def window(self, rng: np.random.Generator) -> Video:
        """A random window."""
        return leaves(rng, self.num_frames, self.size)


def leaves(rng: np.random.Generator, num_frames: int = 16, size: tuple[int, int] = (96, 160)) -> Video:
    """A clip of moving leaves, uint8 (T, H, W, 3)."""
    height, width = size
    count = int(rng.integers(30, 160) * height * width / (96 * 160))
    # the inverse of the distribution of a density that falls with the third power
    radius = 1 / np.sqrt(rng.uniform(_LARGEST**-2, _SMALLEST**-2, count))
    if rng.random() < 0.3:  # small things in front of large ones
        radius = np.sort(radius)[::-1]
    short = radius * rng.uniform(0.3, 1, count)
    colours = rng.uniform(0, 255, (count, 3))
    if rng.random() < 0.7:  # mostly bright and dark, as most pictures are
        colours = 0.75 * colours.mean(1, keepdims=True) + 0.25 * colours
    places = rng.uniform((-20, -20), (width + 20, height + 20), (count, 2))
    speed = rng.normal(0, 1, 2) + rng.normal(0, 0.6 * rng.random(), (count, 2))
    faster = rng.normal(0, 0.03, 2)
    angles, turning = rng.uniform(0, 180, count), rng.normal(0, 1, count)
    ground = rng.uniform(0, 255, 3)
    video = np.empty((num_frames, height, width, 3), np.uint8)
    axes = np.rint(np.stack([radius, short], 1) * 2**_BITS).astype(int)
    for t, out in enumerate(video):
        frame = np.empty((height, width, 3), np.uint8)
        frame[:] = ground
        middles = places + speed * t + faster * (t * t / 2)
        # what lies outside costs as much as what is seen
        seen = ((middles > -radius[:, None]) & (middles < np.array([width, height]) + radius[:, None])).all(1)
        centres = np.rint(middles * 2**_BITS).astype(int)
        for i in np.flatnonzero(seen):
            angle = angles[i] + turning[i] * t
            cv2.ellipse(
                frame,
                centres[i].tolist(),
                axes[i].tolist(),
                angle,
                0,
                360,
                colours[i].tolist(),
                -1,
                cv2.LINE_AA,
                _BITS,
            )
        cv2.GaussianBlur(frame, (0, 0), 0.6, dst=out)
    return video
