"""A group of frames without an optimiser step: key frames, the motion from them, and their mix, in closed form.

    frames --medoids--> key frames, as luma and chroma --least squares--> grids, a plane for each
    frames, key frames --optical flow, least squares--> warps
    frames <--least squares-- moved key frames times a weight each, and a constant --> mix, shifts
    warps, mix and shifts of all frames --principal components--> latents, hypernetwork

The field has nothing to learn: its hidden units are luma and chroma, of which its last layer makes colours. Prediction
from key frames along their motion is what video codecs live by (Wiegand et al., IEEE Trans. CSVT 13(7), 2003).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..arrays import FloatArray
from ..codec import dequantise, quantise, round_step_sizes
from ..errors import InputError
from ..frames.motion import flow_to, flow_view
from ..model import LatentINR, ModelConfig, model_views, pixel_grid, tensor_specs
from ..model.field import bilinear
from ..priors.key_frames import FINEST, choose_keys, motion_to, thumbnails
from ..priors.networks import pictures_of
from ..priors.pictures import pooled
from .config import Rate
from .head import Head
from .pyramid import SMOOTH_MOTION, nodes_of, pyramid, read_plane
from .rate import LEAST_SCALE, LOCALITY, laplace_bits
from .start import random_model
from .task import GroupTask

# Colours to luma and chroma, orthonormal: an error weighs the same in each.
_OPPONENT = torch.tensor([[3**-0.5] * 3, [2**-0.5, 0.0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]])
# What is added to luma and chroma, to be above zero, where hidden units lose nothing.
_ABOVE_ZERO = 2.0
# Quantisation step of the finest grid's luma in units of sqrt(lambda); of chroma, and of each coarser level, in units
# of that: their nodes are fewer, and more pixels see each.
_LUMA_STEP, _CHROMA, _COARSER = 4.5, 0.5, 0.65
_STEP_RANGE = (2.0**-9, 1.0)
# How well warps are stored, in pixels; weights and shifts; what all others are stored in.
_WARP_STEP, _MIX_STEP, _FINE_STEP = 0.2, 2.0**-9, 2.0**-10
# Spread of a latent over its group.
_SPREAD = 0.1
# What keeps weights small where key frames say little, of a squared error of one in each pixel.
_RIDGE = 1e-5
# Weights below which a key frame has no part in a frame.
_LEAST_WEIGHT = 0.02
# Pixels of a frame that weights are found by; frames that are looked at together.
_MOST_POINTS, _TOGETHER = 14_400, 8
# Pixels of a key frame that tell what all of them will cost.
_MOST_POINTS_OF_ONE = 57_600
# Of what the fit's own estimate says that grids cost, what the coder makes of it; bits of a group's small tensors.
_CODED, _REST_BITS = 0.9, 4000


@dataclass(frozen=True)
class _Seen:
    """What was found in a group of frames, whatever it is to be stored in.

    Attributes:
        keys: indices of its key frames, at most one a plane.
        pictures: (K, 3, H, W) those as luma and chroma, around zero.
        warps: (T, P, 2, rows, cols) control values of the warp towards each.
    """

    keys: list[int]
    pictures: Tensor
    warps: Tensor


@torch.no_grad()
def fit_at_once(task: GroupTask, rates: Sequence[Rate]) -> list[tuple[LatentINR, dict[str, FloatArray] | None]]:
    """Networks of a group of frames, found without an optimiser.

    Args:
        task: the group, in the shape of an architecture like that of the preset `instant`; on any device.
        rates: what the bytes may be, once for each result.

    Returns:
        Of each rate the networks, on the CPU, rounded to their quantisation step sizes, and these, by tensor name,
        flat; None where the rate is left out (weight 0), and nothing rounded but the grids.

    Raises:
        InputError: the architecture is another one.
    """
    _check(task.shape)
    frames = task.frames.cpu()
    seen = _look(frames, task.shape)
    head = task.head
    if head is None and task.targets is not None:
        head = Head.of_targets(task.targets.cpu().numpy(), task.shape.semantic_dim)
    return [_at(task, frames, seen, head, rate) for rate in rates]


def _check(shape: ModelConfig) -> None:
    """Refuses a model that has no place for what is written into it."""
    plain = shape.modulation == "rank_one" and shape.encoding == "grid" and shape.patch == 1 and shape.layers == 2
    levels = all(level.copies == 1 and level.channels <= 3 for level in shape.levels)
    if not (plain and levels and shape.hidden >= 3 and shape.warp_rows >= 2 and shape.warp_cols >= 2):
        raise InputError(
            "a fit of no steps (steps=0) is for architectures of two layers, with warps, whose grid levels have one "
            "copy and up to three channels, as that of preset='instant' is; give steps, or that architecture"
        )


def _look(frames: Tensor, shape: ModelConfig) -> _Seen:
    """Key frames, and the motion from them."""
    small = torch.cat([thumbnails(pictures_of(part)) for part in frames.split(_TOGETHER)])
    keys = list(dict.fromkeys(choose_keys(small, shape.planes)))
    pictures = torch.einsum("dc,khwc->kdhw", _OPPONENT, frames[keys].float() / 255 - 0.5)
    return _Seen(keys, pictures, _warps(frames, keys, shape))


def _warps(frames: Tensor, keys: Sequence[int], shape: ModelConfig) -> Tensor:
    """(T, P, 2, rows, cols) where the points of frames lie in the key frames, as control values."""
    rows, cols = shape.warp_rows, shape.warp_cols
    warps = torch.zeros(len(frames), shape.planes, 2, rows, cols)
    try:
        views = [flow_view(frame) for frame in frames.numpy()]
    except ImportError:  # of OpenCV
        seen = torch.cat([pooled(pictures_of(part).mean(1, keepdim=True), FINEST) for part in frames.split(_TOGETHER)])
        for plane, key in enumerate(keys):
            warps[:, plane] = motion_to(seen, seen[key].expand_as(seen), rows, cols)
            warps[key, plane] = 0
        return warps / shape.warp_scale
    for plane, key in enumerate(keys):
        for k, view in enumerate(views):
            if k != key:
                flow = torch.from_numpy(flow_to(view, views[key]))
                warps[k, plane] = nodes_of(flow, rows, cols, SMOOTH_MOTION)
    return warps / shape.warp_scale


def _at(
    task: GroupTask, frames: Tensor, seen: _Seen, head: Head | None, rate: Rate
) -> tuple[LatentINR, dict[str, FloatArray] | None]:
    """The networks at one rate."""
    scale = min(max(_LUMA_STEP * math.sqrt(rate.weight), _STEP_RANGE[0]), _STEP_RANGE[1])
    if rate.weight == 0:
        return _built(task, frames, seen, head, scale)[0], None
    if rate.bpp is None:
        return _built(task, frames, seen, head, scale)
    wanted = rate.bpp * task.num_pixels - _other_bits(task, seen)
    scale = _scale_for(task.shape, seen, scale, wanted, rate.at_most)
    model, steps = _built(task, frames, seen, head, scale)
    if rate.at_most or task.size_of is None:
        return model, steps
    # a rate that is asked for is measured, and corrected once
    excess = 8 * task.size_of(model, steps) - rate.bpp * task.num_pixels
    believed = _bits_of_grids(task.shape, seen, scale)
    return _built(task, frames, seen, head, _scale_for(task.shape, seen, scale, believed - excess, False))


def _scale_for(shape: ModelConfig, seen: _Seen, scale: float, bits: float, at_most: bool) -> float:
    """The quantisation step at which the grids take so many bits; at least `scale` if they are the most."""
    bits, least = max(bits, 1.0), scale if at_most else _STEP_RANGE[0]

    def within(step: float) -> float:
        return min(max(step, least), _STEP_RANGE[1])

    first = _bits_of_grids(shape, seen, scale)
    if at_most and first <= bits:
        return scale
    second = within(scale * min(max(first / bits, 0.2), 5.0))
    if second == scale:
        return scale
    found = max(_bits_of_grids(shape, seen, second), 1.0)
    power = math.log(found / max(first, 1.0)) / math.log(second / scale)
    return within(second * min(max((bits / found) ** (1 / min(power, -0.5)), 0.2), 5.0))


def _grid_steps(shape: ModelConfig, scale: float) -> list[Tensor]:
    """(channels,) step sizes of a plane's grids at each level, as they are stored."""
    steps = []
    for k, level in enumerate(reversed(shape.levels)):
        own = np.array([scale * _COARSER**k * (_CHROMA if c else 1.0) for c in range(level.channels)], np.float32)
        steps.append(torch.from_numpy(round_step_sizes(own)))
    return steps[::-1]


