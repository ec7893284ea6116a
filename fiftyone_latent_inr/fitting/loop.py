"""The fit loop: one video, from random networks to fitted ones. It yields progress and prints nothing.

all parameters free  --rate_start-->  rounded to learned steps, distortion + lambda * rate  -->  one result
                                 |->  the same again for every further rate that is asked for
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from ..codec.quantisation import FloatArray
from ..frames.motion import Motion
from ..model import SEMANTIC, LatentINR, ModelConfig
from ..progress import FitProgress
from .config import FitConfig, Rate
from .objective import Loss, Objective, compile_mode, fast_products, generator_on
from .rate import RateTerm, SizeOf
from .sampling import MotionSampler, PixelSampler
from .soap import SOAP
from .start import Head, Start, random_model

# Frames whose teacher embeddings vary less than this (squared distance) say the same thing; fitting the
# difference would fit noise.
_LEAST_SPREAD = 1e-4
# Steps between two progress events, and between two looks at the loss: reading it waits for the device.
_REPORT_EVERY = 20


@dataclass(frozen=True)
class Fitted:
    """What a fit ends with.

    Attributes:
        model: on the device it was fitted on; rounded to its steps, where it has any.
        steps: quantisation steps by tensor name, flat; None where the rate was not part of the fit.
        bits: what the fit's own distributions assign to the rounded numbers; None without a rate.
    """

    model: LatentINR
    steps: dict[str, FloatArray] | None
    bits: float | None


def fit_frames(
    frames: Tensor,
    config: FitConfig,
    *,
    targets: Tensor | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    rates: Sequence[Rate] | None = None,
    size_of: SizeOf | None = None,
    motion: Motion | None = None,
    shape: ModelConfig | None = None,
    head: Head | None = None,
    start: Start | None = None,
) -> Generator[FitProgress, None, list[Fitted]]:
    """Fits a LatentINR to a video, jointly with its alignment to a teacher.

    Deterministic on the CPU for a seed and a number of torch threads.

    Args:
        frames: uint8 (T, H, W, 3).
        config: steps, rates and architecture.
        targets: (T, E) unit-norm teacher embeddings of the frames, or None.
        seed: of the initial networks and of the pixels sampled.
        device: where to fit.
        rates: what the last part of the fit aims at, once for each result; by default the configuration's one.
        size_of: bytes of the file that a model and its steps make; a rate given in bits per pixel is steered by it, or
            without it by the fit's own estimate.
        motion: of the frames, on `device`; what the configuration's `between` steps learn from. None leaves them out.
        shape: of the model; by default what the configuration's architecture makes of the frames.
        head: the head that groups of a video share, given with `targets`; it is not learned.
        start: an earlier group of the video, of the same shape but for its number of frames, to start from.

    Yields:
        Progress events of stage `fit`.

    Returns:
        The fitted models, one a rate, on `device`.
    """
    state = _Fit(frames, config, targets, seed, device, motion, shape, head, start)
    aims = [config.rate] if rates is None else list(rates)
    count, height, width, _ = frames.shape
    total = config.steps_for(count, height, width, warm=start is not None and start.warm)
    shared = round(config.rate_start * total)
    work = shared + len(aims) * (total - shared)
    began = time.monotonic()

    def progress(done: int) -> FitProgress:
        seconds = time.monotonic() - began
        return FitProgress("fit", done, work, state.psnr, seconds, seconds / done * (work - done))

    with fast_products(device):
        for step in state.run(0, shared, total):
            yield progress(step)
        results = []
        for k, aim in enumerate(aims):
            branch = state if k == len(aims) - 1 else state.fork()
            branch.begin_rate(aim, total - shared, size_of)
            for step in branch.run(shared, total, total):
                state.psnr = branch.psnr
                yield progress(k * (total - shared) + step)
            results.append(branch.result())
    return results


class _Rounding(Protocol):
    """A `RateTerm`, or what takes its place for many networks."""

    def round(self) -> None: ...

    def restore(self, progress: float = 1.0, may_look: bool = True) -> None: ...


class Steps:
    """Optimiser steps of one fit or of a batch of fits, whose gradients are its own affair.

    Attributes:
        psnr: running estimate in dB, None before there is one.
    """

    config: FitConfig
    optimiser: SOAP
    rate: _Rounding | None = None
    learns_between = False
    psnr: float | None = None
    _error: Tensor  # of the last step on frames, one number or one a network
    _mse: float | None = None

    def run(self, first: int, last: int, total: int) -> Iterator[int]:
        """Optimiser steps `first + 1` to `last` of `total`; gives the number of steps done, now and then."""
        warmup = max(1, round(self.config.warmup * total))
        for step in range(first, last):
            factor = min(1.0, (step + 1) / warmup) * (1 - step / total)
            for group in self.optimiser.param_groups:
                group["lr"] = self.config.learning_rate * factor
            between = self.learns_between and _is_due(step, self.config.between)
            if self.rate is None:
                self.optimiser.zero_grad()
                self._backward(between)
            else:
                self.rate.round()
                self._backward(between)
                self.rate.restore(factor, may_look=not between)
            self.optimiser.step()
            if (step + 1) % _REPORT_EVERY == 0 or step + 1 == total:
                mse = max(self._error.mean().item(), 1e-10)
                self._mse = mse if self._mse is None else 0.8 * self._mse + 0.2 * mse
                self.psnr = -10 * math.log10(self._mse)
                yield step + 1

    def _backward(self, between: bool) -> None:
        """Gradients of one step, on frames or on what lies between them."""
        raise NotImplementedError


class _Fit(Steps):
    """A fit under way: model, optimiser, sampler and, in its last part, the rate."""

    rate: RateTerm | None = None

    def __init__(
        self,
        frames: Tensor,
        config: FitConfig,
        targets: Tensor | None,
        seed: int,
        device: torch.device | str,
        motion: Motion | None,
        shape: ModelConfig | None,
        head: Head | None,
        start: Start | None,
    ) -> None:
        num_frames, height, width, _ = frames.shape
        width_of_targets = 0 if targets is None else targets.shape[1]
        shape = shape or config.architecture.for_video(num_frames, height, width, width_of_targets)
        self.model = initial_model(shape, seed, targets, head, start).to(device)
        self.start, self.head = start, head
        self.targets = self.spread = None
        if targets is not None:
            self.targets, self.spread = targets.to(device), spread_of(targets).to(device)
        self.scene = torch.zeros(num_frames, dtype=torch.long, device=device)
        self.config, self.num_pixels = config, num_frames * height * width
        self.loss = Loss(
            Objective(self.model, config.alignment_weight),
            compile_mode(device, config.steps_for(num_frames, height, width, warm=start is not None and start.warm)),
        )
        generator = generator_on(device, seed)
        size = config.max_frames_per_step, config.points_per_step
        self.sampler = PixelSampler(frames.to(device), *size, generator, shape.patch)
        self.between: MotionSampler | None = None
        if motion is not None and len(motion.gaps):
            self.between = MotionSampler(motion, *size, generator, shape.patch)
            self.learns_between = True
        self._error = torch.zeros((), device=device)
        self._learned: list[Tensor] = [one for one in self.model.parameters() if one.requires_grad]
        self.optimiser = SOAP(self._learned, lr=config.learning_rate)

    def fork(self) -> _Fit:
        """The same once more, to be fitted on in another way; the video stays one in memory."""
        kept = [self.sampler.pixels, self.between.motion if self.between else None]
        return copy.deepcopy(self, {id(one): one for one in kept})

    def begin_rate(self, aim: Rate, num_steps: int, size_of: SizeOf | None) -> None:
        """From here on, `num_steps` steps before the end, the rate counts."""
        if aim.weight > 0:
            if self.start is not None and self.start.warm:
                aim = replace(aim, weight=aim.weight * self.config.warm_weight)
            given: dict[str, FloatArray] = {}
            if self.start is not None:
                given.update({name: step for name, step in self.start.steps.items() if name not in SEMANTIC})
            fixed = {} if self.head is None else self.head.steps
            self.rate = RateTerm(
                self.model,
                aim,
                self.num_pixels,
                num_steps,
                size_of,
                references=None if self.start is None else self.start.references(),
                first_steps={**given, **fixed},
                fixed=tuple(fixed),
            )

    def _backward(self, between: bool) -> None:
        """Gradients of one step, on frames or on what lies between them."""
        if between and self.between is not None:
            self.loss.backward(self._learned, *self.between.draw(), self.scene)
            return
        # the frames' error is kept while other steps are made, which may reuse its memory
        self._error = self.loss.backward(self._learned, *self.sampler.draw(), self.targets, self.spread).clone()

    def result(self) -> Fitted:
        """What has been fitted."""
        if self.rate is None:
            return Fitted(self.model, None, None)
        self.rate.round()
        return Fitted(self.model, self.rate.steps(), self.rate.bits)


def initial_model(
    shape: ModelConfig, seed: int, targets: Tensor | None, head: Head | None, start: Start | None
) -> LatentINR:
    """The networks that a fit begins with, on the CPU; arguments as those of `fit_frames`."""
    model = random_model(shape, seed)
    if start is not None:
        start.load(model)
    if targets is not None:
        if head is not None:
            head.load(model, targets)
        else:
            model.align_to(targets)
    return model


def spread_of(targets: Tensor) -> Tensor:
    """How much (T, E) embeddings vary, see `alignment_loss`."""
    return (targets - targets.mean(0)).square().sum(-1).mean().clamp(min=_LEAST_SPREAD)


def _is_due(step: int, share: float) -> bool:
    """Whether a step is one of those that take a share of all, evenly spread; the first one is not."""
    return math.floor((step + 1) * share) > math.floor(step * share)
