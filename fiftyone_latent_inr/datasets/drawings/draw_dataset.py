"""Videos drawn from what was fitted, as media fields of their samples: the same, larger, or with frames in between."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fiftyone.core.collections import SampleCollection

from ... import arguments
from ...devices import pick_device
from ...errors import InputError
from ...files import digest_of
from ...progress import lets_listener_raise
from ...video.writer import DEFAULT_CRF
from .. import runs
from ..claims import IF_BUSY, Claims
from ..failures import failed_tag
from ..fields import FIT_NAME, FieldNames, all_videos
from ..file_names import output_folder
from ..originals import originals
from ..progress import Reporter
from ..samples import dataset_of, list_targets
from ..search.index import mend_indexes
from ..tally import Failure
from ..words import duration, outcomes
from .drawing import Drawing
from .job import DrawJob
from .media_fields import check_media_field


@dataclass(frozen=True)
class DrawSummary:
    """What became of the samples.

    Attributes:
        media_field: name of the field that holds the videos' paths.
        drawn: ids of the samples whose video was drawn.
        adopted: ids of those whose finished video was on disk already.
        skipped: ids of those that were up to date.
        unfitted: ids of those that have no `.linr` file to draw from.
        failed: samples that could not be drawn, with the reasons.
        seconds: wall seconds of the whole run.
        silent: ids of drawn ones without sound, as their original is gone or has changed.
        elsewhere: ids of those that another run, which draws the same, had in hand at the end.
    """

    media_field: str
    drawn: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    unfitted: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    seconds: float = 0.0
    silent: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    @property
    def failed_tag(self) -> str:
        """The tag of the samples that failed."""
        return failed_tag(self.media_field)

    def __str__(self) -> str:
        return self.text() + "".join(f"\n  failed: {failure}" for failure in self.failed)

    def text(self) -> str:
        """How many, without the failures' reasons."""
        drawn = f"drawn ({len(self.silent)} without sound)" if self.silent else "drawn"
        samples = {drawn: self.drawn, "taken up from disk": self.adopted, "up to date": self.skipped}
        samples["in the hands of another run"] = self.elsewhere
        told = outcomes({**samples, "not fitted yet": self.unfitted, "failed": self.failed})
        return f"{told} in {duration(self.seconds)}: media field {self.media_field}"


@lets_listener_raise
def reconstruct(
    samples: SampleCollection, *, crf: float = DEFAULT_CRF, audio: bool = True, **options: Any
) -> DrawSummary:
    """Draws fitted videos as they were fitted: the frames, rate and size that their `.linr` files hold.

    The videos are H.264 files that the App plays; their paths go to the media field `latent_inr_recon`.

    Example:
        >>> linr.fit_dataset(dataset)  # doctest: +SKIP
        >>> print(linr.reconstruct(dataset))  # doctest: +SKIP
        12 drawn in 40 s: media field latent_inr_recon

    Args:
        samples: a dataset or any view of videos; those that are not fitted are counted and left out.
        crf: quality of H.264, 0 (best) to 51.
        audio: whether to take the sound of the sample's own file along, as long as the frames last.
        **options: arguments of `draw_dataset`: `embeddings_field`, `output_dir`, `overwrite`, `skip_failures`,
            `progress`, `device`, `if_busy`.

    Returns:
        what became of the samples.

    Raises:
        InputError: the collection or an option cannot be used, nothing in it is fitted, the disk is full, or
            (unless `skip_failures`) a sample cannot be drawn.
    """
    return _draw(samples, Drawing(crf=crf, audio=audio), options)


@lets_listener_raise
def super_resolve(
    samples: SampleCollection, scale: float = 2.0, *, crf: float = DEFAULT_CRF, audio: bool = True, **options: Any
) -> DrawSummary:
    """Draws fitted videos larger, into the media field `latent_inr_x2`; at scale 1.37, `latent_inr_x1_37`.

    Args:
        samples: videos, as for `reconstruct`.
        scale: factor of both sides, 1/16 to 16, relative to the size that was fitted, which is that of the original
            unless the fit was given a `size`. Sides are rounded; odd ones are padded by a pixel when they are written.
        crf: quality of H.264, as for `reconstruct`, as are the rest and the errors.
        audio: whether to take the sound along.
        **options: arguments of `draw_dataset`.

    Returns:
        what became of the samples.
    """
    return _draw(samples, Drawing(scale=scale, crf=crf, audio=audio), options)


