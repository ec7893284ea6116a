"""What a command may write over: nothing, its own earlier results, or what its user agrees to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..errors import BitstreamError, InputError
from ..files import as_path
from ..text import log_line
from .output import PROG

LATENTS, MAGIC = ".linr", b"LINR"  # how stored videos are named, and begin
_HELP = "replace what is at the output's place without asking"


def add_overwrite(parser: Any) -> None:
    """Adds the option."""
    parser.add_argument("--overwrite", action="store_true", help=_HELP)


def check_latents(path: Path, content: str, overwrite: bool) -> None:
    """Finds out whether `encode` may write a file: a film is never replaced, another video's file if the user agrees.

    Args:
        path: the file to write.
        content: of the video that is to be stored, see `video.images.content_of`.
        overwrite: whether the user has agreed.

    Raises:
        InputError: it may not; says why, and what to do.
    """
    target = as_path(path, "file to write")
    if target.suffix.lower() != LATENTS:
        raise InputError(
            f"cannot write {path}: a stored video is named {LATENTS}, such as {target.with_suffix(LATENTS).name}; "
            "the input comes first, then the output"
        )
    if not target.exists():
        return
    begin = _begin(target)
    if any(begin) and begin != MAGIC:
        raise InputError(f"{path} is there and is no {LATENTS} file, so it stays; remove it, or choose another name")
    if not begin:
        return
    held, what = _notes(target), "a video that cannot be read"
    if held is not None:
        if held.get("fingerprint") == content:
            return
        what = f"another video, {held['source']}" if held.get("source") else "a video, and not of which file"
    _agree(f"{path} holds {what}", overwrite)


def check_drawing(path: Path, overwrite: bool) -> None:
    """Finds out whether `decode` may write a file: one that was not drawn is replaced if the user agrees.

    Raises:
        InputError: it may not; says why, and what to do.
    """
    target = as_path(path, "file to write")
    if target.suffix.lower() == LATENTS:
        raise InputError(f"cannot write {path}: what is drawn is a video; name it .mp4")
    if not target.exists() or not _begin(target):
        return
    from ..video.opening import is_drawn

    if not is_drawn(target):
        _agree(f"{path} is there and is no drawing", overwrite)


def check_prior(folder: Path, overwrite: bool) -> None:
    """Finds out whether `pretrain` may write into a folder: a finished prior is replaced if the user agrees.

    Raises:
        InputError: it may not; says why, and what to do.
    """
    from ..pretraining.state import STATE_FILE
    from ..priors.find import is_prior

    if is_prior(folder) and not (folder / STATE_FILE).exists():
        _agree(f"{folder} holds a prior that is finished", overwrite)


def is_stored(path: Path) -> bool:
    """Whether a file is a stored video, by how it begins."""
    return _begin(as_path(path, "video")) == MAGIC


def _agree(held: str, overwrite: bool) -> None:
    if overwrite:
        return
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError(f"{held}; --overwrite replaces it, or choose another name")
    print(f"{PROG}: {log_line(held)}; replace it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InputError(f"{held}, and stays")


def _begin(file: Path) -> bytes:
    with open(file, "rb") as handle:
        return handle.read(len(MAGIC))


def _notes(file: Path) -> dict[str, Any] | None:
    """The notes in a stored video's header; None of one that is damaged, or of a later version."""
    from .. import codec

    try:
        notes = codec.parse(codec.FileSource(file))[0].get("metadata")
    except BitstreamError:
        return None
    return notes if isinstance(notes, dict) else None
