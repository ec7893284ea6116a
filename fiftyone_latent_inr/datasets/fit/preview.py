"""What a fit would do, told without doing it: for forms, so it must be quick on thousands of videos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiftyone as fo
from fiftyone import ViewField as F
from fiftyone.core.collections import SampleCollection

from ...encoding.choose_prior import NO_PRIOR
from ...errors import InputError
from ...files import existing_folder
from ...priors.find import bundled_priors
from .. import runs
from ..failures import last_failures
from ..fields import FieldNames, check_fields
from ..file_names import settings_suffix
from ..originals import originals, require_originals
from ..priors.known_priors import check_prior
from ..samples import dataset_of, number_of, with_fields
from ..search import index
from ..teachers import check_teacher, teacher_name
from ..words import duration, failed_last_time, video_count
from ..writing import check_free
from .cost import seconds_each
from .last_run import KEPT, in_words
from .settings import Settings
from .teacher_space import check_kept_vectors


@dataclass(frozen=True)
class FitStatus:
    """How much there is to do.

    Attributes:
        total: videos in the collection.
        current: videos fitted with these settings (their files are looked at only when the fit runs).
        other: videos fitted with other settings, which would be fitted again.
        seconds: estimate, a rough one, for what is to be fitted on this machine, or None.
        overwrite: whether the current ones are fitted again, too.
        failed: videos whose last fit failed; they are tried again.
        reason: why one of them did.
        drawings: videos that are drawings of fitted ones, and left out.
        before: the settings of those that were fitted with others, in words.
    """

    total: int
    current: int
    other: int
    seconds: float | None
    overwrite: bool
    failed: int = 0
    reason: str = ""
    drawings: int = 0
    before: str = ""

    @property
    def to_fit(self) -> int:
        """Videos that are to be fitted."""
        return self.total if self.overwrite else self.total - self.current

    def text(self) -> str:
        """One line for people."""
        to_fit = self.to_fit
        parts = [video_count(self.total)]
        if self.drawings:
            parts.append(f"{self.drawings} drawn from fitted ones, left out")
        if self.current:
            parts.append(f"{self.current} already fitted" + (", to be fitted again" if self.overwrite else ""))
        if self.other:
            parts.append(f"{self.other} fitted with other settings, to be fitted again")
        if self.failed:
            parts.append(failed_last_time(self.failed, self.reason))
        if to_fit == 0:
            parts.append("nothing to do")
        elif self.seconds is not None:
            parts.append(f"about {duration(self.seconds)} on this machine")
        return " · ".join(parts)


def problems(samples: SampleCollection, options: dict[str, Any]) -> dict[str, str]:
    """Finds what would stop a fit: argument -> what is wrong with it.

    Args:
        samples: videos to be fitted; the key of what is wrong with them is `samples`.
        options: arguments of `fit_dataset`.
    """
    found: dict[str, str] = {}
    try:
        dataset = dataset_of(samples)
        samples, _ = require_originals(samples, "fit_dataset(..., drawings=True) in Python")
    except InputError as error:
        return {"samples": str(error)}
    names = None
    try:
        names = FieldNames.of(options["embeddings_field"])
        check_fields(dataset, names)
        check_free(dataset, names.types())
        runs.read_config(dataset, names.embedding)
    except InputError as error:
        found["embeddings_field"] = str(error)
    if names is not None:
        try:
            index.check_brain_key(dataset, options["brain_key"], names)
        except InputError as error:
            found["brain_key"] = str(error)
    try:
        Settings.check(options["preset"], options)
    except InputError as error:
        found["quality"] = str(error)
    try:
        check_teacher(options["teacher"])
        if names is not None and "embeddings_field" not in found:
            check_kept_vectors(samples, names, options)
    except InputError as error:
        found["teacher"] = str(error)
    if options.get("prior") not in (None, NO_PRIOR):
        try:
            teacher = None if "teacher" in found else options["teacher"]
            check_prior(options["prior"], Settings.config(options["preset"], {}).architecture, teacher)
        except InputError as error:
            found["prior"] = str(error)
    return found


def fit_status(samples: SampleCollection, options: dict[str, Any]) -> FitStatus:
    """Counts by aggregation, reading no sample.

    Args:
        samples: videos that `problems` has passed.
        options: arguments of `fit_dataset`.
    """
    dataset: fo.Dataset = samples._root_dataset
    names = FieldNames.of(options["embeddings_field"])
    samples, drawings = originals(with_fields(samples, names.path, names.error))
    total = number_of(samples)
    fitted = samples.count(names.path) if names.path in dataset.get_field_schema() else 0
    record = runs.read_config(dataset, names.embedding)
    current = 0
    if fitted and record is not None and _same_settings(record, options):
        current = len(samples.match(F(names.path).ends_with(settings_suffix(record["digest"]))))
    to_fit = total if options["overwrite"] else total - current
    each = seconds_each(samples, names, options) if to_fit else None
    return FitStatus(
        total,
        current,
        fitted - current,
        None if each is None else each * to_fit,
        options["overwrite"],
        *last_failures(samples, names.embedding),
        drawings=drawings,
        before=in_words(record) if record and fitted > current else "",
    )


def _same_settings(record: dict[str, Any], options: dict[str, Any]) -> bool:
    """Compares with the run on record; teacher and prior by name, since loading them would take seconds."""
    given = {name: options[name] for name in (*KEPT, "quality") if options.get(name) is not None}
    asked = Settings.of(options["preset"], None, None, given).record
    if not _same_prior(record, options.get("prior"), options["preset"]):
        return False
    compared = ("config", "size", "max_frames", "seed", "residual", "fps")
    same = all(record.get(name) == asked.get(name) for name in compared)
    return same and record.get("teacher") == teacher_name(options["teacher"])


def _same_prior(record: dict[str, Any], prior: str | None, preset: str) -> bool:
    name, revision = record.get("prior_name"), record.get("prior_revision")
    if prior is None:
        default = Settings.config(preset, {}).prior
        prior = default if default in bundled_priors() else NO_PRIOR
    if name is None:
        return prior == NO_PRIOR
    # of a branch it is known only when the fit runs what it has come to be
    return prior.strip() in (name, f"{name}@{revision}") or existing_folder(prior) == Path(name)
