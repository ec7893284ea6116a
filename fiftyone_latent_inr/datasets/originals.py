"""Which videos of a collection are drawings of fitted ones: no videos to fit, to draw or to train on."""

from __future__ import annotations

import functools
import operator

import fiftyone as fo
from fiftyone import ViewField as F
from fiftyone.core.collections import SampleCollection

from ..errors import InputError
from .drawings.drawing import FILE_NAME, SUFFIX
from .samples import is_grouped_on_the_fly, number_of
from .words import video_count

ORIGINAL = "original"
GROUP = "group"
# In the `info` of a dataset that shows drawings beside their originals: its source's name
MARK = "grouped_by_latent_inr"


def originals(samples: SampleCollection) -> tuple[SampleCollection, int]:
    """Leaves the drawings out of a collection of videos: quick on thousands, as it goes by names alone.

    Args:
        samples: what `samples.dataset_of` has passed.

    Returns:
        the collection, which is the very one that was given where there is nothing to leave out, and how many videos
        are left out: files that `reconstruct`, `super_resolve` and `interpolate` have written, and the slices of a
        dataset of `to_grouped_dataset` that show them.
    """
    dataset: fo.Dataset = samples._root_dataset
    if is_grouped_on_the_fly(samples):
        return samples, 0
    marks = [F("filepath").re_match(f"{FILE_NAME}$")]
    slices = [name for name in dataset.group_slices or () if SUFFIX.fullmatch(name)] if MARK in dataset.info else []
    if slices:
        marks.append(F(f"{dataset.group_field}.name").is_in(slices))
    is_drawing = functools.reduce(operator.or_, marks)
    count = number_of(samples.match(is_drawing))
    return (samples.match(~is_drawing), count) if count else (samples, 0)


def require_originals(samples: SampleCollection, otherwise: str) -> tuple[SampleCollection, int]:
    """`originals`, of which there must be some; `otherwise` says how drawings are used all the same.

    Raises:
        InputError: all of them are drawings.
    """
    kept, left_out = originals(samples)
    if left_out and not number_of(kept):
        raise InputError(
            f"what is in this view of dataset {samples._root_dataset.name!r}, {video_count(left_out)}, was drawn from "
            f"fitted ones; take the originals, or {otherwise}"
        )
    return kept, left_out
