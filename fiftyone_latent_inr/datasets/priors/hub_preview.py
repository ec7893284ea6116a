"""What the Hub says about a repository, for forms: asked anew after half a minute, not at every key."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path

from ...errors import InputError
from ...files import require_file
from ...priors.files import CONFIG, WEIGHTS
from ...priors.find import RepositoryInfo, describe_repository, find_prior
from ...priors.hub import HubAccess, UnreachableError
from ..words import megabytes
from .known_priors import in_words

_SECONDS = 30


def describe(repo: str, revision: str | None = None, token: str | None = None) -> str:
    """What a prior's download is: size, commit, what it is for.

    Raises:
        PriorUnavailableError: the Hub does not answer, or there is no such repository or revision for this user.
        InputError: it is not a prior that could be loaded.
    """
    info = _ask(repo, (revision or "").strip() or None, token)
    if info.config is None:
        raise InputError(str(info.problem))
    return f"{megabytes(info.size_bytes)} · commit {info.revision[:8]} · {in_words(info.config)}"


def describe_upload(prior: str, repo: str | None, branch: str | None = None, token: str | None = None) -> str:
    """What publishing a prior does: size, what it is for, and what the repository holds now.

    Raises:
        UnreachableError: the Hub does not answer.
        InputError: the prior is damaged.
    """
    folder = Path(prior)
    size = sum(require_file(folder / name, "prior").stat().st_size for name in (CONFIG, WEIGHTS))
    parts = [megabytes(size), in_words(find_prior(folder).config)]
    if repo is not None:
        try:
            info = _ask(repo, (branch or "").strip() or None, token)
            parts.append(f"replaces what {repo} holds at commit {info.revision[:8]}")
        except UnreachableError:
            raise
        except InputError:
            # not there, or not this user's to see: the Hub does not say which
            parts.append(f"{repo}{f' at {branch}' if branch else ''} is not there yet, or cannot be seen")
    return " · ".join(parts)


def _ask(repo: str, revision: str | None, token: str | None) -> RepositoryInfo:
    answer = _asked(repo, revision, token, int(time.monotonic() // _SECONDS))
    if isinstance(answer, InputError):
        raise answer
    return answer


@lru_cache(maxsize=64)
def _asked(repo: str, revision: str | None, token: str | None, when: int) -> RepositoryInfo | InputError:
    try:
        return describe_repository(repo, HubAccess(revision, token))
    except InputError as error:  # remembered, too: a Hub that does not answer takes seconds to say so
        return error
