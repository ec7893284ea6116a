"""Whole frames of a model: at its own size, larger (with back-projection), smaller, and at instants in between."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arrays import FloatArray, Frame
from ..devices import MemoryTooSmallError, unless_full
from ..model import LatentINR, pixel_grid
from ..torch_settings import exact_products
from .cost import frame_numbers, stand_in
from .row_blocks import POINTS_GPU, draw_frames, is_point_field, linear_weights, to_bytes

_Span = tuple[int, int]

# Pixels of the frames drawn in one go: on a CPU enough for all its threads, on a GPU enough to hide the copies.
_TOGETHER_CPU = 262_144
_TOGETHER_GPU = 8_388_608
# Where a GPU's memory cannot hold even so few, there is no use in going on.
_LEAST_TOGETHER = 65_536
# Points drawn at once by models that draw in ways of their own; on a CPU their features should stay in the cache.
_POINTS_CPU = 16_384
# Numbers that frames' own networks, or what flows through them at once, may take: of ordinary ones as many frames and
# points as above.
_NUMBERS = 33_554_432
# Rounds of back-projection; more changed nothing that could be measured.
_ROUNDS = 3
# Weights of a resize along one side that are kept as a whole, zeros and all: those of 1920 pixels to 3840. Of larger
# ones only the bands are kept that are not zero, so many rows each.
_DENSE, _BAND = 1 << 23, 256


@torch.inference_mode()
def draw(
    model: LatentINR, times: FloatArray, height: int, width: int, cuts: Sequence[int] = (), most: float = math.inf
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
        most: multiply-adds that a frame may take. Where a smaller picture would take too many of them as an average,
            what it is the average of is drawn at fewer points, see `cost.stand_in`.

    Yields:
        N frames, uint8 (H, W, 3).

    Raises:
        MemoryTooSmallError: the GPU's memory cannot hold even a few of the pixels.
    """
    device = model.latents.device
    own = stand_in(model.config, (height, width), most)
    resized = _Resizing(own, (height, width), device) if (height, width) != own else None

    def drawn(part: FloatArray, points: int) -> Tensor:
        with exact_products(device):
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
        together = max(1, min(together, _NUMBERS // frame_numbers(model.config, max(own[0], height))))
        frames = unless_full(partial(drawn, times[first : first + together], points))
        if frames is None:
            points //= 2
            if points < _LEAST_TOGETHER:
                raise MemoryTooSmallError(
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


class _Resizing:
    """From frames of one size, and larger drawings of them, to frames of another size.

    Args:
        old: (H, W) of the frames.
        new: (H, W) to come to.
        device: device of the frames.

    Attributes:
        large: (H, W) to draw at: in each direction the larger of both.
    """

    def __init__(self, old: tuple[int, int], new: tuple[int, int], device: torch.device) -> None:
        self.large = max(old[0], new[0]), max(old[1], new[1])
        self._down = [_Side(area_weights, n, m, device) for n, m in zip(self.large, old, strict=True)]
        self._up = [_Side(_linear_weights, n, m, device) for n, m in zip(old, self.large, strict=True)]
        self._final = [_Side(area_weights, n, m, device) for n, m in zip(self.large, new, strict=True)]

    def __call__(self, frames: Tensor, large: Tensor) -> Tensor:
        """(B, h, w, 3) frames and (B, H', W', 3) drawings of the size `large` -> (B, H, W, 3)."""
        if large is not frames:
            for _ in range(_ROUNDS):
                large = large + _separable(self._up, frames - _separable(self._down, large))
        return _separable(self._final, large)


class _Side:
    """Weights (new, old) along one side of a picture, in bands of rows: of a long one nearly all are zero.

    Args:
        weights: makes them, of rows from a first one to a last one and of columns likewise.
        old: pixels before.
        new: pixels afterwards.
        device: device of the pictures.
    """

    def __init__(self, weights: Callable[..., Tensor], old: int, new: int, device: torch.device) -> None:
        self.same = old == new
        self._bands: list[tuple[slice, Tensor]] = []
        if self.same:
            return
        step = new if old * new <= _DENSE else _BAND
        for top in range(0, new, step):
            rows = top, min(top + step, new)
            first, last = (0, old) if step == new else (max(0, rows[0] * old // new - 2), rows[1] * old // new + 3)
            cols = first, min(last, old)
            self._bands.append((slice(*cols), weights(old, new, rows, cols).to(device)))

    def along_rows(self, frames: Tensor) -> Tensor:
        """(B, h, w, 3) -> (B, H, w, 3)."""
        if self.same:
            return frames
        parts = [torch.einsum("Hh,bhwc->bHwc", weights, frames[:, cols]) for cols, weights in self._bands]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def along_columns(self, frames: Tensor) -> Tensor:
        """(B, h, w, 3) -> (B, h, W, 3)."""
        if self.same:
            return frames
        parts = [torch.einsum("Ww,bHwc->bHWc", weights, frames[:, :, cols]) for cols, weights in self._bands]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 2)


def area_weights(old: int, new: int, rows: _Span | None = None, cols: _Span | None = None) -> Tensor:
    """(new, old) weights of area averaging along one side: the share of each old pixel in each new one.

    Args:
        old: pixels before.
        new: pixels afterwards.
        rows: first and last + 1 of the new pixels that are wanted; None for all.
        cols: first and last + 1 of the old ones, all that these cover among them; None for all.
    """
    rows, cols = rows or (0, new), cols or (0, old)
    edges = torch.arange(rows[0], rows[1] + 1, dtype=torch.float64) * (old / new)
    pixels = torch.arange(*cols, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    overlap = overlap.clamp_(min=0)
    return (overlap / overlap.sum(1, keepdim=True)).float()


def _linear_weights(old: int, new: int, rows: _Span, cols: _Span) -> Tensor:
    """(new, old) weights of linear interpolation between pixel centres, edges held; arguments of `area_weights`."""
    centres = (torch.arange(*rows, dtype=torch.float64) + 0.5) * (old / new) - 0.5
    return linear_weights(centres.clamp(0, old - 1) - cols[0], cols[1] - cols[0])


def _separable(sides: list[_Side], frames: Tensor) -> Tensor:
    """Weights along rows and columns, laid on (B, h, w, 3) frames."""
    return sides[1].along_columns(sides[0].along_rows(frames))


def _colours(model: LatentINR, latents: Tensor, size: tuple[int, int], points: int, as_bytes: bool = False) -> Tensor:
    """(B, D) latents -> (B, H, W, 3) RGB, about 0 to 1 or as bytes; so many points at once on a GPU, at most."""
    points = min(points, POINTS_GPU)
    if is_point_field(model):
        return draw_frames(model, latents, size, as_bytes=as_bytes, points=points)
    at_once = _POINTS_CPU if latents.device.type == "cpu" else points
    widest = max(model.config.samples, model.config.hidden, 3 * model.config.patch**2)
    at_once = max(1, min(at_once, _NUMBERS // (widest * len(latents))))
    own = model.config.height, model.config.width
    if model.config.patch > 1 and size[0] * size[1] < own[0] * own[1]:  # what stands in for the frame
        parts = [_patch_means(model, latents, part) for part in pixel_grid(*size, latents.device).split(at_once)]
        colours = torch.cat(parts, dim=1).view(-1, *size, 3)
    elif model.config.patch > 1:
        frames = model.draw_frames(latents, max(1, at_once // len(latents)))
        colours = frames if size == frames.shape[1:3] else _resampled(frames, size)
    else:
        parts = [model.render(latents, part) for part in pixel_grid(*size, latents.device).split(at_once)]
        colours = torch.cat(parts, dim=1).view(-1, *size, 3)
    return to_bytes(colours).contiguous() if as_bytes else colours


def _patch_means(model: LatentINR, latents: Tensor, middles: Tensor) -> Tensor:
    """(B, N, 3) mean colours of the patches around N points (N, 2)."""
    patches: Tensor = model.render_patches(latents, middles).unflatten(1, (len(middles), -1))
    return patches.mean(2)


def _resampled(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, h, w, 3) -> (B, H, W, 3): what `LatentINR.render` gives for a model of patches at another size."""
    return F.interpolate(frames.permute(0, 3, 1, 2), size, mode="bilinear").permute(0, 2, 3, 1)


def _to_host(frames: Tensor) -> Callable[[], Frame]:
    """Starts to copy uint8 frames from where they were drawn; what it returns waits for their arrival.

    From a GPU they come through pinned memory on a stream of their own, while the next ones are drawn; they leave it
    at once, so that whoever keeps all frames of a long video does not pin as much memory.
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
        return host.numpy().copy()

    return wait
