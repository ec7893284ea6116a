"""Fits every video of a FiftyOne dataset or view: files, fields, an index to search, a record of the run."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sized
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fiftyone.core.collections import SampleCollection

from ... import arguments
from ...devices import pick_device
from ...encoding.choose_prior import NO_PRIOR, check_prior_type
from ...encoding.request import check_teacher_type
from ...errors import InputError
from ...progress import lets_listener_raise
from ...video.timing import check_fps
from .. import runs
from ..claims import IF_BUSY, Claims
from ..failures import failed_tag
from ..fields import FIT_NAME, FieldNames, check_fields
from ..file_names import default_folder, output_folder
from ..originals import require_originals
from ..progress import Reporter
from ..samples import dataset_of, list_targets
from ..search import index
from ..search.backend import check_backend
from ..tally import Failure
from ..teachers import DEFAULT_TEACHER
from ..teachers import load as load_teacher
from ..words import duration, megabytes, of_source, outcomes, video_count
from .job import FitJob
from .settings import Settings
from .teacher_space import check_space


@dataclass(frozen=True)
class FitSummary:
    """What became of the samples.

    Attributes:
        fitted: ids of the samples that were fitted.
        adopted: ids of those whose finished file was on disk already (after a crash, or the same video twice).
        skipped: ids of those that were up to date.
        failed: samples that could not be fitted, with the reasons.
        without_frames: ids of fitted ones that are too long for MongoDB to hold the embeddings of all their frames,
            which are in their files alone.
        brain_key: key of the index that covers them, or None (no teacher, or nothing to index).
        output_dir: folder of the `.linr` files.
        seconds: wall seconds of the whole run.
        stored_bytes: bytes of the files of the fitted and the adopted, as far as their sources were fitted whole.
        source_bytes: bytes of those sources.
        elsewhere: ids of those that another run, which shares the field, had in hand at the end.
        failed_tag: tag of the samples that failed.
    """

    fitted: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    brain_key: str | None = None
    output_dir: str = ""
    seconds: float = 0.0
    without_frames: list[str] = field(default_factory=list)
    stored_bytes: int = 0
    source_bytes: int = 0
    elsewhere: list[str] = field(default_factory=list)
    failed_tag: str = ""

    def __str__(self) -> str:
        return self.text() + "".join(f"\n  failed: {failure}" for failure in self.failed)

    def text(self) -> str:
        """How many, without the failures' reasons."""
        samples: dict[str, Sized] = {
            "fitted": self.fitted,
            "taken up from disk": self.adopted,
            "up to date": self.skipped,
        }
        samples |= {"in the hands of another run": self.elsewhere, "failed": self.failed}
        text = f"{outcomes(samples)} in {duration(self.seconds)}"
        if self.source_bytes:
            text += f" · {megabytes(self.stored_bytes)}, {of_source(self.stored_bytes, self.source_bytes)}"
        if self.without_frames:
            text += (
                f"\n  {video_count(len(self.without_frames))} too long for the database to hold the embeddings of all "
            )
            text += "frames, which are in the files: fiftyone_latent_inr.load(path).embeddings"
        return text


