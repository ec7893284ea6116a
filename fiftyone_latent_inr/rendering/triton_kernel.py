"""Whole frames by one kernel: warp, grids and network of a block of pixels, nothing in between in the GPU's memory.

    pixel -> warp_p -> features of plane p (levels x channels) -> += weights_p   for each plane p
          -> relu -> layers -> colour

Triton, which comes with torch's CUDA builds, compiles it for each shape of model when it is first drawn. Importing
this module needs Triton. The reference is `row_blocks.draw_frames` without it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from .frame_networks import FrameNetworks

# Pixels that a program draws, and its warps of threads. With four warps numbers spill from the registers.
_BLOCK = 128
_WARPS = 8
# The sides of a matrix product are powers of two, at least this; padding is zeros.
_LEAST_SIDE = 16
# Wider models than this would not fit a program's registers: they are drawn without the kernel.
_WIDEST = 64
# Three products of TF32 are as exact as float32 and run on tensor cores; one alone is off by a level here and there.
_PRECISION = "tf32x3"


def can_draw(networks: FrameNetworks, size: tuple[int, int]) -> bool:
    """Whether the kernel takes models and frames of these shapes."""
    features, hidden = sum(grid.shape[-3] for grid in networks.grids), networks.weights[0].shape[1]
    frames = networks.weights[0].shape[0]
    # indices are 32 bits wide, and the second axis of a launch 65,535 programs long
    return max(features, hidden) <= _WIDEST and size[0] * size[1] < 2**29 and frames <= 65_535


def draw(networks: FrameNetworks, size: tuple[int, int], as_bytes: bool) -> Tensor:
    """Draws B whole frames.

    Args:
        networks: frames' own networks that `can_draw`.
        size: (H, W), pixels.
        as_bytes: True for uint8, 0 to 255, nearest and clamped, instead of colours about 0 to 1.

    Returns:
        (B, H, W, 3) uint8 or float32.
    """
    height, width = size
    frames, hidden, _ = networks.weights[0].shape
    device = networks.weights[0].device
    grids, layout = _pack(networks)
    features = layout.shape[1]
    planes = networks.grids[0].shape[-4]
    hidden = _padded(hidden)
    first = _first_weights(networks, planes, features, hidden)
    middle = [_pad(w.transpose(1, 2), hidden, hidden) for w in networks.weights[1:-1]]
    # a kernel's arguments are never empty
    inner = torch.stack(middle, 1).contiguous() if middle else first
    outer = _pad(networks.weights[-1].transpose(1, 2), hidden, _LEAST_SIDE).contiguous()
    biases = torch.stack([F.pad(b, (0, hidden - b.shape[1])) for b in networks.biases], 1).contiguous()
    control = networks.control
    rows, cols = control.shape[-2:] if control is not None else (1, 1)
    out = torch.empty(frames, height, width, 3, device=device, dtype=torch.uint8 if as_bytes else torch.float32)
    with torch.cuda.device_of(out):  # Triton launches on the current card
        launch: Any = _draw[(triton.cdiv(height * width, _BLOCK), frames)]
        launch(
            *(out, grids, layout, control.contiguous() if control is not None else biases, first, inner, outer, biases),
            *(height, width),
            PLANES=planes,
            FEATURES=features,
            HIDDEN=hidden,
            LAYERS=len(networks.weights),
            LAST=_LEAST_SIDE,
            WARP_ROWS=rows,
            WARP_COLS=cols,
            HAS_WARP=control is not None,
            AS_BYTES=as_bytes,
            BLOCK=_BLOCK,
            PRECISION=_PRECISION,
            num_warps=_WARPS,
        )
    return out


def _pack(networks: FrameNetworks) -> tuple[Tensor, Tensor]:
    """All grids in one line, a node's channels side by side, and where the features of a plane lie in it.

    Returns:
        The grids, shared ones first and then each frame's own, and an int64 table (6, features), padded, with a
        feature's rows, columns, channels of its level, place in the first frame's first plane, step to the next plane
        and step to the next frame. Padding has no rows.
    """
    frames = networks.weights[0].shape[0]
    shared, own, table = [], [], []
    shared_size, own_size = 0, 0
    total = sum(grid.numel() for grid in networks.grids if grid.dim() == 4)
    step = sum(grid[0].numel() for grid in networks.grids if grid.dim() == 5)
    for grid in networks.grids:
        channels, rows, cols = grid.shape[-3:]
        nodes_first = grid.movedim(-3, -1)
        if grid.dim() == 4:
            start, per_frame = shared_size, 0
            shared.append(nodes_first.reshape(-1))
            shared_size += grid.numel()
        else:
            start, per_frame = total + own_size, step
            own.append(nodes_first.reshape(frames, -1))
            own_size += grid[0].numel()
        plane = rows * cols * channels
        table += [(rows, cols, channels, start + c, plane, per_frame) for c in range(channels)]
    table += [(0, 0, 0, 0, 0, 0)] * (_padded(len(table)) - len(table))
    layout = torch.tensor(table, device=networks.weights[0].device).T.contiguous()
    return torch.cat([*shared, *([torch.cat(own, 1).reshape(-1)] if own else [])]), layout


def _first_weights(networks: FrameNetworks, planes: int, features: int, hidden: int) -> Tensor:
    """(B, P, features, hidden) weights of the first layer, whose inputs come level by level, plane by plane."""
    channels = [grid.shape[-3] for grid in networks.grids]
    frames, outputs, _ = networks.weights[0].shape
    levels = networks.weights[0].split([planes * count for count in channels], 2)
    parts = [part.view(frames, outputs, planes, -1) for part in levels]
    by_plane = torch.cat(parts, 3).permute(0, 2, 3, 1)
    return _pad(by_plane, features, hidden).contiguous()


def _padded(side: int) -> int:
    return max(_LEAST_SIDE, 1 << (side - 1).bit_length())


def _pad(matrices: Tensor, rows: int, cols: int) -> Tensor:
    """(..., r, c) -> (..., rows, cols), zeros around."""
    return F.pad(matrices, (0, cols - matrices.shape[-1], 0, rows - matrices.shape[-2]))


@triton.jit
def _nodes(place, count):  # type: ignore[no-untyped-def]
    """Nodes before and after a place in [-1, 1] of `count` nodes from edge to edge, held there; how far it is past."""
    at = tl.minimum(tl.maximum((place + 1) * 0.5 * (count - 1), 0.0), (count - 1).to(tl.float32))
    # whatever a place that is not a number becomes as an integer must stay inside
    low = tl.maximum(tl.minimum(at.to(tl.int32), count - 1), 0)
    return low, tl.minimum(low + 1, count - 1), at - low.to(tl.float32)


@triton.jit(do_not_specialize=["height", "width"])  # type: ignore[untyped-decorator]
def _draw(  # type: ignore[no-untyped-def]
    out,  # (B, H, W, 3)
    grids,  # see `_pack`
    layout,  # (6, FEATURES) int64, see `_pack`
    control,  # (B, PLANES, 2, WARP_ROWS, WARP_COLS)
    first,  # (B, PLANES, FEATURES, HIDDEN)
    inner,  # (B, LAYERS - 2, HIDDEN, HIDDEN)
    outer,  # (B, HIDDEN, LAST)
    biases,  # (B, LAYERS, HIDDEN)
    height,
    width,
    PLANES: tl.constexpr,
    FEATURES: tl.constexpr,
    HIDDEN: tl.constexpr,
    LAYERS: tl.constexpr,
    LAST: tl.constexpr,
    WARP_ROWS: tl.constexpr,
    WARP_COLS: tl.constexpr,
    HAS_WARP: tl.constexpr,
    AS_BYTES: tl.constexpr,
    BLOCK: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Program (i, b) draws pixels i * BLOCK and on of frame b."""
    frame = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = (2 * (pixel % width) + 1).to(tl.float32) / width - 1
    y = (2 * (pixel // width) + 1).to(tl.float32) / height - 1

    feature = tl.arange(0, FEATURES)
    rows = tl.load(layout + feature).to(tl.int32)
    cols = tl.load(layout + FEATURES + feature).to(tl.int32)
    step = tl.load(layout + 2 * FEATURES + feature).to(tl.int32)
    start = tl.load(layout + 3 * FEATURES + feature) + frame * tl.load(layout + 5 * FEATURES + feature)
    plane_step = tl.load(layout + 4 * FEATURES + feature)
    inside = (rows > 0)[None, :] & (pixel < height * width)[:, None]

    unit = tl.arange(0, HIDDEN)
    hidden = tl.zeros((BLOCK, HIDDEN), tl.float32) + tl.load(biases + frame * LAYERS * HIDDEN + unit)[None, :]
    for plane in tl.static_range(PLANES):
        at_x, at_y = x, y
        if HAS_WARP:
            # constants of the model, as the tensors that `_nodes` asks for
            left, right, past_x = _nodes(x, tl.full((BLOCK,), WARP_COLS, tl.int32))
            top, bottom, past_y = _nodes(y, tl.full((BLOCK,), WARP_ROWS, tl.int32))
            nodes = control + (frame * PLANES + plane) * 2 * WARP_ROWS * WARP_COLS
            for axis in tl.static_range(2):
                upper_left = tl.load(nodes + top * WARP_COLS + left)
                upper_right = tl.load(nodes + top * WARP_COLS + right)
                lower_left = tl.load(nodes + bottom * WARP_COLS + left)
                lower_right = tl.load(nodes + bottom * WARP_COLS + right)
                upper = upper_left * (1 - past_x) + upper_right * past_x
                lower = lower_left * (1 - past_x) + lower_right * past_x
                moved = upper * (1 - past_y) + lower * past_y
                if axis == 0:
                    at_x += moved
                else:
                    at_y += moved
                nodes += WARP_ROWS * WARP_COLS
        # (BLOCK, FEATURES): each feature in its own grid, neighbours in memory where they share a level
        left, right, past_x = _nodes(at_x[:, None], cols[None, :])
        top, bottom, past_y = _nodes(at_y[:, None], rows[None, :])
        grid = grids + (start + plane * plane_step)[None, :]
        upper_left = tl.load(grid + (top * cols[None, :] + left) * step[None, :], mask=inside, other=0.0)
        upper_right = tl.load(grid + (top * cols[None, :] + right) * step[None, :], mask=inside, other=0.0)
        lower_left = tl.load(grid + (bottom * cols[None, :] + left) * step[None, :], mask=inside, other=0.0)
        lower_right = tl.load(grid + (bottom * cols[None, :] + right) * step[None, :], mask=inside, other=0.0)
        upper = upper_left * (1 - past_x) + upper_right * past_x
        lower = lower_left * (1 - past_x) + lower_right * past_x
        read = tl.where(inside, upper * (1 - past_y) + lower * past_y, 0.0)
        weights = first + (frame * PLANES + plane) * FEATURES * HIDDEN
        weight = tl.load(weights + feature[:, None] * HIDDEN + unit[None, :])
        hidden = tl.dot(read, weight, hidden, input_precision=PRECISION)

    for layer in tl.static_range(1, LAYERS - 1):
        weights = inner + (frame * (LAYERS - 2) + layer - 1) * HIDDEN * HIDDEN
        weight = tl.load(weights + unit[:, None] * HIDDEN + unit[None, :])
        bias = tl.load(biases + (frame * LAYERS + layer) * HIDDEN + unit)
        hidden = tl.dot(tl.maximum(hidden, 0.0), weight, input_precision=PRECISION) + bias[None, :]

    channel = tl.arange(0, LAST)
    weight = tl.load(outer + frame * HIDDEN * LAST + unit[:, None] * LAST + channel[None, :])
    bias = tl.load(biases + (frame * LAYERS + LAYERS - 1) * HIDDEN + channel)
    colour = tl.dot(tl.maximum(hidden, 0.0), weight, input_precision=PRECISION) + bias[None, :]
    place = out + (frame * height * width + pixel)[:, None] * 3 + channel[None, :]
    wanted = (pixel < height * width)[:, None] & (channel < 3)[None, :]
    if AS_BYTES:
        level = tl.minimum(tl.maximum(colour * 255, 0.0), 255.0) + 0.5
        tl.store(place, level.to(tl.int32).to(tl.uint8), mask=wanted)
    else:
        tl.store(place, colour, mask=wanted)
