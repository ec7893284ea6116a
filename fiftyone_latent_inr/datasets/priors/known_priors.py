"""Priors that a dataset's fits can start from: bundled, pretrained here, or fetched from the Hub; how one is named.

A name is that of a bundled prior, a directory, `OWNER/NAME` of the Hub or `OWNER/NAME@REVISION`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError, PriorUnavailableError
from ...files import atomic_target, writable_folder
from ...model.config import Architecture
from ...priors.files import CONFIG, WEIGHTS
from ...priors.find import bundled_priors, find_prior
from ...priors.hub import HubAccess
from ...priors.networks import PriorConfig
from ...priors.prior import load_prior
from ...progress import lets_listener_raise
from ...semantics.teacher_files import find_source
from ..file_names import default_folder
from ..progress import Reporter
from ..teachers import teacher_name

_FETCHED = "fetched.json"


@dataclass(frozen=True)
class PriorSummary:
    """What was done, for people: a line, where the result is, and what went wrong on the way."""

    text: str
    place: str
    failed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.text


def priors_dir() -> Path:
    """Where priors that are pretrained here go, a folder each, unless it is said otherwise."""
    return default_folder() / "priors"


def local_priors() -> dict[str, Path]:
    """Priors that were pretrained here and are finished: name -> folder, sorted."""
    root = priors_dir()
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return {folder.name: folder for folder in folders if all((folder / name).is_file() for name in (CONFIG, WEIGHTS))}


def fetched_priors() -> list[str]:
    """`OWNER/NAME@COMMIT` of those that were fetched from the Hub, the latest first; they lie in the Hub's cache."""
    try:
        names = json.loads((priors_dir() / _FETCHED).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def known_priors() -> dict[str, str]:
    """All that a fit can start from without a download: how it is named -> what it is, in a few words."""
    known = {name: "bundled" for name in bundled_priors()}
    known |= {str(folder): f"{name}, pretrained here" for name, folder in local_priors().items()}
    return known | {name: f"{name[: name.find('@') + 9]}, from the Hub" for name in fetched_priors()}


def check_prior(prior: str, architecture: Architecture, teacher: str | None) -> None:
    """Checks whether fits can start from a prior, without loading it or asking the Hub.

    Args:
        prior: name of the prior.
        architecture: networks of the fits.
        teacher: name of the fits' teacher, or None.

    Raises:
        InputError: there is no such prior, or the fits cannot start from it.
    """
    try:
        found = find_prior(prior, HubAccess(local_files_only=True))
    except PriorUnavailableError:
        return  # on the Hub: fetched, and checked again, when the fit runs
    found.config.check_architecture(architecture, found.name)
    name = teacher_name(teacher)
    if name is not None and found.config.teacher not in (None, name):  # to find out an id may take seconds
        found.config.check_teacher(find_source(name).id, found.name)


def in_words(config: PriorConfig) -> str:
    """What a prior is for: `preset fast · teacher small · 183,000 parameters`."""
    teacher = f"teacher {config.teacher}" if config.teacher else "no teacher"
    return f"preset {config.preset} · {teacher} · {config.num_parameters:,} parameters"


@lets_listener_raise
def fetch_prior(
    repo: str, revision: str | None = None, *, token: str | None = None, progress: Any = True
) -> PriorSummary:
    """Fetches a prior into the Hub's cache and remembers it, so that fits can start from it, without a network, too.

    Args:
        repo: repository, `OWNER/NAME`.
        revision: branch, tag or commit; None for `main`.
        token: access token of the Hub; None for that of the user who is logged in.
        progress: bar or callback, as in `fit_dataset`.

    Raises:
        PriorUnavailableError: the Hub does not give it now, or not to this user.
        InputError: there is none, or it is damaged or not safe to load.
    """
    reporter = Reporter(progress)
    reporter.stage(0.0, f"fetching {repo}")
    prior = load_prior(repo, revision, token=token)
    if prior.revision is None:
        raise InputError(f"{repo} is a prior on this machine, which is not fetched; name a repository, OWNER/NAME")
    name = f"{prior.name}@{prior.revision}"
    with atomic_target(writable_folder(priors_dir()) / _FETCHED) as path:
        names = [name, *(other for other in fetched_priors() if other != name)]
        path.write_text(json.dumps(names, indent=1), encoding="utf-8")
    reporter.stage(1.0, "fetched")
    return PriorSummary(f"{prior.name} at {prior.revision[:8]}, id {prior.id}: {in_words(prior.config)}", name)


@lets_listener_raise
def publish_prior(
    prior: str,
    repo: str,
    *,
    branch: str | None = None,
    private: bool | None = None,
    token: str | None = None,
    progress: Any = True,
) -> PriorSummary:
    """Stores a prior that is here in a repository of the Hub.

    Args:
        prior: name or folder.
        repo: repository, `OWNER/NAME`, created where it is missing.
        branch: branch of the repository, created where it is missing; None for `main`.
        private: whether a new repository is private; None for what its owner has chosen as the default.
        token: access token of the Hub; None for that of the user who is logged in.
        progress: bar or callback, as in `fit_dataset`.

    Raises:
        PriorUnavailableError: the Hub cannot be reached or refuses.
        InputError: there is no such prior.
    """
    reporter = Reporter(progress)
    reporter.stage(0.0, f"publishing to {repo}")
    address = load_prior(prior).push_to_hub(repo, branch=branch or None, private=private, token=token)
    reporter.stage(1.0, "published")
    return PriorSummary(f"published: {address}", address)
