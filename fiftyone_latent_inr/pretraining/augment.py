"""Clips for pretraining, cut out of windows of videos: other scales, speeds, colours, and cameras that move.

window (L, H, W, 3) --play--> which frames --crop, zoom, camera--> clip at the size asked for --mirror, colours--> clip

Only the frames that a step looks at are made. All choices are drawn on the CPU, from the generator that is given; the
pixels are worked on where the clip is wanted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import arguments
from ..arrays import Frames

# A camera's steady motion from one frame to the next: pixels of the clip, log of the zoom, degrees (deviations).
_SHIFT, _ZOOM, _TURN = 1.5, 0.006, 0.25
# From this zoom on, a moved picture is read twice as densely and averaged, lest fine detail alias.
_DENSE = 1.5


@dataclass(frozen=True)
class Augmentation:
    """How often clips are made other than they are; all shares are from 0 to 1.

    Attributes:
        most_zoom: size of a crop at most, in sizes of the clip, which it is averaged down to.
        most_stride: every frame, every second, ... of a window.
        frozen: share of clips that stand still.
        camera: share of clips at most as fast as their window over which a camera moves.
        cut: share of clips that are two, with a cut between them.
        mirror: whether half of the clips are mirrored, and half played backwards.
        colours: whether channels change places, and gamma, contrast and brightness vary.
    """

    most_zoom: float = 4.0
    most_stride: int = 3
    frozen: float = 0.15
    camera: float = 0.5
    cut: float = 0.05
    mirror: bool = True
    colours: bool = True

    def __post_init__(self) -> None:
        what, share = "augmentation", arguments.Range(0, 1)
        ranges = {"most_zoom": arguments.Range(1), "most_stride": arguments.Range(1, 10**6, whole=True)}
        arguments.check_fields(what, self, ranges | dict.fromkeys(("frozen", "camera", "cut"), share))
        for name in ("mirror", "colours"):
            object.__setattr__(self, name, arguments.flag(f"{what}: {name}", getattr(self, name)))


def cut_clip(
    window: Frames,
    length: int,
    which: npt.NDArray[np.int64],
    size: tuple[int, int],
    how: Augmentation,
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Frames of a random clip of a window, as they were filmed: without mirroring and colours.

    Args:
        window: uint8 (L, H, W, 3).
        length: T, frames of the clip.
        which: (N,) the frames of the clip that are wanted, 0 to T - 1.
        size: (h, w) of the clip.
        how: variation that is allowed.
        rng: source of all choices.
        device: torch device of the clip.

    Returns:
        float32 (N, 3, h, w), 0 to 255.
    """
    stride = 0 if rng.random() < how.frozen else int(rng.integers(1, how.most_stride + 1))
    played = _play(len(window), length, stride, rng)[which]
    (height, width), (full_height, full_width) = size, window.shape[1:3]
    zoom = min(math.exp(rng.uniform(0, math.log(how.most_zoom))), full_height / height, full_width / width)
    rows, cols = max(1, int(height * zoom)), max(1, int(width * zoom))
    top, left = int(rng.integers(0, full_height - rows + 1)), int(rng.integers(0, full_width - cols + 1))
    if stride < 2 and rng.random() < how.camera:
        theta = _camera((top, left, rows, cols), (full_height, full_width), which - length / 2, zoom, rng)
        return _filmed(_on(window[played], device), theta.to(device), size, zoom)
    kept = played if stride else played[:1]  # a still is scaled once
    frames = _on(window[kept, top : top + rows, left : left + cols], device)
    if rows < height or cols < width:
        frames = F.interpolate(frames, size, mode="bilinear", align_corners=False)
    elif (rows, cols) != size:
        frames = F.adaptive_avg_pool2d(frames, size)
    return frames.expand(len(which), -1, -1, -1)


def finish(clip: Tensor, how: Augmentation, rng: np.random.Generator) -> Tensor:
    """Mirrors a clip and changes its colours; rounds to the 256 levels that frames have.

    Args:
        clip: (N, 3, h, w), 0 to 255.
        how: variation that is allowed.
        rng: source of all choices.

    Returns:
        (N, 3, h, w), 0 to 1.
    """
    if how.mirror and rng.random() < 0.5:
        clip = clip.flip(-1)
    table = np.arange(256) / 255
    if how.colours:
        clip = clip[:, torch.from_numpy(rng.permutation(3)).to(clip.device)]
        gamma, contrast = math.exp(rng.normal(0, 0.25)), rng.uniform(0.6, 1.1)
        level = rng.uniform(0, 1 - min(contrast, 1))
        table = np.rint(np.clip(table**gamma * contrast + level, 0, 1) * 255) / 255
    levels = torch.from_numpy(table.astype(np.float32)).to(clip.device)
    index = (clip + 0.5).to(torch.int32).clamp_(0, 255)
    return levels.index_select(0, index.flatten()).view(index.shape)


def _play(have: int, length: int, stride: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Which frames of a window of `have` are shown, (length,); one that is too short is played there and back."""
    while stride > 1 and stride * (length - 1) >= have:
        stride -= 1
    start = int(rng.integers(0, max(1, have - stride * (length - 1))))
    index = start + stride * np.arange(length)
    if have > 1:
        index = index % (2 * have - 2)
        index = np.where(index < have, index, 2 * have - 2 - index)
    return np.minimum(index, have - 1)


def _camera(
    box: tuple[int, int, int, int],
    full: tuple[int, int],
    times: npt.NDArray[np.floating[Any]],
    zoom: float,
    rng: np.random.Generator,
) -> Tensor:
    """(N, 2, 3) for `F.affine_grid`: where a window is read by a camera that slides, zooms and turns steadily."""
    top, left, rows, cols = box
    slide = rng.normal(0, _SHIFT * zoom, 2)
    scale = np.exp(rng.normal(0, _ZOOM) * times)
    angle = math.radians(rng.normal(0, _TURN)) * times
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    x = 2 * (left + cols / 2 + slide[0] * times) / full[1] - 1
    y = 2 * (top + rows / 2 + slide[1] * times) / full[0] - 1
    theta = [[cos * cols / full[1], -sin * rows / full[1], x], [sin * cols / full[0], cos * rows / full[0], y]]
    return torch.from_numpy(np.array(theta).transpose(2, 0, 1).astype(np.float32))


def _filmed(frames: Tensor, theta: Tensor, size: tuple[int, int], zoom: float) -> Tensor:
    """(N, 3, H, W) frames as a camera sees them; beyond the border they are mirrored."""
    finer = 2 if zoom > _DENSE else 1
    coords = F.affine_grid(theta, [len(frames), 3, finer * size[0], finer * size[1]], align_corners=False)
    seen = F.grid_sample(frames, coords, mode="bilinear", padding_mode="reflection", align_corners=False)
    return F.avg_pool2d(seen, finer) if finer > 1 else seen


def _on(frames: Frames, device: torch.device | str) -> Tensor:
    """(N, H, W, 3) bytes, moved as such -> floats (N, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(frames)).to(device).permute(0, 3, 1, 2).float().contiguous()
