"""Drawing whole frames with a model: at its own size, larger, smaller, in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..frames.motion import LEAST_SIDE, Motion, optical_flow
from ..model import LatentINR, pixel_grid
from .row_blocks import POINTS_GPU, draw_frames, is_point_field, to_bytes

# Pixels of the frames drawn in one go: on a CPU enough for all its threads, on a GPU enough to hide the copies.
_TOGETHER_CPU = 262_144
_TOGETHER_GPU = 8_388_608
# Where a GPU's memory cannot hold even so few, there is no use in going on.
_LEAST_TOGETHER = 65_536
# Points drawn at once by models that draw in ways of their own; on a CPU their features should stay in the cache.
_POINTS_CPU = 16_384
# Points moved at once: each needs sixteen pixels of two frames.
_POINTS_MOVED = 65_536
# Rounds of back-projection; more changed nothing that could be measured.
_ROUNDS = 3
# Where the two pictures that motion brings together differ by this, 0 to 1, motion counts for a third of its share.
_DISAGREEMENT = 0.03

Frame = npt.NDArray[np.uint8]


@torch.inference_mode()
def draw(
    model: LatentINR, times: npt.NDArray[np.float32], height: int, width: int, cuts: Sequence[int] = ()
) -> Iterator[Frame]:
    """Draws whole frames with a model, wherever it lives.

    A pixel is an area, not a point. Larger frames are drawn at denser coordinates, and then moved by back-projection
    (Irani and Peleg, "Improving resolution by image registration", 1991) until their area averages are the frame as
    it is drawn at its own size; smaller ones are area averages of it.

    Args:
        model: the networks.
        times: (N,) float32 frame indices in [0, T - 1].
        height: H of the drawing, pixels.
        width: W of the drawing, pixels.
        cuts: frames that start a new scene, see `LatentINR.latents_at`.

    Yields:
        N frames, uint8 (H, W, 3).

    Raises:
        InputError: the GPU's memory cannot hold even a few of the pixels.
    """
    device = model.latents.device
    own = model.config.height, model.config.width
    resized = _Resizing(own, (height, width), device) if (height, width) != own else None

    def drawn(part: npt.NDArray[np.float32], points: int) -> Tensor:
        latents = model.latents_at(torch.from_numpy(part).to(device), cuts)
        if resized is None:
            return _colours(model, latents, own, points, as_bytes=True)
        frames = _colours(model, latents, own, points)
        large = _colours(model, latents, resized.large, points) if resized.large != own else frames
        return to_bytes(resized(frames, large)).contiguous()

    points = _TOGETHER_CPU if device.type == "cpu" else _TOGETHER_GPU
    first, before = 0, None
    while first < len(times):
        together = max(1, points // max(own[0] * own[1], height * width))
        frames = _unless_full(drawn, times[first : first + together], points)
        if frames is None:
            points //= 2
            if points < _LEAST_TOGETHER:
                raise InputError(
                    f"{device} has too little free memory to draw frames of {height}x{width}: "
                    "free some, draw smaller frames, or draw on the CPU"
                )
            continue
        first += len(frames)
        ready = _to_host(frames)
        if before is not None:  # it was copied while these were being drawn
            yield from before()
        before = ready
        if device.type != "cuda":
            yield from before()
            before = None
    if before is not None:
        yield from before()


def follow(
    model: LatentINR, times: npt.NDArray[np.float32], height: int, width: int, cuts: Sequence[int] = ()
) -> Iterator[Frame]:
    """Like `draw`, but what lies between two frames is also made from them, by following the motion that they show.

    The drawing from the latents and the pictures moved along the optical flow are averaged, more of the former where
    the pictures from before and after do not agree.

    Args:
        model: and the rest, as in `draw`.

    Yields:
        N frames, uint8 (H, W, 3); those at whole indices exactly as `draw` gives them.

    Raises:
        InputError: frames too small to see motion in (below `LEAST_SIDE` pixels a side).
    """
    if min(height, width) < LEAST_SIDE:
        raise InputError(f"motion cannot be followed in frames of {height}x{width}: {LEAST_SIDE} pixels a side needed")
    around = _Around(model, height, width, cuts)
    for time in times:
        own = next(draw(model, np.array([time], np.float32), height, width, cuts))
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

    def __init__(self, model: LatentINR, height: int, width: int, cuts: Sequence[int]) -> None:
        self.model, self.size, self.cuts = model, (height, width), frozenset(cuts)
        self.frames: dict[int, Frame] = {}
        self.flows: dict[int, npt.NDArray[np.float16]] = {}

    @torch.inference_mode()
    def mix(self, own: Frame, low: int, phase: float) -> Frame:
        """The drawing of an instant, averaged with what moves there."""
        last = self.model.config.num_frames - 1
        gaps = [k for k in (low - 1, low, low + 1) if 0 <= k < last and k + 1 not in self.cuts]
        shown = sorted({*gaps, *(k + 1 for k in gaps)})
        self.frames = {k: self.frames[k] if k in self.frames else self._frame(k) for k in shown}
        self.flows = {k: self.flows[k] if k in self.flows else self._flow(k) for k in gaps}
        device = self.model.latents.device
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
        return next(draw(self.model, np.array([k], np.float32), *self.size, ()))

    def _flow(self, k: int) -> npt.NDArray[np.float16]:
        flows = optical_flow(np.stack([self.frames[k], self.frames[k + 1]]), [0])
        return np.asarray(flows[0])


class _Resizing:
    """From frames of one size, and larger drawings of them, to frames of another size.

    Args:
        old: (H, W) of the frames.
        new: (H, W) to come to.
        device: where they are.

    Attributes:
        large: (H, W) to draw at: in each direction the larger of both.
    """

    def __init__(self, old: tuple[int, int], new: tuple[int, int], device: torch.device) -> None:
        self.large = max(old[0], new[0]), max(old[1], new[1])
        self._down = [area_weights(n, m).to(device) for n, m in zip(self.large, old, strict=True)]
        self._up = [_linear_weights(n, m).to(device) for n, m in zip(old, self.large, strict=True)]
        self._final = [area_weights(n, m).to(device) for n, m in zip(self.large, new, strict=True)]

    def __call__(self, frames: Tensor, large: Tensor) -> Tensor:
        """(B, h, w, 3) frames and (B, H', W', 3) drawings of the size `large` -> (B, H, W, 3)."""
        if large is not frames:
            for _ in range(_ROUNDS):
                large = large + _separable(self._up, frames - _separable(self._down, large))
        return _separable(self._final, large)


def area_weights(old: int, new: int) -> Tensor:
    """(new, old) weights of area averaging along one side: the share of each old pixel in each new one."""
    edges = torch.arange(new + 1, dtype=torch.float64) * (old / new)
    pixels = torch.arange(old, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    overlap = overlap.clamp_(min=0)
    return (overlap / overlap.sum(1, keepdim=True)).float()


def _linear_weights(old: int, new: int) -> Tensor:
    """(new, old) weights of linear interpolation between pixel centres, edges held."""
    where = ((torch.arange(new, dtype=torch.float64) + 0.5) * (old / new) - 0.5).clamp(0, old - 1)
    return (1 - (where[:, None] - torch.arange(old)).abs()).clamp_(min=0).float()


def _separable(weights: list[Tensor], frames: Tensor) -> Tensor:
    """Weights along rows and columns, laid on (B, h, w, 3) frames."""
    tall = torch.einsum("Hh,bhwc->bHwc", weights[0], frames)
    return torch.einsum("Ww,bHwc->bHWc", weights[1], tall)


def _colours(model: LatentINR, latents: Tensor, size: tuple[int, int], points: int, as_bytes: bool = False) -> Tensor:
    """(B, D) latents -> (B, H, W, 3) RGB, about 0 to 1 or as bytes; so many points at once on a GPU, at most."""
    points = min(points, POINTS_GPU)
    if is_point_field(model):
        return draw_frames(model, latents, size, as_bytes=as_bytes, points=points)
    at_once = _POINTS_CPU if latents.device.type == "cpu" else points
    if model.config.patch > 1:
        frames = model.draw_frames(latents, max(1, at_once // len(latents)))
        colours = frames if size == frames.shape[1:3] else _resampled(frames, size)
    else:
        parts = [model.render(latents, part) for part in pixel_grid(*size, latents.device).split(at_once)]
        colours = torch.cat(parts, dim=1).view(-1, *size, 3)
    return to_bytes(colours).contiguous() if as_bytes else colours


def _resampled(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, h, w, 3) -> (B, H, W, 3): what `LatentINR.render` gives for a model of patches at another size."""
    return F.interpolate(frames.permute(0, 3, 1, 2), size, mode="bilinear").permute(0, 2, 3, 1)


def _unless_full(
    drawn: Callable[[npt.NDArray[np.float32], int], Tensor], part: npt.NDArray[np.float32], points: int
) -> Tensor | None:
    """What `drawn` draws; None, and what was left of it given back, where the GPU's memory cannot hold it."""
    try:
        return drawn(part, points)
    except torch.cuda.OutOfMemoryError:
        pass  # the error keeps what was drawn alive until here
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    return None


def _to_host(frames: Tensor) -> Callable[[], Frame]:
    """Starts to copy uint8 frames from where they were drawn; what it returns waits for their arrival.

    From a GPU they come through pinned memory on a stream of their own, while the next ones are drawn.
    """
    device = frames.device
    if device.type != "cuda":
        return frames.cpu().numpy
    try:
        host = torch.empty(frames.shape, dtype=frames.dtype, pin_memory=True)
    except RuntimeError:  # there is only so much of it
        return frames.cpu().numpy
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        host.copy_(frames, non_blocking=True)
        arrived = stream.record_event()
    frames.record_stream(stream)  # whoever gets its memory next must wait for the copy

    def wait() -> Frame:
        arrived.synchronize()
        return host.numpy()

    return wait
