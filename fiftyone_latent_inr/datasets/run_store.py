"""A custom run as FiftyOne stores it, a document and a file of results: read as one, replaced as one.

FiftyOne deletes the old file, writes the new one and only then names it in the document; a process that ends in
between leaves a run that FiftyOne itself cannot read. Here the old file stays until the new one is named, in one write,
and what cannot be read is none.
"""

from __future__ import annotations

import datetime
import json
import logging
from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo
from bson import ObjectId
from fiftyone.core.odm.runs import RunDocument
from fiftyone.core.runs import RunConfig, RunResults
from gridfs import GridFS
from pymongo import WriteConcern
from pymongo.database import Database
from pymongo.errors import ConnectionFailure

from ..errors import InputError
from .words import brief

logger = logging.getLogger(__name__)

Outcomes = dict[str, dict[str, Any]]

# Fields of a dataset's document that name run documents
RUN_FIELDS = ("annotation_runs", "brain_methods", "evaluations", "runs")
RESULTS_CLASS = f"{RunResults.__module__}.{RunResults.__qualname__}"


class DatasetGoneError(InputError):
    """The dataset has been deleted since the run began."""


def database() -> Database[Any]:
    """FiftyOne's database."""
    found: Database[Any] = foo.get_db_conn()
    return found


def files() -> GridFS:
    """Where FiftyOne keeps the results of runs."""
    return GridFS(database())


def synced(name: str) -> Any:
    """A collection whose writes are on the server's disk when they return, with all that were sent before them."""
    return database()[name].with_options(write_concern=WriteConcern(j=True))


def dataset_document(dataset_id: ObjectId, name: str, fields: dict[str, int]) -> dict[str, Any]:
    """Fields of a dataset's document as the database has it now; another process may have changed it since.

    Raises:
        DatasetGoneError: there is none.
    """
    found: dict[str, Any] | None = database().datasets.find_one({"_id": dataset_id}, fields)
    if found is None:
        raise DatasetGoneError(f"dataset {name!r} has been deleted while this run went on, so nothing more is done")
    return found


def keys(dataset: fo.Dataset) -> list[str]:
    """Keys of the custom runs, those of other processes, too."""
    found = database().datasets.find_one({"_id": dataset._doc.id}, {"runs": 1}) or {}
    return sorted(found.get("runs") or {})


def find(dataset_id: ObjectId, key: str) -> dict[str, Any] | None:
    """The run's document, or None where there is none or the dataset names one that is not there."""
    held = database().datasets.find_one({"_id": dataset_id}, {f"runs.{key}": 1}) or {}
    name = (held.get("runs") or {}).get(key)
    return database().runs.find_one({"_id": name}) if isinstance(name, ObjectId) else None


def find_or_make(dataset_id: ObjectId, name: str, key: str, config: dict[str, Any]) -> dict[str, Any]:
    """The run's document, made where there is none; of two processes that make it at once both get the same one.

    Raises:
        DatasetGoneError: the dataset is deleted.
    """
    while True:
        held = dataset_document(dataset_id, name, {f"runs.{key}": 1})
        old = (held.get("runs") or {}).get(key)
        found = find(dataset_id, key)
        if found is not None:
            return found
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        made = RunDocument(dataset_id=dataset_id, key=key, version=fo.__version__, timestamp=now, config=config)
        made.save(upsert=True)
        named = synced("datasets").update_one(
            {"_id": dataset_id, f"runs.{key}": old}, {"$set": {f"runs.{key}": made.id, "last_modified_at": now}}
        )
        if not named.matched_count:
            made.delete()


def stored_config(method: str, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration in the form that a run's document keeps."""
    stored: dict[str, Any] = RunConfig(method=method, **config).serialize()
    return stored


def set_config(run: ObjectId, config: dict[str, Any]) -> bool:
    """Replaces the configuration; whether the run is still there."""
    return bool(synced("runs").update_one({"_id": run}, {"$set": {"config": config}}).matched_count)


def read(document: dict[str, Any] | None, dataset_name: str) -> Outcomes:
    """What the run's file says became of the samples, by id; what cannot be read is nothing."""
    name = None if document is None else document.get("results")
    if document is None or name is None:
        return {}
    try:
        found = json.loads(files().get(name).read())["outcomes"]
        return {sample: outcome for sample, outcome in found.items() if isinstance(outcome, dict)}
    except ConnectionFailure:
        raise
    except Exception as error:  # as earlier versions left it when they were killed, or as others have changed it
        logger.warning(
            "dataset %r: what run %r says of its samples cannot be read, and counts as none: %s",
            dataset_name, document.get("key"), brief(error),
        )  # fmt: skip
        return {}


def write(document: dict[str, Any], outcomes: Outcomes, config: dict[str, Any], name: ObjectId) -> bool:
    """Stores new results and the configuration with them; the file of the old ones is left to the caller.

    Args:
        document: the run's document as it was read together with what `outcomes` is made of.
        outcomes: the new results.
        config: the new configuration, as `stored_config` makes it.
        name: id of the new file.

    Returns:
        whether they are the run's now; not, if another process has replaced the old ones meanwhile.
    """
    files().put(
        json.dumps({"cls": RESULTS_CLASS, "outcomes": outcomes}).encode(), _id=name, content_type="application/json"
    )
    found = {"_id": document["_id"], "results": document.get("results")}
    named = synced("runs").update_one(found, {"$set": {"results": name, "config": config}})
    return bool(named.matched_count)


def refresh(dataset: fo.Dataset, key: str) -> None:
    """Makes FiftyOne's object of the dataset know of the run what the database says."""
    if not dataset.deleted:
        dataset._doc.reload("runs")
        dataset._run_cache.pop(key, None)
