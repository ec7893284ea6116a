"""Pretrains hypernetwork, field and encoders on the videos of a dataset or view, with a record of the run."""

from __future__ import annotations

import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fiftyone as fo
from fiftyone.core.collections import SampleCollection
from pymongo.errors import PyMongoError

from ...devices import free_memory
from ...errors import InputError
from ...files import digest_of, writable_folder
from ...held_folder import HeldFolder, held
from ...pretraining.pretrain import pretrain
from ...pretraining.trainer import PretrainConfig
from ...priors.prior import Prior, load_prior
from ...progress import FitProgress, ListenerError, lets_listener_raise
from ...video.images import content_of
from .. import runs
from ..fields import FIT_NAME
from ..journal import sweep
from ..originals import require_originals
from ..patience import patiently, refusals_told
from ..progress import Reporter
from ..samples import dataset_of
from ..search.index import mend_indexes
from ..teachers import load as load_teacher
from ..words import brief, duration, video_count
from .known_priors import PriorSummary, priors_dir

_KEY = f"{FIT_NAME}_prior"


@lets_listener_raise
def pretrain_dataset(  # noqa: PLR0913
    samples: SampleCollection,
    *,
    preset: str = "fast",
    config: PretrainConfig | None = None,
    teacher: Any = None,
    validation: Any = None,
    output_dir: str | os.PathLike[str] | None = None,
    resume: bool = True,
    device: str | None = None,
    seed: int = 0,
    progress: bool | Callable[[float, str], None] = True,
    licences: Mapping[str, str] | None = None,
    licence_field: str | None = None,
    name: str | None = None,
    **options: Any,
) -> Prior:
    """Trains what many videos share on the videos of a dataset or view; `fit_dataset(..., prior=...)` starts from it.

    Done again, a run that was stopped goes on where its state was last stored, and a finished one of the same videos
    and settings is not done twice. A video that cannot be read is left out.

    Example:
        >>> prior = linr.pretrain(dataset, preset="fast", teacher="small")  # doctest: +SKIP
        >>> linr.fit_dataset(dataset, preset="fast", teacher="small", prior=prior)  # doctest: +SKIP

    Args:
        samples: a dataset or any view of videos; those that were drawn from fitted ones are left out.
        preset: preset of the fits that are to start from the prior.
        config: settings of the training.
        teacher: `small`, `ARCH/PRETRAINED` of OpenCLIP, a directory, or a `Teacher`; None for a prior that cannot embed
            videos, and leaves the alignment to the fits, whatever their teacher.
        validation: a view or other sources of videos to measure on; by default some of the samples are held out once
            there are 40 of them.
        output_dir: folder for the state, and in the end for the prior; by default `latent_inr/priors/<name>` in
            FiftyOne's `default_dataset_dir`.
        resume: whether to go on with, or keep, what is there.
        device: torch device; None for CUDA where there is a GPU, else the CPU.
        seed: seed of everything random.
        progress: bar for True, nothing for False, or a callable that receives `(fraction, label)`.
        licences: licences of videos by file name, for the prior's notes.
        licence_field: field of the samples (a text, or tags) that holds each video's licence.
        name: name of the prior; by default the dataset's and the preset's.
        **options: arguments besides, of `pretrain`.

    Returns:
        the prior, stored in `output_dir`. The custom run `latent_inr_prior_<name>` records what it was made of.

    Raises:
        InputError: the collection or an option cannot be used, or no video can be read.
        TeacherUnavailableError: the teacher's weights cannot be had.
    """
    dataset = dataset_of(samples, "pretrain")
    samples, _ = require_originals(samples, "give their files: pretrain([path, ...])")
    mend_indexes(dataset)
    name = prior_name(dataset, preset, name)
    videos, gone = _videos(samples)
    if isinstance(validation, SampleCollection):
        dataset_of(validation, "pretrain")
        validation = list(_videos(validation)[0].values())
    # Loaded first: whether it can be had is known before anything is recorded
    settings = {"preset": preset, "config": config or PretrainConfig(), "teacher": load_teacher(teacher, device)}
    settings |= {"validation": validation, "seed": seed, **options}
    run = PretrainRun(
        dataset=dataset,
        key=f"{_KEY}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}",
        folder=writable_folder(priors_dir() / name if output_dir is None else output_dir),
        videos=videos,
        gone=gone,
        reporter=Reporter(progress),
        settings=settings,
    )
    known = {**_licences(samples, licence_field), **(licences or {})}
    return (run.finished() if resume else None) or run.do(resume=resume, device=device, licences=known)


