"""One embeddings field holds vectors of one teacher: the rule that keeps spaces from mixing in a search."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
from fiftyone import ViewField as F
from fiftyone.core.collections import SampleCollection

from ...errors import InputError
from .. import runs
from ..fields import FieldNames, all_videos, with_embedding
from ..teachers import teacher_name


def check_space(
    dataset: fo.Dataset,
    names: FieldNames,
    record: dict[str, Any] | None,
    teacher: Any,
    target_ids: set[str],
    overwrite: bool,
) -> bool:
    """Checks that what is to be fitted goes with the vectors that the field holds already.

    Args:
        dataset: the dataset.
        names: names of the fields.
        record: configuration of the run on record, if there is one.
        teacher: teacher of the fit to come, or None for a fit without alignment.
        target_ids: ids of the samples to fit.
        overwrite: whether the user asked to fit everything anew.

    Returns:
        whether the field must be emptied before the first video, as its vectors are of another teacher and every one
        of them is to be fitted again.

    Raises:
        InputError: vectors of two teachers would mix, vectors would silently be lost, or the field holds vectors that
            another tool wrote.
    """
    holders = with_embedding(dataset, names)
    if not holders:
        return False
    old, new = _teacher_on_record(dataset, names, record, holders), getattr(teacher, "id", None)
    if old == new:
        return False
    place = f"dataset {dataset.name!r}: field {names.embedding!r}"
    other = f"embeddings_field='{names.embedding}_2', brain_key='{names.embedding}_2'"
    if new is None:
        if overwrite or target_ids.isdisjoint(holders):
            return False
        raise InputError(
            f"{place} holds embeddings of teacher {old}, which a fit with teacher=None would drop; give the teacher, "
            "pass another embeddings_field, or overwrite=True to drop them"
        )
    outside = len(set(holders) - target_ids)
    if outside:
        raise InputError(
            f"{place} holds embeddings of teacher {old} on {outside} samples outside this view, and vectors of two "
            f"teachers cannot be searched together; fit the whole dataset with {new}, or keep both apart with {other}"
        )
    return True


def check_kept_vectors(samples: SampleCollection, names: FieldNames, options: dict[str, Any]) -> None:
    """What `check_space` will say, as far as teachers' names tell: for forms, which load no teacher.

    Args:
        samples: the videos to fit.
        names: names of the fields.
        options: arguments of `fit_dataset`.

    Raises:
        InputError: see `check_space`.
    """
    dataset = samples._root_dataset
    record = runs.read_config(dataset, names.embedding)
    old, new = (record or {}).get("teacher"), teacher_name(options["teacher"])
    # folders have many names
    if old in (None, new) or any(os.path.isdir(name) for name in (old, new) if name is not None):
        return
    if with_embedding(dataset, names):
        check = dataset, names, {"teacher_id": old}, None if new is None else _Named(new)
        check_space(*check, set(samples.values("id")), options["overwrite"])


@dataclass(frozen=True)
class _Named:
    id: str


def clear_space(dataset: fo.Dataset, names: FieldNames, suffix: str) -> bool:
    """Empties the embeddings fields. The `.linr` files stay, and are taken up if their teacher returns.

    Args:
        dataset: the dataset.
        names: names of the fields.
        suffix: end of the files' names whose vectors stay: those that a run at the same time has stored already.

    Returns:
        whether there was anything to empty.
    """
    holders, kept = with_embedding(dataset, names), set()
    if names.path in dataset.get_field_schema():
        kept = set(all_videos(dataset).match(F(names.path).ends_with(suffix)).values("id"))
    nothing = dict.fromkeys(sample for sample in holders if sample not in kept)
    for field in (names.embedding, names.frames):
        if nothing and field in dataset.get_field_schema():
            all_videos(dataset).set_values(field, nothing, key_field="id")
    return bool(nothing)


def _teacher_on_record(
    dataset: fo.Dataset, names: FieldNames, record: dict[str, Any] | None, holders: list[str]
) -> str:
    """Whose vectors the field holds: the run says so; where it was deleted, the files do."""
    if record is not None and record.get("teacher_id"):
        return str(record["teacher_id"])
    if names.path in dataset.get_field_schema():
        from ...latent_video.video import load

        paths = all_videos(dataset).select(holders).values(names.path)
        for path in [p for p in paths if p][:20]:
            try:
                found = load(path).teacher_id
            except Exception:  # whatever a file does, another may tell
                continue
            if found:
                return str(found)
    raise InputError(
        f"dataset {dataset.name!r}: field {names.embedding!r} already holds {len(holders)} vectors that were not "
        "written by this package; pass another embeddings_field"
    )
