"""A group of frames to fit, and all that its fit is given: what `fit_frames` and `fit_together` take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..arrays import FloatArray
from ..frames.motion import Motion
from ..model import SEMANTIC, ModelConfig
from .config import FitConfig, Rate
from .head import Head
from .rate import SizeOf
from .start import Start


@dataclass(frozen=True)
class GroupTask:
    """A group of frames to be fitted, alone or together with others.

    Attributes:
        frames: uint8 (T, H, W, 3), on any device.
        shape: of the model.
        targets: (T, E) unit-norm teacher embeddings of the frames, or None.
        motion: of the frames, where they are; what the configuration's `between` steps learn from. None leaves them
            out.
        seed: of its networks and of the pixels sampled.
        head: shared with other groups of its video, given with `targets` and not learned; None learns one.
        start: an earlier group, of the same shape but for its number of frames, or a prior's numbers; None for noise.
        size_of: bytes of the file that a model and its step sizes make; a rate given in bits per pixel is steered by
            it, or without it by the fit's own estimate.
    """

    frames: Tensor
    shape: ModelConfig
    targets: Tensor | None = None
    motion: Motion | None = None
    seed: int = 0
    head: Head | None = None
    start: Start | None = None
    size_of: SizeOf | None = None

    @classmethod
    def of(cls, frames: Tensor, config: FitConfig, **parts: Any) -> GroupTask:
        """The task of frames that are a whole video, in the shape that the configuration's architecture makes of them.

        Args:
            frames: uint8 (T, H, W, 3).
            config: of the fit.
            **parts: the other attributes.
        """
        targets = parts.get("targets")
        count, height, width, _ = frames.shape
        embedding_dim = 0 if targets is None else targets.shape[1]
        parts.setdefault("shape", config.architecture.for_video(count, height, width, embedding_dim))
        return cls(frames, **parts)

    @property
    def is_warm(self) -> bool:
        """Whether it starts from a group that is fitted already."""
        return self.start is not None and self.start.warm

    @property
    def moves(self) -> bool:
        """Whether there is motion to learn from."""
        return self.motion is not None and len(self.motion.gaps) > 0

    @property
    def num_pixels(self) -> int:
        """T * H * W."""
        return self.frames[..., 0].numel()

    @property
    def references(self) -> dict[str, FloatArray] | None:
        """What residuals are stored against, by tensor name; None where all is stored as it is."""
        return None if self.start is None else self.start.references()

    @property
    def fixed(self) -> tuple[str, ...]:
        """Names of the tensors whose quantisation step sizes are not learned: those that the head shares."""
        return () if self.head is None else tuple(self.head.step_sizes)

    @property
    def first_step_sizes(self) -> dict[str, FloatArray]:
        """Quantisation step sizes to begin with, by tensor name, flat, of those that something is known of."""
        start = {} if self.start is None else self.start.step_sizes
        own = {name: step for name, step in start.items() if name not in SEMANTIC}
        return own if self.head is None else {**own, **self.head.step_sizes}

    def aim(self, rate: Rate, config: FitConfig) -> Rate:
        """A rate as it counts for this group."""
        return replace(rate, weight=rate.weight * config.warm_weight) if self.is_warm else rate

    @property
    def key(self) -> tuple[Any, ...]:
        """What tasks must have in common to be fitted together: all but their numbers of frames."""
        starts = self.start is not None, self.is_warm, self.references is not None
        has = self.targets is not None, self.head is not None, *starts
        return (replace(self.shape, num_frames=1), *has, self.moves)

    def steps(self, config: FitConfig) -> int:
        """Optimiser steps that it takes alone."""
        count, height, width, _ = self.frames.shape
        return config.steps_for(count, height, width, warm=self.is_warm)

    def on(self, device: torch.device | str) -> GroupTask:
        """The same with its frames and their motion on a device."""
        frames, motion = self.frames.to(device), self.motion
        if motion is not None:
            motion = Motion(frames, motion.gaps.to(device), motion.flows.to(device))
        return replace(self, frames=frames, motion=motion)
