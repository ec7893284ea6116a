"""Frames in between: made from the drawn ones around them, along the motion that those show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..arrays import FloatArray, Frame
from ..devices import unless_full
from ..errors import InputError
from ..frames.motion import LEAST_SIDE, Motion, optical_flow
from ..model import LatentINR
from .draw import draw

# Points moved at once: each needs sixteen pixels of two frames.
_POINTS_MOVED = 65_536
# Where the two pictures that motion brings together differ by this, 0 to 1, motion counts for a third of its share.
_DISAGREEMENT = 0.03


def follow(
    model: LatentINR, times: FloatArray, height: int, width: int, cuts: Sequence[int] = (), most: float = math.inf
) -> Iterator[Frame]:
    """Like `draw`, but what lies between two frames is also made from them, by following the motion that they show.

    The drawing from the latents and the pictures moved along the optical flow are averaged, more of the former where
    the pictures from before and after do not agree.

    Arguments are those of `draw`.

    Yields:
        N frames, uint8 (H, W, 3); those at whole indices exactly as `draw` gives them.

    Raises:
        InputError: frames too small to see motion in (below `LEAST_SIDE` pixels a side).
    """
    if min(height, width) < LEAST_SIDE:
        raise InputError(f"motion cannot be followed in frames of {height}x{width}: {LEAST_SIDE} pixels a side needed")
    around = _Around(model, height, width, cuts, most)
    for time in times:
        own = next(draw(model, np.array([time], np.float32), height, width, cuts, most))
        low = int(time)
        if time == low or low + 1 in around.cuts:
            yield own
        else:
            yield around.mix(own, low, float(time) - low)


def join(before: Frame, after: Frame, phases: npt.NDArray[Any]) -> Iterator[Frame]:
    """What lies between two frames of which no network knows both: moved along the optical flow, or blended.

    Args:
        before: uint8 (H, W, 3).
        after: uint8 (H, W, 3).
        phases: (N,) from 0, `before`, to 1, `after`.

    Yields:
        N frames, uint8 (H, W, 3); blends where OpenCV is missing or the frames are too small.
    """
    pair, size = np.stack([before, after]), before.shape[:2]
    try:
        flows = optical_flow(pair, [0]) if min(size) >= LEAST_SIDE else None
    except ImportError:
        flows = None
    motion = None
    if flows is not None:
        motion = Motion(torch.from_numpy(pair), torch.tensor([0]), torch.from_numpy(flows))
    for phase in phases:
        if motion is None:
            mixed = before + float(phase) * (after.astype(np.float32) - before)
            yield np.rint(mixed).astype(np.uint8)
            continue
        which, when = torch.tensor([0]), torch.tensor([float(phase)])
        parts = []
        for part in torch.arange(size[0] * size[1]).split(_POINTS_MOVED):
            rows, cols = part[None] // size[1], part[None] % size[1]
            parts.append(motion.colours(which, when, rows, cols).mul_(255).round_().to(torch.uint8))
        yield torch.cat(parts, 1).view(*size, 3).numpy()


class _Around:
    """The drawn frames around an instant and the motion between them, kept while the instant moves on."""

    def __init__(self, model: LatentINR, height: int, width: int, cuts: Sequence[int], most: float) -> None:
        self.model, self.size, self.cuts, self.most = model, (height, width), frozenset(cuts), most
        self.frames: dict[int, Frame] = {}
        self.flows: dict[int, npt.NDArray[np.float16]] = {}

    def mix(self, own: Frame, low: int, phase: float) -> Frame:
        """The drawing of an instant, averaged with what moves there."""
        device = self.model.latents.device
        mixed = unless_full(partial(self._mixed, own, low, phase, device))
        return self._mixed(own, low, phase, torch.device("cpu")) if mixed is None else mixed

    @torch.inference_mode()
    def _mixed(self, own: Frame, low: int, phase: float, device: torch.device) -> Frame:
        """The same, moved on a device."""
        last = self.model.config.num_frames - 1
        gaps = [k for k in (low - 1, low, low + 1) if 0 <= k < last and k + 1 not in self.cuts]
        shown = sorted({*gaps, *(k + 1 for k in gaps)})
        self.frames = {k: self.frames[k] if k in self.frames else self._frame(k) for k in shown}
        self.flows = {k: self.flows[k] if k in self.flows else self._flow(k) for k in gaps}
        motion = Motion(
            torch.from_numpy(np.stack([self.frames[k] for k in shown])).to(device),
            torch.tensor([shown.index(k) for k in gaps], device=device),
            torch.from_numpy(np.stack([self.flows[k] for k in gaps])).to(device),
        )
        which = torch.tensor([gaps.index(low)], device=device)
        at = torch.tensor([phase], device=device)
        drawn = torch.from_numpy(own).to(device).view(1, -1, 3)
        parts = []
        for part in torch.arange(drawn.shape[1], device=device).split(_POINTS_MOVED):
            rows, cols = part[None] // self.size[1], part[None] % self.size[1]
            moved, differ = motion.colours_and_disagreement(which, at, rows, cols)
            share = 0.5 * torch.exp(-differ / _DISAGREEMENT)
            parts.append(torch.lerp(drawn[:, part] / 255, moved, share).mul_(255).round_().clamp_(0, 255))
        return torch.cat(parts, 1).to(torch.uint8).view(*self.size, 3).cpu().numpy()

    def _frame(self, k: int) -> Frame:
        return next(draw(self.model, np.array([k], np.float32), *self.size, (), self.most))

    def _flow(self, k: int) -> npt.NDArray[np.float16]:
        flows = optical_flow(np.stack([self.frames[k], self.frames[k + 1]]), [0])
        return np.asarray(flows[0])
