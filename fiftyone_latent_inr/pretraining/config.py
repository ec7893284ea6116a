"""How networks are pretrained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field

from .. import arguments
from ..errors import InputError
from .augment import Augmentation

# Counted into `PretrainConfig.digest`: raise it whenever the same settings and seed would give other networks.
PRETRAIN_VERSION = 4


_COUNT = arguments.Range(1, 10**9, whole=True)
_RATE, _WEIGHT = arguments.Range(0, 1, above=True), arguments.Range(0)
# of the fields that are numbers
_RANGES = {
    **dict.fromkeys(("steps", "drawing_steps", "clips_per_step", "frames_per_step", "points_per_frame"), _COUNT),
    "semantic_frames": _COUNT,
    "window": arguments.Range(2, 10**9, whole=True),
    "learning_rate": _RATE,
    "semantic_rate": _RATE,
    **dict.fromkeys(("weight_decay", "decay", "grid_weight"), _WEIGHT),
    "warmup": arguments.Range(0, 10**9, whole=True),
}


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
        arguments.check_fields("pretraining", self, _RANGES)
        if not isinstance(self.augmentation, Augmentation):
            raise InputError(f"pretraining: augmentation is no Augmentation, but {type(self.augmentation).__name__}")
        if not isinstance(self.sizes, list | tuple) or not self.sizes:
            raise InputError("pretraining: sizes must be pairs (height, width), at least one")
        sizes = tuple(arguments.side_lengths("pretraining: each of sizes", size) for size in self.sizes)
        if any(min(size) < 16 for size in sizes):
            raise InputError(f"pretraining: sizes must be of at least 16x16 pixels, not {self.sizes}")
        object.__setattr__(self, "sizes", sizes)
        if self.frames_per_step > self.window:
            raise InputError("pretraining: frames_per_step cannot be more than the frames of a window")

    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any setting."""
        data = {**asdict(self), "version": PRETRAIN_VERSION}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
