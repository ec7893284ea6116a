r"""Motion between frames, and pictures in between: those around an instant, moved to it and mixed.

frame k-1   frame k --- instant --- frame k+1   frame k+2
      \________\___________|___________/__________/
         motion in each gap gives velocity and, by how it changes, acceleration
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..arrays import Frames
from ..model.curves import catmull_rom

# Smallest side, in pixels, of frames that motion can be seen in.
LEAST_SIDE = 8

# Rounds of finding where a point that is seen at an instant was at the frames before and after.
_ROUNDS = 3
# An acceleration that is much larger than the velocity is a mistake of the flow, not a motion.
_MOST_ACCELERATION = 1.5
# Where a gap moves the picture by less than about this, in pixels, it is not moved at all: moved pictures are
# resampled, and four frames mixed as they are know more of what lies below a pixel.
_STILL = 0.8
# Longest side of the pictures in which a rough flow is looked for, and the shortest one: DIS needs a few patches.
_ROUGH_SIDE, _LEAST_VIEW = 320, 32


def optical_flow(frames: Frames, gaps: Sequence[int]) -> npt.NDArray[np.float16]:
    """Motion from frame k to k + 1, as seen from either.

    DIS (Kroeger et al., ECCV 2016), down to full resolution, as OpenCV has it; kept at half the resolution.

    Args:
        frames: uint8 (T, H, W, 3).
        gaps: (G,) frames k, each below T - 1.

    Returns:
        float16 (G, 2, 2, h, w): for each gap the motion as seen from k and as seen from k + 1, as (x, y) in half frame
        sizes: a point at p in frame k is at p + motion in frame k + 1.
    """
    import cv2

    height, width = frames.shape[1:3]
    # DIS needs a few patches; smaller pictures are looked at enlarged
    seen = (max(height, 32), max(width, 32))
    half = ((seen[0] + 1) // 2, (seen[1] + 1) // 2)
    finder: Any = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    finder.setFinestScale(0)
    flows = np.empty((len(gaps), 2, 2, *half), np.float16)
    scale = np.array([2 / seen[1], 2 / seen[0]], np.float32)

    def grey(k: int) -> npt.NDArray[Any]:
        picture: npt.NDArray[Any] = cv2.cvtColor(frames[k], cv2.COLOR_RGB2GRAY)
        return picture if seen == (height, width) else cv2.resize(picture, seen[::-1], interpolation=cv2.INTER_LINEAR)

    for k, out in zip(gaps, flows, strict=True):
        before, after = grey(k), grey(k + 1)
        for one, flow in zip(out, (finder.calc(before, after, None), -finder.calc(after, before, None)), strict=True):
            one[...] = cv2.resize(flow * scale, half[::-1], interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
    return flows


def flow_view(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A frame, uint8 (H, W, 3), as `flow_to` looks at it: grey, (h, w), large ones smaller."""
    import cv2

    grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
    height, width = grey.shape
    part = min(1.0, _ROUGH_SIDE / max(height, width))
    size = max(round(part * height), _LEAST_VIEW), max(round(part * width), _LEAST_VIEW)
    if size == (height, width):
        return grey
    return np.asarray(cv2.resize(grey, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def flow_to(view: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Where the points of a frame lie in another one, by DIS at its fastest; both as `flow_view` gives them.

    Returns:
        float32 (2, h, w), as (x, y) in half frame sizes: what is at p in the frame is at p + motion in the other one.
    """
    import cv2

    finder: Any = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)  # type: ignore[attr-defined]
    height, width = view.shape
    flow = finder.calc(view, other, None) * np.array([2 / width, 2 / height], np.float32)
    return np.ascontiguousarray(flow.transpose(2, 0, 1))


class Motion:
    """Pictures at any instant within the gaps between frames, from the frames and their optical flow.

    A point moves with the velocity and the acceleration that the flow of its gap and of the two gaps beside it say
    (quadratic interpolation: Xu et al., "Quadratic video interpolation", NeurIPS 2019); its colour is mixed from both
    frames. Where next to nothing moves, four frames are mixed by Catmull and Rom's cubic instead.

    Args:
        frames: uint8 (T, H, W, 3).
        gaps: (G,) frames k such that the scene goes on from k to k + 1, ascending.
        flows: (G, 2, 2, h, w), as `optical_flow` gives it.

    Tensors are on one device, and so is what is drawn.
    """

    def __init__(self, frames: Tensor, gaps: Tensor, flows: Tensor) -> None:
        self.num_frames, self.height, self.width, _ = frames.shape
        self.gaps, self.flows = gaps, flows
        self._pixels = frames.reshape(-1, 3)
        # four pixels that lie side by side, read as one
        self._fours = frames.reshape(-1).as_strided((len(self._pixels) - 3, 12), (3, 1))
        # gap before and after each gap, in the same scene; itself where there is none
        order = torch.arange(len(gaps), device=gaps.device)
        follows = torch.zeros(len(gaps) + 1, dtype=torch.bool, device=gaps.device)
        follows[1:-1] = gaps[1:] == gaps[:-1] + 1
        self._has_before, self._has_after = follows[:-1], follows[1:]
        self._before, self._after = order - self._has_before.long(), order + self._has_after.long()
        self._half_size = torch.tensor([self.width / 2, self.height / 2], device=frames.device)

    def colours(self, which: Tensor, phase: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """Colours of pixels at instants.

        Args:
            which: (B,) indices into the gaps.
            phase: (B,) from 0, the frame before, to 1, the frame after.
            rows: (B, N) of the pixels.
            cols: (B, N).

        Returns:
            (B, N, 3) RGB, 0 to 1.
        """
        return self.colours_and_disagreement(which, phase, rows, cols)[0]

    def colours_and_disagreement(
        self, which: Tensor, phase: Tensor, rows: Tensor, cols: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Like `colours`, and (B, N, 1) how far the pictures from before and after differ, mean of the channels."""
        points = torch.stack([(2 * cols + 1) / self.width - 1, (2 * rows + 1) / self.height - 1], -1)
        when = phase[:, None, None]
        first, second, velocity = self._paths(which, when, points)
        k = self.gaps[which]
        before, after = self._colours_at(k, first), self._colours_at(k + 1, second)
        differ = (before - after).abs().mean(-1, keepdim=True) / 255
        moved = torch.lerp(before, after, when)
        still = torch.exp(-(velocity * self._half_size).square().sum(-1, keepdim=True) / _STILL**2)
        mixed = torch.lerp(moved, self._mixed(which, when, rows, cols), still)
        return mixed.clamp_(0, 255).div_(255), differ

    def _paths(self, which: Tensor, when: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where (B, N, 2) points of an instant are in the frames before and after, and their velocity."""
        ahead, back = self.flows[which].float().unbind(1)
        before, after = self.flows[self._before[which], 1].float(), self.flows[self._after[which], 0].float()
        both = (self._has_before & self._has_after)[which, None, None]
        velocity, bend = torch.zeros_like(points), torch.zeros_like(points)
        first = second = points
        for turn in range(_ROUNDS):
            velocity = 0.5 * (_read(ahead, first) + _read(back, second))
            if turn == _ROUNDS - 2:
                bend = 0.5 * when * (1 - when) * self._acceleration(before, after, first, second, velocity) * both
            first, second = points - when * velocity + bend, points + (1 - when) * velocity + bend
        return first, second, velocity

    def _acceleration(self, before: Tensor, after: Tensor, first: Tensor, second: Tensor, velocity: Tensor) -> Tensor:
        """How the velocity changes from the gap before to the gap after, within bounds: (B, N, 2)."""
        change = 0.5 * (_read(after, second) - _read(before, first))
        speed, size = ((v * self._half_size).square().sum(-1, keepdim=True) for v in (velocity, change))
        return change * (_MOST_ACCELERATION * (speed / size.clamp(min=1e-9)).sqrt()).clamp(max=1)

    def _mixed(self, which: Tensor, when: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """The pixels themselves in four frames, mixed; at the ends of a scene frames go on in a straight line."""
        k, flat = self.gaps[which], rows * self.width + cols

        def frame(index: Tensor) -> Tensor:
            wanted = index[:, None] * (self.height * self.width) + flat
            return self._pixels.index_select(0, wanted.flatten()).view(*flat.shape, 3).float()

        one, two = frame(k), frame(k + 1)
        has_before, has_after = self._has_before[which, None, None], self._has_after[which, None, None]
        zero = torch.where(has_before, frame((k - 1).clamp(min=0)), 2 * one - two)
        three = torch.where(has_after, frame((k + 2).clamp(max=self.num_frames - 1)), 2 * two - one)
        return catmull_rom(zero, one, two, three, when)

    def _colours_at(self, index: Tensor, coords: Tensor) -> Tensor:
        """Colours (B, N, 3), 0 to 255, of frames at (B, N, 2) points: Keys' cubic, edges held."""
        rows, row_weights = _taps((coords[..., 1] + 1) * (self.height / 2) - 0.5, self.height)
        cols, col_weights = _taps((coords[..., 0] + 1) * (self.width / 2) - 0.5, self.width)
        flat = (index[:, None, None] * self.height + rows[..., None] + torch.arange(4, device=rows.device)) * self.width
        seen = self._fours.index_select(0, (flat + cols[..., None]).flatten()).float()
        seen = torch.bmm(row_weights.view(-1, 1, 4), seen.view(-1, 4, 12)).view(-1, 4, 3)
        return torch.bmm(col_weights.view(-1, 1, 4), seen).view(*coords.shape[:2], 3)


def _read(flow: Tensor, points: Tensor) -> Tensor:
    """(B, 2, h, w) flow at (B, N, 2) points -> (B, N, 2)."""
    read = F.grid_sample(flow, points[:, :, None], mode="bilinear", padding_mode="border", align_corners=False)
    return read[..., 0].transpose(1, 2)


def _taps(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Four pixels side by side, the first one's index (...), and their weights at each position (..., 4)."""
    low = x.floor()
    steps = torch.arange(-1, 3, device=x.device)
    weights = _cubic(((x - low)[..., None] - steps).abs())
    wanted = low.long()[..., None] + steps
    first = wanted[..., 0].clamp(0, size - 4)
    # beyond an edge the outermost pixel counts once more
    slots = wanted.clamp_(0, size - 1).sub_(first[..., None])
    return first, torch.zeros_like(weights).scatter_add_(-1, slots, weights)


def _cubic(distance: Tensor, a: float = -0.75) -> Tensor:
    """Keys' kernel, with the `a` that OpenCV takes."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return torch.where(distance <= 1, near, far)
