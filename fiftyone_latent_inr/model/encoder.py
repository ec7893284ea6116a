"""Encoders: from frames to what a fit would have to find, in one forward pass (amortised inference).

    key frames (P, 3, H, W) --differences--> the first, and what each other one shows that it does not
                            --GridEncoder--> grids of the field, a plane for each
    frame, key frames       --LatentEncoder--> latent: where the frame's points lie in the key frames, and their mix
    frame                   --SemanticEncoder--> semantic latent, for the head into the teacher's space

All are convolutional or look at pictures of a fixed small size: they work at any frame size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig

# Sizes (height, width) at which motion is looked for, coarse to fine, and how often at each.
_MOTION_SIZES = ((12, 20), (24, 40), (48, 80))
_ROUNDS = 2
# Of a picture's largest texture: below it, a part of it does not tell where it has moved.
_LEAST_TEXTURE = 0.01
# Root of the mean squared difference of two frames below which they are the same.
_LEAST_DIFFERENCE = 3e-3
# What counts of a key frame of another scene, where all are.
_LEAST_ALIKE = 1e-3
# What is left when the key frames were moved onto a frame is looked at in so many parts.
_PARTS = (3, 5)
# Size of the pictures that the semantic encoder looks at.
SEMANTIC_SIZE = 48


def cells_at_nodes(pictures: Tensor, rows: int, cols: int) -> Tensor:
    """What lies around the nodes of a grid whose corner nodes lie on a picture's corners.

    The picture is averaged over the cells between the nodes; each node gets the four cells around it. At a spacing of
    one pixel nothing is lost.

    Args:
        pictures: (B, C, H, W).
        rows: nodes in height, at least 2.
        cols: nodes in width, at least 2.

    Returns:
        (B, 4 C, rows, cols).
    """
    if pictures.shape[-2:] != (rows - 1, cols - 1):
        pictures = F.adaptive_avg_pool2d(pictures, (rows - 1, cols - 1))
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    corners = [padded[..., i : i + rows, j : j + cols] for i in (0, 1) for j in (0, 1)]
    return torch.cat(corners, dim=1)


def read_at_pixels(nodes: Tensor, height: int, width: int) -> Tensor:
    """A picture drawn by a grid whose corner nodes lie on its corners, as a field reads it.

    Args:
        nodes: (B, C, rows, cols).
        height: H of the picture.
        width: W of the picture.

    Returns:
        (B, C, H, W).
    """
    rest = F.affine_grid(torch.eye(2, 3, device=nodes.device)[None], [1, 1, height, width], align_corners=False)
    return F.grid_sample(nodes, rest.expand(len(nodes), -1, -1, -1), padding_mode="border", align_corners=True)


class LevelEncoder(nn.Module):
    """What lies around the nodes of a level, and what was made of the level before it, to the level's grids."""

    def __init__(self, seen: int, width: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(seen, width, 3, padding=1, padding_mode="replicate")
        self.second = nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate")
        self.out = nn.Conv2d(width, outputs, 1)
        self.linear = nn.Conv2d(seen, outputs, 1, bias=False)
        with torch.no_grad():
            self.out.weight *= 0.1
            self.linear.weight *= 0.3

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """(B, seen, rows, cols) -> what the next level sees (B, width, rows, cols), grids (B, outputs, rows, cols)."""
        features = F.relu(self.second(F.relu(self.first(seen))))
        return features, self.out(features) + self.linear(seen)


class GridEncoder(nn.Module):
    """Key frames to the grids of every level, coarse to fine.

    A level sees what the coarser ones leave of the pictures (a Laplacian pyramid: Burt and Adelson, IEEE Trans.
    Communications 31(4), 1983), and what was made of the one before it. Fine grids then hold details around zero, as
    those do that are fitted from noise, and are as cheap to store.

    Args:
        config: of a model that is to be given grids; only its levels and planes matter.
        width: channels between the convolutions.
    """

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        self.planes = config.planes
        self.channels = [level.channels * level.copies for level in config.levels]
        seen = 12 * config.planes
        self.levels = nn.ModuleList(
            LevelEncoder(seen + (width if k else 0), width, config.planes * channels)
            for k, channels in enumerate(self.channels)
        )

    @staticmethod
    def count(config: ModelConfig, width: int) -> int:
        """How many numbers such an encoder has; none is made."""
        seen, total = 12 * config.planes, 0
        for k, level in enumerate(config.levels):
            inputs, outputs = seen + (width if k else 0), config.planes * level.channels * level.copies
            total += _linear(9 * inputs, width) + _linear(9 * width, width) + _linear(width, outputs) + inputs * outputs
        return total

    def forward(self, keys: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Grids of B videos.

        Args:
            keys: (B, P, 3, H, W), 0 to 1.
            sizes: (rows, cols) of each level.

        Returns:
            For each level (B, P, channels * copies, rows, cols).
        """
        pictures = keys.flatten(1, 2)
        height, width = pictures.shape[-2:]
        grids: list[Tensor] = []
        above: Tensor | None = None
        for (rows, cols), level, channels in zip(sizes, self.levels, self.channels, strict=True):
            seen = cells_at_nodes(pictures, rows, cols)
            pictures = pictures - read_at_pixels(seen.unflatten(1, (4, -1)).mean(1), height, width)
            if above is not None:
                seen = torch.cat([seen, F.interpolate(above, (rows, cols), mode="bilinear", align_corners=True)], 1)
            above, grid = level(seen)
            grids.append(grid.unflatten(1, (self.planes, channels)))
        return grids


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
        frame, key = _pooled(frames, size), _pooled(keys, size)
        for _ in range(_ROUNDS):
            seen = _moved(key, control)
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
    finest = _MOTION_SIZES[-1]
    small = _pooled(keys.mean(1, keepdim=True), finest)
    first = small[:1].expand(len(keys) - 1, -1, -1, -1)
    motion = motion_to(small[1:], first, rows, cols)
    seen = _moved(pictures[:1].expand(len(motion), -1, -1, -1), motion)
    other = pictures[1:]
    a, b = (x - x.mean((1, 2, 3), keepdim=True) for x in (seen, other))
    taken[1:] = ((a * b).sum((1, 2, 3)) / (a.square().sum((1, 2, 3)) + 1e-3)).clamp(0, 1)
    return torch.cat([pictures[:1], other - taken[1:, None, None, None] * seen]), taken


def thumbnails(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) -> small pictures of one size, by which frames are compared."""
    return _pooled(pictures, _MOTION_SIZES[0])


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


class LatentEncoder(nn.Module):
    """A frame and the key frames to the frame's latent: motion, what is left of the difference, and the time.

    Motion towards a key frame of another scene means nothing and is left out; the mix is of those of the same scene.

    Args:
        config: of a model that is to be given latents; its warps and planes matter.
        outputs: width of the latents.
        width: of the hidden layer.
    """

    def __init__(self, config: ModelConfig, outputs: int, width: int) -> None:
        super().__init__()
        self.control = max(2, config.warp_rows), max(2, config.warp_cols)
        self.scale = config.warp_scale or 0.05
        self.planes = config.planes
        seen = self._seen(config)
        self.nearness = seen - 2 * config.planes  # where it begins in what is seen
        self.linear = nn.Linear(seen, outputs)
        self.hidden = nn.Linear(seen, width)
        self.out = nn.Linear(width, outputs)
        with torch.no_grad():
            for layer in (self.linear, self.out):
                layer.weight *= 0.1

    @staticmethod
    def _seen(config: ModelConfig) -> int:
        """Numbers that a latent is made of: motion, what is left in each part and in all, time."""
        motion = 2 * max(2, config.warp_rows) * max(2, config.warp_cols)
        return config.planes * (motion + 3 * _PARTS[0] * _PARTS[1] + 3)

    @classmethod
    def count(cls, config: ModelConfig, outputs: int, width: int) -> int:
        """How many numbers such an encoder has; none is made."""
        seen = cls._seen(config)
        return _linear(seen, outputs) + _linear(seen, width) + _linear(width, outputs)

    def forward(self, frames: Tensor, keys: Tensor, apart: Tensor, taken: Tensor) -> Tensor:
        """Latents of B frames of one video.

        Args:
            frames: (B, 3, H, W), 0 to 1.
            keys: (P, 3, H, W), 0 to 1.
            apart: (B, P) signed distance in time of each frame from each key frame; the video is 1 long.
            taken: (P,) as `differences` gives it.

        Returns:
            (B, D).
        """
        finest = _MOTION_SIZES[-1]
        frames, keys = _pooled(frames, finest), _pooled(keys, finest)
        count = len(frames)
        one = frames.repeat_interleave(self.planes, 0)  # (B P, 3, h, w)
        other = keys.repeat(count, 1, 1, 1)
        with torch.no_grad():
            motion = motion_to(one.mean(1, keepdim=True), other.mean(1, keepdim=True), *self.control)
            alike = likeness(one, one - _moved(other, motion))
            motion = motion * alike[:, None, None, None]
            differ = one - _moved(other, motion)
            alike = alike.view(count, -1)
        parts = 4 * F.adaptive_avg_pool2d(differ, _PARTS).view(count, -1)
        missed = 10 * differ.square().mean((1, 2, 3)).sqrt().view(count, -1)
        motion = (motion / self.scale).clamp(-6, 6).view(count, -1)
        near = nearness(frames, keys) + 1 / len(keys)
        shared = near * (alike + _LEAST_ALIKE)
        # where all key frames are of the frame's scene nothing changes, not in the last bit either
        near = torch.where((alike < 1).any(1, keepdim=True), shared / shared.sum(1, keepdim=True), near)
        # what other planes have lost of the first one's picture, that one draws
        near = torch.cat([near[:, :1] + (near * taken).sum(1, keepdim=True), near[:, 1:]], 1) - 1
        seen = torch.cat([motion, parts, missed, near, apart], 1)
        latents: Tensor = self.linear(seen) + self.out(F.relu(self.hidden(seen)))
        return latents


def semantic_view(frames: Tensor) -> Tensor:
    """(B, 3, H, W) -> the small pictures that the semantic encoder looks at, (B, 3, h, w); these stay as they are."""
    return _pooled(frames, (SEMANTIC_SIZE, SEMANTIC_SIZE))


class SemanticEncoder(nn.Module):
    """A frame to its semantic latent: a small convolutional student of the teacher's image tower.

    Args:
        outputs: width of the semantic latents.
        width: channels of the first convolution; each of the three after it has twice those of the one before.
    """

    def __init__(self, outputs: int, width: int) -> None:
        super().__init__()
        channels = self._channels(width)
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels))
        self.hidden = nn.Linear(channels[-1] * (SEMANTIC_SIZE // 16) ** 2, 8 * width)
        self.out = nn.Linear(8 * width, outputs)

    @staticmethod
    def _channels(width: int) -> list[int]:
        return [3, width, 2 * width, 4 * width, 4 * width]

    @classmethod
    def count(cls, outputs: int, width: int) -> int:
        """How many numbers such an encoder has; none is made."""
        channels = cls._channels(width)
        convolutions = sum(_linear(9 * a, b) for a, b in pairwise(channels))
        hidden = _linear(channels[-1] * (SEMANTIC_SIZE // 16) ** 2, 8 * width)
        return convolutions + hidden + _linear(8 * width, outputs)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, H, W), 0 to 1 -> (B, S)."""
        x = 4 * (semantic_view(frames) - 0.5)
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        latents: Tensor = self.out(F.relu(self.hidden(x.flatten(1))))
        return latents


def _linear(inputs: int, outputs: int) -> int:
    """Numbers of a linear layer with a bias."""
    return (inputs + 1) * outputs


def _pooled(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) -> (B, C, *size); what has the size already is not gone over again."""
    return pictures if pictures.shape[-2:] == size else F.adaptive_avg_pool2d(pictures, size)


def _moved(pictures: Tensor, control: Tensor) -> Tensor:
    """(N, C, H, W) read where each pixel is displaced to, by (N, 2, rows, cols) control points as of `motion_to`."""
    size = [int(side) for side in pictures.shape[-2:]]
    rest = F.affine_grid(torch.eye(2, 3, device=pictures.device)[None], [1, 1, *size], align_corners=False)
    moved = F.interpolate(control, size, mode="bilinear", align_corners=True).permute(0, 2, 3, 1)
    return F.grid_sample(pictures, rest + moved, padding_mode="border", align_corners=False)


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
