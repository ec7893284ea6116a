"""Repositories of the Hugging Face Hub: what is in one, and single files of it in the local cache.

All of it goes through the `huggingface_hub` client, so that its settings count (HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN,
HF_HUB_CACHE, ...); what is added are checks, and errors for people.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.utils import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    RevisionNotFoundError,
    validate_repo_id,
)

from ..errors import InputError, PriorUnavailableError
from ..files import cannot_write
from ..version import __version__

LIBRARY = "fiftyone-latent-inr"
_COMMIT = re.compile(r"[0-9a-f]{40}")
# Git's own rules for names are wider; these are what branches, tags, pull requests and commits look like.
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_SECONDS = 10.0
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)
_LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


class UnreachableError(PriorUnavailableError):
    """The Hub does not answer for now: what is in the cache may still be used."""


@dataclass(frozen=True)
class HubAccess:
    """What of a repository is meant, and how it is reached.

    Attributes:
        revision: branch, tag or commit; None for `main`.
        token: the user's; None for that of the user who is logged in, False for none.
        cache_dir: folder of downloads; None for the Hub's usual one.
        local_files_only: True to take what is in the cache and ask nobody.
    """

    revision: str | None = None
    token: str | bool | None = None
    cache_dir: str | Path | None = None
    local_files_only: bool = False

    def at(self, revision: str | None) -> HubAccess:
        """The same for another revision."""
        return replace(self, revision=revision)


# As the client is set up.
USUAL = HubAccess()


@dataclass(frozen=True)
class Repository:
    """What the Hub says about a repository.

    Attributes:
        repo: its id, `OWNER/NAME`.
        revision: the commit, 40 hexadecimal digits.
        files: size in bytes of each file, by name. Names are whatever the owner chose.
    """

    repo: str
    revision: str
    files: dict[str, int]


def is_commit(revision: str | None) -> bool:
    """Whether a revision is a full commit hash, which never comes to mean anything else."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def check_name(repo: str, revision: str | None = None) -> None:
    """Refuses what cannot be a repository or a revision; both become parts of paths in the cache.

    Raises:
        InputError: it is none.
    """
    try:
        validate_repo_id(repo)
        valid = repo.count("/") == 1
    except HFValidationError:
        valid = False
    if not valid:
        raise InputError(f"{repo!r} is no repository of the Hub: it is named OWNER/NAME")
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision):
        raise InputError(f"{revision!r} is no revision of {repo}: name a branch, a tag or a commit")


def look_up(repo: str, access: HubAccess = USUAL) -> Repository:
    """Asks the Hub what a revision of a repository holds. Downloads nothing.

    Raises:
        UnreachableError: the Hub does not answer, or wants to be left alone for now.
        InputError: there is no such repository or revision for this user.
    """
    with people_errors(repo, access.revision):
        info = _api(access).model_info(repo, revision=access.revision, files_metadata=True, timeout=_SECONDS)
    if info.sha is None or not is_commit(info.sha):
        raise InputError(f"{repo}: the Hub at {constants.ENDPOINT} names no commit of it; check HF_ENDPOINT")
    # a size that is not known is one that is too large
    files = {one.rfilename: 1 << 62 if one.size is None else one.size for one in info.siblings or []}
    return Repository(repo, info.sha, files)


def download(repo: str, name: str, access: HubAccess) -> Path:
    """Brings one file into the cache, unless it is there, and checks it against its checksum.

    Returns:
        Where it is.

    Raises:
        InputError: it cannot be had, or came damaged.
    """
    with people_errors(repo, access.revision):
        path = Path(
            hf_hub_download(
                repo,
                name,
                revision=access.revision,
                token=access.token,
                cache_dir=access.cache_dir,
                library_name=LIBRARY,
                library_version=__version__,
            )
        )
    return check_copy(path, repo)


