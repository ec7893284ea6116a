"""The sample fields of a fit: their names, the checks before anything is written, and the writing itself."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from dataclasses import astuple, dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId

from ..arrays import unit_norm
from ..errors import InputError
from .failures import error_field
from .writing import MOST_BYTES, declare, document_bytes, save

# Names fields, index, runs and folder unless it is told otherwise; it stands in users' datasets, and never changes.
FIT_NAME = "latent_inr"

# Samples that are named in a message
_MOST_NAMED = 5
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
# FiftyOne gives fields of these names to videos, to views of their clips and frames, and to groups; or we do
_TAKEN = {"frames", "frame_id", "frame_number", "group", "sample_id", "source_id", "support"}


@dataclass(frozen=True)
class FieldNames:
    """Names of the fields that one fit writes, all derived from the embeddings field.

    Attributes:
        embedding: one unit-norm vector (E,) a sample, in the teacher's space.
        frames: the frames' embeddings, (T, E) float16; None where a sample would become too large for the database.
            Readers take them from the file then: `load(path).embeddings`.
        path: the `.linr` file.
        psnr: PSNR of what the file decodes to, mean over frames, dB.
        ms_ssim: MS-SSIM of it, mean over frames, 0 to 1.
        bpp: bits of the file per pixel of the fitted frames.
        bytes: bytes of the file.
        ratio: those of the file to those of its source, sound included: 0.4 is two fifths of it, 2 is twice as large.
            None where not all of the source's frames were fitted.
        error: why the last fit of this sample failed; None where it did not.
    """

    embedding: str
    frames: str
    path: str
    psnr: str
    ms_ssim: str
    bpp: str
    bytes: str
    ratio: str
    error: str

    @classmethod
    def of(cls, embeddings_field: str) -> FieldNames:
        """Derives the names: `latent_inr` gives `latent_inr_frames`, `latent_inr_path` and so on.

        Raises:
            InputError: the name cannot be a top-level FiftyOne field.
        """
        check_name(embeddings_field, "embeddings_field")
        if embeddings_field in _TAKEN or hasattr(fo.Sample, embeddings_field):  # samples would be broken by it
            raise InputError(
                f"embeddings_field={embeddings_field!r} means something else to FiftyOne; choose another name, such as "
                f"{FIT_NAME!r}"
            )
        suffixes = ("frames", "path", "psnr", "ms_ssim", "bpp", "bytes", "ratio")
        named = [*(f"{embeddings_field}_{suffix}" for suffix in suffixes), error_field(embeddings_field)]
        return cls(embeddings_field, *named)

    def types(self) -> dict[str, type[fo.Field]]:
        """Maps each field's name to its FiftyOne type."""
        numbers = (fo.FloatField, fo.FloatField, fo.FloatField, fo.IntField, fo.FloatField)
        kinds = (fo.VectorField, fo.ArrayField, fo.StringField, *numbers, fo.StringField)
        return dict(zip(astuple(self), kinds, strict=True))


def check_name(name: str, argument: str) -> None:
    """Refuses what cannot name a field, a brain key or a custom run.

    Raises:
        InputError: says which argument, why, and what a name looks like.
    """
    if isinstance(name, str) and name.startswith("frames."):
        raise InputError(
            f"{argument}={name!r}: a frame-level field cannot hold a video's embedding; give a plain name such as "
            f"{argument}={FIT_NAME!r} (the frames' embeddings go to <name>_frames)"
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{argument}={name!r} is not a usable name: at most 100 letters, digits and underscores, beginning with "
            "a letter"
        )


def check_fields(dataset: fo.Dataset, names: FieldNames) -> None:
    """Refuses to write into a field that is already there with another type.

    Raises:
        InputError: names the field, its type and the type wanted.
    """
    schema = dataset.get_field_schema()
    for name, wanted in names.types().items():
        field = schema.get(name)
        if field is not None and type(field) is not wanted:
            raise InputError(
                f"dataset {dataset.name!r} already has a field {name!r} of type {type(field).__name__}, where a "
                f"{wanted.__name__} is to be written; pass another embeddings_field, or rename the field: "
                f"dataset.rename_sample_field({name!r}, ...)"
            )


def ensure_fields(dataset: fo.Dataset, names: FieldNames) -> None:
    """Declares the fields that are not there yet."""
    for name, kind in names.types().items():
        declare(dataset, name, kind)


