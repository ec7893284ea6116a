"""What fits of short and of long videos share: motion between frames, measuring what is stored."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from ..errors import InputError
from ..fitting import FitConfig
from ..frames import metrics
from ..frames.motion import LEAST_SIDE, Motion, optical_flow
from ..model import LatentINR
from ..progress import FitProgress, ProgressCallback
from ..rendering.draw import draw
from ..resources import NO_PRIOR

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..semantics.teachers import Teacher

log = logging.getLogger(__name__)

Frames = npt.NDArray[np.uint8]

# Pixels of a step below which a fit that does not fit into a card's memory is given up.
_LEAST_POINTS = 2048


def motion_between(
    frames: Frames, pixels: torch.Tensor, cuts: Sequence[int], settings: FitConfig, report: ProgressCallback
) -> Motion | None:
    """What the steps between frames learn from; None where there are none of them, or nothing between the frames.

    Args:
        frames: (T, H, W, 3).
        pixels: the same on the device to fit on.
        cuts: frames that start a new scene.
        settings: of the fit.
        report: takes a line where OpenCV is missing.
    """
    gaps = [k for k in range(len(frames) - 1) if k + 1 not in set(cuts)]
    if not gaps or settings.between == 0 or min(frames.shape[1:3]) < LEAST_SIDE:
        return None
    try:
        flows = optical_flow(frames, gaps)
    except ImportError:
        report(FitProgress("motion", 1, 1, message="OpenCV is not installed: frames in between will be poor"))
        return None
    device = pixels.device
    return Motion(pixels, torch.tensor(gaps, device=device), torch.from_numpy(flows).to(device))


def prior_for(
    prior: str | Prior | None, settings: FitConfig, teacher: Teacher | None, residual: bool, device: torch.device
) -> Prior | None:
    """The prior to start from, on the device, once it has been found to be for such a fit; None for none.

    Raises:
        InputError: it cannot be had, or is for another architecture or teacher; or a residual is asked for without one.
    """
    if prior is None:
        found = default_prior(settings)
    else:
        found = resolve_prior(prior)
        if found is not None:
            found.check_architecture(settings.architecture)
            if teacher is not None:
                found.check_teacher(teacher.id)
    if found is None and residual:
        raise InputError("residual=True stores the difference from a prior; give one, prior=...")
    return None if found is None else found.to(device)


def resolve_prior(prior: str | os.PathLike[str] | Prior | None) -> Prior | None:
    """The prior that is meant, loaded.

    Args:
        prior: a `Prior`, a name as `load_prior` knows it, or None or `none` for no prior.

    Raises:
        InputError: there is none of this name, or it is damaged or not safe to load.
        PriorUnavailableError: the Hub does not give it now.
    """
    if prior is None or not isinstance(prior, str | os.PathLike):
        return prior
    if os.fspath(prior).strip() == NO_PRIOR:
        return None
    from ..priors.prior import load_prior

    return load_prior(os.fspath(prior))


def default_prior(settings: FitConfig) -> Prior | None:
    """The bundled prior that fits of a configuration start from where none is named; None for noise.

    Of such a prior only what draws is made use of, so that it may have been pretrained with any teacher.
    """
    if settings.prior is None:
        return None
    try:
        from ..priors.prior import bundled_priors, load_prior
    except ImportError as error:  # of the Hub's client
        log.warning("the fit starts from noise, not from %s: %s", settings.prior, error)
        return None
    if settings.prior not in bundled_priors():
        return None
    prior = load_prior(settings.prior)
    try:
        prior.check_architecture(settings.architecture)
    except InputError:
        return None  # the configuration has made something else of the preset
    return prior


def measure(model: LatentINR, frames: Frames, cuts: Sequence[int] = ()) -> tuple[float, float]:
    """PSNR in dB and MS-SSIM of each frame as a model draws it, summed over the frames.

    Args:
        model: as it is stored.
        frames: (T, H, W, 3), the true ones.
        cuts: frames that start a new scene.
    """
    count, height, width, _ = frames.shape
    sums = np.zeros(2)
    for k, drawn in enumerate(draw(model, np.arange(count, dtype=np.float32), height, width, cuts)):
        true = frames[k : k + 1]
        sums += metrics.psnr(true, drawn[None]), metrics.ms_ssim(true, drawn[None])
    return float(sums[0]), float(sums[1])


def with_less_memory(config: FitConfig, error: Exception) -> FitConfig:
    """The configuration for another try after a card's memory was too small: half of the pixels a step.

    Raises:
        InputError: they are few already.
    """
    if config.points_per_step <= _LEAST_POINTS:
        raise InputError(
            "the GPU's memory is too small for this video; fit it at a smaller size (size=, --size HxW), end what else "
            "uses the card, or fit on the CPU (device='cpu', --device cpu)"
        ) from error
    torch.cuda.empty_cache()
    return replace(config, points_per_step=config.points_per_step // 2)
