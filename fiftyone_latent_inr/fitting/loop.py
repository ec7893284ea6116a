"""The fit loop: one group of frames, from what it starts from to fitted networks.

all parameters free  --rate_start-->  rounded to learned step sizes, distortion + lambda * rate  -->  one result
                                 |->  the same again for every further rate that is asked for
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..arrays import FloatArray
from ..errors import InputError
from ..model import LatentINR
from ..progress import FitProgress
from ..torch_settings import fast_products
from .batch_rate import RateOfOne
from .config import FitConfig, Rate
from .instant import fit_at_once
from .objective import Loss, Objective, compile_mode, generator_on, looked_up
from .rate import RateTerm
from .sampling import MotionSampler, PixelSampler
from .soap import SOAP
from .start import random_model
from .task import GroupTask

# Frames whose teacher embeddings vary less than this (squared distance) say the same thing; fitting the
# difference would fit noise.
_LEAST_SPREAD = 1e-4
# Steps between two progress events, and between two looks at the loss: reading it waits for the device.
_REPORT_EVERY = 20
_DIVERGED = (
    "the fit's numbers are no longer finite: the prior that it starts from has too large weights, take another, or "
    "none (prior='none'); or its configuration has too high a learning_rate"
)


@dataclass(frozen=True)
class Fitted:
    """What a fit ends with.

    Attributes:
        model: on the device it was fitted on; rounded to its step sizes, where it has any.
        step_sizes: quantisation step sizes by tensor name, flat; None where the rate was not part of the fit.
        bits: what the fit's own distributions assign to the rounded numbers; None without a rate.
    """

    model: LatentINR
    step_sizes: dict[str, FloatArray] | None
    bits: float | None


def fit_frames(
    task: GroupTask, config: FitConfig, *, device: torch.device | str = "cpu", rates: Sequence[Rate] | None = None
) -> Generator[FitProgress, None, list[Fitted]]:
    """Fits a LatentINR to a group of frames, jointly with its alignment to a teacher.

    Deterministic on the CPU for a seed and a number of torch threads.

    Args:
        task: the frames, and what their fit is given.
        config: steps and rates.
        device: where to fit.
        rates: what the last part of the fit aims at, once for each result; by default the configuration's one.

    Yields:
        Progress events of stage `fit`.

    Returns:
        The fitted models, one a rate, on `device`.
    """
    aims = [config.rate] if rates is None else list(rates)
    if config.at_once:
        yield FitProgress("fit", 0, 1)
        return [Fitted(model, step_sizes, None) for model, step_sizes in fit_at_once(task, aims)]
    state = GroupFit(task.on(device), config, device)
    total = task.steps(config)
    shared = round(config.rate_start * total)
    work = shared + len(aims) * (total - shared)
    began = time.monotonic()

    def progress(done: int) -> FitProgress:
        seconds = time.monotonic() - began
        return FitProgress("fit", done, work, state.psnr, seconds, seconds / done * (work - done))

    for step in state.run(0, shared, total):
        yield progress(step)
    results = []
    for k, aim in enumerate(aims):
        branch = state if k == len(aims) - 1 else state.fork()
        branch.begin_rate(aim, total - shared)
        for step in branch.run(shared, total, total):
            state.psnr = branch.psnr
            yield progress(k * (total - shared) + step)
        results.append(branch.result())
    return results


class _Rounding(Protocol):
    """A `RateTerm`, or what takes its place for many networks."""

    def round(self) -> None: ...

    def restore(self, progress: float = 1.0, may_look: bool = True) -> None: ...


class OptimiserSteps:
    """Optimiser steps of one fit or of a batch of fits, whose gradients are its own affair.

    Attributes:
        psnr: running estimate in dB, None before there is one.
    """

    config: FitConfig
    device: torch.device
    optimiser: SOAP
    rate: _Rounding | None = None
    learns_between = False
    psnr: float | None = None
    _error: Tensor  # of the last step on frames, one number or one a network
    _mse: float | None = None

    def run(self, first: int, last: int, total: int) -> Iterator[int]:
        """Optimiser steps `first + 1` to `last` of `total`; gives the number of steps done, now and then.

        Raises:
            InputError: the numbers are no longer finite.
        """
        warmup = max(1, round(self.config.warmup * total))
        for step in range(first, last):
            factor = min(1.0, (step + 1) / warmup) * (1 - step / total)
            for group in self.optimiser.param_groups:
                group["lr"] = self.config.learning_rate * factor
            with fast_products(self.device):
                try:
                    self._step(self.learns_between and _is_due(step, self.config.between), factor)
                except torch.linalg.LinAlgError as error:
                    raise InputError(_DIVERGED) from error
            if (step + 1) % _REPORT_EVERY == 0 or step + 1 == total:
                mse = max(self._error.mean().item(), 1e-10)
                if not math.isfinite(mse):
                    raise InputError(_DIVERGED)
                self._mse = mse if self._mse is None else 0.8 * self._mse + 0.2 * mse
                self.psnr = -10 * math.log10(self._mse)
                yield step + 1

    def _step(self, between: bool, factor: float) -> None:
        """One step; `factor` is the schedule's on all rates of learning."""
        if self.rate is None:
            self.optimiser.zero_grad()
            self._backward(between)
        else:
            self.rate.round()
            self._backward(between)
            self.rate.restore(factor, may_look=not between)
        self.optimiser.step()

    def _backward(self, between: bool) -> None:
        """Gradients of one step, on frames or on what lies between them."""
        raise NotImplementedError