def _bits_of_grids(shape: ModelConfig, seen: _Seen, scale: float) -> float:
    """About what they take; key frames are alike, and the middle of one speaks for all."""
    steps = _grid_steps(shape, scale)
    part = min(1.0, math.sqrt(_MOST_POINTS_OF_ONE / (shape.height * shape.width)))
    height, width = (max(1, round(part * side)) for side in (shape.height, shape.width))
    top, left = (shape.height - height) // 2, (shape.width - width) // 2
    picture = seen.pictures[0, :, top : top + height, left : left + width]
    sizes = [(round(part * (n.rows - 1)) + 1, round(part * (n.cols - 1)) + 1) for n in shape.levels]
    pairs = zip(shape.levels, sizes, strict=True)
    levels = [replace(level, rows=max(2, rows), cols=max(2, cols)) for level, (rows, cols) in pairs]
    grids = pyramid(picture, levels, steps)
    bits = sum(_grid_bits(grid / step[:, None, None]) for grid, step in zip(grids, steps, strict=True))
    return bits * len(seen.keys) * shape.height * shape.width / (height * width)


def _grid_bits(codes: Tensor) -> float:
    """About what the codes of a grid, (channels, rows, cols), cost: the fit's own estimate (`rate`), and experience."""
    size = codes.abs()
    around = F.avg_pool2d(F.pad(size[None], (2, 2, 2, 2), mode="replicate"), 5, 1)[0]
    scales = torch.lerp(size.mean((1, 2), keepdim=True), (25 * around - size) / 24, LOCALITY) + LEAST_SCALE
    return _CODED * float(laplace_bits(codes, scales)[0].sum())


