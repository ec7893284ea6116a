"""The similarity index over the videos' embeddings, which FiftyOne and its App search by text."""

from __future__ import annotations

import logging
from typing import Any

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
from fiftyone.core.brain import BrainMethod

from ...errors import InputError
from .. import runs
from ..fields import FieldNames, all_videos, check_name, odd_embeddings, with_embedding
from ..words import brief
from .zoo_source import register_zoo_source

logger = logging.getLogger(__name__)

ZOO_PREFIX = "latent-inr/"
# Backends that keep no vectors of their own
_IN_FIELD = ("sklearn", "mongodb")


def check_brain_key(dataset: fo.Dataset, key: str, names: FieldNames) -> None:
    """Refuses a brain key that is another kind of run, or an index of another field.

    Raises:
        InputError: says what has the key, and what to do.
    """
    check_name(key, "brain_key")
    if key not in dataset.list_brain_runs():
        return
    config = _config(dataset, key)
    kind = getattr(config, "type", None) or type(config).__name__
    field = getattr(config, "embeddings_field", None)
    if not _is_over(config, names.embedding):
        what = f"a {kind} run" if kind != "similarity" else f"a similarity index of {field or 'other embeddings'!r}"
        raise InputError(
            f"dataset {dataset.name!r} already has {what} under brain_key {key!r}; pass another brain_key, "
            f"or delete it: dataset.delete_brain_run({key!r})"
        )


def _config(dataset: fo.Dataset, key: str) -> Any:
    """The configuration of a brain run; None of one that this FiftyOne cannot read."""
    try:
        return dataset.get_brain_info(key).config
    except Exception:  # of a plugin that is not installed, or of a later version
        return None


def _is_over(config: Any, field: str) -> bool:
    """Whether a brain run is a similarity index over a field of the samples."""
    similarity = getattr(config, "type", None) == "similarity" and not getattr(config, "patches_field", None)
    return similarity and getattr(config, "embeddings_field", None) == field


def prepare(teacher: Any) -> tuple[str, dict[str, Any]]:
    """Names the zoo model that embeds queries for a teacher, and makes sure that the zoo has it.

    Called before anything is fitted, so that a zoo folder that cannot be written is known at once.
    """
    model, kwargs = teacher.zoo()
    if model.startswith(ZOO_PREFIX):
        register_zoo_source()
    return model, dict(kwargs or {})


def update_index(
    dataset: fo.Dataset,
    key: str,
    names: FieldNames,
    teacher: Any,
    *,
    backend: str | None = None,
    options: dict[str, Any] | None = None,
) -> bool:
    """Makes the index say what the embeddings field says: builds it, or brings it up to date.

    Args:
        dataset: the dataset; an index always covers the whole of it.
        key: brain key of the index.
        names: names of the fields.
        teacher: teacher whose text tower embeds queries.
        backend: similarity backend of FiftyOne; None keeps the index's own, or sklearn for a new one.
        options: keyword arguments of the backend besides.

    Returns:
        whether there is an index now (there is none without embeddings).

    Raises:
        InputError: the index cannot be built; the fitted files and fields are kept, and so is the index that was there.
    """
    model, kwargs = prepare(teacher)
    ids = with_embedding(dataset, names)
    if not ids:
        drop_index(dataset, key)
        return False
    building = _building_key(dataset, key, names)
    there = _config(dataset, key) if key in dataset.list_brain_runs() else None
    if there is not None and _matches(there, model, kwargs, backend, options or {}):
        try:
            if refresh_index(dataset, key, names):
                return True
        except InputError as error:
            logger.warning("%s; it is built anew", error)
    if there is not None and _shares_store(there, options or {}):
        drop_index(dataset, key)  # what is built would go into its table, and be deleted with it
    try:
        fob.compute_similarity(
            all_videos(dataset),
            embeddings=names.embedding,
            brain_key=building,
            model=model,
            model_kwargs=kwargs or None,
            backend=backend or "sklearn",
            **{"metric": "cosine", **(options or {})},
        )
        # Options that no search can do with are known by a search
        query = all_videos(dataset).select(ids[0]).values(names.embedding)[0]
        all_videos(dataset).sort_by_similarity(query, k=1, brain_key=building).values("id")
    except BaseException as error:
        # FiftyOne registers the run before it builds the index, and leaves it there
        drop_index(dataset, building)
        if not isinstance(error, Exception):
            raise
        why = why_unreadable(dataset, names.embedding, error, teacher.embedding_dim)
        raise InputError(
            f"dataset {dataset.name!r}: the videos are fitted and stored, but the similarity index {key!r} could not "
            f"be built ({why}); mend this and run the fit again, which fits nothing twice"
        ) from error
    _put_in_place(dataset, building, key)
    _warn_of_others(dataset, key)
    return True


