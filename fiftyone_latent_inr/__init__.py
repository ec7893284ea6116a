"""Latent-INR for FiftyOne: every video as a dictionary of latents, hypernetworks and a coordinate network.

Importing this package is cheap: each public name loads what it needs on first use (PEP 562), so that neither
torch, FiftyOne nor OpenCLIP is imported before it is called for.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

# A fit's steps are many and small. Threads that spin while they wait make them dozens of times slower on a busy
# machine. Read once, when torch loads its thread pool, so it is said here; a setting of the user's own stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# public name -> module that defines it
_PUBLIC = {
    "fit": "encoding.fit",
    "fit_rates": "encoding.fit",
    "fit_many": "encoding.many",
    "load": "latent_video.video",
    "LatentVideo": "latent_video.video",
    "InputError": "errors",
    "BitstreamError": "errors",
    "TeacherUnavailableError": "errors",
    "PriorUnavailableError": "errors",
    "Prior": "priors.prior",
    "load_prior": "priors.prior",
    "FitProgress": "progress",
    "load_teacher": "semantics.teachers",
    "pretrain": "datasets.priors.pretrain",
    "PretrainConfig": "pretraining.config",
    "fit_dataset": "datasets.fit.fit_dataset",
    "reconstruct": "datasets.drawings.draw_dataset",
    "super_resolve": "datasets.drawings.draw_dataset",
    "interpolate": "datasets.drawings.draw_dataset",
    "to_grouped_dataset": "datasets.drawings.grouped",
}

__all__ = [
    "BitstreamError",
    "FitProgress",
    "InputError",
    "LatentVideo",
    "PretrainConfig",
    "Prior",
    "PriorUnavailableError",
    "TeacherUnavailableError",
    "__version__",
    "fit",
    "fit_dataset",
    "fit_many",
    "fit_rates",
    "interpolate",
    "load",
    "load_prior",
    "load_teacher",
    "pretrain",
    "reconstruct",
    "super_resolve",
    "to_grouped_dataset",
]

if TYPE_CHECKING:
    from .datasets.drawings.draw_dataset import interpolate, reconstruct, super_resolve
    from .datasets.drawings.grouped import to_grouped_dataset
    from .datasets.fit.fit_dataset import fit_dataset
    from .datasets.priors.pretrain import pretrain
    from .encoding.fit import fit, fit_rates
    from .encoding.many import fit_many
    from .errors import BitstreamError, InputError, PriorUnavailableError, TeacherUnavailableError
    from .latent_video.video import LatentVideo, load
    from .pretraining.config import PretrainConfig
    from .priors.prior import Prior, load_prior
    from .progress import FitProgress
    from .semantics.teachers import load_teacher


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