def _other_bits(task: GroupTask, seen: _Seen) -> float:
    """About what everything but the grids takes: the warps, and what is small beside them."""
    shape = task.shape
    model = random_model(shape, task.seed)
    views = model_views(model)
    for view in views.values():
        view.zero_()
    weights = torch.ones(shape.num_frames, 3, shape.planes)
    _write_modulations(shape, views, weights, torch.zeros(shape.num_frames, 3), seen.warps)
    steps, bits = _step_sizes(shape, 1.0, None), float(_REST_BITS)
    for name in ("heads.warp", "offsets.warp"):
        codes = (views[name] / float(steps[name].max())).round()
        bits += float(laplace_bits(codes, codes.abs().mean(-1, keepdim=True) + LEAST_SCALE)[0].sum())
    return bits


def _built(
    task: GroupTask, frames: Tensor, seen: _Seen, head: Head | None, scale: float
) -> tuple[LatentINR, dict[str, FloatArray]]:
    """The networks with a quantisation step of the finest luma, rounded, and all step sizes."""
    shape = task.shape
    model = random_model(shape, task.seed)
    views = model_views(model)
    for view in views.values():
        view.zero_()
    _write_field(shape, views)
    own = _grid_steps(shape, scale)
    planes = [pyramid(picture, shape.levels, own) for picture in seen.pictures]
    for k, level in enumerate(shape.levels):
        for plane, grids in enumerate(planes):
            views[f"grids.{k}"][plane * level.channels : (plane + 1) * level.channels] = grids[k]
    warps = seen.warps.clone()
    weights, shifts = _mix(shape, frames, planes, warps)
    warps[weights[:, 0].abs() < _LEAST_WEIGHT] = 0
    _write_modulations(shape, views, weights, shifts, warps)
    if head is not None and task.targets is not None:
        head.load(model, task.targets.cpu())
    steps = _step_sizes(shape, scale, head)
    for spec in tensor_specs(shape):
        codes, steps[spec.name] = quantise(views[spec.name].numpy(), steps[spec.name], spec.axis)
        views[spec.name].copy_(torch.from_numpy(dequantise(codes, steps[spec.name], spec.axis)))
    return model, steps


def _write_field(shape: ModelConfig, views: dict[str, Tensor]) -> None:
    """Hidden units that are luma and chroma of all planes and levels together, and the colours that these are."""
    columns = [channel for level in shape.levels for _ in range(shape.planes) for channel in range(level.channels)]
    views["weights.0"][columns, torch.arange(len(columns))] = 1
    views["biases.0"][:3] = _ABOVE_ZERO
    views["weights.1"][:, :3] = _OPPONENT.T
    views["biases.1"].copy_(0.5 - _ABOVE_ZERO * _OPPONENT.sum(0))


