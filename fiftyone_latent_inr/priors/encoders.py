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

from ..model.config import ModelConfig
from .key_frames import FINEST, likeness, motion_to, nearness
from .pictures import cells_at_nodes, moved, pooled, read_at_pixels

# Likeness that a key frame of another scene keeps: where all are of other scenes, nearness alone decides.
_LEAST_ALIKE = 1e-3
# Rows and columns of parts, in each of which the difference that is left after motion is averaged.
_PARTS = (3, 5)
# Size of the pictures that the semantic encoder looks at.
SEMANTIC_SIZE = 48


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
        config: the model's that is given the grids; only levels and planes matter.
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


class LatentEncoder(nn.Module):
    """A frame and the key frames to the frame's latent: motion, what is left of the difference, and the time.

    Motion towards a key frame of another scene means nothing and is left out; the mix is of those of the same scene.

    Args:
        config: the model's that is given the latents; warps and planes matter.
        outputs: width of the latents.
        width: units of the hidden layer.
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
        frames, keys = pooled(frames, FINEST), pooled(keys, FINEST)
        count = len(frames)
        one = frames.repeat_interleave(self.planes, 0)  # (B P, 3, h, w)
        other = keys.repeat(count, 1, 1, 1)
        with torch.no_grad():
            motion = motion_to(one.mean(1, keepdim=True), other.mean(1, keepdim=True), *self.control)
            alike = likeness(one, one - moved(other, motion))
            motion = motion * alike[:, None, None, None]
            differ = one - moved(other, motion)
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
    return pooled(frames, (SEMANTIC_SIZE, SEMANTIC_SIZE))


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
