"""Progress events: what a fit says while it runs. The faces (command line, operators) draw them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class FitProgress:
    """One event of a running fit.

    Attributes:
        stage: what is being done: `decode`, `embed`, `fit`, `measure` or `store`; `pretrain` of a prior.
        step: steps done in this stage, from 0 to `total_steps`.
        total_steps: steps of this stage; at least 1.
        psnr: running estimate of the reconstruction's PSNR in dB, None before there is one.
        seconds: wall seconds since the fit began.
        seconds_left: estimated wall seconds to the end of the fit, None before there is an estimate.
        message: a line for people (the device chosen, a warning), or None.
    """

    stage: str
    step: int
    total_steps: int
    psnr: float | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    message: str | None = None


ProgressCallback = Callable[[FitProgress], None]
