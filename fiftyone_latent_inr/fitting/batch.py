"""Many fits as one: N groups of frames of one shape, their networks stacked, each step launched once for all of them.

    parameters (N, ...) --vmap of one network's loss--> losses (N,) --sum, backward--> gradients (N, ...) --> SOAP

A step of one fit keeps a GPU busy for a fraction of the time that launching it takes. Networks do not know of each
other: what comes out is what N fits would give, up to rounding, with the pixels of those fits on a CPU and with others
from the same distribution on a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, vmap

from ..arrays import FloatArray
from ..errors import InputError
from ..model import LatentINR
from ..progress import FitProgress
from .batch_rate import RateTerms
from .batch_sampling import Draw, JointMotion, JointPixels, side_by_side
from .config import FitConfig
from .loop import Fitted, OptimiserSteps, fit_frames, initial_model, spread_of
from .objective import Loss, Objective, compile_mode, generator_on, looked_up
from .sampling import MotionSampler, PixelSampler
from .soap import SOAP
from .start import random_model
from .task import GroupTask


def fit_together(
    tasks: Sequence[GroupTask], config: FitConfig, device: torch.device | str = "cpu"
) -> Generator[FitProgress, None, list[Fitted]]:
    """Fits groups of frames of one shape at once. One alone is fitted as `fit_frames` does.

    All take as many steps as the one that takes most alone. Shorter ones are filled up with frames that nothing looks
    at and that cost nothing.

    Args:
        tasks: at least one; their `key` is the same.
        config: steps, rates; its architecture is not looked at.
        device: where to fit.

    Yields:
        Progress of stage `fit`; its PSNR is that of all.

    Returns:
        What each ends with, in the order of the tasks.

    Raises:
        InputError: the tasks' keys differ.
    """
    if len({task.key for task in tasks}) != 1:
        raise InputError("only groups of frames of one shape can be fitted together")
    if len(tasks) == 1:
        return (yield from fit_frames(tasks[0], config, device=device))
    if config.at_once:
        fitted: list[Fitted] = []
        for task in tasks:
            fitted += yield from fit_frames(task, config)
        return fitted
    total = max(task.steps(config) for task in tasks)
    shared = round(config.rate_start * total)
    began = time.monotonic()
    batch = _Batch(tasks, config, device, total)

    def progress(done: int) -> FitProgress:
        seconds = time.monotonic() - began
        return FitProgress("fit", done, total, batch.psnr, seconds, seconds / done * (total - done))

    for step in batch.run(0, shared, total):
        yield progress(step)
    batch.begin_rate(total - shared)
    for step in batch.run(shared, total, total):
        yield progress(step)
    return batch.results()


class _Batch(OptimiserSteps):
    """Fits under way: stacked parameters, optimiser, samplers and, in the last part, the rates."""

    rate: RateTerms | None = None

    def __init__(self, tasks: Sequence[GroupTask], config: FitConfig, device: torch.device | str, total: int) -> None:
        self.tasks, self.config, self.device = tasks, config, torch.device(device)
        self.counts = [len(task.frames) for task in tasks]
        first = tasks[0]
        self.shape = replace(first.shape, num_frames=max(self.counts))
        models = [initial_model(task) for task in tasks]
        self.parameters = {
            name: self._stacked([model.get_parameter(name) for model in models]).requires_grad_(one.requires_grad)
            for name, one in models[0].named_parameters()
        }
        self._learned = [one for one in self.parameters.values() if one.requires_grad]
        self.optimiser = SOAP(self._learned, lr=config.learning_rate, batched=True)
        self._targets = self._spread = None
        if first.targets is not None:
            targets = [one.targets for one in tasks if one.targets is not None]
            self._targets = self._stacked(targets)
            self._spread = torch.stack([spread_of(one) for one in targets]).to(device)
        # what fills up is a scene of its own: no path goes through it
        self._scene = (torch.arange(max(self.counts)) >= torch.tensor(self.counts)[:, None]).long().to(device)
        self._frames, self._between = self._samplers()
        self.learns_between = self._between is not None
        empty = Objective(random_model(self.shape, 0), config.alignment_weight).to(device)

        def one(parameters: dict[str, Tensor], *inputs: Tensor) -> Any:
            return functional_call(empty, parameters, inputs)

        # the dictionary is looked up outside, see `Objective`
        self._named = {f"model.{name}": value for name, value in self.parameters.items() if name != "latents"}
        self.loss = Loss(vmap(one), compile_mode(device, total))
        self._error = torch.zeros(len(tasks), device=device)

    def begin_rate(self, num_steps: int) -> None:
        """From here on, `num_steps` steps before the end, the rates count."""
        if self.config.rate.weight == 0:
            return
        size_of = None
        if all(task.size_of for task in self.tasks):
            # not a method: the batch has the rate, and a rate that has the batch would keep both, and all that they
            # have on a card, until Python's collector comes by
            size_of = partial(_size_of, self.tasks, self.parameters)
        self.rate = RateTerms(self.shape, self.parameters, self.tasks, self.config, num_steps, size_of)

    def _backward(self, between: bool) -> None:
        """Gradients of one step, on frames or on what lies between them."""
        if between and self._between is not None:
            times, points, colours = self._between()
            self.loss.backward(self._learned, self._named, self._latents(times), points, colours)
            return
        frames, points, colours = self._frames()
        given = [self._latents(frames), points, colours]
        if self._targets is not None and self._spread is not None:
            given += [vmap(lambda targets, which: targets[which])(self._targets, frames), self._spread]
        self._error = self.loss.backward(self._learned, self._named, *given).clone()

    def _latents(self, instants: Tensor) -> Tensor:
        """(N, B, D) of each network's own dictionary at (N, B) instants."""
        return vmap(looked_up)(self.parameters["latents"], instants, self._scene)

    def results(self) -> list[Fitted]:
        """What has been fitted."""
        if self.rate is None:
            return [Fitted(_model(task, self.parameters, n), None, None) for n, task in enumerate(self.tasks)]
        self.rate.round()
        models = [_model(task, self.parameters, n) for n, task in enumerate(self.tasks)]
        found = zip(models, self.rate.step_sizes(), self.rate.bits, strict=True)
        return [Fitted(model, step_sizes, bits) for model, step_sizes, bits in found]

    def _stacked(self, tensors: Sequence[Tensor]) -> Tensor:
        """Tensors that differ in their first dimension at most, filled up with zeros: (N, ...)."""
        longest = max(len(one) for one in tensors)
        full = [F.pad(one.detach(), (*[0] * (2 * one.dim() - 1), longest - len(one))) for one in tensors]
        return torch.stack(full).to(self.device)

    def _samplers(self) -> tuple[Draw, Draw | None]:
        """What draws pixels, and what draws instants between frames."""
        config, patch, tasks = self.config, self.shape.patch, self.tasks
        size = config.max_frames_per_step, config.points_per_step
        moves = tasks[0].moves
        motions = [task.motion for task in tasks if task.motion is not None] if moves else []
        gaps = {len(motion.gaps) for motion in motions}
        if self.device.type == "cpu" and len(set(self.counts)) == 1 and len(gaps) < 2:
            sources = [generator_on("cpu", task.seed) for task in tasks]  # of frames and instants, as alone
            frames = [PixelSampler(t.frames, *size, g, patch).draw for t, g in zip(tasks, sources, strict=True)]
            between = [MotionSampler(m, *size, g, patch).draw for m, g in zip(motions, sources, strict=False)]
            return side_by_side(frames), side_by_side(between) if between else None
        generator = generator_on(self.device, tasks[0].seed)
        pixels = torch.cat([task.frames for task in tasks]).to(self.device)
        joint = JointPixels(pixels, self.counts, *size, generator, patch)
        return joint.draw, JointMotion(motions, pixels, *size, generator, patch).draw if moves else None


def _model(task: GroupTask, parameters: Mapping[str, Tensor], n: int) -> LatentINR:
    """Network n of a batch as a model of its own."""
    model = random_model(task.shape, 0).to(parameters["latents"].device)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = parameters[name][n]
            parameter.copy_(value[: len(task.frames)] if name == "latents" else value)
    return model


def _size_of(
    tasks: Sequence[GroupTask], parameters: Mapping[str, Tensor], n: int, step_sizes: dict[str, FloatArray]
) -> int:
    size_of = tasks[n].size_of
    assert size_of is not None
    return size_of(_model(tasks[n], parameters, n), step_sizes)
