"""Whether a stored `.linr` file still is what its name says: of this video and these settings, and whole."""

from __future__ import annotations

from typing import Any

import fiftyone as fo

from ..errors import BitstreamError, InputError
from . import run_store, runs
from .drawings.drawing import SUFFIX
from .file_names import fingerprint_in


def check_swapped(path: str, video: Any) -> None:
    """Refuses a file that stands under another video's name.

    Raises:
        BitstreamError: name and content are of two videos.
    """
    named = fingerprint_in(path)
    if named is not None:
        _check_source(path, video, named)


def read_fitted(path: str, source: str, settings: str, *, thorough: bool = False) -> Any:
    """Loads a fitted file, once it is known to be usable; files are exchanged, cut and half copied behind our back.

    Args:
        path: the file.
        source: fingerprint of the video that it is to be of.
        settings: digest of the settings that it is to be fitted with.
        thorough: whether to read and decode all of it. Otherwise its header is read, which has a checksum, says how
            long the file is, and what it was made of: quick enough for each of thousands.

    Returns:
        the `LatentVideo`.

    Raises:
        NewerFileError: a later release has written it.
        BitstreamError: it is damaged, or of another video or other settings.
        InputError: it is gone or cannot be read.
    """
    from ..latent_video.video import load

    video = load(path)
    _check_source(path, video, source)
    if video.metadata.get("settings") != settings:
        raise BitstreamError(f"{path}: it was fitted with other settings than its name says")
    if thorough:
        video.check()
        for group in range(video.num_groups):
            try:
                video.model("cpu", group)
            except InputError:  # a prior that is not here: drawing says how to get it
                break
    return video


def _check_source(path: str, video: Any, fingerprint: str) -> None:
    if video.metadata.get("fingerprint") != fingerprint:
        raise BitstreamError(f"{path}: it is of another video than its name says")


def undrawn(dataset: fo.Dataset, embeddings_field: str) -> set[str]:
    """Ids of the samples that could not be drawn when that was last tried, as the runs have it."""
    found: set[str] = set()
    prefix = f"{embeddings_field}_"
    for key in run_store.keys(dataset):
        if key.startswith(prefix) and SUFFIX.fullmatch(key.removeprefix(prefix)):
            outcomes = runs.read_outcomes(dataset, key)
            found |= {sample for sample, outcome in outcomes.items() if outcome.get("status") == "failed"}
    return found
