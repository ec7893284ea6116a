"""The custom run: what was fitted, how, with which versions, and what became of each sample."""

from __future__ import annotations

import datetime
import platform
from functools import cache
from importlib import metadata
from typing import Any

import fiftyone as fo

from ..errors import InputError
from ..version import __version__
from . import run_store
from .fields import FIT_NAME
from .journal import Journal, overlay, pages_of
from .run_store import Outcomes

METHOD = FIT_NAME


def read_config(dataset: fo.Dataset, key: str) -> dict[str, Any] | None:
    """Reads the configuration of the run, or None where there is none.

    Raises:
        InputError: another tool's run has this key.
    """
    document = run_store.find(dataset._doc.id, key)
    if document is None:
        return None
    config = document.get("config") or {}
    if config.get("method") != METHOD:
        raise InputError(
            f"dataset {dataset.name!r} already has a custom run {key!r} of another kind; pass another "
            f"embeddings_field (its name is the run's), or delete it: dataset.delete_run({key!r})"
        )
    return {k: v for k, v in config.items() if k not in ("cls", "type", "method")}


def is_ours(dataset: fo.Dataset, key: str) -> bool:
    """Whether this package has recorded a run under the key."""
    try:
        return read_config(dataset, key) is not None
    except InputError:
        return False


def read_outcomes(dataset: fo.Dataset, key: str) -> Outcomes:
    """Reads what became of each sample: id -> `{status, filepath, reason, psnr, seconds, settings, at}`.

    `status` is `fitted`, `adopted` (its file was there already) or `failed`; `reason` is for the failed. What a run
    that goes on, or was killed, has done so far is among them. Results that cannot be read are none: they only say what
    became of samples, and the samples say it, too.
    """
    document = run_store.find(dataset._doc.id, key)
    if document is None:
        return {}
    outcomes = run_store.read(document, dataset.name)
    overlay(outcomes, pages_of(document["_id"]))
    return outcomes


def is_unsettled(dataset: fo.Dataset, key: str) -> bool:
    """Whether the record of a run was cut off: it does not say that it is done, or not yet in the run's results."""
    document = run_store.find(dataset._doc.id, key)
    if document is None:
        return False
    return (document.get("config") or {}).get("status") != "done" or bool(pages_of(document["_id"]))


def write(dataset: fo.Dataset, key: str, config: dict[str, Any], outcomes: Outcomes) -> None:
    """Records a run at once, in place of what was recorded under the key; it is `running` until all of it is there."""
    journal = Journal(dataset, key, METHOD, anew=True)
    try:
        journal.begin({**config, "status": "running"})
        journal.add(outcomes)
        journal.end(config)
    finally:
        journal.close()


def outcome(status: str, filepath: str, settings: str, **more: Any) -> dict[str, Any]:
    """Makes one sample's entry."""
    entry = {"status": status, "filepath": filepath, "settings": settings, "at": now(), **more}
    return {name: value for name, value in entry.items() if value is not None}


@cache
def versions() -> dict[str, str]:
    """Versions that a result may depend on."""
    found = {
        "fiftyone_latent_inr": __version__,
        "python": platform.python_version(),
        "fiftyone": fo.__version__,
    }
    for name in ("torch", "numpy", "av", "open_clip_torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
