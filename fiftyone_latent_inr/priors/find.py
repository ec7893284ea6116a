"""Where a prior comes from: its bundled name, a directory, or a repository of the Hub; found and fetched here.

name --bundled or directory--> files
name --Hub: ask, config.json, its size?, model.safetensors--> files in the cache
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import arguments
from ..errors import InputError, PriorUnavailableError
from ..files import existing_folder
from ..resources import hub_models_dir
from . import hub
from .files import CONFIG, MAX_CONFIG_BYTES, WEIGHTS, inside, missing, most_bytes, read_config
from .hub import HubAccess
from .networks import PriorConfig

# A repository and a revision of it in one name.
_AT = re.compile(r"([^/@\s]+/[^/@\s]+)@(\S+)")


@dataclass(frozen=True)
class PriorSource:
    """A prior that was found.

    Attributes:
        name: a bundled prior's name, the repository's id, or a directory's absolute path.
        revision: the commit that it is from; None for a directory.
        config: its configuration, checked.
        notes: its maker's notes, unchecked.
        weights: the file with its weights, not yet read.
    """

    name: str
    revision: str | None
    config: PriorConfig
    notes: dict[str, Any]
    weights: Path

    @property
    def weights_name(self) -> str:
        """How errors name the weights: nobody knows the paths of a cache."""
        return f"{self.name}: {WEIGHTS}" if self.revision else str(self.weights)


@dataclass(frozen=True)
class RepositoryInfo:
    """What can be said of a repository before anything large of it is downloaded.

    Attributes:
        repo: its id.
        revision: the commit that its branch is at, 40 hexadecimal digits.
        files: size in bytes of each file, by name; names are whatever the owner chose.
        size_bytes: bytes that loading downloads: configuration and weights.
        config: the prior's configuration, or None if it could not be loaded.
        problem: the reason why not, or None.
    """

    repo: str
    revision: str
    files: dict[str, int]
    size_bytes: int
    config: PriorConfig | None
    problem: str | None


def bundled_priors() -> list[str]:
    """Names of the priors that come along with the package, sorted."""
    try:
        folders = sorted(hub_models_dir().iterdir())
    except OSError:
        return []
    return [folder.name for folder in folders if is_prior(folder)]


def find_prior(
    name: str | Path, access: HubAccess = hub.USUAL, *, bundled: bool = True, folders: bool = True
) -> PriorSource:
    """Finds a prior by its name, and fetches it if it is on the Hub and not in the cache.

    Args:
        name: the first of these that there is: a bundled prior's name, a directory, `OWNER/NAME` of the Hub or
            `OWNER/NAME@REVISION`.
        access: revision of a repository, and how the Hub is reached.
        bundled: False to leave the bundled priors out.
        folders: False to leave directories out: for names that no user gave.

    Raises:
        PriorUnavailableError: the Hub does not give it now, or not to this user; the message says what to do.
        InputError: there is none of this name, or it is not safe to load.
    """
    text = str(name).strip()
    if bundled and not isinstance(name, Path) and text in bundled_priors():
        source = _from_directory(hub_models_dir() / text, text)
    elif folders and (folder := existing_folder(text)) is not None:
        source = _from_directory(folder, str(folder))
    elif not isinstance(name, Path) and access.revision is None and (match := _AT.fullmatch(text)):
        return _from_hub(match[1], access.at(match[2]))
    elif isinstance(name, Path) or text.startswith(("/", "./", "../", "~")) or text.count("/") != 1:
        known, shown = ", ".join(bundled_priors()), arguments.shown(text)
        raise InputError(
            f"unknown prior {shown}: there is no such directory; a prior is {known + ', ' if known else ''}"
            f"a directory that holds {CONFIG} and {WEIGHTS}, or OWNER/NAME of the Hugging Face Hub"
        )
    else:
        return _from_hub(text, access)
    if access.revision is not None:
        raise InputError(f"prior {text!r} is a directory, which has no revisions (revision={access.revision!r})")
    return source


def describe_repository(repo: str, access: HubAccess = hub.USUAL) -> RepositoryInfo:
    """Says what a repository holds and how large its prior is; of its files only `config.json` is fetched.

    Args:
        repo: `OWNER/NAME` of the Hub.
        access: its revision, and how the Hub is reached.

    Raises:
        PriorUnavailableError: the Hub does not answer, or there is no such repository or revision for this user.
    """
    hub.check_name(repo, access.revision)
    found = hub.look_up(repo, access)
    size = sum(found.files.get(name, 0) for name in (CONFIG, WEIGHTS))
    try:
        config, _ = _fetch_config(found, access)
        _check_weights_size(found, config)
    except PriorUnavailableError:
        raise
    except InputError as error:
        return RepositoryInfo(repo, found.revision, found.files, size, None, str(error))
    return RepositoryInfo(repo, found.revision, found.files, size, config, None)


def _from_directory(folder: Path, name: str) -> PriorSource:
    config, notes = read_config(inside(folder, CONFIG))
    return PriorSource(name, None, config, notes, inside(folder, WEIGHTS))


def _from_hub(repo: str, access: HubAccess) -> PriorSource:
    hub.check_name(repo, access.revision)
    only_local = access.local_files_only or hub.is_offline()
    if only_local or hub.is_commit(access.revision):
        source = _from_cache(repo, access)
        if source is not None:
            return source
        if only_local:
            at = f" (revision {access.revision})" if access.revision else ""
            why = "HF_HUB_OFFLINE is set" if hub.is_offline() else "only local files were asked for"
            raise PriorUnavailableError(f"{repo}{at} is not in the cache, and {why}: go online once, so that it is")
    try:
        found = hub.look_up(repo, access)
    except hub.UnreachableError as error:
        source = _from_cache(repo, access)
        if source is None:
            raise PriorUnavailableError(f"{error}; and it is not in the cache") from error
        return source
    config, notes = _fetch_config(found, access)
    _check_weights_size(found, config)
    weights = hub.download(repo, WEIGHTS, access.at(found.revision))
    return PriorSource(repo, found.revision, config, notes, weights)


def _from_cache(repo: str, access: HubAccess) -> PriorSource | None:
    path = hub.cached(repo, CONFIG, access)
    commit = path.parent.name if path else None
    weights = hub.cached(repo, WEIGHTS, access.at(commit)) if path else None
    if path is None or weights is None:
        return None
    config, notes = read_config(path, f"{repo}: {CONFIG}")
    return PriorSource(repo, commit, config, notes, weights)


def _fetch_config(found: hub.Repository, access: HubAccess) -> tuple[PriorConfig, dict[str, Any]]:
    if CONFIG not in found.files:
        raise InputError(missing(f"{found.repo} on the Hub", CONFIG, list(found.files)))
    if found.files[CONFIG] > MAX_CONFIG_BYTES:
        raise InputError(f"{found.repo}: its {CONFIG} is far too large for a prior's; not downloaded")
    # by the name that was asked for: the cache then knows which commit that is, for times without a network
    path = hub.download(found.repo, CONFIG, access)
    if path.parent.name != found.revision:
        raise PriorUnavailableError(f"{found.repo} was changed just now: load it again")
    return read_config(path, f"{found.repo}: {CONFIG}")


def _check_weights_size(found: hub.Repository, config: PriorConfig) -> None:
    if WEIGHTS not in found.files:
        raise InputError(missing(f"{found.repo} on the Hub", WEIGHTS, list(found.files)))
    size, most = found.files[WEIGHTS], most_bytes(config)
    if size > most:
        raise InputError(
            f"{found.repo}: its weights are {size / 1e6:,.1f} MB where its configuration asks for {most / 1e6:,.1f} MB "
            "at most; not downloaded"
        )


def is_prior(folder: Path) -> bool:
    """Whether a folder holds a prior, whole as far as its configuration and names tell."""
    path = folder / CONFIG
    try:
        if not path.is_file() or path.stat().st_size > MAX_CONFIG_BYTES or not (folder / WEIGHTS).is_file():
            return False
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("library") == hub.LIBRARY and "prior" in content
