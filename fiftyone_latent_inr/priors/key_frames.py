"""Key frames: which frames of a video they are, how others are like them, and how they move onto others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .pictures import cells_at_nodes, moved, pooled

# Sizes (height, width) at which motion is looked for, coarse to fine, and how often at each.
_MOTION_SIZES = ((12, 20), (24, 40), (48, 80))
_ROUNDS = 2
# Of a picture's largest texture: below it, a part of it does not tell where it has moved.
_LEAST_TEXTURE = 0.01
# Root of the mean squared difference of two frames below which they are the same.
_LEAST_DIFFERENCE = 3e-3
# The largest of these sizes, at which frames are compared with moved key frames.
FINEST = _MOTION_SIZES[-1]


def motion_to(frames: Tensor, keys: Tensor, rows: int, cols: int) -> Tensor:
    """Where the points of frames lie in key frames: displacements of control points, by Lucas and Kanade's method.

    At each of a pyramid's sizes the squared difference of the frame and the moved key frame is made small, to first
    order, around each control point (Lucas and Kanade, IJCAI 1981).

    Args:
        frames: (N, 1, H, W), 0 to 1.
        keys: (N, 1, H, W).
        rows: control points in height, at least 2.
        cols: control points in width, at least 2.

    Returns:
        (N, 2, rows, cols) as (x, y) in half frame sizes: the frame's point p is the key frame's p + displacement.
    """
    control = frames.new_zeros(len(frames), 2, rows, cols)
    for size in _MOTION_SIZES:
        frame, key = pooled(frames, size), pooled(keys, size)
        for _ in range(_ROUNDS):
            seen = moved(key, control)
            x, y = _slopes(0.5 * (seen + frame))
            x, y = x * (size[1] / 2), y * (size[0] / 2)  # a half frame size
            differ = frame - seen
            sums = _around(torch.cat([x * x, x * y, y * y, x * differ, y * differ], 1), rows, cols)
            xx, xy, yy, xd, yd = sums.unbind(1)
            floor = _LEAST_TEXTURE * (xx + yy).amax((1, 2), keepdim=True) + 1e-5
            xx, yy = xx + floor, yy + floor
            determinant = xx * yy - xy * xy
            step = torch.stack([yy * xd - xy * yd, xx * yd - xy * xd], 1) / determinant[:, None]
            # what is further away than about two pixels of this size is not seen to first order
            most = step.new_tensor([4 / size[1], 4 / size[0]]).view(1, 2, 1, 1)
            control = control + torch.maximum(torch.minimum(step, most), -most)
    return control


def nearness(frames: Tensor, keys: Tensor) -> Tensor:
    """How like key frames frames are: shares in inverse proportion to the difference, less their mean.

    Where the difference grows evenly with time, that is linear in it.

    Args:
        frames: (B, 3, h, w), 0 to 1.
        keys: (P, 3, h, w).

    Returns:
        (B, P), of sum zero.
    """
    small, small_keys = thumbnails(frames).flatten(1), thumbnails(keys).flatten(1)
    differ = (small[:, None] - small_keys).square().mean(-1)
    share = (differ + _LEAST_DIFFERENCE**2).rsqrt()
    return share / share.sum(1, keepdim=True) - 1 / len(keys)


def likeness(frames: Tensor, left: Tensor) -> Tensor:
    """Whether moved key frames are of the same scene as frames, by what they leave of the frames' contrast.

    Args:
        frames: (N, C, h, w).
        left: the same, less the moved key frame of each.

    Returns:
        (N,): 1 where half of the contrast is left or less, falling to 0 where all of it is.
    """
    contrast = (frames - frames.mean((2, 3), keepdim=True)).square().mean((1, 2, 3))
    return (2 - 2 * left.square().mean((1, 2, 3)) / (contrast + _LEAST_DIFFERENCE**2)).clamp(0, 1)


@torch.no_grad()
def differences(keys: Tensor, rows: int, cols: int) -> tuple[Tensor, Tensor]:
    """Key frames as the first of them, and what the others show that it does not.

    The first is moved onto each other one and taken off as far as it is like it: planes that hold the same would be
    stored twice, and fitted twice.

    Args:
        keys: (P, 3, H, W), 0 to 1.
        rows: control points in height, at least 2.
        cols: control points in width, at least 2.

    Returns:
        (P, 3, H, W) around zero, and (P,) how much of the moved first is taken off each, 0 to 1; of the first nothing.
    """
    pictures = keys - 0.5
    taken = pictures.new_zeros(len(keys))
    if len(keys) == 1:
        return pictures, taken
    small = pooled(keys.mean(1, keepdim=True), FINEST)
    first = small[:1].expand(len(keys) - 1, -1, -1, -1)
    motion = motion_to(small[1:], first, rows, cols)
    seen = moved(pictures[:1].expand(len(motion), -1, -1, -1), motion)
    other = pictures[1:]
    a, b = (x - x.mean((1, 2, 3), keepdim=True) for x in (seen, other))
    taken[1:] = ((a * b).sum((1, 2, 3)) / (a.square().sum((1, 2, 3)) + 1e-3)).clamp(0, 1)
    return torch.cat([pictures[:1], other - taken[1:, None, None, None] * seen]), taken


def thumbnails(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) -> small pictures of one size, by which frames are compared."""
    return pooled(pictures, _MOTION_SIZES[0])


def choose_keys(frames: Tensor, count: int) -> list[int]:
    """The frames that all others are most like: medoids, found one by one and then moved while that helps.

    Args:
        frames: (T, 3, H, W), 0 to 1.
        count: P; fewer frames than that are taken more than once.

    Returns:
        P indices, ascending.
    """
    small = thumbnails(frames).flatten(1)
    differ = torch.cdist(small, small)
    chosen: list[int] = []
    for _ in range(min(count, len(frames))):
        best = differ[chosen].amin(0) if chosen else differ.new_full((len(frames),), float("inf"))
        chosen.append(int(torch.minimum(differ, best).sum(1).argmin()))
    for k in range(len(chosen)):
        others = chosen[:k] + chosen[k + 1 :]
        best = differ[others].amin(0) if others else differ.new_full((len(frames),), float("inf"))
        chosen[k] = int(torch.minimum(differ, best).sum(1).argmin())
    return sorted(chosen) + [max(chosen)] * (count - len(chosen))


def _slopes(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences, in a pixel, of (N, 1, H, W)."""
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    x = 0.5 * (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2])
    y = 0.5 * (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1])
    return x, y


def _around(pictures: Tensor, rows: int, cols: int) -> Tensor:
    """(N, C, H, W) -> (N, C, rows, cols): the mean of what lies around each control point."""
    four = cells_at_nodes(pictures, rows, cols)
    return four.view(len(pictures), 4, -1, rows, cols).mean(1)
