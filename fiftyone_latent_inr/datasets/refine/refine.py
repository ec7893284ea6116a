"""`refine` for whatever is given to it. Imports FiftyOne only where a collection of its samples is."""

from __future__ import annotations

import sys
from typing import Any


def refine(video_or_samples: Any, **options: Any) -> Any:
    """Goes on with the fit of stored videos: better for as many bytes, never worse, with the embeddings of before.

    A result that is no better than what is there is not kept; what better means is said at
    `encoding.refine.refine_video`.

    Args:
        video_or_samples: path of a `.linr` file, which is replaced in one step, or a `LatentVideo`, see
            `encoding.refine.refine_video`; or a FiftyOne dataset or view that was fitted, see
            `datasets.refine.refine_dataset`.
        **options: arguments of the one or the other: `preset`, `minutes`, `quality`, `config`, `device`, `seed`,
            `progress`, `if_busy`; of a video `source` and `metadata`; of a dataset `order`, `embeddings_field`, `again`
            and `skip_failures`.

    Returns:
        The better `LatentVideo`, or the one that was there; of a dataset a summary of what became of its samples.

    Raises:
        InputError: there is nothing to go on from, the source is not what was fitted, or a bad argument.
        BitstreamError: the file is damaged.

    Example:
        >>> video = linr.refine("clip.linr", source="clip.mp4", minutes=5)      # doctest: +SKIP
        >>> print(linr.refine(dataset, preset="fast", order="worst"))           # doctest: +SKIP
    """
    # There is no collection where FiftyOne has not been imported, which takes seconds
    collections = sys.modules.get("fiftyone.core.collections")
    if collections is not None and isinstance(video_or_samples, collections.SampleCollection):
        from .refine_dataset import refine_dataset

        return refine_dataset(video_or_samples, **options)
    from ...encoding.refine import refine_video

    return refine_video(video_or_samples, **options)
