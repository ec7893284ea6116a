"""What runs that are going on have done, an entry a sample in the database, until the end of the run puts it in order.

An entry is on the server's disk before the next sample begins, and costs the same however large the dataset is. At the
end of a run its entries, and those that killed runs have left, go into the custom run's results, which FiftyOne clones
and exports; then they are deleted.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import fiftyone as fo
from bson import ObjectId
from pymongo.errors import OperationFailure, PyMongoError

from ..errors import InputError
from ..owners import Owner
from . import run_store
from .run_store import Outcomes
from .words import brief

logger = logging.getLogger(__name__)

# One document for each of: a run that goes on (`owner`), an outcome (`sample`), a file that was replaced (`file`)
COLLECTION = "latent_inr.journal"
# What FiftyOne's files of results begin with
_RESULTS = b'{"cls": "fiftyone.'

_DAY = 86400.0
# Seconds in which another thread that declares a field in this process has told the database of it, too
_SCHEMA_AGAIN = 0.3

# Runs of this process that go on
_live: set[ObjectId] = set()
_lock = threading.Lock()


class Journal:
    """What one run does: begun before the first sample, ended after the last.

    Args:
        dataset: the samples' dataset.
        key: name of the custom run.
        method: kind of the run.
        anew: whether the outcomes of earlier runs are dropped.
    """

    def __init__(self, dataset: fo.Dataset, key: str, method: str, *, anew: bool = False) -> None:
        self.dataset, self.key, self.method, self.anew = dataset, key, method, anew
        self.dataset_id, self.name = dataset._doc.id, dataset.name
        self.samples = dataset._sample_collection_name
        self.begun: ObjectId | None = None
        self.run: ObjectId | None = None
        self.left_out = 0

    def begin(self, config: dict[str, Any]) -> None:
        """Registers the run and removes what killed ones have left; their outcomes are kept.

        Raises:
            DatasetGoneError: the dataset is deleted.
            InputError: the database does not let this user keep a record.
        """
        try:
            self._begin(config)
        except OperationFailure as error:
            raise InputError(
                f"dataset {self.name!r}: no record of the run {self.key!r} can be kept ({brief(error)}); ask who runs "
                "the database for the right to write there"
            ) from error

    def _begin(self, config: dict[str, Any]) -> None:
        stored = run_store.stored_config(self.method, config)
        if self.begun is None:
            begun = ObjectId()
            with _lock:
                _live.add(begun)
            self.begun = begun
            _pages().create_index("run")
            keys = [self.key, config.get("brain_key")]
            _pages().insert_one({"_id": begun, "owner": asdict(Owner.here()), "keys": keys})
            sweep()
        self.run = run_store.find_or_make(self.dataset_id, self.name, self.key, stored)["_id"]
        run_store.set_config(self.run, stored)
        if self.anew:
            _pages().delete_many({"run": self.run})
        run_store.refresh(self.dataset, self.key)

    def add(self, outcomes: Outcomes) -> None:
        """Records what became of samples; when it returns, that and all that was written before it is safe."""
        if outcomes:
            pages = [
                {"run": self.run, "begun": self.begun, "sample": sample, "outcome": _storable(outcome)}
                for sample, outcome in outcomes.items()
            ]
            run_store.synced(COLLECTION).insert_many(pages, ordered=False)

    def update(self, config: dict[str, Any]) -> None:
        """Replaces the run's configuration; a run that somebody has deleted is made anew.

        Raises:
            DatasetGoneError: the dataset is deleted.
        """
        stored = run_store.stored_config(self.method, config)
        self._document(stored)
        assert self.run is not None
        run_store.set_config(self.run, stored)
        _pages().update_one({"_id": self.begun}, {"$set": {"seen": time.time()}})
        run_store.refresh(self.dataset, self.key)

    def end(self, config: dict[str, Any]) -> None:
        """Puts the outcomes into the run's results, without those of samples that are gone. It may be done again.

        Raises:
            DatasetGoneError: the dataset is deleted.
        """
        stored = run_store.stored_config(self.method, config)
        while not self._merge(stored):
            pass
        run_store.refresh(self.dataset, self.key)

    def close(self) -> None:
        """Removes what was noted for the case that this process is killed; what the database forbids waits.

        So does what a run has noted that is being interrupted, or that the database has refused something: the server
        may still do a write whose answer was not waited for, or has done only the first of two. The next run looks for
        what came of it.
        """
        if self.begun is None:
            return
        stopping = sys.exc_info()[1]
        try:
            if stopping is None or (isinstance(stopping, Exception) and not _is_of_database(stopping)):
                _forget(self.begun)
        except PyMongoError as error:  # the next run does it
            logger.debug("the journal of run %r was not closed: %s", self.key, brief(error))
        finally:
            with _lock:
                _live.discard(self.begun)

    def fields(self) -> set[str]:
        """Names of the samples' fields as the database has them now.

        Raises:
            DatasetGoneError: the dataset is deleted.
        """
        found = run_store.dataset_document(self.dataset_id, self.name, {"sample_fields.name": 1})
        return {field["name"] for field in found.get("sample_fields") or ()}

    def missing(self, names: set[str]) -> list[str]:
        """Those of the fields that this process knows of and the database does not: others have deleted them.

        Raises:
            DatasetGoneError: the dataset is deleted.
        """
        known = names & set(self.dataset.get_field_schema())
        if known <= self.fields():
            return []
        time.sleep(_SCHEMA_AGAIN)
        return sorted(known - self.fields())

    def has_sample(self, sample_id: str) -> bool:
        """Whether a sample is still there."""
        samples = run_store.database()[self.samples]
        return samples.find_one({"_id": ObjectId(sample_id)}, {"_id": 1}) is not None

    def _document(self, stored: dict[str, Any]) -> dict[str, Any]:
        found = run_store.find_or_make(self.dataset_id, self.name, self.key, stored)
        if self.run is not None and found["_id"] != self.run:
            _pages().update_many({"run": self.run, "begun": self.begun}, {"$set": {"run": found["_id"]}})
        self.run = found["_id"]
        return found

    def _merge(self, stored: dict[str, Any]) -> bool:
        """Whether nobody else has written meanwhile."""
        document = self._document(stored)
        pages = pages_of(self.run)
        outcomes = {} if self.anew else run_store.read(document, self.name)
        before = len(outcomes)
        overlay(outcomes, pages)
        there = {str(found["_id"]) for found in run_store.database()[self.samples].find({}, {"_id": 1})}
        kept = {sample: outcome for sample, outcome in outcomes.items() if sample in there}
        self.left_out = len(outcomes) - len(kept)
        if not pages and len(kept) == before and document.get("results") is not None:
            return run_store.set_config(document["_id"], stored)
        # Both files are noted first, so that the one that is not named in the end is found, whatever happens
        new, old = ObjectId(), document.get("results")
        _pages().insert_many([{"begun": self.begun, "file": file} for file in (new, old) if file is not None])
        done = run_store.write(document, kept, stored, new)
        _remove_files(self.begun)
        if done and pages:
            _pages().delete_many({"_id": {"$in": [page["_id"] for page in pages]}})
        return done


def pages_of(run: ObjectId | None) -> list[dict[str, Any]]:
    """Outcomes of a run that are not in its results yet, in their order."""
    return list(_pages().find({"run": run, "sample": {"$exists": True}}).sort("_id"))


def overlay(outcomes: Outcomes, pages: Iterable[dict[str, Any]]) -> None:
    """Puts entries of the journal over what is known of the samples, unless that is later."""
    for page in pages:
        sample, outcome = page["sample"], page["outcome"]
        if str(outcome.get("at", "")) >= str(outcomes.get(sample, {}).get("at", "")):
            outcomes[sample] = outcome


def sweep() -> None:
    """Removes what runs of dead processes have left in the database, and nothing else.

    That is: files of results, or pieces of them, and run documents, that nobody names; and entries of the journal of
    runs that are deleted. Ids say which process made them, and when.
    """
    db = run_store.database()
    for entry in list(_pages().find({"owner": {"$exists": True}})):
        if _is_alive(entry):
            continue
        owner = Owner.read(entry["owner"])
        if owner is None or not _is_this(owner) or len(_live) < 2:  # else a file may be of the other run's
            for document in db.runs.find({"_id": {"$gte": entry["_id"]}}):
                if _same_process(document["_id"], entry["_id"]) and _is_nobodys(document, entry.get("keys") or ()):
                    db.runs.delete_one({"_id": document["_id"]})
            _remove_strays(entry["_id"])
            _forget(entry["_id"])
    alive = [entry["_id"] for entry in _pages().find({"owner": {"$exists": True}}, {"_id": 1})]
    for begun in _pages().distinct("begun", {"file": {"$exists": True}}):
        if begun not in alive:  # noted by a write that was interrupted here, and yet done there
            _remove_files(begun)
    for run in _pages().distinct("run", {"sample": {"$exists": True}}):
        if db.runs.find_one({"_id": run}, {"_id": 1}) is None:
            _pages().delete_many({"run": run, "sample": {"$exists": True}, "begun": {"$not": {"$in": alive}}})


def _pages() -> Any:
    return run_store.database()[COLLECTION]


def _is_alive(entry: dict[str, Any]) -> bool:
    """Whether a run still goes on; of a machine that cannot be asked, one that was heard of today."""
    owner = Owner.read(entry["owner"])
    if owner is None:
        return False
    if _is_this(owner):
        return entry["_id"] in _live
    gone = owner.is_gone()
    return time.time() - entry.get("seen", owner.since) < _DAY if gone is None else not gone


def _is_of_database(error: BaseException | None) -> bool:
    """Whether the database has refused something, whatever the error was wrapped in."""
    while error is not None and not isinstance(error, PyMongoError):
        error = error.__cause__ or error.__context__
    return error is not None


def _is_this(owner: Owner) -> bool:
    here = Owner.here()
    return (owner.place, owner.process, owner.started) == (here.place, here.process, here.started)


def _forget(begun: ObjectId) -> None:
    _remove_files(begun)
    _pages().delete_one({"_id": begun})


def _remove_files(begun: ObjectId | None) -> None:
    """Deletes the files that a run has noted, unless a run's document names them."""
    for note in list(_pages().find({"begun": begun, "file": {"$exists": True}})):
        if run_store.database().runs.find_one({"results": note["file"]}, {"_id": 1}) is None:
            run_store.files().delete(note["file"])
        _pages().delete_one({"_id": note["_id"]})


