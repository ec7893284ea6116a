"""How networks are pretrained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field

from ..errors import InputError
from .augment import Augmentation

# Counted into `PretrainConfig.digest`: raise it whenever the same settings and seed would give other networks.
PRETRAIN_VERSION = 4


@dataclass(frozen=True)
class PretrainConfig:
    """How networks are pretrained.

    Attributes:
        steps: optimiser steps, in which the semantic encoder learns; without a teacher no more than `drawing_steps`.
        drawing_steps: the first steps, in which what draws learns, at most. More make pictures without a fit better,
            and fits worse (`benchmarks/notes.md`).
        clips_per_step: clips of a step, all of one of the `sizes`.
        window: T, frames of a clip.
        frames_per_step: frames of each clip that a step looks at.
        points_per_frame: pixels drawn of each frame.
        sizes: (H, W) of clips, drawn anew for each step.
        semantic_frames: frames of a step that the semantic encoder is compared with the teacher on.
        learning_rate: peak rate of SOAP, which trains what draws; linear warm-up, then a cosine to zero.
        semantic_rate: peak rate of AdamW, which trains the semantic encoder.
        weight_decay: weight decay of AdamW.
        decay: weight decay of what draws, whose numbers would else grow until a fit's steps are short beside them.
        warmup: steps of warming up.
        grid_weight: weight of the logarithm of the grids' numbers: grids that say little cost few bytes.
        augmentation: variation of the clips.
    """

    steps: int = 15000
    drawing_steps: int = 2000
    clips_per_step: int = 4
    window: int = 16
    frames_per_step: int = 8
    points_per_frame: int = 1024
    sizes: tuple[tuple[int, int], ...] = ((64, 96), (80, 128), (90, 160))
    semantic_frames: int = 64
    learning_rate: float = 4e-3
    semantic_rate: float = 2e-3
    weight_decay: float = 1e-4
    decay: float = 0.2
    warmup: int = 100
    grid_weight: float = 2e-4
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        counts = ("steps", "drawing_steps", "clips_per_step", "window")
        for name in (*counts, "frames_per_step", "points_per_frame", "semantic_frames"):
            if getattr(self, name) < 1:
                raise InputError(f"pretraining: {name} must be at least 1, not {getattr(self, name)}")
        if not self.sizes or any(min(size) < 16 for size in self.sizes):
            raise InputError(f"pretraining: sizes must be of at least 16x16 pixels, not {self.sizes}")
        if self.window < 2 or self.frames_per_step > self.window:
            raise InputError("pretraining: a window needs 2 frames at least, and those of frames_per_step")
        if (
            not (0 < self.learning_rate <= 1 and 0 < self.semantic_rate <= 1)
            or self.grid_weight < 0
            or self.weight_decay < 0
            or self.warmup < 0
        ):
            raise InputError("pretraining: rates must be in (0, 1]; weights and warmup at least 0")

    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any setting."""
        data = {**asdict(self), "version": PRETRAIN_VERSION}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
