"""What a refinement would do, told before it starts: for forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fiftyone.core.collections import SampleCollection

from ...encoding.refine import check_options
from ...errors import InputError
from ...fitting import PRESETS
from .. import runs
from ..failures import last_failures
from ..fields import FieldNames, check_fields
from ..fit.cost import seconds_each
from ..samples import dataset_of, list_targets, number_of, with_fields
from ..words import duration, failed_last_time, video_count
from .refine_dataset import in_order, run_key


@dataclass(frozen=True)
class RefineStatus:
    """How much there is to do.

    Attributes:
        fitted: videos that have a file to go on from.
        unfitted: those that have none.
        seconds: estimate, a rough one, or None.
        failed: videos whose last refinement failed; they are tried again.
        reason: why one of them did.
    """

    fitted: int
    unfitted: int
    seconds: float | None
    failed: int = 0
    reason: str = ""

    def text(self) -> str:
        """One line for people."""
        parts = [video_count(self.fitted)]
        if self.unfitted:
            parts.append(f"{self.unfitted} not fitted yet, left out")
        if self.failed:
            parts.append(failed_last_time(self.failed, self.reason))
        if self.seconds is not None:
            parts.append(f"about {duration(self.seconds)} on this machine, less where some were refined before")
        return " · ".join(parts)


def problems(samples: SampleCollection, options: dict[str, Any]) -> dict[str, str]:
    """Finds what would stop a refinement: argument -> what is wrong with it; the collection's key is `samples`."""
    found: dict[str, str] = {}
    try:
        dataset = dataset_of(samples, "refine")
    except InputError as error:
        return {"samples": str(error)}
    for name in ("preset", "minutes", "quality"):
        given = {"preset": None, "minutes": None, "quality": None, name: options.get(name)}
        try:
            check_options(**given, config=None, seed=0)
        except InputError as error:
            found[name] = str(error)
    try:
        names = FieldNames.of(options["embeddings_field"])
        check_fields(dataset, names)
        runs.read_config(dataset, run_key(names))
    except InputError as error:
        return {**found, "embeddings_field": str(error)}
    try:
        in_order([], dataset, names, options["order"])
    except InputError as error:
        found["order"] = str(error)
    if not _fitted(samples, names):
        found["samples"] = f'none of these videos is fitted into {names.embedding!r}; run "Fit Latent-INR" first'
    return found


def refine_status(samples: SampleCollection, options: dict[str, Any]) -> RefineStatus:
    """Counts by aggregation, and looks at a few files; `samples` and `options` are what `problems` has passed."""
    dataset, names = samples._root_dataset, FieldNames.of(options["embeddings_field"])
    fitted, total = _fitted(samples, names), number_of(samples)
    if options.get("minutes") is not None:
        seconds: float | None = 60 * options["minutes"] * fitted
    else:
        preset = options.get("preset") or (runs.read_config(dataset, names.embedding) or {}).get("preset")
        known = {"preset": preset if preset in PRESETS else "fast", "device": options.get("device")}
        each = seconds_each(samples, names, known)
        seconds = None if each is None else each * fitted
    return RefineStatus(fitted, total - fitted, seconds, *last_failures(samples, run_key(names)))


def _fitted(samples: SampleCollection, names: FieldNames) -> int:
    dataset = samples._root_dataset
    if names.path not in dataset.get_field_schema():
        return 0
    if samples._is_dynamic_groups:
        return sum(target.stored is not None for target in list_targets(samples, dataset, names))
    return int(with_fields(samples, names.path).count(names.path))
