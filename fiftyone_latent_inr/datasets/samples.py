"""What is to be fitted or drawn: checks of the dataset or view that is given, and its samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone as fo
from fiftyone.core.collections import SampleCollection

from ..errors import InputError
from .fields import FieldNames, all_videos


@dataclass(frozen=True)
class Target:
    """One video sample: its id, its file, and the `.linr` path that it already has, if any."""

    sample_id: str
    filepath: str
    stored: str | None


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
    dataset: fo.Dataset = samples._root_dataset  # the very object, so that its caches are the ones refreshed
    _refuse_generated(samples, caller)
    if samples.media_type == "group" and dataset.media_type != "group":
        raise InputError(f"this view of dataset {dataset.name!r} is grouped; give the videos themselves, ungrouped")
    if samples.media_type == "group":
        slices = [name for name, kind in dataset.group_media_types.items() if kind == "video"]
        if not slices:
            raise InputError(f"grouped dataset {dataset.name!r} has no video slice; there is nothing to do in it")
        raise InputError(
            f"dataset {dataset.name!r} is grouped; choose its video slice: "
            f"{caller}(dataset.select_group_slices({slices[0]!r}))"
            + (f" (video slices: {', '.join(map(repr, slices))})" if len(slices) > 1 else "")
        )
    if samples.media_type is None or len(samples) == 0:
        raise InputError(f"there are no samples in this view of dataset {dataset.name!r}; nothing to do")
    if samples.media_type != "video":
        raise InputError(f"dataset {dataset.name!r} holds media of type {samples.media_type!r}; Latent-INR fits videos")
    return dataset


def _refuse_generated(samples: SampleCollection, caller: str) -> None:
    """Views whose items are parts of videos have ids of their own: results cannot be stored on them."""
    for what in ("clips", "frames", "patches"):
        if getattr(samples, f"_is_{what}", False):
            raise InputError(
                f"this is a view of {what}, and whole videos are needed; "
                f"use {caller}(dataset.select(view.values('sample_id')))"
            )


def list_targets(samples: SampleCollection, dataset: fo.Dataset, names: FieldNames) -> list[Target]:
    """Lists the samples of a collection, in its order, reading nothing but ids and paths."""
    ids, files = samples.values(["id", "filepath"])
    if names.path in dataset.get_field_schema():
        # Read from the dataset: a view that selects other fields would hide the path
        known = dict(zip(*all_videos(dataset).values(["id", names.path]), strict=True))
    else:
        known = {}
    return [Target(i, f, known.get(i)) for i, f in zip(ids, files, strict=True)]
