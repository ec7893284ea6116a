"""What FiftyOne and MongoDB let be written into a sample: known before hours of work, not after them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import bson
import fiftyone as fo
from fiftyone.core.collections import SampleCollection
from pymongo.errors import PyMongoError

from ..errors import InputError, StorageError
from ..files import check_length, kind_of
from .words import brief, megabytes

# MongoDB takes documents of 16 MiB. A quarter is left to the fields that others add after us.
LARGEST = 16 << 20
MOST_BYTES = LARGEST // 4 * 3
# Bytes of a disk, of which files of short videos take thousands, of films millions
_LEAST_FREE = 8 << 20
# A vector, a path and some numbers
_SMALL_FIELDS = 1 << 17


def check_free(dataset: fo.Dataset, names: Iterable[str]) -> None:
    """Refuses fields that FiftyOne does not let be written, or that are stored where another field is.

    Raises:
        InputError: names the field and says what to do.
    """
    schema = dataset.get_field_schema()
    aliases = {field.db_field: name for name, field in schema.items() if field.db_field not in (None, name)}
    for name in names:
        if name in aliases:
            raise InputError(
                f"dataset {dataset.name!r}: field {aliases[name]!r} is stored under the name {name!r}, where another "
                "one is to be written; pass another embeddings_field"
            )
        if name in schema and schema[name].read_only:
            raise InputError(
                f"dataset {dataset.name!r}: field {name!r} is read-only; pass another embeddings_field, or make it "
                f"writable: field = dataset.get_field({name!r}); field.read_only = False; field.save()"
            )


def declare(dataset: fo.Dataset, name: str, kind: type[fo.Field], **options: Any) -> None:
    """Declares a field, if it is not there yet.

    Args:
        dataset: the dataset.
        name: the field's name.
        kind: its type.
        **options: arguments of `add_sample_field` besides.

    Raises:
        Exception: FiftyOne's or its database's; the field is not declared then, and may be declared later.
    """
    if name in dataset.get_field_schema():
        return
    try:
        dataset.add_sample_field(name, kind, **options)
    except BaseException:
        _take_back(dataset, name)
        raise


def _take_back(dataset: fo.Dataset, name: str) -> None:
    """Makes this process forget a field that the database has not; FiftyOne tells its own classes of it first."""
    samples = dataset._sample_doc_cls
    with suppress(PyMongoError):  # away: what it lacks is looked for before the next sample is written
        dataset._doc.reload("sample_fields")
        if name in samples._fields and all(field.name != name for field in dataset._doc.sample_fields):
            samples._undeclare_field(name)


def try_fields(one: SampleCollection, types: dict[str, type[fo.Field]]) -> None:
    """Declares the fields that are not there yet, and writes once more what a sample holds in them.

    Args:
        one: view of one sample.
        types: the fields' types by their names.

    Raises:
        InputError: FiftyOne or its database forbids it; says which field, and the reason that it gives.
    """
    dataset = one._root_dataset
    check_free(dataset, types)
    for name, kind in types.items():
        try:
            declare(dataset, name, kind)
            one.set_values(name, one.values(name))
        except (ValueError, OSError, PyMongoError) as error:
            raise InputError(
                f"dataset {dataset.name!r}: field {name!r} cannot be written, so nothing is done: {brief(error)}; ask "
                "who runs the database for the right to write there"
            ) from error


def check_room(dataset: fo.Dataset, sample_id: str, replaced: str) -> None:
    """Refuses a sample that is so full that not even a vector goes in.

    Args:
        dataset: the dataset.
        sample_id: id of the sample.
        replaced: field whose value does not count, as it is written anew.

    Raises:
        InputError: says how large the sample is.
    """
    old = {"$cond": [{"$eq": [{"$type": f"${replaced}"}, "binData"]}, {"$binarySize": f"${replaced}"}, 0]}
    size = {"$project": {"size": {"$subtract": [{"$bsonSize": "$$ROOT"}, old]}}}
    for found in dataset._sample_collection.aggregate([{"$match": {"_id": bson.ObjectId(sample_id)}}, size]):
        if found["size"] > LARGEST - _SMALL_FIELDS:
            raise InputError(
                f"its sample already holds {megabytes(found['size'])} in other fields, and MongoDB takes "
                f"{megabytes(LARGEST)}; move large fields into files"
            )


def check_place(path: Path, what: str) -> None:
    """Finds out before the work begins whether a file can be put at a path; see also `files.check_length`.

    Args:
        path: of the file to be.
        what: what it is, for the message: "the fitted file".

    Raises:
        StorageError: its folder is gone.
        InputError: something else is there, or its name is too long.
    """
    check_length(path)
    if not path.parent.is_dir():
        raise StorageError(f"cannot write {path}: the folder {path.parent} is gone")
    if path.exists() and not path.is_file():
        kind = kind_of(path.stat().st_mode) or "a folder"
        raise InputError(f"{path}: it is {kind}, where {what} is to be written; remove it")


def check_disk(folder: Path) -> None:
    """Refuses a disk that is nearly full: an hour's work would end at the first file.

    Raises:
        InputError: says how much is left.
    """
    try:
        disk = shutil.disk_usage(folder)
    except OSError:  # a file system that does not tell
        return
    if disk.total and disk.free < _LEAST_FREE:
        raise InputError(
            f"only {megabytes(disk.free)} are left on the disk of {folder}; free some space, or pass another output_dir"
        )


def document_bytes(sample: fo.Sample) -> int:
    """Bytes that a sample takes in the database, frames apart."""
    return len(bson.encode(sample.to_mongo_dict(include_id=True)))


def save(sample: fo.Sample) -> None:
    """Saves a sample so that it can be saved again where that fails.

    FiftyOne dates a sample before it writes it, and then takes the date for an edit of a field that nobody may edit.
    """
    try:
        sample.save()
    except BaseException:
        document = sample._doc
        document._changed_fields = [name for name in document._changed_fields if name != "last_modified_at"]
        raise
