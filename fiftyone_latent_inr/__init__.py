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

# module -> public names that it defines
_NAMES = {
    "datasets.drawings.draw_dataset": ("interpolate", "reconstruct", "super_resolve"),
    "datasets.drawings.grouped": ("to_grouped_dataset",),
    "datasets.fit.fit_dataset": ("fit_dataset",),
    "datasets.priors.pretrain": ("pretrain",),
    "datasets.refine.refine": ("refine",),
    "encoding.fit": ("fit", "fit_rates"),
    "encoding.many": ("fit_many",),
    "errors": ("BitstreamError", "InputError", "PriorUnavailableError", "TeacherUnavailableError"),
    "latent_video.limits": ("Limits",),
    "latent_video.video": ("LatentVideo", "load"),
    "pretraining.config": ("PretrainConfig",),
    "priors.prior": ("Prior", "load_prior"),
    "progress": ("FitProgress",),
    "semantics.teachers": ("load_teacher",),
}
_PUBLIC = {name: module for module, names in _NAMES.items() for name in names}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - they are strings

if TYPE_CHECKING:  # the same for type checkers, which run nothing
    from .datasets.drawings.draw_dataset import interpolate as interpolate
    from .datasets.drawings.draw_dataset import reconstruct as reconstruct
    from .datasets.drawings.draw_dataset import super_resolve as super_resolve
    from .datasets.drawings.grouped import to_grouped_dataset as to_grouped_dataset
    from .datasets.fit.fit_dataset import fit_dataset as fit_dataset
    from .datasets.priors.pretrain import pretrain as pretrain
    from .datasets.refine.refine import refine as refine
    from .encoding.fit import fit as fit
    from .encoding.fit import fit_rates as fit_rates
    from .encoding.many import fit_many as fit_many
    from .errors import BitstreamError as BitstreamError
    from .errors import InputError as InputError
    from .errors import PriorUnavailableError as PriorUnavailableError
    from .errors import TeacherUnavailableError as TeacherUnavailableError
    from .latent_video.limits import Limits as Limits
    from .latent_video.video import LatentVideo as LatentVideo
    from .latent_video.video import load as load
    from .pretraining.config import PretrainConfig as PretrainConfig
    from .priors.prior import Prior as Prior
    from .priors.prior import load_prior as load_prior
    from .progress import FitProgress as FitProgress
    from .semantics.teachers import load_teacher as load_teacher


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