def _mix(
    shape: ModelConfig, frames: Tensor, planes: Sequence[Sequence[Tensor]], warps: Tensor
) -> tuple[Tensor, Tensor]:
    """(T, 3, P) weights of the planes and (T, 3) constants, of luma and chroma, with which frames are drawn best."""
    height, width = frames.shape[1:3]
    stride = max(1, math.ceil(math.sqrt(height * width / _MOST_POINTS)))
    part = slice(stride // 2, None, stride)
    points = pixel_grid(height, width).view(height, width, 2)[part, part].reshape(1, -1, 1, 2)
    weights, shifts = torch.zeros(len(frames), 3, shape.planes), torch.zeros(len(frames), 3)
    for first in range(0, len(frames), _TOGETHER):
        own = slice(first, min(first + _TOGETHER, len(frames)))
        chosen = frames[own, part, part].flatten(1, 2).float() / 255 - 0.5
        read = []
        for plane, grids in enumerate(planes):
            moved = bilinear(warps[own, plane], points.expand(len(chosen), -1, -1, -1))[..., 0].transpose(1, 2)
            read.append(read_plane(grids, points[:, :, 0] + shape.warp_scale * moved))
        x = torch.stack([*read, torch.ones_like(read[0])], 2)  # (T, 3, planes and a constant, N)
        y = torch.einsum("dc,tnc->tdn", _OPPONENT, chosen)[..., None]
        normal = (x @ x.transpose(2, 3)).double() + _RIDGE * x.shape[-1] * torch.eye(x.shape[2], dtype=torch.double)
        solved = torch.linalg.solve(normal, (x @ y).double())[..., 0].float()
        weights[own, :, : len(planes)], shifts[own] = solved[..., :-1], solved[..., -1]
    return weights, shifts


def _modulation_steps(shape: ModelConfig) -> dict[str, float]:
    """How well modulations are stored."""
    warp = _WARP_STEP * 2 / max(shape.height, shape.width) / shape.warp_scale
    return {"mix": _MIX_STEP, "warp": warp, "shift0": _MIX_STEP}


def _write_modulations(
    shape: ModelConfig, views: dict[str, Tensor], weights: Tensor, shifts: Tensor, warps: Tensor
) -> None:
    """Latents and a hypernetwork that give modulations: their principal components, in units of how well they count."""
    planes = range(shape.planes)
    seen = [weights[:, c, plane] for level in shape.levels for plane in planes for c in range(level.channels)]
    parts = {
        "mix": torch.stack(seen, 1) - 1,
        "warp": warps.flatten(1),
        "shift0": F.pad(shifts, (0, shape.hidden - 3)),
    }
    steps = _modulation_steps(shape)
    joined = torch.cat([part / steps[name] for name, part in parts.items()], 1).double()
    mean, loud = joined.mean(0), _SPREAD * len(joined) ** 0.5
    left, scale, right = torch.linalg.svd(joined - mean, full_matrices=False)
    # what is quieter than a step is lost in rounding
    rank = min(int((scale > 1).sum()), shape.latent_dim - shape.semantic_dim, shape.bottleneck)
    views["latents.free"][:, :rank] = (loud * left[:, :rank]).float()
    views["trunk"][shape.semantic_dim :].fill_diagonal_(1)
    sizes = [part.shape[1] for part in parts.values()]
    rows = (scale[:rank, None] * right[:rank] / loud).float().split(sizes, 1)
    for name, row, offset in zip(parts, rows, mean.float().split(sizes), strict=True):
        views[f"heads.{name}"][:rank] = row * steps[name]
        views[f"offsets.{name}"].copy_(offset * steps[name])


def _step_sizes(shape: ModelConfig, scale: float, head: Head | None) -> dict[str, FloatArray]:
    """Quantisation step sizes of all tensors, flat."""
    single: dict[str, float] = {"trunk": 1.0, "latents.free": _FINE_STEP}
    for name, step in _modulation_steps(shape).items():
        single |= {f"offsets.{name}": step, f"heads.{name}": step / (_SPREAD * shape.num_frames**0.5)}
    steps = {
        spec.name: round_step_sizes(np.full(math.prod(spec.step_shape), single.get(spec.name, _FINE_STEP), np.float32))
        for spec in tensor_specs(shape)
    }
    for k, own in enumerate(_grid_steps(shape, scale)):
        steps[f"grids.{k}"] = own.repeat(shape.planes).numpy()
    return steps | ({} if head is None else dict(head.step_sizes))
