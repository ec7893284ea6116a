"""What drawing would do and cost, told without doing it: for forms, so it must be quick on thousands of videos."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
from fiftyone import ViewField as F
from fiftyone.core.collections import SampleCollection

from ...devices import pick_device
from ...errors import InputError, LatentINRError
from ...latent_video.video import load
from .. import runs
from ..failures import last_failures
from ..fields import FieldNames
from ..originals import originals
from ..samples import dataset_of, number_of, with_fields
from ..words import failed_last_time, video_count
from .cost import Estimate, Workload, estimate, seconds_per_pixel
from .drawing import Drawing
from .media_fields import check_media_field

logger = logging.getLogger(__name__)

# Files whose headers are read for an estimate, and seconds after which no more are
_LOOKED_AT, _PATIENCE = 12, 1.0


@dataclass(frozen=True)
class DrawStatus:
    """How much there is to do.

    Attributes:
        total: videos in the collection.
        unfitted: videos that have nothing to be drawn from.
        there: videos that hold such a drawing (whether it is up to date is looked at only when it runs).
        overwrite: whether those are drawn again.
        cost: time and bytes of what is to be drawn.
        field: media field that the paths go to.
        failed: videos whose last try at such a drawing failed.
        reason: why one of them did.
    """

    total: int
    unfitted: int
    there: int
    overwrite: bool
    cost: Estimate
    field: str
    failed: int = 0
    reason: str = ""

    def text(self) -> str:
        """One line for people, such as `12 videos · about 3 min · about 40 MB · into latent_inr_x2`."""
        parts = [video_count(self.total)]
        if self.unfitted:
            parts.append(f"{self.unfitted} not fitted yet, left out")
        if self.there:
            parts.append(f"{self.there} drawn already, " + ("drawn again" if self.overwrite else "kept if up to date"))
        if self.failed:
            parts.append(failed_last_time(self.failed, self.reason))
        parts += self.cost.text().split(" · ")[1:] if self.cost.videos else ["nothing new to draw"]
        return " · ".join([*parts, f"into {self.field}"])


def problems(samples: SampleCollection, settings: dict[str, Any], options: dict[str, Any]) -> dict[str, str]:
    """Finds what would stop drawing: argument -> what is wrong with it.

    Args:
        samples: videos to be drawn; the key of what is wrong with them is `samples`.
        settings: attributes of `Drawing`.
        options: arguments of `draw_dataset`.
    """
    found: dict[str, str] = {}
    for name, value in settings.items():
        try:
            Drawing(**{name: value})
        except InputError as error:
            found[name] = str(error)
    try:
        dataset = dataset_of(samples, "reconstruct")
    except InputError as error:
        return {**found, "samples": str(error)}
    try:
        names = FieldNames.of(options["embeddings_field"])
        if not found:
            media_field = Drawing(**settings).field(names.embedding)
            check_media_field(dataset, media_field)
            runs.read_config(dataset, media_field)
    except InputError as error:
        return {**found, "embeddings_field": str(error)}
    if not _count(with_fields(samples, names.path), dataset, names.path):
        found["samples"] = f'none of these videos is fitted into {names.embedding!r}; run "Fit Latent-INR" first'
    return found


def draw_status(samples: SampleCollection, drawing: Drawing, options: dict[str, Any]) -> DrawStatus:
    """Counts by aggregation, and looks at a few files.

    Args:
        samples: videos that `problems` has passed.
        drawing: size, rate and sound to be drawn.
        options: arguments of `draw_dataset`.
    """
    dataset: fo.Dataset = samples._root_dataset
    names = FieldNames.of(options["embeddings_field"])
    field = drawing.field(names.embedding)
    samples = with_fields(samples, names.path, field)
    fitted = _count(samples, dataset, names.path)
    there = 0
    if field in dataset.get_field_schema():
        there = len(samples.exists(names.path).exists(field))
    todo = samples.exists(names.path)
    if there and not options["overwrite"]:
        todo = todo.exists(field, False)
    count = fitted if options["overwrite"] else fitted - there
    cost = _cost(todo, names.path, drawing, options.get("device"), count)
    unfitted = number_of(originals(samples.match(F(names.path) == None))[0])  # noqa: E711 (an expression)
    failed, reason = last_failures(samples, field)
    return DrawStatus(fitted + unfitted, unfitted, there, options["overwrite"], cost, field, failed, reason)


def _count(samples: SampleCollection, dataset: fo.Dataset, field: str) -> int:
    return samples.count(field) if field in dataset.get_field_schema() else 0


def _cost(samples: SampleCollection, field: str, drawing: Drawing, device: str | None, count: int) -> Estimate:
    """From a few files of the collection, spread over it."""
    loads, sound = [], []
    step, started = max(1, count // _LOOKED_AT), time.monotonic()
    for path in samples.limit(step * _LOOKED_AT).values(field)[::step] if count else []:
        if time.monotonic() - started > _PATIENCE:
            break
        try:
            loads.append(Workload.of(load(path), drawing))
            sound.append(path)
        except Exception as error:  # said when it runs: no file stops a form
            logger.debug("%s is left out of the estimate", path, exc_info=error)
    return estimate(loads, drawing, _speed(sound, device, started), count if loads else 0)


def _speed(stored: list[str], device: str | None, started: float) -> float | None:
    """None for a GPU, too: a form must not take its memory to see how fast it is."""
    try:
        if pick_device(device).type != "cpu":
            return None
    except LatentINRError:
        return None
    for path in stored:
        if time.monotonic() - started > _PATIENCE:
            break
        try:
            return seconds_per_pixel(path, device)
        except Exception as error:  # the next one may be sound
            logger.debug("%s tells no speed", path, exc_info=error)
    return None