def _remove_strays(begun: ObjectId) -> None:
    """Deletes files of results that a dead process has made since its run began, and had not named yet."""
    db = run_store.database()
    found = {file["_id"] for file in db.fs.files.find({"_id": {"$gte": begun}}, {"_id": 1})}
    found |= set(db.fs.chunks.distinct("files_id", {"files_id": {"$gte": begun}}))
    for file in found:
        if not _same_process(file, begun) or db.runs.find_one({"results": file}, {"_id": 1}) is not None:
            continue
        first = db.fs.chunks.find_one({"files_id": file, "n": 0}, {"data": 1})
        if first is None or bytes(first["data"]).startswith(_RESULTS):
            run_store.files().delete(file)


def _same_process(one: Any, other: ObjectId) -> bool:
    """Whether two ids were made by the same process: five bytes of each are random, and drawn once a process."""
    return isinstance(one, ObjectId) and one.binary[4:9] == other.binary[4:9]


def _is_nobodys(document: dict[str, Any], keys: Iterable[str | None]) -> bool:
    """Whether a run's document is of one of these runs, or of an index that they build, and no dataset names it."""
    key = str(document.get("key"))
    if not any(own and (key == own or key.startswith(f"{own}_building")) for own in keys):
        return False
    held = run_store.database().datasets.find_one(
        {"_id": document.get("_dataset_id")}, dict.fromkeys(run_store.RUN_FIELDS, 1)
    )
    return not any(document["_id"] in ((held or {}).get(field) or {}).values() for field in run_store.RUN_FIELDS)


def _storable(value: Any) -> Any:
    """The value with its texts in UTF-8, which MongoDB wants; names of files may be none."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _storable(item) for name, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list | tuple) else value
