"""Originals and what was drawn of them side by side: a grouped dataset of its own, made from a flat one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import fiftyone as fo
from fiftyone.core.collections import SampleCollection
from fiftyone.core.media import VIDEO, get_media_type

from ... import arguments
from ...errors import InputError
from ..fields import FIT_NAME, FieldNames, all_videos
from ..originals import GROUP, MARK, ORIGINAL
from ..samples import dataset_of
from ..search.index import mend_indexes
from .media_fields import drawn_fields

SOURCE_ID = "source_id"
# In the grouped dataset's `info`: its source's name, for people and for those made before ids were kept; and its id
_MARK, _MARK_ID = MARK, f"{MARK}_id"

_OWN = ("id", "created_at", "last_modified_at")


def to_grouped_dataset(
    samples: SampleCollection,
    name: str,
    *,
    slices: Mapping[str, str] | None = None,
    embeddings_field: str = FIT_NAME,
    overwrite: bool = False,
    persistent: bool = False,
) -> fo.Dataset:
    """Makes a grouped dataset in which each video stands beside what was drawn of it.

    The slice `original` carries the fields and labels that the view shows, those of frames included. The others, such
    as `recon`, `x2` and `fps2`, carry the video and the tags: an interpolated video counts its frames otherwise.
    Every sample's `source_id` is the id of the one that it was made from. The dataset that is given stays as it is,
    and files are not copied. Called again with the same name, it adds what is new (samples, slices, changed paths)
    and leaves the rest, labels that were added there included.

    Example:
        >>> linr.super_resolve(dataset)  # doctest: +SKIP
        >>> grouped = linr.to_grouped_dataset(dataset, "side-by-side")  # doctest: +SKIP
        >>> fiftyone.launch_app(grouped)  # doctest: +SKIP

    Args:
        samples: a dataset or any view of videos.
        name: name of the new dataset.
        slices: slice -> field with the paths of what goes into the group beside the original; by default
            every field that `reconstruct`, `super_resolve` and `interpolate` have written.
        embeddings_field: field of the fit, after which those fields are named.
        overwrite: whether to make the dataset anew, if it was made by this function, of the same source. The old one
            is deleted once the new one is there.
        persistent: whether to keep it when FiftyOne's database shuts down.

    Returns:
        the grouped dataset.

    Raises:
        InputError: the collection cannot be used, nothing was drawn of it, a slice or field does not exist or holds
            no videos, the name cannot name a dataset, or another dataset has it, be it one that was made in the same
            way of another source (a clone, or a dataset that had the source's name before); or the dataset has lost
            the fields that say what its samples were made from.
    """
    source = dataset_of(samples, "to_grouped_dataset")
    overwrite = arguments.flag("overwrite", overwrite)
    persistent = arguments.flag("persistent", persistent)
    if not isinstance(name, str):
        raise InputError(f"name={name!r} cannot name a dataset: it must be text")
    mend_indexes(source)
    chosen = _slices(source, slices, FieldNames.of(embeddings_field))
    wanted = _wanted(samples, source, chosen)
    grouped = _existing(name, source)
    if grouped is None or overwrite:
        grouped = _made_anew(name, grouped, samples, source, wanted)
    else:
        _check_fields(grouped)
        _mark(grouped, source)  # with the name of today, and the id where it was made before ids were kept
        _add(grouped, samples, source, wanted)
    if persistent:
        grouped.persistent = True
    return grouped


def _slices(source: fo.Dataset, given: Mapping[str, str] | None, names: FieldNames) -> dict[str, str]:
    """Slice -> field of its paths."""
    if given is None:
        prefix = f"{names.embedding}_"
        found = {field.removeprefix(prefix): field for field in drawn_fields(source, names.embedding)}
    elif not isinstance(given, Mapping):
        raise InputError(f"slices must map names of slices to fields of paths, not be of type {type(given).__name__}")
    else:
        found = dict(given)
        for slice_ in found:
            good = isinstance(slice_, str) and slice_.strip() and slice_.isprintable()
            if not good or slice_.startswith("$") or "." in slice_:
                raise InputError(f"{slice_!r} cannot name a slice: give text without dots that does not begin with $")
        known = source.get_field_schema(ftype=fo.StringField)
        missing = [field for field in found.values() if not isinstance(field, str) or field not in known]
        if missing:
            raise InputError(f"dataset {source.name!r} has no field of paths called {', '.join(map(repr, missing))}")
        if ORIGINAL in found:
            raise InputError(f"the slice {ORIGINAL!r} is that of the samples' own files; choose another name")
    if not found:
        raise InputError(
            f"nothing is drawn of dataset {source.name!r} yet; draw its videos first, with reconstruct, "
            "super_resolve or interpolate of fiftyone_latent_inr"
        )
    return found


def _wanted(samples: SampleCollection, source: fo.Dataset, slices: dict[str, str]) -> dict[str, dict[str, str | None]]:
    """Sample id -> slice -> path of what goes there, in the order of the samples."""
    ids = samples.values("id")
    # From the dataset: a view that selects other fields would hide the paths
    rows = all_videos(source).select(ids, ordered=True).values(["filepath", *slices.values()])
    wanted = {i: dict(zip([ORIGINAL, *slices], row, strict=True)) for i, *row in zip(ids, *rows, strict=True)}
    for row in wanted.values():
        for slice_, path in row.items():
            if slice_ != ORIGINAL and path and get_media_type(path) != VIDEO:
                raise InputError(f"slice {slice_!r}: field {slices[slice_]!r} holds {path}, which is no video")
    return wanted


def _existing(name: str, source: fo.Dataset) -> fo.Dataset | None:
    """The dataset of this name, if there is one; it is known to be ours."""
    if not fo.dataset_exists(name):
        return None
    grouped = fo.load_dataset(name)
    _check_ours(grouped, source)
    return grouped


def _made_anew(
    name: str,
    old: fo.Dataset | None,
    samples: SampleCollection,
    source: fo.Dataset,
    wanted: dict[str, dict[str, str | None]],
) -> fo.Dataset:
    """Makes the dataset; the old one goes when the new one is whole, and not before."""
    try:
        grouped = fo.Dataset(name if old is None else None)
    except ValueError as error:  # a name without letters, or too close to another's
        raise InputError(f"name={name!r} cannot name a dataset: {error}") from error
    try:
        grouped.add_group_field(GROUP, default=ORIGINAL)
        grouped.add_sample_field(SOURCE_ID, fo.StringField)
        _mark(grouped, source)
        _add(grouped, samples, source, wanted)
    except BaseException:
        grouped.delete()
        raise
    if old is not None:
        old.delete()
        grouped.name = name
    return grouped


def _check_fields(grouped: fo.Dataset) -> None:
    """Refuses a dataset whose samples cannot be known again."""
    for field, there in ((GROUP, grouped.group_field == GROUP), (SOURCE_ID, grouped.has_field(SOURCE_ID))):
        if not there:
            raise InputError(
                f"dataset {grouped.name!r} has lost its field {field!r}, without which nothing can be added: give the "
                "field its name again, choose another name, or make the dataset anew with overwrite=True"
            )


def _mark(grouped: fo.Dataset, source: fo.Dataset) -> None:
    """Notes whose videos these are."""
    mark = {_MARK: source.name, _MARK_ID: _id(source)}
    if mark.items() - grouped.info.items():
        grouped.info.update(mark)
        grouped.save()


def _check_ours(dataset: fo.Dataset, source: fo.Dataset) -> None:
    made_of, known = dataset.info.get(_MARK), dataset.info.get(_MARK_ID)
    if made_of is None or (known is None and made_of != source.name):
        raise InputError(
            f"FiftyOne has a dataset {dataset.name!r} that was not made of {source.name!r} by to_grouped_dataset; "
            "choose another name"
        )
    if known is not None and known != _id(source):
        which = "a dataset that had that name before" if made_of == source.name else f"dataset {made_of!r}"
        raise InputError(
            f"dataset {dataset.name!r} was made by to_grouped_dataset of {which}, not of this {source.name!r}; choose "
            f"another name, or delete it: fiftyone.delete_dataset({dataset.name!r})"
        )


def _id(dataset: fo.Dataset) -> str:
    """What stays the same while a dataset is renamed, and no other dataset has; FiftyOne gives no public access."""
    return str(dataset._doc.id)


def _add(
    grouped: fo.Dataset, samples: SampleCollection, source: fo.Dataset, wanted: dict[str, dict[str, str | None]]
) -> None:
    """Adds the samples and slices that are not there, and brings paths up to date."""
    here = _here(grouped)
    changed = {
        here[i, slice_][0]: path
        for i, row in wanted.items()
        for slice_, path in row.items()
        if path and (i, slice_) in here and here[i, slice_][1] != path
    }
    if changed:
        all_videos(grouped).set_values("filepath", changed, key_field="id")
    # A copy has an id and a group of its own
    omitted = [name for name in (*_OWN, source.group_field) if name and name in source.get_field_schema()]
    groups = {i: group for (i, _), (_, _, group) in here.items()}

    def fresh() -> Iterator[fo.Sample]:
        for sample in samples.iter_samples():
            group = fo.Group(id=groups[sample.id]) if sample.id in groups else fo.Group()
            for slice_, path in wanted[sample.id].items():
                if path and (sample.id, slice_) not in here:
                    yield _sample(sample, slice_, path, group, omitted)

    grouped.add_samples(fresh(), progress=False)


def _here(grouped: fo.Dataset) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(source id, slice) -> (id, path, group id) of the samples that are there."""
    if not grouped.group_slices:
        return {}
    view = all_videos(grouped)
    columns = view.values([SOURCE_ID, f"{GROUP}.name", "id", "filepath", f"{GROUP}.id"])
    return {(i, slice_): (own, path, str(group)) for i, slice_, own, path, group in zip(*columns, strict=True)}


def _sample(sample: fo.Sample, slice_: str, path: str, group: fo.Group, omitted: list[str]) -> fo.Sample:
    if slice_ == ORIGINAL:
        copy = sample.copy(omit_fields=[name for name in omitted if name in sample.field_names])
    else:
        copy = fo.Sample(filepath=path, tags=sample.tags)
    copy[GROUP], copy[SOURCE_ID] = group.element(slice_), sample.id
    return copy
