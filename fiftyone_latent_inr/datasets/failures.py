"""Failures where users look for them: a field that holds the reason, and a tag to filter by, until it is done."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping
from typing import Any

import bson
import fiftyone as fo
from fiftyone.core.collections import SampleCollection
from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from ..text import brief
from .writing import declare

logger = logging.getLogger(__name__)


def error_field(key: str) -> str:
    """The field of the reasons: `latent_inr_error` of fits, `latent_inr_x2_error` of drawings."""
    return f"{key}_error"


def failed_tag(key: str) -> str:
    """The tag of the failed: `latent_inr_failed`."""
    return f"{key}_failed"


def is_ours(dataset: fo.Dataset, key: str) -> bool:
    """Whether the dataset has the field of the reasons, with the type that it has with us."""
    return type(dataset.get_field_schema().get(error_field(key))) is fo.StringField


def last_failures(samples: SampleCollection, key: str) -> tuple[int, str]:
    """How many of some samples failed when they were last tried, and the reason of one of them; quick on thousands."""
    dataset, field = samples._root_dataset, error_field(key)
    if not is_ours(dataset, key) or not samples.has_field(field):
        return 0, ""
    failed = samples.match_tags(failed_tag(key)).exists(field)  # others may have text of their own in such a field
    count = len(failed)
    return count, brief(failed.limit(1).values(field)[0]) if count else ""


class FailureMarks:
    """Marks samples as failed or done, a few milliseconds for hundreds at once.

    A mark that cannot be written never stops a run: it is kept for the next `flush`, and the run's record has it, too.
    Text that somebody else has written into the field stays, whatever becomes of the sample.

    Args:
        dataset: the dataset.
        key: name of the custom run, after which field and tag are named. The field is declared at the first failure.
        outcomes: what the run has on record of the samples, by id: it tells reasons of ours from text of others.
    """

    def __init__(self, dataset: fo.Dataset, key: str, outcomes: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._dataset, self._key = dataset, key
        self._field, self._tag = error_field(key), failed_tag(key)
        self._marks: dict[str, str | None] = {}
        self._failed: dict[str, str | None] = {}  # by sample that is marked: the reason that is ours, if there is one
        try:
            query = {"$or": [{self._field: {"$type": "string"}}, {"tags": self._tag}]}
            for document in dataset._sample_collection.find(query, {self._field: 1, "tags": 1}):
                sample_id, text = str(document["_id"]), document.get(self._field)
                known, tagged = (outcomes or {}).get(sample_id, {}), self._tag in (document.get("tags") or ())
                # a sample that failed while it held another text keeps that one; the tag alone is ours then
                ours = known.get("reason") == text if known.get("status") == "failed" else tagged
                if ours or tagged:
                    self._failed[sample_id] = text if ours and isinstance(text, str) else None
        except PyMongoError as error:
            logger.debug("which samples failed before cannot be read: %s", brief(error))

    def failed(self, sample_id: str, reason: str) -> None:
        """Notes why a sample failed."""
        self._marks[sample_id] = reason

    def done(self, sample_id: str) -> None:
        """Notes that a sample is done, or up to date: its mark goes, if it has one."""
        if sample_id in self._failed or sample_id in self._marks:
            self._marks[sample_id] = None

    def flush(self) -> None:
        """Writes what was noted."""
        if not self._marks:
            return
        try:
            self._write(dict(self._marks))
        except Exception as error:  # forbidden, away, or the dataset is gone: the run itself says so where it matters
            logger.warning(
                "dataset %r: failures are not marked in field %r: %s", self._dataset.name, self._field, brief(error)
            )

    def _write(self, marks: dict[str, str | None]) -> None:
        if any(marks.values()):
            declare(self._dataset, self._field, fo.StringField, description="Why the last try failed")
        written, now = is_ours(self._dataset, self._key), datetime.datetime.now(datetime.timezone.utc)
        ops = []
        for sample_id, reason in marks.items():
            this = {"_id": bson.ObjectId(sample_id)}
            if written:
                replaced = {self._field: {"$in": [None, self._failed.get(sample_id)]}}
                ops.append(UpdateOne(this | replaced, {"$set": {self._field: reason, "last_modified_at": now}}))
            tagged = {"tags": self._tag if reason is None else {"$ne": self._tag}}
            ops.append(UpdateOne(this | tagged, [{"$set": {"tags": self._tags(reason), "last_modified_at": now}}]))
        self._dataset._bulk_write(ops, ids=list(marks))
        self._failed = {i: text for i, text in {**self._failed, **marks}.items() if marks.get(i, "") is not None}
        self._marks = {i: reason for i, reason in self._marks.items() if marks.get(i, "") != reason}

    def _tags(self, reason: str | None) -> dict[str, Any]:
        """The tags with ours, or without it, as an expression of the database; what was no list becomes one."""
        one = {"$cond": [{"$eq": [{"$type": "$tags"}, "string"]}, ["$tags"], []]}
        others = {"$cond": [{"$isArray": "$tags"}, "$tags", one]}
        rest = {"$filter": {"input": others, "cond": {"$ne": ["$$this", self._tag]}}}
        return rest if reason is None else {"$concatArrays": [rest, [self._tag]]}