def _put_in_place(dataset: fo.Dataset, building: str, key: str) -> None:
    """Gives the new index the key of the old one, which goes only while the new one is there."""
    dataset.reload()  # another process may have deleted it, as one that was left behind
    try:
        if building not in dataset.list_brain_runs():
            raise InputError("another run has deleted it to build its own")
        drop_index(dataset, key)
        dataset.rename_brain_run(building, key)
    except Exception as error:
        raise InputError(
            f"dataset {dataset.name!r}: the videos are fitted and stored, but the similarity index {key!r} could not "
            f"be put in its place ({brief(error)}); run the fit again when no other one runs, which fits nothing twice"
        ) from error


def _building_key(dataset: fo.Dataset, key: str, names: FieldNames) -> str:
    """The key that an index has until it is finished; one that a killed process has left is deleted."""
    building = f"{key}_building"
    while building in dataset.list_brain_runs():
        if _is_over(_config(dataset, building), names.embedding):
            dataset.delete_brain_run(building)
        else:  # somebody else's
            building += "_"
    return building


def _shares_store(there: Any, options: dict[str, Any]) -> bool:
    """Whether the user has named a table or collection that another index is in."""
    stores = ("table_name", "collection_name", "index_name")
    return any(options.get(name) is not None and options[name] == getattr(there, name, None) for name in stores)


def refresh_index(dataset: fo.Dataset, key: str, names: FieldNames) -> bool:
    """Brings an index that exists up to date, without its teacher.

    Returns:
        whether there is one; what a killed process has registered, and not built, is none.

    Raises:
        InputError: it cannot be read, or its backend does not take the changes.
    """
    if key not in dataset.list_brain_runs():
        return False
    try:
        results = dataset.load_brain_results(key)
        if results is not None:
            _refresh(dataset, results, names)
        return results is not None
    except Exception as error:
        raise InputError(
            f"dataset {dataset.name!r}: the similarity index {key!r} could not be brought up to date "
            f"({why_unreadable(dataset, names.embedding, error)})"
        ) from error


def why_unreadable(dataset: fo.Dataset, field: str, error: Exception, dim: int | None = None) -> str:
    """Why vectors cannot be searched: the samples that hold others than they should, or else the error in a line.

    Args:
        dataset: the dataset.
        field: its field of embeddings.
        error: what a similarity backend has raised.
        dim: E, where it is known.
    """
    return odd_embeddings(dataset, field, dim) or f"{type(error).__name__}: {brief(error)}"


def mend_indexes(dataset: fo.Dataset) -> None:
    """Makes the indexes of fits forget samples that are deleted, and know of those that came with a vector.

    FiftyOne keeps an index in memory, or with its backend, and does not look at it when samples change. Nothing is
    read of an index that nobody in this process has asked yet: it is read from the samples when somebody does.
    """
    for key in dataset.list_brain_runs(type="similarity"):
        config = _config(dataset, key)
        field = getattr(config, "embeddings_field", None)
        if field is None or not _is_over(config, field) or not runs.is_ours(dataset, field):
            continue
        if BrainMethod.has_cached_run_results(dataset, key) or config.method not in _IN_FIELD:
            try:
                refresh_index(dataset, key, FieldNames.of(field))
            except InputError as error:  # a server that is down: not what was asked for
                logger.warning("%s", error)


def drop_index(dataset: fo.Dataset, key: str) -> None:
    """Deletes the index, if it is there."""
    if key in dataset.list_brain_runs():
        dataset.delete_brain_run(key)


def _matches(config: Any, model: str, kwargs: dict[str, Any], backend: str | None, options: dict[str, Any]) -> bool:
    return (
        config.model == model
        and (config.model_kwargs or {}) == kwargs
        and backend in (None, config.method)
        and all(getattr(config, name, None) == value for name, value in options.items())
    )


def _refresh(dataset: fo.Dataset, results: Any, names: FieldNames) -> None:
    if results.is_external:
        # Such backends keep their own copy of the vectors
        view = all_videos(dataset).exists(names.embedding)
        ids, vectors = view.values(["id", names.embedding])
        results.add_to_index(np.stack(vectors), np.asarray(ids), overwrite=True)
        gone = sorted(set(results.sample_ids if results.sample_ids is not None else ids) - set(ids))
        if gone:
            results.remove_from_index(sample_ids=gone)
    else:
        results.reload()


def _warn_of_others(dataset: fo.Dataset, key: str) -> None:
    """Without a brain key FiftyOne searches the alphabetically first index that understands text."""
    keys = sorted(dataset.list_brain_runs(type="similarity", supports_prompts=True))
    if keys and keys[0] != key:
        logger.warning(
            "dataset %r has another index that understands text, %r, which FiftyOne takes when no key is given; "
            "search with brain_key=%r",
            *(dataset.name, keys[0], key),
        )