@lets_listener_raise
def fit_dataset(  # noqa: PLR0913
    samples: SampleCollection,
    *,
    preset: str = "balanced",
    teacher: Any = DEFAULT_TEACHER,
    prior: Any = None,
    embeddings_field: str = FIT_NAME,
    brain_key: str = FIT_NAME,
    output_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    skip_failures: bool = True,
    drawings: bool = False,
    progress: bool | Callable[[float, str], None] = True,
    check: str = "quick",
    backend: str | None = None,
    backend_options: dict[str, Any] | None = None,
    if_busy: str = "share",
    **fit_options: Any,
) -> FitSummary:
    """Fits the videos of a dataset or view, stores them, and indexes them for search by text.

    Afterwards `samples.sort_by_similarity("a red circle", k=5)` works in this process, in one that imports
    only FiftyOne, and in the App's Similarity panel. Done again, only what is new or changed is fitted: a
    sample is up to date while its video's content and the settings that decide the result are the same. Each
    video is stored as soon as it is fitted, of a long one each group of frames, so stopping (or a crash)
    loses at most the group in hand.

    Example:
        >>> import fiftyone as fo, fiftyone_latent_inr as linr  # doctest: +SKIP
        >>> dataset = fo.Dataset.from_videos_dir("clips", name="clips", persistent=True)  # doctest: +SKIP
        >>> print(linr.fit_dataset(dataset, preset="fast", teacher="small"))  # doctest: +SKIP
        >>> dataset.sort_by_similarity("a red circle", k=5)  # doctest: +SKIP

    Args:
        samples: a dataset or any view of videos; or a view of images that are frames, grouped by video:
            `images.group_by("video", order_by="frame")`. What is fitted of a group is stored on its first sample.
        preset: name of the settings: `instant`, `fast`, `balanced`, `best` or `paper`.
        teacher: model whose space the embeddings are in: `small`, `ARCH/PRETRAINED` of OpenCLIP, a directory, or a
            `Teacher`; `"default"` is `semantics.teachers.DEFAULT_TEACHER`. None fits without alignment: no embeddings
            and no index.
        prior: pretrained hypernetworks to start from: a `Prior`, the name of a bundled one, a directory,
            `OWNER/NAME` of the Hugging Face Hub or `OWNER/NAME@REVISION`; None for the preset's own, if it has one
            (`fast` starts from `fast-prior`), `"none"` for none.
        embeddings_field: field of the videos' embeddings; the other fields and the custom run are named after it.
        brain_key: key of the similarity index.
        output_dir: folder for the `.linr` files; by default `latent_inr/<dataset>` in FiftyOne's
            `default_dataset_dir`.
        overwrite: whether to fit what is up to date, too.
        skip_failures: whether to record a sample that fails and go on, or to raise its error.
        drawings: whether to fit videos that `reconstruct`, `super_resolve` or `interpolate` have drawn, too; otherwise
            they are left out, such as those slices of a dataset of `to_grouped_dataset`.
        progress: bar for True, nothing for False, or a callable that receives `(fraction, label)` with the fraction
            from 0 to 1 and labels such as "video 3/20 · 31.2 dB · 4 min left".
        check: how the files are looked at of what was fitted before. `quick` reads header, index and end of each, which
            say of what it is, and whether it was cut, emptied or replaced; `all` reads all of it and compares its
            checksums, which finds any damage, at the speed of the disk. A damaged one is fitted again; one that could
            not be drawn is read whole in any case.
        backend: similarity backend; None keeps that of the index, or takes sklearn for a new one.
        backend_options: keyword arguments of the backend.
        if_busy: what to do where another process fits into the same field: `share` the videos with it, if its settings
            are the same, each doing those that the other has not begun; `wait` until it has ended; or `refuse`.
        **fit_options: further arguments of `fit`: `config`, `size`, `max_frames`, `device`, `seed`, `residual`, `fps`
            (of images; files know their own).

    Returns:
        what became of the samples.

    Raises:
        InputError: the collection, a name or an option cannot be used, another run is at work on the field, or (unless
            `skip_failures`) a sample cannot be fitted.
        TeacherUnavailableError: the teacher's weights cannot be had; known before anything is fitted.
        PriorUnavailableError: the Hub does not give the prior; known before anything is fitted, too.
    """
    dataset = dataset_of(samples)
    fit_options = _checked_options(fit_options)
    check_teacher_type(teacher)
    check_prior_type(prior)
    Settings.check(preset, fit_options)
    overwrite = arguments.flag("overwrite", overwrite)
    skip_failures = arguments.flag("skip_failures", skip_failures)
    if_busy = arguments.choice("if_busy", if_busy, IF_BUSY)
    check = arguments.choice("check", check, ("quick", "all"))
    left_out = 0
    if not arguments.flag("drawings", drawings):
        samples, left_out = require_originals(samples, "fit_dataset(..., drawings=True)")
    reporter = Reporter(progress)
    names = FieldNames.of(embeddings_field)
    index.check_brain_key(dataset, brain_key, names)
    check_fields(dataset, names)
    if teacher is not None:
        check_backend(dataset, brain_key, backend, backend_options)
    # registered first: what a run that is waited for does changes all that follows
    with Claims(dataset, names.embedding, "fit", if_busy, reporter.note) as claims:
        record = runs.read_config(dataset, names.embedding)
        folder = output_folder(default_folder() / str(dataset.slug) if output_dir is None else output_dir)
        teacher = load_teacher(teacher, fit_options.get("device"))
        loaded = _load_prior(prior, preset, teacher, fit_options)
        settings = Settings.of(preset, teacher, loaded, fit_options)
        start = None if prior is None else loaded or NO_PRIOR  # the preset's own may be of another teacher
        claims.settle(settings.digest)
        targets = list_targets(samples, dataset, names)
        if left_out:
            reporter.note(f"Left out: {video_count(left_out)} drawn from fitted ones (drawings=True fits them, too)")
        if teacher is None:
            reporter.note("No teacher: the videos are stored without embeddings, and cannot be searched by text")
        else:
            index.prepare(teacher)
        job = FitJob(
            dataset=dataset,
            key=names.embedding,
            digest=settings.digest,
            names=names,
            brain_key=brain_key,
            folder=folder,
            teacher=teacher,
            settings=settings,
            fit_arguments={**fit_options, "preset": preset, "prior": start, "teacher": teacher},
            overwrite=overwrite,
            check=check,
            skip_failures=skip_failures,
            backend=backend,
            backend_options=backend_options,
            record=record,
            reporter=reporter,
            claims=claims,
            clear_first=check_space(dataset, names, record, teacher, {t.sample_id for t in targets}, overwrite),
        )
        tally = job.run(targets)
    outcome = tally.made, tally.adopted, tally.skipped, tally.failed
    known = [pair for pair in job.sizes.values() if pair[1]]
    sizes = sum(stored for stored, _ in known), sum(source for _, source in known)
    key, more = brain_key if job.indexed else None, (job.too_long, *sizes, tally.elsewhere)
    summary = FitSummary(*outcome, key, str(folder), tally.seconds, *more, failed_tag=failed_tag(names.embedding))
    reporter.note(f"{dataset.name}: {summary.text()}")  # each failure has been told when it happened
    return summary


