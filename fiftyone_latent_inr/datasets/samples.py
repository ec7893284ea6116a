"""What is to be fitted or drawn: checks of the dataset or view that is given, and its samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiftyone as fo
from fiftyone.core.collections import SampleCollection

from ..errors import InputError
from ..video.images import ImageSequence
from .fields import FieldNames, all_videos

_HOW_TO_GROUP = (
    "where they are frames of videos, fit them in groups, fit_dataset(dataset.group_by(VIDEO, order_by=FRAME)), by the "
    "fields that say which video an image is of, and which frame of it"
)


@dataclass(frozen=True)
class Target:
    """One video: a sample, or the first one of a group of images.

    Attributes:
        sample_id: id of the sample.
        filepath: its file.
        stored: the `.linr` path that it already has, if any.
        images: the group's images in its order, or None.
    """

    sample_id: str
    filepath: str
    stored: str | None
    images: ImageSequence | None = None

    @property
    def source(self) -> str | ImageSequence:
        """What is fitted."""
        return self.filepath if self.images is None else self.images

    @property
    def name(self) -> str:
        """What it is called in messages and notes: no place, since files are passed on to strangers."""
        return Path(self.filepath).name if self.images is None else self.images.name


def dataset_of(samples: Any, caller: str = "fit_dataset") -> fo.Dataset:
    """Returns the dataset that a collection of videos belongs to, after checking that it is one.

    Args:
        samples: a dataset or any view of videos (saved views, selections, a video slice of a grouped dataset).
        caller: name of the function that they were given to, for the messages.

    Raises:
        InputError: it is not a collection, holds no videos, or its items are not whole videos.
    """
    if not isinstance(samples, SampleCollection):
        raise InputError(
            f"expected a FiftyOne dataset or view, got {type(samples).__name__}; load one with "
            "fiftyone.load_dataset(name)"
            + (", or fit a single file with fiftyone_latent_inr.fit(path)" if caller == "fit_dataset" else "")
        )
    check_alive(samples)
    dataset: fo.Dataset = samples._root_dataset  # the very object, so that its caches are the ones refreshed
    _refuse_generated(samples, caller)
    if is_grouped_on_the_fly(samples):
        _check_groups(samples, dataset, caller)
        return dataset
    if samples.media_type == "group":
        slices = [name for name, kind in dataset.group_media_types.items() if kind == "video"]
        if not slices:
            raise InputError(f"grouped dataset {dataset.name!r} has no video slice; there is nothing to do in it")
        raise InputError(
            f"dataset {dataset.name!r} is grouped; choose its video slice: "
            f"{caller}(dataset.select_group_slices({slices[0]!r}))"
            + (f" (video slices: {', '.join(map(repr, slices))})" if len(slices) > 1 else "")
        )
    if samples.media_type is None or is_empty(samples):
        raise InputError(f"there are no samples in this view of dataset {dataset.name!r}; nothing to do")
    if samples.media_type != "video":
        raise InputError(
            f"dataset {dataset.name!r} holds media of type {samples.media_type!r}; Latent-INR fits videos"
            + (f": {_HOW_TO_GROUP}" if samples.media_type == "image" else "")
        )
    return dataset


def check_alive(samples: SampleCollection) -> None:
    """Refuses what is of a dataset that is deleted.

    Raises:
        InputError: it is.
    """
    if (samples if isinstance(samples, fo.Dataset) else samples._dataset).deleted:
        raise InputError("the dataset of these samples has been deleted; load another one, with fiftyone.load_dataset")


def is_empty(samples: SampleCollection) -> bool:
    """Whether there is no sample in a collection."""
    return not samples.limit(1).values("id")


def number_of(samples: SampleCollection) -> int:
    """How many samples there are.

    `len` of a dataset asks MongoDB for its estimate, which is 0 or anything after a server did not end cleanly.
    """
    return int(samples.count("id"))


def is_grouped_on_the_fly(samples: SampleCollection) -> bool:
    """Whether a collection is a view of dynamic groups (`group_by`), of which each is one item."""
    return bool(getattr(samples, "_is_dynamic_groups", False))


def _check_groups(samples: SampleCollection, dataset: fo.Dataset, caller: str) -> None:
    """Refuses dynamic groups other than those of images, and images where only videos can be used."""
    if dataset.media_type == "group":
        raise InputError(
            f"this view groups slices of the grouped dataset {dataset.name!r}; group a flat dataset of one of them: "
            f"dataset.select_group_slices({dataset.default_group_slice!r}).clone()"
        )
    if dataset.media_type == "video":
        raise InputError(
            f"this view groups the videos of dataset {dataset.name!r}; give the videos themselves, not the groups: "
            f"{caller}(dataset), or a view before its group_by"
        )
    if dataset.media_type != "image":
        raise InputError(f"dataset {dataset.name!r} holds media of type {dataset.media_type!r}; Latent-INR fits videos")
    if caller == "pretrain":
        raise InputError(
            f"this view groups the images of dataset {dataset.name!r}; to pretrain on them, name the folders that they "
            "are in: pretrain([folder, ...])"
        )
    if caller != "fit_dataset":
        raise InputError(
            f"dataset {dataset.name!r} holds images, beside which no video can be shown; draw what was fitted of the "
            'groups into a dataset of videos, see "Videos that are pictures" in docs/python.md'
        )
    if is_empty(samples):
        raise InputError(f"there are no samples in this view of dataset {dataset.name!r}; nothing to do")
    field = _group_field(samples)
    if field is not None and len(samples.exists(field, False)):  # they would be one video
        raise InputError(
            f"some images of this view of dataset {dataset.name!r} are of no video, as their {field!r} is empty; leave "
            f"them out: dataset.exists({field!r}).group_by({field!r}, ...)"
        )


def _refuse_generated(samples: SampleCollection, caller: str) -> None:
    """Views whose items are parts of videos have ids of their own: results cannot be stored on them."""
    for what in ("clips", "frames", "patches"):
        if getattr(samples, f"_is_{what}", False):
            raise InputError(
                f"this is a view of {what}, and whole videos are needed; "
                f"use {caller}(dataset.select(view.values('sample_id')))"
            )


def with_fields(samples: SampleCollection, *fields: str) -> SampleCollection:
    """The collection; where it is a view that leaves a field of its dataset out, the same samples with all fields."""
    dataset = samples._root_dataset
    if all(samples.has_field(field) for field in fields if dataset.has_field(field)):
        return samples
    return all_videos(dataset).select(samples.values("id"), ordered=True)


def list_targets(samples: SampleCollection, dataset: fo.Dataset, names: FieldNames) -> list[Target]:
    """Lists the videos of a collection, in its order, reading nothing but ids and paths."""
    if names.path in dataset.get_field_schema():
        # Read from the dataset: a view that selects other fields would hide the path
        known = dict(zip(*all_videos(dataset).values(["id", names.path]), strict=True))
    else:
        known = {}
    if not is_grouped_on_the_fly(samples):
        # a view that was put together of others may hold a sample twice
        files = dict(zip(*samples.values(["id", "filepath"]), strict=True))
        return [Target(i, f, known.get(i)) for i, f in files.items()]
    targets = []
    for group in samples.iter_dynamic_groups():
        ids, files = group.values(["id", "filepath"])
        images = ImageSequence(_group_name(samples, group), tuple(map(Path, files)))
        targets.append(Target(ids[0], files[0], known.get(ids[0]), images))
    return targets


def _group_field(samples: SampleCollection) -> str | None:
    """The field that dynamic groups are made by; None where it is several, or an expression."""
    stage = next(stage for stage in samples._all_stages if isinstance(stage, fo.GroupBy))
    field = stage.field_or_expr
    return field if isinstance(field, str) and samples.has_field(field) else None


def _group_name(samples: SampleCollection, group: SampleCollection) -> str:
    """The value that a group's images share; else the folder of its first one."""
    field = _group_field(samples)
    value = None if field is None else group.values(field)[0]
    return str(value) if isinstance(value, str | int) else Path(group.values("filepath")[0]).parent.name
