"""The custom run: what was fitted, how, with which versions, and what became of each sample."""

from __future__ import annotations

import datetime
import logging
import platform
from importlib import metadata
from typing import Any

import fiftyone as fo

from ..errors import InputError
from ..version import __version__
from .fields import FIT_NAME
from .words import brief

logger = logging.getLogger(__name__)

METHOD = FIT_NAME


def read_config(dataset: fo.Dataset, key: str) -> dict[str, Any] | None:
    """Reads the configuration of the run, or None where there is none.

    Raises:
        InputError: another tool's run has this key.
    """
    if key not in dataset.list_runs():
        return None
    config = dataset.get_run_info(key).config
    if getattr(config, "method", None) != METHOD:
        raise InputError(
            f"dataset {dataset.name!r} already has a custom run {key!r} of another kind; pass another "
            f"embeddings_field (its name is the run's), or delete it: dataset.delete_run({key!r})"
        )
    return {k: v for k, v in config.serialize().items() if k not in ("cls", "type", "method")}


def is_ours(dataset: fo.Dataset, key: str) -> bool:
    """Whether this package has recorded a run under the key."""
    try:
        return read_config(dataset, key) is not None
    except InputError:
        return False


def read_outcomes(dataset: fo.Dataset, key: str) -> dict[str, dict[str, Any]]:
    """Reads what became of each sample: id -> `{status, filepath, reason, psnr, seconds, settings, at}`.

    `status` is `fitted`, `adopted` (its file was there already) or `failed`; `reason` is for the failed. Results that
    cannot be read are none: they only say what became of samples, and the samples say it, too.
    """
    if key not in dataset.list_runs():
        return {}
    try:
        results = dataset.load_run_results(key, cache=False)
    except Exception as error:  # FiftyOne stores them in two steps, between which a process may be killed
        logger.warning(
            "dataset %r: what run %r says of its samples cannot be read: %s", dataset.name, key, brief(error)
        )
        return {}
    return dict(getattr(results, "outcomes", None) or {})


def write(dataset: fo.Dataset, key: str, config: dict[str, Any], outcomes: dict[str, dict[str, Any]]) -> None:
    """Records the run, replacing what was recorded under the key."""
    run = dataset.init_run(method=METHOD, **config)
    if key in dataset.list_runs():
        dataset.update_run_config(key, run)
    else:
        dataset.register_run(key, run)
    results = dataset.init_run_results(key, outcomes=outcomes)
    # Not cached: FiftyOne would hand the same dictionary back, to be changed by accident
    dataset.save_run_results(key, results, overwrite=True, cache=False)


def outcome(status: str, filepath: str, settings: str, **more: Any) -> dict[str, Any]:
    """Makes one sample's entry."""
    entry = {"status": status, "filepath": filepath, "settings": settings, "at": now(), **more}
    return {name: value for name, value in entry.items() if value is not None}


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