def _checked_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a fit, each right in itself: what is wrong is said once, not of every sample."""
    from ...encoding.fit import fit

    taken = {"source", "preset", "teacher", "prior", "progress", "metadata", "checkpoint", "if_busy"}
    known = [name for name in inspect.signature(fit).parameters if name not in taken]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(f"fit_dataset does not know {', '.join(unknown)}; options of a fit: {', '.join(known)}")
    checks: dict[str, Callable[[Any], Any]] = {
        "size": partial(arguments.side_lengths, "size"),
        "max_frames": partial(arguments.whole, "max_frames", low=1),
        "seed": arguments.seed,
        "residual": partial(arguments.flag, "residual"),
        "fps": check_fps,
    }
    pick_device(options.get("device"))
    required = ("seed", "residual")  # of the others None is the default
    return {
        name: checks[name](value) if name in checks and (value is not None or name in required) else value
        for name, value in options.items()
    }


def _load_prior(prior: Any, preset: str, teacher: Any, options: dict[str, Any]) -> Any:
    """Loaded once for the run; whether the fits can start from it is known before the first."""
    from ...encoding.choose_prior import NEEDS_PRIOR, default_prior, resolve_prior

    config = Settings.config(preset, options)
    loaded = default_prior(config) if prior is None else resolve_prior(prior)
    if loaded is None and options.get("residual"):
        raise InputError(NEEDS_PRIOR)
    if prior is not None and loaded is not None:
        loaded.check_teacher(getattr(teacher, "id", None))
        loaded.check_architecture(config.architecture)
        if options.get("residual") and loaded.revision is None and not loaded.is_bundled:
            raise InputError(
                f"residual=True needs a prior that can be found again when the videos are drawn, and {loaded.name} is "
                "none: publish it, and start from the repository; or leave residual out"
            )
    return loaded
