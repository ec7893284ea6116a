"""The rate of a batch of fits: as `rate.RateTerm`, for N networks of one shape at once.

It is a class of its own because what is fast differs. On a CPU a tensor at a time stays in the cache; on a GPU all
tensors of all networks are one line of numbers, and a look at the rate is a few launches for the whole line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import LatentINR, ModelConfig, TensorSpec, tensor_specs, tensor_views
from .config import FitConfig, Rate
from .rate import (
    FIRST_STEP,
    LEAST_SCALE,
    LOCALITY,
    STEP_RANGE,
    STEP_RATE,
    FloatArray,
    Schedule,
    in_line,
    laplace_bits,
    living_step_sizes,
    parts_of,
    steered,
    stored_step_sizes,
)
from .task import GroupTask

# Bytes of the file that network n makes with its step sizes.
SizeOfOne = Callable[[int, dict[str, FloatArray]], int]


class RateTerms:
    """Rounds the parameters of N networks for each optimiser step, and adds the gradient of their rates.

    Used as a `RateTerm` is; takes the place of the parameters' memory as well.

    Args:
        shape: of all networks; `num_frames` is that of the longest.
        parameters: of the networks by name, (N, ...) each; rows of latents beyond a network's frames are zero.
        tasks: of each, what it is fitted with.
        config: of the fit, whose rate is aimed at.
        num_steps: optimiser steps to come.
        size_of: asked now and then where a rate is to be reached, while the parameters are rounded.
        rate: what is aimed at, if not the configuration's rate.
    """

    def __init__(
        self,
        shape: ModelConfig,
        parameters: Mapping[str, Tensor],
        tasks: Sequence[GroupTask],
        config: FitConfig,
        num_steps: int,
        size_of: SizeOfOne | None = None,
        rate: Rate | None = None,
    ) -> None:
        counts, num_pixels = [len(task.frames) for task in tasks], [task.num_pixels for task in tasks]
        aims = [task.aim(rate or config.rate, config) for task in tasks]
        first_step_sizes, fixed = [task.first_step_sizes for task in tasks], tasks[0].fixed
        self._schedule = Schedule.of(num_steps)
        self._config, self._parameters, self._size_of = shape, dict(parameters), size_of
        self._specs = tensor_specs(shape)
        self._count = self._next_look = 0
        self._next_measure = self._schedule.settled
        device = next(iter(self._parameters.values())).device
        self.weights = [aim.weight for aim in aims]
        self._num_pixels, self._num = num_pixels, len(aims)
        self._targets = [None if aim.bpp is None else aim.bpp * n for aim, n in zip(aims, num_pixels, strict=True)]
        self._least = [aim.weight if aim.at_most else 0.0 for aim in aims]
        self._rest = [0.0] * self._num

        self._values = in_line(self._parameters.values())
        self._gradients = torch.zeros_like(self._values)
        for parameter, value, gradient in zip(
            self._parameters.values(), self._parts(self._values), self._parts(self._gradients), strict=True
        ):
            parameter.data, parameter.grad = value, gradient
        self._codes, self._unrounded = torch.zeros_like(self._values), torch.zeros_like(self._values)
        self._rate_gradient, self._reference = torch.zeros_like(self._values), torch.zeros_like(self._values)
        self._scale, self._factors = torch.ones_like(self._values), torch.zeros_like(self._values)
        self._costs: Tensor | None = None
        self._spread_weights()
        stored_against = self._named(self._reference)
        for n, task in enumerate(tasks):
            for name, values in (task.references or {}).items():
                stored_against[name][n].copy_(torch.from_numpy(values))

        # rows of latents that are frames
        self._inside = torch.arange(shape.num_frames, device=device) < torch.tensor(counts, device=device)[:, None]
        self._lengths = torch.tensor(counts, device=device, dtype=torch.float32)[:, None, None]
        self._log_step_sizes = torch.cat(
            [self._first_log_step_size(spec, first_step_sizes).flatten() for spec in self._specs]
        )
        self._log_step_sizes.grad = torch.zeros_like(self._log_step_sizes)
        self._learned = torch.cat([torch.full(self._step_shape(s), s.name not in fixed).flatten() for s in self._specs])
        self._learned = self._learned.to(device)
        self._learner = torch.optim.Adam([self._log_step_sizes], lr=STEP_RATE, betas=(0.9, 0.99))
        # where in the line of all step sizes that of each number lies
        self._owner = torch.zeros(self._values.shape, dtype=torch.long, device=device)
        owners = self._named(self._owner)
        for name, part in self._by_step(torch.arange(len(self._log_step_sizes), device=device)).items():
            owners[name].copy_(part.expand_as(owners[name]))
        self._step_sizes = stored_step_sizes(self._log_step_sizes)[self._owner]

    def round(self) -> None:
        """Puts the rounded parameters in the place of the parameters, and clears the gradients."""
        self._unrounded.copy_(self._values)
        torch.sub(self._values, self._reference, out=self._codes)
        self._codes.div_(self._step_sizes).round_()
        # two roundings, as in the decoder: not `addcmul`
        torch.mul(self._codes, self._step_sizes, out=self._values)
        self._values.add_(self._reference)
        self._gradients.zero_()

    def restore(self, progress: float = 1.0, may_look: bool = True) -> None:
        """As `RateTerm.restore`."""
        looks = may_look and self._count >= self._next_look
        if looks:
            self._next_look = self._count + self._schedule.every
            self._look(progress)
        self._values.copy_(self._unrounded)
        self._gradients.add_(self._rate_gradient)
        if looks:
            torch.index_select(stored_step_sizes(self._log_step_sizes), 0, self._owner, out=self._step_sizes)
        self._count += 1

    def step_sizes(self) -> list[dict[str, FloatArray]]:
        """Of each network, the step sizes by tensor name, flat, exactly as they are stored."""
        named = self._by_step(stored_step_sizes(self._log_step_sizes).cpu())
        return [{name: part[n].flatten().numpy().copy() for name, part in named.items()} for n in range(self._num)]

    @property
    def bits(self) -> list[float]:
        """Of all codes of each network, at the last look; asking waits for the device."""
        if self._costs is None:
            return [math.nan] * self._num
        costs = self._named(self._costs)
        return sum(part.flatten(1).sum(1) for part in costs.values()).tolist()  # type: ignore[union-attr]

    @torch.no_grad()
    def _look(self, progress: float) -> None:
        """Bits of the codes, their gradient, and a step of the step sizes."""
        scales, codes = self._named(self._scale), self._named(self._codes)
        for spec in self._specs:
            scales[spec.name].copy_(self._scales(spec, codes[spec.name]).expand_as(codes[spec.name]))
        self._costs, slope = laplace_bits(self._codes, self._scale)
        for name, part in self._named(self._costs).items():
            if name.startswith("latents."):
                part.mul_(self._inside[..., None])
        exact = (self._unrounded - self._reference) / self._step_sizes
        torch.mul(slope / self._step_sizes, self._factors, out=self._rate_gradient)
        # a longer step moves the value by its rounding error, and shrinks the code
        moved = self._gradients * (self._codes - exact) * self._step_sizes - self._factors * slope * exact
        parts = self._named(moved)
        assert self._log_step_sizes.grad is not None
        for spec, gradient in zip(self._specs, self._by_step(self._log_step_sizes.grad).values(), strict=True):
            gradient.copy_(_sum_to(parts[spec.name], gradient.shape))
        self._log_step_sizes.grad.mul_(self._learned)
        self._steer()
        for group in self._learner.param_groups:
            group["lr"] = STEP_RATE * progress
        self._learner.step()

    def _steer(self) -> None:
        """Moves each lambda towards the bits that are asked for."""
        if self._count < self._schedule.settled or all(target is None for target in self._targets):
            return
        bits = self.bits
        if self._size_of is not None and self._count >= self._next_measure:
            for n, step_sizes in enumerate(self.step_sizes()):
                if self._targets[n] is not None:
                    self._rest[n] = 8 * self._size_of(n, step_sizes) - bits[n]
            self._next_measure += self._schedule.measure_every
        for n, target in enumerate(self._targets):
            if target is not None:
                self.weights[n] = max(steered(self.weights[n], bits[n] + self._rest[n], target), self._least[n])
        self._spread_weights()

    def _spread_weights(self) -> None:
        """Lambda, a pixel, beside each number."""
        each = [weight / pixels for weight, pixels in zip(self.weights, self._num_pixels, strict=True)]
        factors = torch.tensor(each, device=self._values.device)
        for part in self._parts(self._factors):
            part.copy_(factors.view(-1, *[1] * (part.dim() - 1)).expand_as(part))

    def _scales(self, spec: TensorSpec, codes: Tensor) -> Tensor:
        """The Laplace scale of each code, as `RateTerm._scales`; frames that are not there do not count."""
        size = codes.abs()
        if spec.kind == "grid":
            channel = size.mean((2, 3), keepdim=True)
            around = F.avg_pool2d(F.pad(size, (2, 2, 2, 2), mode="replicate"), 5, 1)
            around = (25 * around - size) / 24  # without the code itself
            return torch.lerp(channel, around, LOCALITY) + LEAST_SCALE
        if spec.kind == "sequence":
            return size.sum(1, keepdim=True) / self._lengths + LEAST_SCALE
        return size.mean(-1, keepdim=True) + LEAST_SCALE

    def _first_log_step_size(self, spec: TensorSpec, given: Sequence[Mapping[str, FloatArray]]) -> Tensor:
        shape = self._step_shape(spec)
        if given and spec.name in given[0]:
            flat = torch.stack([torch.from_numpy(living_step_sizes(one[spec.name])) for one in given])
            return flat.view(shape).to(self._values.device).clamp(*STEP_RANGE).log()
        square = self._named(self._values)[spec.name].square()
        mean = _sum_to(square, shape) * (math.prod(spec.step_shape) / math.prod(spec.shape))
        if spec.kind == "sequence":
            mean = mean * (self._config.num_frames / self._lengths)
        return (FIRST_STEP[spec.kind] * mean.sqrt()).clamp(*STEP_RANGE).log()

    def _step_shape(self, spec: TensorSpec) -> tuple[int, ...]:
        return (self._num, *spec.step_shape)

    def _by_step(self, flat: Tensor) -> dict[str, Tensor]:
        """The line of all step sizes as views by tensor name, (N, ...) each."""
        shapes = [self._step_shape(spec) for spec in self._specs]
        parts = flat.split([math.prod(shape) for shape in shapes])
        return {spec.name: part.view(shape) for spec, part, shape in zip(self._specs, parts, shapes, strict=True)}

    def _parts(self, flat: Tensor) -> list[Tensor]:
        return parts_of(flat, self._parameters.values())

    def _named(self, flat: Tensor) -> dict[str, Tensor]:
        return tensor_views(self._config, dict(zip(self._parameters, self._parts(flat), strict=True)))


class RateOfOne:
    """A `RateTerm` of one model as a batch of one: for a card, where a look at it tensor by tensor is 2,200 launches.

    Args:
        model: every parameter float32.
        task: what it is fitted with.
        config: of the fit.
        rate: what is aimed at.
        num_steps: optimiser steps to come.
    """

    def __init__(self, model: LatentINR, task: GroupTask, config: FitConfig, rate: Rate, num_steps: int) -> None:
        def size_of(n: int, step_sizes: dict[str, FloatArray]) -> int:
            assert task.size_of is not None
            return task.size_of(model, step_sizes)

        stacked = {name: one.detach()[None] for name, one in model.named_parameters()}
        asked = None if task.size_of is None else size_of
        self._terms = RateTerms(model.config, stacked, [task], config, num_steps, asked, rate)
        self.round, self.restore = self._terms.round, self._terms.restore
        for name, one in model.named_parameters():
            gradient = stacked[name].grad
            assert gradient is not None
            one.data, one.grad = stacked[name].data[0], gradient[0]

    @property
    def bits(self) -> float:
        """Of all codes, at the last look; asking waits for the device."""
        return self._terms.bits[0]

    def step_sizes(self) -> dict[str, FloatArray]:
        """The step sizes by tensor name, flat, exactly as they are stored."""
        return self._terms.step_sizes()[0]


def _sum_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    dims = [k for k, size in enumerate(shape) if size == 1 and k]
    return x.sum(dims, keepdim=True) if dims else x
