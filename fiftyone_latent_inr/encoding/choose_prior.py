"""Which prior a fit is initialised from: the one that is named, the preset's own, or none."""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from ..devices import or_too_small
from ..errors import InputError
from ..fitting import FitConfig

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..semantics.teachers import Teacher

log = logging.getLogger(__name__)

# What names no prior, where a preset has one of its own.
NO_PRIOR = "none"
NEEDS_PRIOR = "residual=True stores the difference from a prior; give one, prior=..."


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
        raise InputError(NEEDS_PRIOR)
    return None if found is None else or_too_small(partial(found.to, device), f"prior {found.name}")


def check_prior_type(prior: Any) -> None:
    """Refuses what is neither a prior nor the name of one; None is no prior, and fine.

    Raises:
        InputError: says what it is.
    """
    if prior is not None and not isinstance(prior, str | os.PathLike) and not hasattr(prior, "check_architecture"):
        raise InputError(f"prior must be a Prior, a name or a folder, not {type(prior).__name__}")


def resolve_prior(prior: str | os.PathLike[str] | Prior | None) -> Prior | None:
    """The prior that is meant, loaded.

    Args:
        prior: a `Prior`, a name as `load_prior` knows it, or None or `none` for no prior.

    Raises:
        InputError: there is none of this name, or it is damaged or not safe to load.
        PriorUnavailableError: the Hub does not give it now.
    """
    check_prior_type(prior)
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
