"""Whether a stored `.linr` file still is what its name says: of this video and these settings, and whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fiftyone as fo

from .. import codec
from ..errors import BitstreamError, InputError
from . import run_store, runs
from .drawings.drawing import SUFFIX
from .file_names import parts_in
from .fit.settings import Settings

# Bytes at a file's end that a system which lost its power may have left as zeros; what is coded does not end so.
_TAIL = 64
# How much of a file is looked at: what it says of itself; all of it, by its checksums; and all of it decoded.
HEADER, CHECKSUMS, DECODED = range(3)


@dataclass(frozen=True)
class Wanted:
    """What a fitted file is to be of: what its name says, and what follows from that.

    Attributes:
        settings: digest of the settings of the fit.
        config: digest of its configuration.
        teacher_id: the teacher's, or None.
        embedding_dim: E; 0 without a teacher.
        size: (H, W) that was asked for; None for the video's own.
        max_frames: most frames; None for all.
    """

    settings: str
    config: str
    teacher_id: str | None = None
    embedding_dim: int = 0
    size: tuple[int, int] | None = None
    max_frames: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> Wanted:
        """What files of these settings are."""
        record = settings.record
        size = None if record["size"] is None else (record["size"][0], record["size"][1])
        teacher = record["teacher_id"], record["embedding_dim"] or 0
        return cls(settings.digest, record["config"], *teacher, size, record["max_frames"])

    def check(self, path: str, source: str, header: Mapping[str, Any], frames: int) -> None:
        """Compares a file's header with this.

        Args:
            path: of the file, for the message.
            source: fingerprint of the video that it is to be of.
            header: its header.
            frames: how many frames its groups have.

        Raises:
            BitstreamError: it is of another video, or of other settings.
        """
        try:
            notes, teacher, models = header["metadata"], header["teacher_id"], header["models"]
            _check_named(path, notes, source, self.settings)
            sizes = {(model["height"], model["width"]) for model in models}
            widths = {model.get("embedding_dim", 0) for model in models}
        except (KeyError, TypeError, AttributeError) as error:
            raise BitstreamError(f"{path}: its header is not that of a fitted video") from error
        if teacher != self.teacher_id or widths != {self.embedding_dim}:
            raise BitstreamError(f"{path}: its embeddings are of another teacher than the fit's")
        odd_size = self.size is not None and sizes != {self.size}
        odd_length = self.max_frames is not None and frames > self.max_frames
        if odd_size or odd_length or notes.get("config", self.config) != self.config:
            raise BitstreamError(f"{path}: it was fitted with other settings than its name says")


def check_swapped(path: str, video: Any) -> None:
    """Refuses a file that stands under another one's name.

    Raises:
        BitstreamError: name and content are of two videos, or of two fits.
    """
    named = parts_in(path)
    if named is not None:
        _check_named(path, video.metadata, *named)


def check_fitted(path: str, source: str, wanted: Wanted, depth: int = HEADER) -> None:
    """Finds out whether a fitted file can be used; files are exchanged, cut and half copied behind our back.

    Args:
        path: the file.
        source: fingerprint of the video that it is to be of.
        wanted: what it is to be besides.
        depth: how much is read. `HEADER`: header and index, which have a checksum, say how long the file is and what
            it was made of, and the last bytes: quick enough for each of thousands. `CHECKSUMS` reads all of it,
            `DECODED` rebuilds the networks, too.

    Raises:
        NewerFileError: a later release has written it.
        BitstreamError: it is damaged, or of another video or other settings.
        InputError: it is gone or cannot be read.
    """
    if depth == HEADER:
        file = codec.FileSource(path)
        try:
            header, entries = codec.parse(file)
            wanted.check(path, source, header, sum(e.count for e in entries if e.kind == codec.GROUP))
            if not any(file.read(max(file.size - _TAIL, 0), _TAIL)):
                codec.read_section(file, entries[-1])
        except BitstreamError as error:
            raise type(error)(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
        return
    read_fitted(path, source, wanted, depth)


def read_fitted(path: str, source: str, wanted: Wanted, depth: int = CHECKSUMS) -> Any:
    """Loads a fitted file, once all of it is known to be usable; see `check_fitted`.

    Returns:
        the `LatentVideo`.

    Raises:
        NewerFileError, BitstreamError, InputError: as for `check_fitted`.
    """
    from ..latent_video.video import load

    check_fitted(path, source, wanted)
    video = load(path)
    video.check()
    for group in range(video.num_groups if depth == DECODED else 0):
        try:
            video.model("cpu", group)
        except BitstreamError:
            raise
        except InputError:  # a prior that is not here: drawing says how to get it
            break
    return video


def _check_named(path: str, notes: Mapping[str, Any], source: str, settings: str) -> None:
    if notes.get("fingerprint") != source:
        raise BitstreamError(f"{path}: it is of another video than its name says")
    if notes.get("settings") != settings:
        raise BitstreamError(f"{path}: it was fitted with other settings than its name says")


def undrawn(dataset: fo.Dataset, embeddings_field: str) -> set[str]:
    """Ids of the samples that could not be drawn when that was last tried, as the runs have it."""
    found: set[str] = set()
    prefix = f"{embeddings_field}_"
    for key in run_store.keys(dataset):
        if key.startswith(prefix) and SUFFIX.fullmatch(key.removeprefix(prefix)):
            outcomes = runs.read_outcomes(dataset, key)
            found |= {sample for sample, outcome in outcomes.items() if outcome.get("status") == "failed"}
    return found
