"""The rate of a fit: rounding to learned step sizes inside the loop, and what the rounded numbers cost in bits.

    parameters --/ step, round--> codes --x step--> what the model draws with (straight-through gradient)
                                    |
                                    entropy model: Laplace, its scale from the codes around --> bits

A group of frames that starts from an earlier one is stored as the residual against it: its codes are those of the
difference, so that what stays as it was costs next to nothing.

The loss of the fit's last part is D + lambda * R: the mean squared error and the bits for each pixel of a frame. As in
NIRVANA (Maiya et al., CVPR 2023) what is rounded is what is fitted; step sizes and distributions are learned per
channel as in NVRC (Kwan et al., NeurIPS 2024). Codes move slowly, so that the gradient of the rate is made anew only
every few steps of the optimiser and added to each of them: the rate costs next to nothing to fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..arrays import FloatArray
from ..model import LatentINR, TensorSpec, tensor_specs, tensor_views
from .config import Rate

# Steps at the start, in units of the root mean square of what shares a step. They only set where learning starts.
FIRST_STEP = {"grid": 0.25, "sequence": 0.05, "matrix": 0.05, "vector": 0.02}
_LN2 = math.log(2)
# Added to the scale of every distribution: a code that has always been zero can still be another.
LEAST_SCALE = 0.02
# Where bits are asked for: how far lambda follows, at each look, the logarithm of what is too much; and how often in a
# fit the file's real size is measured.
_STEERING = 0.2
_MEASUREMENTS = 10
# Share of the steps before lambda is steered: at first the codes shrink by themselves.
_SETTLING = 0.15
# Looks at the rate in short fits, so that the step sizes have time to be learned.
_LOOKS = 500
# Learning rate of the step sizes, and the share of a grid code's scale that comes from the codes around it.
STEP_RATE, LOCALITY = 0.05, 0.5
# Smallest and largest step, far outside what a fit that converges uses.
STEP_RANGE = (1e-7, 1e4)
# Numbers of which a parameter's place in the line is a multiple, on a card: what was compiled before may read sixteen
# bytes at once where a parameter began at such an address, and faults elsewhere. On a CPU addresses are of no matter,
# but decide how a product is rounded: they stay as they were when the first files were fitted.
_ALIGNED = 4


SizeOf = Callable[[LatentINR, dict[str, FloatArray]], int]


@dataclass(frozen=True)
class Schedule:
    """When a rate is looked at: every so many steps; from which step on it is steered; steps between measurements."""

    every: int
    settled: float
    measure_every: float

    @classmethod
    def of(cls, num_steps: int) -> Schedule:
        """That of so many steps with a rate."""
        settled = _SETTLING * num_steps
        return cls(min(max(num_steps // _LOOKS, 1), 16), settled, (num_steps - settled) / _MEASUREMENTS)


class RateTerm:
    """Rounds a model's parameters for each optimiser step, and adds the gradient of their rate.

    Takes the place of the parameters' memory: afterwards they are views of one buffer, and so are their gradients.

        term.round()        before the model draws
        loss.backward()
        term.restore()      parameters are the unrounded ones again, gradients include the rate's
        optimiser.step()

    Args:
        model: the model; every parameter float32.
        aim: lambda, or the bits per pixel that it is steered to.
        num_pixels: pixels (T * H * W) of the video.
        num_steps: optimiser steps to come.
        size_of: bytes of the file that the rounded model and its step sizes make, asked for now and then where a rate
            is to be reached.
        references: what residuals are stored against, by tensor name; the others are stored as they are.
        first_step_sizes: step sizes to start from, by tensor name, flat; the others start from the tensors' own sizes.
        fixed: names of tensors whose step sizes are not learned.
    """

    def __init__(
        self,
        model: LatentINR,
        aim: Rate,
        num_pixels: int,
        num_steps: int,
        size_of: SizeOf | None = None,
        references: Mapping[str, FloatArray] | None = None,
        first_step_sizes: Mapping[str, FloatArray] | None = None,
        fixed: Collection[str] = (),
    ) -> None:
        self.weight, self.num_pixels = aim.weight, num_pixels
        schedule = Schedule.of(num_steps)
        self._every = schedule.every
        self._settled = self._next_measure = schedule.settled
        self._measure_every = schedule.measure_every
        self._target = None if aim.bpp is None else aim.bpp * num_pixels
        self._least_weight = aim.weight if aim.at_most else 0.0
        self._model, self._size_of, self._rest = model, size_of, 0.0
        self._bits = torch.tensor(math.nan)
        self._specs: tuple[TensorSpec, ...] = tensor_specs(model.config)
        self._config = model.config
        self._parameters = dict(model.named_parameters())
        self._values = in_line(self._parameters.values())
        self._gradients = torch.zeros_like(self._values)
        for parameter, value, gradient in zip(
            self._parameters.values(), self._parts(self._values), self._parts(self._gradients), strict=True
        ):
            parameter.data, parameter.grad = value, gradient
        self._step_sizes = torch.ones_like(self._values)
        self._codes = torch.zeros_like(self._values)
        self._unrounded = torch.zeros_like(self._values)
        self._rate_gradient = torch.zeros_like(self._values)
        self._reference = torch.zeros_like(self._values)
        self._views = {
            name: self._named(getattr(self, name))
            for name in ("_values", "_gradients", "_step_sizes", "_codes", "_unrounded", "_rate_gradient", "_reference")
        }
        for name, values in (references or {}).items():
            self._views["_reference"][name].copy_(torch.from_numpy(values))
        self._residual = bool(references)
        self._log_step_sizes = {
            spec.name: self._first_log_step_size(spec, first_step_sizes or {}) for spec in self._specs
        }
        learned = [step for name, step in self._log_step_sizes.items() if name not in fixed]
        self._learner = torch.optim.Adam(learned, lr=STEP_RATE, betas=(0.9, 0.99))
        self._count = self._next_look = 0
        self._spread_steps()

    def round(self) -> None:
        """Puts the rounded parameters in the place of the parameters, and clears the gradients."""
        self._unrounded.copy_(self._values)
        if self._residual:
            self._values.sub_(self._reference)
        torch.div(self._values, self._step_sizes, out=self._codes).round_()
        torch.mul(self._codes, self._step_sizes, out=self._values)
        if self._residual:
            self._values.add_(self._reference)
        self._gradients.zero_()

    def restore(self, progress: float = 1.0, may_look: bool = True) -> None:
        """Puts the unrounded parameters back, learns the step sizes, and adds the rate's gradient to the parameters'.

        Args:
            progress: 0 to 1, the schedule's factor on the learning rate of the step sizes.
            may_look: whether the gradients are of what the step sizes are to be learned from; a look that is due waits.
        """
        looks = may_look and self._count >= self._next_look
        if looks:
            self._next_look = self._count + self._every
            self._look(progress)
        self._values.copy_(self._unrounded)
        self._gradients.add_(self._rate_gradient)
        if looks:
            self._spread_steps()
        self._count += 1

    @property
    def bits(self) -> float:
        """Of all codes, at the last look; asking waits for the device."""
        return float(self._bits)

    def step_sizes(self) -> dict[str, FloatArray]:
        """The step sizes by tensor name, flat, exactly as they are stored."""
        return {spec.name: self._stored_step(spec).flatten().cpu().numpy() for spec in self._specs}

    @torch.no_grad()
    def _look(self, progress: float) -> None:
        """Bits of the codes, their gradient, and a step of the step sizes."""
        bits = torch.zeros((), device=self._values.device)
        factor = self.weight / self.num_pixels
        views = self._views
        for spec in self._specs:
            codes, step, log_step = (
                views["_codes"][spec.name],
                views["_step_sizes"][spec.name],
                self._log_step_sizes[spec.name],
            )
            exact = (views["_unrounded"][spec.name] - views["_reference"][spec.name]) / step
            costs, slope = laplace_bits(codes, self._scales(spec, codes))
            bits += costs.sum()
            torch.mul(slope / step, factor, out=views["_rate_gradient"][spec.name])
            # a longer step moves the value by its rounding error, and shrinks the code
            moved = views["_gradients"][spec.name] * (codes - exact) * step - factor * slope * exact
            log_step.grad = _sum_to(moved, spec.step_shape)
        self._bits = bits
        self._steer()
        for group in self._learner.param_groups:
            group["lr"] = STEP_RATE * progress
        self._learner.step()

    def _steer(self) -> None:
        """Moves lambda towards the bits that are asked for."""
        if self._target is None or self._count < self._settled:
            return
        if self._size_of is not None and self._count >= self._next_measure:
            # the rest of a file hardly changes while the codes do
            self._rest = 8 * self._size_of(self._model, self.step_sizes()) - self.bits
            self._next_measure += self._measure_every
        self.weight = max(steered(self.weight, self.bits + self._rest, self._target), self._least_weight)

    def _scales(self, spec: TensorSpec, codes: Tensor) -> Tensor:
        """The Laplace scale of each code, in codes: for a Laplace distribution the mean magnitude is the best guess."""
        size = codes.abs()
        if spec.kind == "grid":
            channel = size.mean((1, 2), keepdim=True)
            around = F.avg_pool2d(F.pad(size[None], (2, 2, 2, 2), mode="replicate"), 5, 1)[0]
            around = (25 * around - size) / 24  # without the code itself
            return torch.lerp(channel, around, LOCALITY) + LEAST_SCALE
        dims = {"sequence": 0, "matrix": 1, "vector": 0}[spec.kind]
        return size.mean(dims, keepdim=True) + LEAST_SCALE

    def _first_log_step_size(self, spec: TensorSpec, given: Mapping[str, FloatArray]) -> Tensor:
        if spec.name in given:
            step = torch.from_numpy(living_step_sizes(given[spec.name])).view(spec.step_shape).to(self._values.device)
            return step.clamp(*STEP_RANGE).log().requires_grad_()
        square = self._views["_values"][spec.name].square()
        mean = _sum_to(square, spec.step_shape) * (math.prod(spec.step_shape) / square.numel())
        return (FIRST_STEP[spec.kind] * mean.sqrt()).clamp(*STEP_RANGE).log().requires_grad_()

    def _stored_step(self, spec: TensorSpec) -> Tensor:
        return stored_step_sizes(self._log_step_sizes[spec.name])

    def _spread_steps(self) -> None:
        for spec in self._specs:
            self._views["_step_sizes"][spec.name].copy_(self._stored_step(spec).expand(spec.shape))

    def _parts(self, flat: Tensor) -> list[Tensor]:
        return parts_of(flat, self._parameters.values())

    def _named(self, flat: Tensor) -> dict[str, Tensor]:
        return tensor_views(self._config, dict(zip(self._parameters, self._parts(flat), strict=True)))


def in_line(tensors: Iterable[Tensor]) -> Tensor:
    """Tensors one after the other in one flat copy; on a card with zeros between them, so that each is aligned."""
    return torch.cat([F.pad(one.detach().flatten(), (0, _room(one) - one.numel())) for one in tensors])


def parts_of(line: Tensor, tensors: Iterable[Tensor]) -> list[Tensor]:
    """The views of a line like that of `in_line` that have the places and shapes of its tensors."""
    found, start = [], 0
    for one in tensors:
        found.append(line[start : start + one.numel()].view(one.shape))
        start += _room(one)
    return found


def _room(one: Tensor) -> int:
    """Numbers in a line that a tensor takes, what is left free behind it included."""
    return one.numel() if one.device.type == "cpu" else -(-one.numel() // _ALIGNED) * _ALIGNED


def laplace_bits(codes: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
    """What integers cost under a Laplace distribution, -log2 of its mass within half a unit, and the derivative.

    Args:
        codes: any shape; integers, or values in between.
        scales: positive, broadcastable to the codes: the mean magnitude.

    Returns:
        bits of each code, and their derivative by the code, both of the codes' shape.
    """
    size = codes.abs()
    half = torch.exp(-0.5 / scales)
    # the bin lies on one side of zero: e^(-|x| / b) * sinh(1 / 2b)
    mass = (0.5 * (1 / half - half)).clamp(min=1e-30)
    outer, outer_slope = size / scales - mass.log(), 1 / scales
    # the bin holds zero: 1 - e^(-1 / 2b) * cosh(x / b)
    inside = size < 0.5
    reach = torch.where(inside, size / scales, 0).clamp(max=30)
    rest = (1 - half * reach.cosh()).clamp(min=1e-9)
    inner, inner_slope = -rest.log(), half * reach.sinh() / scales / rest
    bits = torch.where(inside, inner, outer) / _LN2
    return bits, torch.where(inside, inner_slope, outer_slope) * codes.sign() / _LN2


def steered(weight: float, bits: float, target: float) -> float:
    """Lambda, moved towards the bits that are asked for."""
    excess = math.log(max(bits, 1.0) / target)
    return weight * math.exp(min(max(_STEERING * excess, -_STEERING), _STEERING))


def stored_step_sizes(log_step_sizes: Tensor) -> Tensor:
    """Step sizes by their logarithms, as `codec.round_step_sizes` stores them; nothing leaves the device."""
    steps = log_step_sizes.detach().exp().clamp(*STEP_RANGE)
    return ((steps.view(torch.int32) + 0x80000) & -0x100000).view(torch.float32)


def living_step_sizes(steps: FloatArray) -> FloatArray:
    """Stored steps to start from: a channel of zeros is stored without its step, and gets a usual one."""
    flat = np.array(steps, np.float32)
    living = flat[flat > 0]
    flat[flat <= 0] = np.median(living) if living.size else 1.0
    return flat


def _sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    dims = [k for k, size in enumerate(shape) if size == 1]
    return x.sum(dims, keepdim=True) if dims else x