class GroupFit(OptimiserSteps):
    """A fit under way: model, optimiser, sampler and, in its last part, the rate."""

    rate: RateTerm | RateOfOne | None = None

    def __init__(self, task: GroupTask, config: FitConfig, device: torch.device | str) -> None:
        self.task, self.config, self.device = task, config, torch.device(device)
        self.model = initial_model(task).to(device)
        self.targets = self.spread = None
        if task.targets is not None:
            self.targets, self.spread = task.targets.to(device), spread_of(task.targets).to(device)
        self.scene = torch.zeros(len(task.frames), dtype=torch.long, device=device)
        self.loss = Loss(Objective(self.model, config.alignment_weight), compile_mode(device, task.steps(config)))
        generator = generator_on(device, task.seed)
        size = config.max_frames_per_step, config.points_per_step
        self.sampler = PixelSampler(task.frames, *size, generator, task.shape.patch)
        self.between: MotionSampler | None = None
        if task.motion is not None and task.moves:
            self.between = MotionSampler(task.motion, *size, generator, task.shape.patch)
            self.learns_between = True
        self._error = torch.zeros((), device=device)
        semantic = None if task.start is None else task.start.semantic
        self._held = None if semantic is None else torch.from_numpy(semantic).to(device)
        self._learned: list[Tensor] = [one for one in self.model.parameters() if one.requires_grad]
        self.optimiser = SOAP(self._learned, lr=config.learning_rate)

    def fork(self) -> GroupFit:
        """The same once more, to be fitted on in another way; the video stays one in memory."""
        kept = [self.task, self.sampler.pixels, self.between.motion if self.between else None]
        return copy.deepcopy(self, {id(one): one for one in kept})

    def begin_rate(self, aim: Rate, num_steps: int) -> None:
        """From here on, `num_steps` steps before the end, the rate counts."""
        if aim.weight == 0:
            return
        if self.device.type == "cuda":
            self.rate = RateOfOne(self.model, self.task, self.config, aim, num_steps)
            return
        self.rate = RateTerm(
            self.model,
            self.task.aim(aim, self.config),
            self.task.num_pixels,
            num_steps,
            self.task.size_of,
            references=self.task.references,
            first_step_sizes=self.task.first_step_sizes,
            fixed=self.task.fixed,
        )

    def _step(self, between: bool, factor: float) -> None:
        super()._step(between, factor)
        if self._held is not None:  # they are columns of the dictionary, which is learned as a whole
            self.model.latents.data[:, : self._held.shape[1]].copy_(self._held)

    def _backward(self, between: bool) -> None:
        """Gradients of one step, on frames or on what lies between them."""
        if between and self.between is not None:
            times, points, colours = self.between.draw()
            self.loss.backward(self._learned, looked_up(self.model.latents, times, self.scene), points, colours)
            return
        frames, points, colours = self.sampler.draw()
        latents = looked_up(self.model.latents, frames, self.scene)
        targets = None if self.targets is None else self.targets[frames]
        # the frames' error is kept while other steps are made, which may reuse its memory
        self._error = self.loss.backward(self._learned, latents, points, colours, targets, self.spread).clone()

    def result(self) -> Fitted:
        """What has been fitted."""
        if self.rate is None:
            return Fitted(self.model, None, None)
        self.rate.round()
        return Fitted(self.model, self.rate.step_sizes(), self.rate.bits)


def initial_model(task: GroupTask) -> LatentINR:
    """The networks that a fit begins with, on the CPU."""
    model = random_model(task.shape, task.seed)
    if task.start is not None:
        task.start.load(model)
    if task.targets is not None:
        if task.head is not None:
            task.head.load(model, task.targets)
        else:
            model.align_to(task.targets)
    return model


def spread_of(targets: Tensor) -> Tensor:
    """How much (T, E) embeddings vary, see `alignment_loss`."""
    return (targets - targets.mean(0)).square().sum(-1).mean().clamp(min=_LEAST_SPREAD)


def _is_due(step: int, share: float) -> bool:
    """Whether a step is one of those that take a share of all, evenly spread; the first one is not."""
    return math.floor((step + 1) * share) > math.floor(step * share)
