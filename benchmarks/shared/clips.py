"""Clips in, their first frames out, cut and resized; or noise, where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fiftyone_latent_inr.frames.resize import area_resize

Video = npt.NDArray[np.uint8]

# Clips that no prior of ours is trained on or selected by.
TEST = (
    "foreman_cif",
    "dog_catch_720p",
    "cups_ball_720p",
    "coffee_pour_720p",
    "nasa_mirror_180p",
    "street_cuts",
    "flower_720p",
    "mixed_scenes_qcif_1700f",
)


@dataclass(frozen=True)
class Clip:
    """A source of frames.

    Attributes:
        path: video, or `.npy` of uint8 (T, H, W, 3).
        size: (H, W) to resize to by area averaging; None keeps them.
        crop: (H, W) to cut from the middle before that.
    """

    path: Path
    size: tuple[int, int] | None
    crop: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    def read(self, num: int) -> Video:
        """The first `num` frames, or all where there are fewer."""
        if self.path.suffix == ".npy":
            frames = np.load(self.path, mmap_mode="r")[:num]
        else:
            from fiftyone_latent_inr import video

            size = None if self.crop else self.size
            frames = video.read(self.path, size=size, max_frames=num).array
        frames = np.ascontiguousarray(cut(frames, self.crop))
        return area_resize(frames, self.size) if self.size else frames


def cut(frames: Video, crop: tuple[int, int] | None) -> Video:
    """The middle (H, W) of frames."""
    if crop is None:
        return frames
    top, left = (max(have - wanted, 0) // 2 for have, wanted in zip(frames.shape[1:3], crop, strict=True))
    return np.ascontiguousarray(frames[:, top : top + crop[0], left : left + crop[1]])


def clip_frames(source: Path, count: int, size: tuple[int, int], crop: tuple[int, int] | None = None) -> Video:
    """So many frames of a clip, (T, H, W, 3), played there and back until it has them; without it noise."""
    if not source.exists():
        return noise(count, *size)
    frames = Clip(source, None if crop == size else size, crop).read(count)
    period = np.concatenate([np.arange(len(frames)), np.arange(len(frames) - 2, 0, -1)])
    return frames[np.resize(period, count)] if len(frames) < count else frames


def noise(count: int, height: int, width: int) -> Video:
    """Soft noise that slides to the left by a pixel a frame."""
    seed = np.random.default_rng(0).integers(0, 255, (1, max(height // 16, 2), max(width // 16, 2), 3), np.uint8)
    picture = area_resize(seed, (height, width))[0]
    return np.stack([np.roll(picture, -k, 1) for k in range(count)])