def store(
    dataset: fo.Dataset, sample_id: str, names: FieldNames, video: Any, path: str, source_bytes: int | None = None
) -> bool:
    """Writes one fitted video's fields and saves the sample at once.

    Args:
        dataset: the dataset of the sample.
        sample_id: id of the sample.
        names: names of the fields.
        video: the `LatentVideo`.
        path: path of its file.
        source_bytes: bytes of what was fitted, where all of it was.

    Returns:
        whether all of it found room; if not, the frames' embeddings are left to the file. A part of them would be
        worse than none, as readers could not tell which frames they are of.
    """
    sample = dataset[sample_id]
    embedding, frames = video.embedding, None
    fits = 2 * video.num_frames * video.config.embedding_dim <= MOST_BYTES  # else they are not even made
    if fits:
        frames = video.embeddings
    sample[names.embedding] = None if embedding is None else unit_norm(embedding)
    with np.errstate(under="ignore"):  # which a host program may have made an error
        sample[names.frames] = None if frames is None else np.asarray(frames, np.float16)
    _set_figures(sample, names, video, path, source_bytes)
    fits = fits and (frames is None or document_bytes(sample) <= MOST_BYTES)
    if not fits:
        sample[names.frames] = None
    save(sample)
    return fits


def store_figures(
    dataset: fo.Dataset, sample_id: str, names: FieldNames, video: Any, path: str, source_bytes: int | None = None
) -> None:
    """Writes what a file is worth, where its embeddings are those that the sample has; arguments as for `store`."""
    sample = dataset[sample_id]
    _set_figures(sample, names, video, path, source_bytes)
    save(sample)


def _set_figures(sample: fo.Sample, names: FieldNames, video: Any, path: str, source_bytes: int | None) -> None:
    sample[names.path] = path
    sample[names.psnr] = _number(video.metrics.get("psnr"))
    sample[names.ms_ssim] = _number(video.metrics.get("ms_ssim"))
    sample[names.bpp] = _number(video.metrics.get("bpp"))
    size = os.stat(path).st_size
    sample[names.bytes], sample[names.ratio] = size, size / source_bytes if source_bytes else None


def _number(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def values_now(dataset: fo.Dataset, sample_id: str, *fields: str) -> dict[str, Any]:
    """What the database holds of a sample now, whatever this process has read of it before."""
    found = dataset._sample_collection.find_one({"_id": ObjectId(sample_id)}, dict.fromkeys(fields, 1))
    return dict(found or {})


def all_videos(dataset: fo.Dataset) -> fo.core.collections.SampleCollection:
    """Every video sample of a dataset, whatever group slice it is in."""
    if dataset.media_type == "group":
        return dataset.select_group_slices(media_type="video")
    return dataset


def with_usable_embedding(dataset: fo.Dataset, names: FieldNames, dim: int) -> set[str]:
    """Ids of the samples that hold an embedding of `dim` numbers: fields may be changed by anybody."""
    return {i for i, vector in _vectors(dataset, names.embedding) if not _fault(vector, (dim,))}


def odd_embeddings(dataset: fo.Dataset, field: str, dim: int | None = None) -> str:
    """Says which samples hold vectors that cannot be searched together with the others, and what to do.

    Args:
        dataset: the dataset.
        field: its field of embeddings.
        dim: E; None for that of most vectors.

    Returns:
        a few words, with the first of the samples; empty where all vectors can be used.
    """
    found = _vectors(dataset, field)
    shapes = Counter(np.shape(vector) for _, vector in found)
    shape: tuple[int, ...] = max(shapes, key=lambda one: shapes[one], default=()) if dim is None else (dim,)
    odd = [(i, fault) for i, vector in found if (fault := _fault(vector, shape))]
    if not odd:
        return ""
    named = ", ".join(f"{i} ({fault})" for i, fault in odd[:_MOST_NAMED])
    more = f" and {len(odd) - _MOST_NAMED} more" if len(odd) > _MOST_NAMED else ""
    return (
        f"field {field!r} holds what is no embedding like the others on {len(odd)} of {len(found)} samples: "
        f"{named}{more}; fit these samples, too, or empty the field there"
    )


def _vectors(dataset: fo.Dataset, field: str) -> list[tuple[str, Any]]:
    if field not in dataset.get_field_schema():
        return []
    return list(zip(*all_videos(dataset).exists(field).values(["id", field]), strict=True))


def _fault(vector: Any, shape: tuple[int, ...]) -> str:
    """What is wrong with a vector, in a few words; empty if nothing is."""
    if np.shape(vector) != shape:
        return f"{np.size(vector)} numbers instead of {math.prod(shape)}"
    try:
        numbers = np.asarray(vector, np.float64)
    except (TypeError, ValueError):
        return "no numbers"
    if not np.isfinite(numbers).all():
        return "numbers that are not finite"
    return "" if numbers.any() else "zeros"


def with_embedding(dataset: fo.Dataset, names: FieldNames) -> list[str]:
    """Ids of the samples that hold an embedding."""
    if names.embedding not in dataset.get_field_schema():
        return []
    ids: list[str] = all_videos(dataset).exists(names.embedding).values("id")
    return ids
