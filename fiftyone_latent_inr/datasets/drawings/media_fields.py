"""Fields that hold another file of a sample, which the App offers to play in place of its own."""

from __future__ import annotations

import fiftyone as fo

from ...errors import InputError
from ..writing import declare
from .drawing import SUFFIX


def check_media_field(dataset: fo.Dataset, field: str) -> None:
    """Refuses to write paths into a field that holds something else.

    Raises:
        InputError: names the field and its type.
    """
    found = dataset.get_field_schema().get(field)
    if found is not None and type(found) is not fo.StringField:
        raise InputError(
            f"dataset {dataset.name!r} already has a field {field!r} of type {type(found).__name__}, where paths "
            f"of videos are to be written; rename it: dataset.rename_sample_field({field!r}, ...)"
        )


def ensure_media_field(dataset: fo.Dataset, field: str) -> None:
    """Declares the field, and lists it among those that the App offers; does nothing where both are done."""
    declare(dataset, field, fo.StringField)
    offered = list(dataset.app_config.media_fields)
    if field not in offered or "filepath" not in offered:
        dataset.app_config.media_fields = list(dict.fromkeys(["filepath", *offered, field]))
        try:
            dataset.save()
        except BaseException:  # else it would seem to be done
            dataset.app_config.media_fields = offered
            raise


def drawn_fields(dataset: fo.Dataset, embeddings_field: str) -> list[str]:
    """The fields of all drawings that a dataset holds, reconstructions first, in the order of their names."""
    prefix = f"{embeddings_field}_"
    fields = [name for name in dataset.get_field_schema(ftype=fo.StringField) if name.startswith(prefix)]
    drawn = [name for name in fields if SUFFIX.fullmatch(name.removeprefix(prefix))]
    return sorted(drawn, key=lambda name: (not name.endswith("_recon"), name))
