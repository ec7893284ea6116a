"""How long fits take, said before they start: of each video from its metadata, else from a look at a few files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fiftyone as fo
from fiftyone.core.collections import SampleCollection

from ...encoding.estimate import estimate_seconds
from ...errors import LatentINRError
from ..fields import FieldNames, all_videos
from ..samples import is_grouped_on_the_fly, list_targets

_METADATA = ("total_frame_count", "frame_height", "frame_width")
# Files that are looked at where there is no metadata: some may be broken
_LOOKED_AT = 8


def seconds_each(samples: SampleCollection, names: FieldNames, options: dict[str, Any]) -> float | None:
    """Estimates one video: from the mean of the metadata, or of a few files, spread over the collection.

    Args:
        samples: the videos, or groups of images.
        names: names of the fields.
        options: arguments of `fit_dataset`.

    Returns:
        seconds, or None where no file could be read.
    """
    frames, height, width = (
        samples.mean(f"metadata.{name}") if samples.has_field(f"metadata.{name}") else None for name in _METADATA
    )
    if frames and height and width:
        return _seconds(frames, height, width, options)
    if is_grouped_on_the_fly(samples):
        sources: list[Any] = [target.source for target in list_targets(samples.limit(1), samples._root_dataset, names)]
    else:
        files = samples.values("filepath")
        sources = files[:: max(1, len(files) // _LOOKED_AT)][:_LOOKED_AT]
    found = [seconds for source in sources if (seconds := _look(source, options)) is not None]
    return sum(found) / len(found) if found else None


def relative_costs(dataset: fo.Dataset, ids: Sequence[str], options: dict[str, Any]) -> list[float] | None:
    """What the fits of some samples cost relative to each other, by their metadata; None where there is none.

    Args:
        dataset: the dataset.
        ids: ids of the samples; those without metadata are taken for average ones.
        options: `preset`, and `config`, `size`, `max_frames` and `device` where they are given.
    """
    if not all(dataset.has_field(f"metadata.{name}") for name in _METADATA):
        return None
    columns = all_videos(dataset).select(list(ids)).values(["id", *(f"metadata.{name}" for name in _METADATA)])
    known = {i: _seconds(t, h, w, options) for i, t, h, w in zip(*columns, strict=True) if t and h and w}
    if not known:
        return None
    mean = sum(known.values()) / len(known)
    return [known.get(i, mean) for i in ids]


def _look(source: Any, options: dict[str, Any]) -> float | None:
    from ... import video

    try:
        info = video.probe(source)
    except LatentINRError:  # said when it is that video's turn
        return None
    frames = info.num_frames or (info.duration or 0) * info.fps
    return _seconds(frames, info.height, info.width, options) if frames else None


def _seconds(frames: float, height: float, width: float, options: dict[str, Any]) -> float:
    most, size = options.get("max_frames"), options.get("size")
    frames = max(round(frames if most is None else min(frames, most)), 1)
    height, width = (round(height), round(width)) if size is None else size
    return estimate_seconds(options["preset"], frames, height, width, options.get("device"), options.get("config"))
