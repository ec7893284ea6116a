"""How a group of frames is fitted: steps, rates, sizes, and how they follow a video's size and length."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from .. import arguments
from ..codec import MAX_DEPTH
from ..errors import InputError
from ..model import Architecture

# Counted into `FitConfig.digest`: raise it whenever the same settings and seed would give another result.
FIT_VERSION = 5

# pixels (T * H * W) of the clip at which a preset's `steps` are meant: 160x90, 16 frames
REFERENCE_PIXELS = 16 * 90 * 160
# the quality at which a configuration is as its preset says
QUALITY = 50
MAX_BPP = 24


_SHARE = arguments.Range(0, 1)
_ABOVE = arguments.Range(0, 1, above=True)
_COUNT = arguments.Range(1, 10**9, whole=True)
_BPP = arguments.Range(0, MAX_BPP, above=True, optional=True)
# of the fields that are numbers
_RANGES = {
    "steps": arguments.Range(0, 10**9, whole=True),
    "steps_growth": arguments.Range(0, 2),
    "max_frames_per_step": _COUNT,
    "points_per_step": _COUNT,
    "learning_rate": _ABOVE,
    "warmup": _SHARE,
    "alignment_weight": arguments.Range(0),
    "bits": arguments.Range(4, 16, whole=True),
    "rate_weight": _SHARE,
    "rate_start": _ABOVE,
    "bpp": _BPP,
    "max_bpp": arguments.Range(0, above=True, optional=True),
    "between": _SHARE,
    "group_frames": arguments.Range(4, 10**9, whole=True),
    "similar": arguments.Range(-math.inf),
    "max_depth": arguments.Range(0, MAX_DEPTH, whole=True),
    "warm_steps": _ABOVE,
    "warm_weight": _ABOVE,
}


@dataclass(frozen=True)
class Rate:
    """What the last part of a fit aims at.

    Attributes:
        weight: lambda of D + lambda * R, mean squared error (colours 0 to 1) for a bit per pixel; 0 leaves the rate
            out, and numbers are then stored in `FitConfig.bits`.
        bpp: bits per pixel to reach; lambda, which then only says where to start, is steered to it.
        at_most: more bits than `bpp` are too many, fewer are welcome: lambda is never steered below `weight`.
    """

    weight: float
    bpp: float | None = None
    at_most: bool = False


@dataclass(frozen=True)
class FitConfig:
    """How one video is fitted.

    Attributes:
        preset: the preset this came from; a label only.
        architecture: the model's shape before it meets a video.
        steps: optimiser steps at `REFERENCE_PIXELS`; `steps_for` scales them. 0 for none: all is found in closed form
            (`instant`), for architectures like that of the preset `instant`.
        steps_growth: power of the pixel count that steps grow with.
        max_frames_per_step: frames drawn from in each step (all of them in short videos).
        points_per_step: pixels sampled in each step, over all of its frames.
        learning_rate: peak rate of SOAP, reached in a straight line, which another leads down from to zero.
        warmup: share of the steps spent warming up.
        alignment_weight: lambda of the alignment loss (Latent-INR uses 0.01 on the cosine distance).
        bits: bits of a stored number where the rate is not part of the fit (`rate_weight` 0).
        rate_weight: lambda of the last part, see `Rate`.
        rate_start: share of the steps before the rate begins to count.
        bpp: bits per pixel to reach, see `Rate`; None to keep lambda as it is.
        max_bpp: where no `bpp` is to be reached, the most that the file may take; short videos of much detail are held
            back by it.
        between: share of the steps that learn what lies between the frames, along their motion; it serves
            interpolation and costs the frames themselves as many steps.
        group_frames: frames of a group of usual content, see `groups.GroupPlanner`; longer videos are several groups.
        similar: PSNR in dB, between a group's frames and those of an earlier one, from which on it starts from it.
        max_depth: how many groups may have to be decoded before one that starts from them.
        warm_steps: share of its steps that a group of frames takes which starts from an earlier one.
        warm_weight: factor on lambda of such a group: what it saves in bytes is partly spent on quality.
        prior: name of the bundled prior that fits start from unless another, or none, is asked for; it does not apply
            to another architecture than its own. None for noise.
    """

    preset: str
    architecture: Architecture
    steps: int
    steps_growth: float = 0.32
    max_frames_per_step: int = 32
    points_per_step: int = 8192
    learning_rate: float = 3e-2
    warmup: float = 0.05
    alignment_weight: float = 1e-2
    bits: int = 8
    rate_weight: float = 5e-4
    rate_start: float = 0.2
    bpp: float | None = None
    max_bpp: float | None = None
    between: float = 0.2
    group_frames: int = 64
    similar: float = 26.0
    max_depth: int = 2
    warm_steps: float = 0.5
    warm_weight: float = 0.45
    prior: str | None = None

    def __post_init__(self) -> None:
        what = "fit configuration"
        if not isinstance(self.architecture, Architecture):
            raise InputError(f"{what}: architecture must be an Architecture, not {type(self.architecture).__name__}")
        for name, text in (("preset", self.preset), ("prior", self.prior)):
            if not isinstance(text, str) and (name != "prior" or text is not None):
                raise InputError(f"{what}: {name} must be a name, not {type(text).__name__}")
        arguments.check_fields(what, self, _RANGES)
        for name in ("rate_start", "between"):
            if getattr(self, name) == 1:
                raise InputError(f"{what}: {name} must be below 1, to leave the rest of the fit some steps")

    def steps_for(self, num_frames: int, height: int, width: int, warm: bool = False) -> int:
        """Optimiser steps for T frames of H x W pixels, of a group that starts from an earlier one if `warm`."""
        ratio = num_frames * height * width / REFERENCE_PIXELS
        scale: float = min(max(ratio, 1 / 16), 64) ** self.steps_growth
        return 0 if self.at_once else max(1, round(self.steps * scale * (self.warm_steps if warm else 1)))

    @property
    def at_once(self) -> bool:
        """Whether there are no optimiser steps."""
        return self.steps == 0

    @property
    def rate(self) -> Rate:
        """What the last part aims at."""
        if self.bpp is None and self.max_bpp is not None:
            return Rate(self.rate_weight, self.max_bpp, at_most=True)
        return Rate(self.rate_weight, self.bpp)

    def at(self, quality: float | None = None, bpp: float | None = None) -> FitConfig:
        """The same configuration with another aim for its last part.

        Args:
            quality: 0 to 100. `QUALITY` (50) leaves lambda as it is, ten more halve it: finer, and more bytes.
            bpp: bits per pixel of the file to reach instead, above 0; lambda is steered to it.

        Raises:
            InputError: both are given, one is out of range, or this configuration leaves the rate out.
        """
        if quality is None and bpp is None:
            return self
        if quality is not None and bpp is not None:
            raise InputError("choose a quality or a number of bits per pixel (bpp), not both")
        if self.rate_weight == 0:
            raise InputError(
                "this configuration leaves the rate out (rate_weight 0): it has no quality or bpp to choose"
            )
        if bpp is not None:
            return replace(self, bpp=arguments.number("bpp", bpp, 0, MAX_BPP, above=True))
        halvings = (arguments.number("quality", quality, 0, 100) - QUALITY) / 10
        limit = None if self.max_bpp is None else self.max_bpp * 2 ** (halvings / 2)
        return replace(self, rate_weight=self.rate_weight * 2**-halvings, bpp=None, max_bpp=limit)

    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any setting that changes the result."""
        data: dict[str, Any] = {**asdict(self), "fit_version": FIT_VERSION}
        # a label, and where the fit starts, which is on record by the prior's id
        del data["preset"], data["prior"]
        data["architecture"] = self.architecture.to_json()
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