def summarise(prior: Prior) -> PriorSummary:
    """What a pretraining came to, for people."""
    trained, metrics = len(prior.notes.get("trained_on", [])), prior.notes.get("metrics", {})
    parts = [f"pretrained on {video_count(trained)}"]
    parts += [f"{metrics['psnr']:.1f} dB on videos held out, without a fit"] if "psnr" in metrics else []
    failed = [str(one["reason"]) for one in prior.notes.get("skipped", [])]
    return PriorSummary(f"{', '.join(parts)}: {prior.name}", prior.name, failed)


def prior_name(dataset: fo.Dataset, preset: str, name: str | None) -> str:
    """The name of a prior's folder: what was asked for, or the dataset's and the preset's."""
    return re.sub(r"[^\w.-]+", "-", name or f"{dataset.slug}-{preset}").strip(".-") or "prior"


@dataclass(kw_only=True)
class PretrainRun:
    """One run: what is settled before it, and what it records.

    Attributes:
        dataset: the samples' dataset.
        key: name of the custom run.
        folder: folder for state and result.
        videos: sample id -> path of those whose files are there.
        gone: sample id -> (path, reason) of the others.
        reporter: bar or callback that progress goes to.
        settings: arguments of `pretrain` that decide the result.
    """

    dataset: fo.Dataset
    key: str
    folder: Path
    videos: dict[str, str]
    gone: dict[str, tuple[str, str]]
    reporter: Reporter
    settings: dict[str, Any]
    prior: Prior | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        runs.read_config(self.dataset, self.key)  # refuses another tool's
        if not self.videos:
            raise InputError(f"dataset {self.dataset.name!r}: none of the videos' files is there to pretrain on")
        self.started = time.monotonic()
        decide = {**self.settings, "config": self.settings["config"].digest()}
        decide["teacher"] = getattr(self.settings["teacher"], "id", None)
        prints = sorted(content_of(path) for path in set(self.videos.values()))
        self.digest = digest_of([decide, prints])

    def finished(self) -> Prior | None:
        """The prior that an earlier run of the same videos and settings has left, or None."""
        record = runs.read_config(self.dataset, self.key)
        if not record or record.get("digest") != self.digest or record.get("prior") is None:
            return None
        try:
            prior = load_prior(self.folder)
        except InputError:
            return None
        if prior.id != record["prior"]:
            return None
        with suppress(InputError, OSError, PyMongoError), held(self.folder, what="a pretraining"):
            if runs.is_unsettled(self.dataset, self.key):
                self.prior, self.started = prior, time.monotonic() - float(record.get("seconds") or 0)
                self._record_end("done")
            sweep()  # what else is left of a run that was killed then; the lock of its folder is, too
        self.reporter.note(f"{self.folder}: pretrained already on these videos with these settings")
        self.reporter.stage(1.0, "up to date")
        return prior

    @refusals_told()
    def do(self, *, resume: bool, device: str | None, licences: dict[str, str]) -> Prior:
        """Trains and records.

        Raises:
            InputError: another run pretrains in the folder, and records it; or see `pretrain`.
        """
        with held(self.folder, what="a pretraining") as folder:
            return self._do(folder, resume=resume, device=device, licences=licences)

    def _do(self, folder: HeldFolder, *, resume: bool, device: str | None, licences: dict[str, str]) -> Prior:
        status = "failed"
        self._record("running")
        self.reporter.begin(1)
        try:
            self.prior = pretrain(
                list(dict.fromkeys(self.videos.values())),
                output_dir=folder,
                resume=resume,
                device=device,
                licences=licences,
                progress=self._listen,
                **self.settings,
            )
            self.prior.name = str(self.folder)
            status = "done"
        except (KeyboardInterrupt, GeneratorExit, SystemExit, ListenerError):
            status = "interrupted"
            self.reporter.note(f"Stopped; the same call goes on with what {self.folder} holds", logging.WARNING)
            raise
        finally:
            self._record_end(status)
            self.reporter.close()
            free_memory()
        self.reporter.stage(1.0, f"done in {duration(time.monotonic() - self.started)}")
        return self.prior

    def _listen(self, event: FitProgress) -> None:
        if event.message:
            self.reporter.note(event.message)
        if event.seconds_left is None and event.step < event.total_steps:
            return  # of a message alone; the label with the time left stays
        parts = [f"step {event.step}/{event.total_steps}"]
        parts += [f"{event.psnr:.1f} dB"] if event.psnr is not None else []
        parts += [f"{duration(event.seconds_left)} left"] if event.seconds_left else ["measuring"]
        self.reporter.stage(event.step / event.total_steps, " · ".join(parts))

    def _record_end(self, status: str) -> None:
        """What the database forbids must not hide how it went: the prior is in its folder, and found there again."""
        try:
            if status == "done":
                patiently(lambda: self._record(status), self.reporter.note)
            else:
                self._record(status)
        except Exception as error:
            self.reporter.note(
                f"the record of the run {self.key!r} could not be written: {brief(error)}", logging.WARNING
            )

    def _record(self, status: str) -> None:
        notes = self.prior.notes if self.prior is not None else {}
        reasons = {one["name"]: one["reason"] for one in notes.get("skipped", [])}
        # of equal names all but the first have a number behind them
        seen = {re.sub(r" \(\d+\)$", "", one["name"]) for one in notes.get("trained_on", [])}
        outcomes = {}
        for sample_id, path in self.videos.items():
            # the reasons name paths, which tell equal names apart
            reason = next((why for why in reasons.values() if path in why), reasons.get(Path(path).name))
            used = "used" if Path(path).name in seen else "unused"  # held out, or the steps were too few
            what = "failed" if reason else used if status == "done" else status
            outcomes[sample_id] = runs.outcome(what, path, self.digest, reason=reason)
        for sample_id, (path, reason) in self.gone.items():
            outcomes[sample_id] = runs.outcome("failed", path, self.digest, reason=reason)
        counts = Counter(one["status"] for one in outcomes.values())
        teacher = self.settings["teacher"]
        config = {
            "kind": "pretrain",
            "preset": self.settings["preset"],
            "steps": self.settings["config"].steps,
            "config": self.settings["config"].digest(),
            "seed": self.settings["seed"],
            "teacher": getattr(teacher, "name", None),
            "teacher_id": getattr(teacher, "id", None),
            "prior": None if self.prior is None else self.prior.id,
            "metrics": notes.get("metrics"),
            "output_dir": str(self.folder),
            "digest": self.digest,
            "status": status,
            "counts": {what: counts[what] for what in ("used", "unused", "failed")},
            "updated": runs.now(),
            "versions": runs.versions(),
            "seconds": round(time.monotonic() - self.started, 1),
        }
        runs.write(self.dataset, self.key, config, outcomes)


def _videos(samples: SampleCollection) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Paths of the samples' files that are there, and of those that are not with the reasons, by id."""
    there: dict[str, str] = {}
    gone: dict[str, tuple[str, str]] = {}
    for sample_id, path in zip(*samples.values(["id", "filepath"]), strict=True):
        if os.path.exists(path):
            there[sample_id] = path
        else:
            gone[sample_id] = (path, f"{path}: the file is gone")
    return there, gone


def _licences(samples: SampleCollection, licence_field: str | None) -> dict[str, str]:
    """Licences by file name."""
    if licence_field is None:
        return {}
    if not samples.has_field(licence_field):
        raise InputError(f"dataset {samples._root_dataset.name!r} has no field {licence_field!r} (licence_field)")
    found = {}
    for path, value in zip(*samples.values(["filepath", licence_field]), strict=True):
        if value:
            found[Path(path).name] = ", ".join(value) if isinstance(value, list | tuple) else str(value)
    return found