def cached(repo: str, name: str, access: HubAccess) -> Path | None:
    """Where the cache has a file of a revision, or None; checked like a download.

    Raises:
        InputError: the copy is damaged.
    """
    found = try_to_load_from_cache(repo, name, cache_dir=access.cache_dir, revision=access.revision)
    return check_copy(Path(found), repo) if isinstance(found, str) else None


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE is set."""
    return bool(constants.HF_HUB_OFFLINE)


def check_copy(path: Path, repo: str) -> Path:
    """Refuses a file of the cache that is not what its name says, and removes it: the client itself checks sizes only.

    In the cache a file is a link to a blob that is named by a checksum: SHA-256 for a large one, Git's for others.
    Where the system has no links there is nothing to check by.

    Raises:
        InputError: the file is damaged.
    """
    if not path.is_symlink():
        return path
    blob = path.parent / os.readlink(path)
    if len(blob.name) == 64:
        digest = hashlib.sha256()
    elif len(blob.name) == 40:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    else:
        return path
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    if digest.hexdigest() != blob.name:
        for each in (path, blob):
            with contextlib.suppress(OSError):
                each.unlink()
        raise InputError(f"{repo}: {path.name} was damaged on its way here; the copy was removed: load it again")
    return path


def create_branch(repo: str, access: HubAccess, private: bool | None) -> None:
    """Creates a branch of a repository, and the repository, unless they are there.

    Args:
        repo: `OWNER/NAME`.
        access: the branch, and the user's token.
        private: True for a new repository that is private; None for what its owner has chosen as the default.
    """
    _api(access).create_repo(repo, private=private, exist_ok=True)
    _api(access).create_branch(repo, branch=str(access.revision), exist_ok=True)


@contextlib.contextmanager
def people_errors(repo: str, revision: str | None = None, to_write: bool = False) -> Iterator[None]:
    """Turns what the client raises into one line for people. Nothing is asked where HF_HUB_OFFLINE is set.

    Raises:
        UnreachableError: the Hub does not answer, or wants to be left alone for now.
        InputError: anything else.
    """
    if is_offline():
        raise UnreachableError(f"{repo}: HF_HUB_OFFLINE is set; unset it to go online")
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # whatever the Hub, the network or the disk came up with
        raise _explained(error, repo, revision, to_write) from error


def _explained(error: Exception, repo: str, revision: str | None, to_write: bool) -> InputError:
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        place = error.filename or constants.HF_HUB_CACHE
        return cannot_write(place, error, what=f"{repo}: cannot be stored in {place}")
    cause: BaseException | None = error
    while cause is not None and getattr(cause, "response", None) is None:
        cause = cause.__cause__
    response = getattr(cause, "response", None)
    status = getattr(response, "status_code", None)
    what = "write to" if to_write else "read"
    refusals: dict[int | type[Exception], str] = {
        RevisionNotFoundError: f"{repo} has no revision {revision!r}; look at its branches and tags on the Hub",
        GatedRepoError: f"{repo} is gated: ask for access on its page on the Hub, then {_LOG_IN}",
        EntryNotFoundError: f"{repo}: a file is missing there; it may have been changed just now: try again",
        401: f"{repo} is private, or there is none on the Hub: check the name, or {_LOG_IN}",
        403: f"{repo}: you may not {what} it; ask its owner for the right to, then {_LOG_IN}",
        404: f"there is no repository {repo} on the Hub, or it is private: check the name, or {_LOG_IN}",
    }
    for kind, text in refusals.items():
        if status == kind or (isinstance(kind, type) and isinstance(cause, kind)):
            return PriorUnavailableError(text)
    if status == 429:
        return UnreachableError(f"{repo}: the Hub takes no more requests for now{_wait(response)}, or {_LOG_IN}")
    if status is not None and status >= 500:
        return UnreachableError(f"{repo}: the Hub has a problem of its own (HTTP {status}): try again later")
    said = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
    if _of_the_network(error):
        return UnreachableError(f"{repo}: the Hub at {constants.ENDPOINT} cannot be reached ({said})")
    return PriorUnavailableError(f"{repo}: the Hub at {constants.ENDPOINT} refuses, or is none ({said})")


def _of_the_network(error: BaseException | None) -> bool:
    """Whether there was no answer at all; the client's libraries for HTTP differ from version to version."""
    while error is not None:
        library = type(error).__module__.partition(".")[0]
        if isinstance(error, OSError) or library in ("httpx", "httpx2", "httpcore", "requests", "urllib3"):
            return getattr(error, "response", None) is None
        error = error.__cause__
    return False


def _wait(response: object) -> str:
    seconds = str(getattr(response, "headers", {}).get("Retry-After", ""))
    return f": wait {seconds} seconds" if seconds.isdigit() else ": wait some minutes"


def _api(access: HubAccess) -> HfApi:
    return HfApi(token=access.token, library_name=LIBRARY, library_version=__version__)