@lets_listener_raise
def interpolate(
    samples: SampleCollection,
    factor: float = 2,
    *,
    scale: float = 1.0,
    motion: bool = False,
    crf: float = DEFAULT_CRF,
    audio: bool = True,
    **options: Any,
) -> DrawSummary:
    """Draws fitted videos with frames in between, into the media field `latent_inr_fps2`.

    At factor f the frame rate is f times as high and the video as long as before: N frames become N f. Frame k of
    the original, counted from 1 as FiftyOne does, is frame (k - 1) f + 1, shown at the same second. After the last
    one there is nothing to draw towards: it is held for as long as it was shown before.

    Args:
        samples: videos, as for `reconstruct`.
        factor: drawn frames for each fitted one, 1 to 64, fractions allowed: 2.5 makes 60 frames a second of 24.
        scale: factor of both sides, to draw larger at the same time; the field is then `latent_inr_x2_fps2`.
        motion: whether to follow the motion between the drawn frames, too: slower, and sharper where motion is steady.
        crf: quality of H.264, as for `reconstruct`, as are the rest and the errors.
        audio: whether to take the sound along.
        **options: arguments of `draw_dataset`.

    Returns:
        what became of the samples.
    """
    drawing = Drawing(scale=scale, factor=factor, motion=motion, crf=crf, audio=audio)
    return _draw(samples, drawing, options)


def _draw(samples: SampleCollection, drawing: Drawing, options: dict[str, Any]) -> DrawSummary:
    known = list(inspect.signature(draw_dataset).parameters)[2:]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(f"there is no option {', '.join(unknown)} of drawing; there are {', '.join(known)}")
    return draw_dataset(samples, drawing, **options)


@lets_listener_raise
def draw_dataset(  # noqa: PLR0913
    samples: SampleCollection,
    drawing: Drawing,
    *,
    embeddings_field: str = FIT_NAME,
    output_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    skip_failures: bool = True,
    progress: bool | Callable[[float, str], None] = True,
    device: str | None = None,
    if_busy: str = "share",
) -> DrawSummary:
    """Draws fitted videos and registers them as a media field; the engine of the three above.

    Done again, only what is new or changed is drawn: a video is up to date while the content of its `.linr` file
    and the drawing are the same. Each is stored as soon as it is drawn, so stopping loses at most the one in hand.

    Args:
        samples: a dataset or any view of videos.
        drawing: size, rate and sound of the videos.
        embeddings_field: field of the fit; the media field is named after it.
        output_dir: folder for the videos; by default each goes beside its `.linr` file.
        overwrite: whether to draw what is up to date, too.
        skip_failures: whether to record a sample that fails and go on, or to raise its error.
        progress: bar for True, nothing for False, or a callable that receives `(fraction, label)` with the fraction
            from 0 to 1 and labels such as "video 3/20 · frame 12/64 · 4 min left".
        device: torch device; None for CUDA where there is a GPU, else the CPU.
        if_busy: what to do where another process draws into the same field: `share` the videos with it, if it draws the
            same, `wait` until it has ended, or `refuse`.

    Returns:
        what became of the samples.

    Raises:
        InputError: see `reconstruct`.
    """
    dataset = dataset_of(samples, "reconstruct")
    overwrite = arguments.flag("overwrite", overwrite)
    skip_failures = arguments.flag("skip_failures", skip_failures)
    if_busy = arguments.choice("if_busy", if_busy, IF_BUSY)
    reporter = Reporter(progress)
    names = FieldNames.of(embeddings_field)
    media_field = drawing.field(names.embedding)
    check_media_field(dataset, media_field)
    with Claims(dataset, media_field, "drawing", if_busy, reporter.note) as claims:
        runs.read_config(dataset, media_field)
        pick_device(device)
        mend_indexes(dataset)
        targets = list_targets(samples, dataset, names)
        fitted = [target for target in targets if target.stored]
        if not fitted:
            raise InputError(
                f"none of these {len(targets)} videos is fitted (dataset {dataset.name!r}, field {names.path!r}); fit "
                'them first, with fiftyone_latent_inr.fit_dataset or the operator "Fit Latent-INR"'
            )
        drawn: dict[str, str | None] = {}
        if media_field in dataset.get_field_schema():
            drawn = dict(zip(*all_videos(dataset).values(["id", media_field]), strict=True))
        digest = digest_of(drawing.record())
        claims.settle(digest)
        job = DrawJob(
            dataset=dataset,
            key=media_field,
            digest=digest,
            skip_failures=skip_failures,
            reporter=reporter,
            claims=claims,
            field=media_field,
            drawing=drawing,
            folder=None if output_dir is None else output_folder(output_dir),
            device=device,
            overwrite=overwrite,
            drawn=drawn,
        )
        tally = job.run(fitted)
    to_fit = set(originals(samples)[0].values("id"))
    unfitted = {t.sample_id: t.name for t in targets if not t.stored and t.sample_id in to_fit}
    outcome = tally.made, tally.adopted, tally.skipped, list(unfitted), tally.failed
    summary = DrawSummary(media_field, *outcome, tally.seconds, job.silent, tally.elsewhere)
    if unfitted:
        reporter.note(f"Not fitted yet, and left out: {', '.join(unfitted.values())}; fit them first")
    reporter.note(f"{dataset.name}: {summary.text()}")  # each failure has been told when it happened
    return summary
