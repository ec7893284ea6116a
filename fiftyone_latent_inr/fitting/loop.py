"""The fit loop: one video, from random networks to fitted ones. It yields progress and prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Generator

import torch
from torch import Tensor

from ..model import LatentINR
from ..progress import FitProgress
from .config import FitConfig
from .losses import alignment_loss, reconstruction_loss
from .sampling import PixelSampler
from .soap import SOAP

# Frames whose teacher embeddings vary less than this (squared distance) say the same thing; fitting the
# difference would fit noise.
_LEAST_SPREAD = 1e-4
# Steps between two progress events, and between two looks at the loss: reading it waits for the device.
_REPORT_EVERY = 20


def fit_frames(
    frames: Tensor,
    config: FitConfig,
    *,
    targets: Tensor | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Generator[FitProgress, None, LatentINR]:
    """Fits a LatentINR to a video, jointly with its alignment to a teacher.

    Deterministic on the CPU for a seed and a number of torch threads.

    Args:
        frames: uint8 (T, H, W, 3).
        config: steps, rates and architecture.
        targets: (T, E) unit-norm teacher embeddings of the frames, or None.
        seed: of the initial networks and of the pixels sampled.
        device: where to fit.

    Yields:
        Progress events of stage `fit`.

    Returns:
        The fitted model, on `device`.
    """
    num_frames, height, width, _ = frames.shape
    shape = config.architecture.for_video(num_frames, height, width, 0 if targets is None else targets.shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LatentINR(shape)
    spread = None
    if targets is not None:
        model.align_to(targets)
        spread = (targets - targets.mean(0)).square().sum(-1).mean().clamp(min=_LEAST_SPREAD)
        targets, spread = targets.to(device), spread.to(device)
    model.to(device)
    sampler = PixelSampler(
        frames.to(device),
        config.max_frames_per_step,
        config.points_per_step,
        torch.Generator().manual_seed(seed),
    )
    total = config.steps_for(num_frames, height, width)
    optimiser, schedule = _optimiser(model, config, total)
    start = time.monotonic()
    running: float | None = None
    for step in range(1, total + 1):
        index, points, colours = sampler.draw()
        latents = model.latents[index]
        error = reconstruction_loss(model.render(latents, points), colours)
        loss = error
        if targets is not None and spread is not None:
            aligned = alignment_loss(model.embed(latents, normalise=False), targets[index], spread)
            loss = loss + config.alignment_weight * aligned
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % _REPORT_EVERY == 0 or step == total:
            mse = max(error.item(), 1e-10)
            running = mse if running is None else 0.8 * running + 0.2 * mse
            seconds = time.monotonic() - start
            yield FitProgress("fit", step, total, -10 * math.log10(running), seconds, seconds / step * (total - step))
    return model


def _optimiser(model: LatentINR, config: FitConfig, steps: int) -> tuple[SOAP, torch.optim.lr_scheduler.LRScheduler]:
    """SOAP with a linear warm-up and a cosine to zero."""
    optimiser = SOAP(model.parameters(), lr=config.learning_rate)
    warmup = max(1, round(config.warmup * steps))

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * step / steps))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
