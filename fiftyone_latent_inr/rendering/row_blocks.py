"""Whole frames, drawn fast: what `LatentINR.render` gives at every pixel, in another order of the same arithmetic.

What depends on the frame alone comes first: a level's copies are mixed into one grid of the frame's own, the
modulations are laid on the weights. What depends on the row or the column alone comes next: the warps. Then blocks of
rows are drawn, small enough for the cache of a CPU's core, each by a thread of its own; or, on a GPU, by one kernel.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ..devices import is_memory_full
from ..model.field import Field, bilinear
from ..model.inr import LatentINR
from .frame_networks import FrameNetworks, frame_networks
from .threads import run_all

# Of a block on a CPU: at most so many points, fewer where a point takes many numbers (in all, 4 bytes each, at once).
_MOST_POINTS_CPU = 8192
_NUMBERS_CPU = 1_048_576
# At least one row is drawn at once, unless it takes more than this.
_MOST_NUMBERS_CPU = 8 * _NUMBERS_CPU
# Points drawn at once on a GPU without the kernel: enough to keep it busy, half a GiB or so with the presets.
POINTS_GPU = 1_048_576

_log = logging.getLogger(__name__)
_kernel_works = True


def is_point_field(model: Any) -> bool:
    """Whether a model is the plain field that draws point by point; others draw in their own ways."""
    plain = type(model) is LatentINR and type(model.field) is Field
    return plain and model.config.patch == 1 and model.config.encoding == "grid"


@torch.inference_mode()
def draw_frames(
    model: LatentINR,
    latents: Tensor,
    size: tuple[int, int],
    *,
    as_bytes: bool = False,
    points: int = POINTS_GPU,
) -> Tensor:
    """Draws whole frames of a model that `is_point_field`; equals `render` at `pixel_grid` up to float rounding.

    On a CPU it takes as many threads as torch has been given; what is drawn depends neither on their number nor on
    what else is drawn with a frame. On a GPU it takes the kernel of `triton_kernel`, where that can be used.

    Args:
        model: the networks.
        latents: (B, D), from the dictionary or in between.
        size: (H, W) to draw, pixels.
        as_bytes: True for uint8, 0 to 255, instead.
        points: most points drawn at once on a GPU without the kernel.

    Returns:
        (B, H, W, 3) RGB, about 0 to 1, not clamped; inference tensors.
    """
    if _kernel_wanted(latents):
        by_kernel = _by_kernel(model, latents, size, as_bytes)
        if by_kernel is not None:
            return by_kernel
    frames = latents.shape[0]
    height, width = size
    if _on_cpu(latents):
        run, together = run_all, 1
        widest = max(model.config.features, model.config.hidden) + 2 * model.config.hidden
        most = min(_MOST_POINTS_CPU, _NUMBERS_CPU // widest)
        rows = _rows(most, size)
        # a row of a wide frame, or of a model of very many features, may be too much by itself
        cols = width if width * widest <= _MOST_NUMBERS_CPU else max(1, most)
    else:
        run, together, rows, cols = _one_by_one, max(1, points // (height * width)), _rows(points, size), width
    across = _Columns(model, width)
    # colours stay planar, as the last layer gives them: bytes are quicker to interleave
    shape = (frames, height, width, 3) if as_bytes else (frames, 3, height, width)
    drawn = torch.empty(shape, device=latents.device, dtype=torch.uint8 if as_bytes else torch.float32)
    # what the rows bring to the warps is one product for all of them, unless it is too large
    at_once = across.matrix.shape[0] * model.config.planes * height * together <= _MOST_NUMBERS_CPU
    prepared: dict[int, tuple[FrameNetworks, Tensor | None]] = {}

    def prepare(first: int) -> None:
        networks = frame_networks(model, latents[first : first + together])
        prepared[first] = networks, across.rows(networks, height) if at_once else None

    def block(first: int, top: int, start: int) -> None:
        networks, all_rows = prepared[first]
        part, span = slice(top, top + rows), slice(start, min(start + cols, width))
        left = across.rows(networks, height, part) if all_rows is None else all_rows[:, :, part]
        places = across.places(left, span)
        colours = _colours(networks, places).unflatten(2, (-1, places.shape[3]))
        if not as_bytes:
            drawn[first : first + together, :, part, span] = colours
        elif cols == width:
            torch.stack(to_bytes(colours).unbind(1), -1, out=drawn[first : first + together, part])
        else:
            drawn[first : first + together, part, span] = torch.stack(to_bytes(colours).unbind(1), -1)

    run([partial(prepare, first) for first in range(0, frames, together)])
    blocks = product(range(0, frames, together), range(0, height, rows), range(0, width, cols))
    run([partial(block, *place) for place in blocks])
    return drawn if as_bytes else drawn.permute(0, 2, 3, 1)


def to_bytes(colours: Tensor) -> Tensor:
    """Colours 0 to 1 of any shape -> uint8, nearest, clamped."""
    return colours.mul(255).round_().clamp_(0, 255).to(torch.uint8)


class _Columns:
    """Warps of whole frames as a product: bilinear interpolation is one matrix for the rows, one for the columns.

    K is twice the control points in width, and two more for the pixel's own place, which rides along.
    """

    def __init__(self, model: LatentINR, width: int) -> None:
        config, device = model.config, model.latents.device
        self.planes = config.planes
        x = _centres(width, device)
        right = torch.zeros(2, width, 2, device=device)
        right[0, :, 0], right[1, :, 1] = x, 1
        if "warp" in config.heads:
            weights = _between_nodes(config.warp_cols, width).T.to(device)
            bent = weights[:, None, :, None] * torch.eye(2, device=device)[:, None]  # (Q, 2, W, 2)
            right = torch.cat([bent.flatten(0, 1), right])
        self.matrix = right.flatten(1)  # (K, 2 W)

    def rows(self, networks: FrameNetworks, height: int, part: slice = slice(None)) -> Tensor:
        """(B, P, h, K), what the rows of B frames bring to the product, or a part of the rows."""
        control, like = networks.control, networks.biases[0]
        y = _centres(height, like.device)[part]
        own = torch.stack([torch.ones_like(y), y], -1).expand(like.shape[0], self.planes, -1, 2)
        if control is None:
            return own
        down = _between_nodes(control.shape[-2], height, part).to(like.device)
        bent = (down @ control).permute(0, 1, 3, 4, 2).flatten(-2)
        return torch.cat([bent, own], -1)

    def places(self, rows: Tensor, span: slice) -> Tensor:
        """(B, P, h, K) rows -> (B, P, h, W', 2): where pixels of W' columns are read in each plane, as (x, y)."""
        matrix = self.matrix[:, 2 * span.start : 2 * span.stop]
        return torch.matmul(rows, matrix).view(*rows.shape[:3], -1, 2)


def _centres(pixels: int, device: torch.device) -> Tensor:
    """(pixels,) coordinates of pixel centres along one side, as in `pixel_grid`."""
    return (2 * torch.arange(pixels, device=device) + 1) / pixels - 1


def _between_nodes(nodes: int, pixels: int, part: slice = slice(None)) -> Tensor:
    """(pixels, nodes) weights of linear interpolation at pixel centres; the outer nodes lie on the frame's edges."""
    centres = torch.arange(pixels, dtype=torch.float64)[part] + 0.5
    return linear_weights(centres * ((nodes - 1) / pixels), nodes)


def linear_weights(coords: Tensor, nodes: int) -> Tensor:
    """(N, nodes) weights of linear interpolation at N places, 0 to nodes - 1, between nodes at whole numbers."""
    return (1 - (coords[:, None] - torch.arange(nodes)).abs()).clamp_(min=0).float()


def _colours(networks: FrameNetworks, coords: Tensor) -> Tensor:
    """Colours (B, 3, h W) of B frames at places (B, P, h, W, 2)."""
    frames, planes, height, width, _ = coords.shape
    per_frame = coords.reshape(-1, height, width, 2)
    per_plane = coords.transpose(0, 1).reshape(planes, -1, width, 2)  # a shared grid is read once for all frames
    features = []
    for grid in networks.grids:
        if grid.dim() == 4:
            read = bilinear(grid, per_plane).view(planes, -1, frames, height * width).permute(2, 0, 1, 3)
        else:
            read = bilinear(grid.flatten(0, 1), per_frame)
        features.append(read.reshape(frames, -1, height * width))
    x = torch.cat(features, 1)
    del features  # as much memory again
    for k, (weight, bias) in enumerate(zip(networks.weights, networks.biases, strict=True)):
        if k:
            x = x.relu_()
        x = torch.baddbmm(bias[:, :, None], weight, x)
    return x


def _one_by_one(tasks: Sequence[Callable[[], None]]) -> None:
    for task in tasks:
        task()


def _rows(points: int, size: tuple[int, int]) -> int:
    """Rows of a block of about so many points, at least one; the blocks of a frame are about equal."""
    height, width = size
    blocks = min(height, -(-height * width // max(points, 1)))
    return -(-height // blocks)


def _on_cpu(latents: Tensor) -> bool:
    return latents.device.type == "cpu"


def _kernel_wanted(latents: Tensor) -> bool:
    return latents.device.type == "cuda" and _kernel_works and os.environ.get("LATENT_INR_KERNELS", "1") != "0"


def _by_kernel(model: LatentINR, latents: Tensor, size: tuple[int, int], as_bytes: bool) -> Tensor | None:
    """The frames as the GPU's kernel draws them; None where it cannot be used."""
    global _kernel_works  # noqa: PLW0603 - what failed once is not tried again
    try:
        from . import triton_kernel

        networks = frame_networks(model, latents)
        return triton_kernel.draw(networks, size, as_bytes) if triton_kernel.can_draw(networks, size) else None
    except Exception as error:
        if is_memory_full(error):
            raise
        # No Triton, no compiler, a card it does not know: the reasons are many, and the pictures are the same without.
        _kernel_works = False
        reason = (str(error).splitlines() or [""])[0]
        _log.warning("drawing without the GPU kernel, slower (%s: %s)", type(error).__name__, reason)
        return None
