"""Puts the project's zoo source (`hub_models/`) into FiftyOne's model zoo, where later processes find it.

A similarity index keeps only the name of its text model. A process that merely loads the dataset then asks the model
zoo for that name, without this package; so the source is copied into the zoo when an index is built.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import fiftyone as fo

from ...errors import InputError
from ...files import cannot_write
from ...resources import hub_models_dir
from ...version import __version__

logger = logging.getLogger(__name__)

_MARK = ".latent_inr.json"


def register_zoo_source() -> Path:
    """Copies the zoo source into the model zoo, unless the same one or a newer one is there.

    The copy is swapped in by renaming, so that a process reading the zoo never meets half of it.

    Returns:
        the folder of the source in the zoo.

    Raises:
        InputError: the package's own copy is missing, or the zoo's folder cannot be written.
    """
    source = _own_source()
    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    target = Path(fo.config.model_zoo_dir).joinpath(*manifest["name"].split("/"))
    mark: dict[str, Any] = {"version": __version__, "content": _content(source)}
    there = _read_mark(target)
    if there is not None:
        if there.get("content") == mark["content"] and _content(target) == mark["content"]:
            return target
        if _version(there.get("version", "0")) > _version(__version__):
            logger.warning(
                "%s was put there by version %s of this package, newer than %s; left as it is",
                *(target, there["version"], __version__),
            )
            return target
    try:
        _swap_in(source, target, mark)
    except OSError as error:
        raise cannot_write(target, error, what=f"{target}: FiftyOne's model zoo folder cannot be written") from error
    _forget_manifest()
    return target


def _own_source() -> Path:
    try:
        return hub_models_dir()
    except FileNotFoundError as error:
        raise InputError(str(error)) from error


def _swap_in(source: Path, target: Path, mark: dict[str, Any]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Hidden names: FiftyOne's walk over the zoo skips them
    fresh = target.parent / f".{target.name}-{uuid.uuid4().hex[:8]}"
    old = fresh.with_name(fresh.name + "-old")
    try:
        for path in _files(source):  # not `copytree`, whose errors do not say in numbers that the disk is full
            copy = fresh / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        (fresh / _MARK).write_text(json.dumps(mark), encoding="utf-8")
        if target.exists():
            os.rename(target, old)
        os.rename(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _content(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for path in _files(folder):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    """The files of a source, without hidden ones and what Python has compiled."""
    there = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [p for p in there if not any(part.startswith((".", "__pycache__")) for part in p.relative_to(folder).parts)]


def _read_mark(target: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        mark = json.loads((target / _MARK).read_text(encoding="utf-8"))
        return mark if isinstance(mark, dict) else None
    return None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in str(text).split("."))


def _forget_manifest() -> None:
    """FiftyOne may keep the zoo's manifest in memory (an option, off by default); nothing public adds to it."""
    import fiftyone.zoo.models as zoo

    forget = getattr(zoo, "_invalidate_zoo_models_manifest", None)
    if forget is not None:
        forget()
