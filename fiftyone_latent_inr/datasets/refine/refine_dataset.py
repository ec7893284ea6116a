"""Refines the stored files of a FiftyOne dataset or view, in an order by choice; a run that is stopped goes on."""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass, field
from typing import Any

import fiftyone as fo
from fiftyone.core.collections import SampleCollection

from ... import arguments
from ...devices import pick_training_device
from ...encoding.refine import check_options
from ...errors import InputError
from ...files import digest_of
from ...fitting import FitConfig
from ...progress import lets_listener_raise
from .. import runs
from ..claims import IF_BUSY, Claims
from ..failures import failed_tag
from ..fields import FIT_NAME, FieldNames, all_videos, check_fields
from ..progress import Reporter
from ..samples import Target, dataset_of, list_targets
from ..tally import Failure
from ..words import duration, outcomes
from .job import RefineJob

VIEW, WORST = "view", "worst"


@dataclass(frozen=True)
class RefineSummary:
    """What became of the samples.

    Attributes:
        better: ids of the samples whose file is better now.
        kept: ids of those that were refined, and whose file was no worse than what came out, so that it stays.
        skipped: ids of those that were refined with these settings before.
        failed: samples that could not be refined, with the reasons.
        unfitted: ids of those that have no file to go on from.
        elsewhere: ids of those that another run had in hand at the end.
        seconds: wall seconds of the whole run.
        failed_tag: tag of the samples that failed.
    """

    better: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    unfitted: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    seconds: float = 0.0
    failed_tag: str = ""

    def __str__(self) -> str:
        return self.text() + "".join(f"\n  failed: {failure}" for failure in self.failed)

    def text(self) -> str:
        """How many, without the failures' reasons."""
        samples: dict[str, Sized] = {"better": self.better, "as good as they were": self.kept}
        samples |= {"refined before": self.skipped, "not fitted yet": self.unfitted}
        samples |= {"in the hands of another run": self.elsewhere, "failed": self.failed}
        return f"{outcomes(samples)} in {duration(self.seconds)}"


@lets_listener_raise
def refine_dataset(  # noqa: PLR0913
    samples: SampleCollection,
    *,
    order: str = VIEW,
    preset: str | None = None,
    minutes: float | None = None,
    quality: float | None = None,
    config: FitConfig | None = None,
    embeddings_field: str = FIT_NAME,
    again: bool = False,
    skip_failures: bool = True,
    device: str | None = None,
    seed: int = 0,
    progress: bool | Callable[[float, str], None] = True,
    if_busy: str = "share",
) -> RefineSummary:
    """Goes on with the fits of a dataset or view: each file is replaced, in its place, by a better one, or stays.

    Embeddings and the similarity index stay as they are, since the files' vectors do, and so does what makes a file the
    right one for `fit_dataset`. Each video is stored as soon as it is done, so stopping (or a crash) loses at most the
    group of frames in hand; the same call goes on with the videos that were not refined with these settings yet.

    Args:
        samples: a dataset or any view of videos, or of images that are frames, grouped by video; those that are not
            fitted are counted and left out.
        order: which first: `view`, as they come; `worst`, the lowest PSNR; or the name of a field, the greatest value
            first and those without one last, or of a tag, those that have it first.
        preset: as for `encoding.refine.refine_video`, as are those that are not named here.
        minutes: for each video.
        quality: 0 to 100.
        config: settings to use instead of the preset's.
        embeddings_field: field of the fit, after which the others are named.
        again: whether to refine what was refined with these settings before, too.
        skip_failures: whether to record a sample that fails and go on, or to raise its error.
        device: torch device.
        seed: of every video.
        progress: bar for True, nothing for False, or a callable that receives `(fraction, label)`.
        if_busy: what to do where another process refines the same field: `share` the videos with it, if its settings
            are the same, `wait` until it has ended, or `refuse`.

    Returns:
        what became of the samples.

    Raises:
        InputError: the collection or an option cannot be used, nothing in it is fitted, another run is at work on the
            field, or (unless `skip_failures`) a sample cannot be refined.
    """
    dataset = dataset_of(samples, "refine")
    again = arguments.flag("again", again)
    skip_failures = arguments.flag("skip_failures", skip_failures)
    if_busy = arguments.choice("if_busy", if_busy, IF_BUSY)
    options = {"preset": preset, "minutes": minutes, "quality": quality, "config": config, "seed": seed}
    check_options(**options)
    pick_training_device(device)
    names, reporter = FieldNames.of(embeddings_field), Reporter(progress)
    check_fields(dataset, names)
    key = run_key(names)
    record = {**options, "config": None if config is None else config.digest()}
    digest = digest_of(record)
    with Claims(dataset, key, "refinement", if_busy, reporter.note) as claims:
        runs.read_config(dataset, key)
        claims.settle(digest)
        targets = list_targets(samples, dataset, names)
        fitted = in_order([target for target in targets if target.stored], dataset, names, order)
        if not fitted:
            raise InputError(
                f"none of these {len(targets)} videos is fitted (dataset {dataset.name!r}, field {names.path!r}); fit "
                "them first, with fiftyone_latent_inr.fit_dataset"
            )
        job = RefineJob(
            dataset=dataset,
            key=key,
            digest=digest,
            skip_failures=skip_failures,
            reporter=reporter,
            claims=claims,
            names=names,
            again=again,
            arguments={**options, "device": device},
            record=record,
        )
        tally = job.run(fitted)
    improved = set(job.better)
    better = [sample for sample in tally.made if sample in improved]
    kept = [sample for sample in tally.made if sample not in improved]
    unfitted = [target.sample_id for target in targets if not target.stored]
    more = tally.elsewhere, tally.seconds, failed_tag(key)
    summary = RefineSummary(better, kept, [*tally.skipped, *tally.adopted], tally.failed, unfitted, *more)
    reporter.note(f"{dataset.name}: {summary.text()}")  # each failure has been told when it happened
    return summary


def run_key(names: FieldNames) -> str:
    """Key of the custom run that records the refinements of a fit's files."""
    return f"{names.embedding}_refined"


def in_order(targets: list[Target], dataset: fo.Dataset, names: FieldNames, order: str) -> list[Target]:
    """The targets in the order that is asked for, see `refine_dataset`; those that are equal in it stay as they come.

    Raises:
        InputError: it is no order, and no field or tag; or the field's values cannot be compared.
    """
    if order == VIEW:
        return targets
    videos = all_videos(dataset)
    if order == WORST and not dataset.has_field(names.psnr):  # somebody has deleted it: none is known to be worse
        return targets
    if order == WORST:
        return _sorted(targets, dict(zip(*videos.values(["id", names.psnr]), strict=True)), order, least_first=True)
    if isinstance(order, str) and dataset.has_field(order):
        return _sorted(targets, dict(zip(*videos.values(["id", order]), strict=True)), order)
    if isinstance(order, str) and (tagged := set(videos.match_tags(order).values("id"))):
        return sorted(targets, key=lambda target: target.sample_id not in tagged)
    raise InputError(
        f"order={order!r}: dataset {dataset.name!r} has no such field or tag; give {VIEW!r}, {WORST!r}, or one it has"
    )


def _sorted(targets: list[Target], values: dict[str, Any], order: str, least_first: bool = False) -> list[Target]:
    known = [target for target in targets if values.get(target.sample_id) is not None]
    unknown = [target for target in targets if values.get(target.sample_id) is None]
    try:
        known.sort(key=lambda target: values[target.sample_id], reverse=not least_first)
    except TypeError as error:
        raise InputError(f"order={order!r}: the values of this field cannot be compared; give another") from error
    return [*known, *unknown]
