"""The loop over the videos: the up to date are skipped, failures recorded, what is done stored at once."""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fiftyone as fo

from ..errors import BitstreamError, InputError
from ..progress import FitProgress
from . import index, runs
from .fields import FieldNames, ensure_fields, store, with_embedding
from .identity import file_name, fingerprint, is_current
from .reporter import Reporter
from .settings import Settings
from .space import clear_space
from .targets import Target

logger = logging.getLogger(__name__)

# Seconds between two records of the run while it goes on: what a crash may lose of the record (never of the
# files)
_RECORD_EVERY = 60.0


@dataclass(frozen=True)
class Failure:
    """A sample that could not be fitted, and why."""

    sample_id: str
    filepath: str
    reason: str

    def __str__(self) -> str:
        return f"{self.filepath} (sample {self.sample_id}): {self.reason}"


@dataclass
class Done:
    """Ids by outcome, filled while the job runs."""

    fitted: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    indexed: bool = False
    seconds: float = 0.0


@dataclass
class FitJob:
    """Everything that one `fit_dataset` has settled before the first video; `run` does the rest."""

    dataset: fo.Dataset
    names: FieldNames
    brain_key: str
    folder: Path
    teacher: Any
    settings: Settings
    fit_arguments: dict[str, Any]
    overwrite: bool
    skip_failures: bool
    backend: str | None
    backend_options: dict[str, Any] | None
    record: dict[str, Any] | None
    reporter: Reporter

    def run(self, targets: list[Target], *, clear_first: bool) -> Done:
        """Fits the targets.

        Args:
            targets: the samples.
            clear_first: whether the embeddings field is emptied first, as its vectors are of another teacher.

        Raises:
            InputError: a sample failed and failures are not skipped, the disk is full, or the index cannot
                be built.
        """
        self.done, self.started, self._recorded = Done(), time.monotonic(), time.monotonic()
        self.outcomes = runs.read_outcomes(self.dataset, self.names.embedding)
        self._written: set[str] = set()
        self._said: set[str] = set()
        if clear_first:
            index.drop_index(self.dataset, self.brain_key)
            clear_space(self.dataset, self.names)
        status = "failed"
        try:
            work = self._plan(targets)
            self._record("running")
            self.reporter.begin(len(work))
            for position, (target, print_) in enumerate(work):
                self.reporter.video(position)
                self._one(target, print_)
                if time.monotonic() - self._recorded > _RECORD_EVERY:
                    self._record("running")
            status = "done"
        except (KeyboardInterrupt, GeneratorExit):
            status = "interrupted"
            self.reporter.note(
                f"Stopped: {len(self.done.fitted)} videos are fitted and stored; run it again to go on",
                logging.WARNING,
            )
            raise
        finally:
            self._finish(status)
        return self.done

    def _plan(self, targets: list[Target]) -> list[tuple[Target, str]]:
        """Sorts out what is up to date and what has no file; returns the rest with their fingerprints."""
        embedded = set(with_embedding(self.dataset, self.names))
        work = []
        for position, target in enumerate(targets):
            if position % 100 == 0:
                self.reporter.stage(0.0, f"checking files {position}/{len(targets)}")
            try:
                print_ = fingerprint(target.filepath)
            except InputError as error:
                self._fail(target, error)
                continue
            current = is_current(target.stored, print_, self.settings.digest)
            complete = self.teacher is None or target.sample_id in embedded
            if current and complete and not self.overwrite:
                self.done.skipped.append(target.sample_id)
            else:
                work.append((target, print_))
        if self.done.skipped:
            self.reporter.note(f"{len(self.done.skipped)} of {len(targets)} videos are up to date")
        return work

    def _one(self, target: Target, print_: str) -> None:
        """Fits one video, or takes up its finished file; stores its fields at once."""
        path = self.folder / file_name(target.filepath, print_, self.settings.digest)
        started = time.monotonic()
        try:
            video = self._adopt(target, path)
            status = "adopted" if video is not None else "fitted"
            if video is None:
                video = self._fit(target, print_)
                self._save(video, path)
            ensure_fields(self.dataset, self.names)
            store(self.dataset, target.sample_id, self.names, video, str(path))
        except _Fatal as error:
            raise error.cause from error
        except Exception as error:
            self._fail(target, error)
            return
        self._written.add(str(path))
        seconds = time.monotonic() - started
        getattr(self.done, status).append(target.sample_id)
        psnr = video.metrics.get("psnr")
        self.outcomes[target.sample_id] = runs.outcome(
            status, target.filepath, self.settings.digest, path=str(path), psnr=psnr,
            seconds=round(seconds, 2),
        )  # fmt: skip
        score = "" if psnr is None else f" {psnr:.1f} dB"
        self.reporter.done(seconds if status == "fitted" else None, f"{Path(target.filepath).name}: {status}{score}")

    def _adopt(self, target: Target, path: Path) -> Any:
        """Loads the finished file, if it is there: at the path to be, or where the sample says."""
        from ..latent_video import load

        candidates = [str(path)] if not self.overwrite or str(path) in self._written else []
        if not self.overwrite and target.stored and Path(target.stored).name == path.name:
            candidates.append(target.stored)
        for candidate in candidates:
            if os.path.isfile(candidate):
                try:
                    video = load(candidate)
                    video.check()
                    if candidate != str(path):
                        self._save(video, path)
                    return video
                except (BitstreamError, InputError) as error:
                    self.reporter.note(f"{candidate}: fitted again, as it cannot be read: {error}", logging.WARNING)
        return None

    def _fit(self, target: Target, print_: str) -> Any:
        from ..encode import fit

        def listen(event: FitProgress) -> None:
            if event.message and event.message not in self._said:
                self._said.add(event.message)
                self.reporter.note(f"{Path(target.filepath).name}: {event.message}")
            self.reporter.event(event)

        # The name, not the place: files are passed on to strangers
        name = Path(target.filepath).name
        notes = {"source": name, "fingerprint": print_, "settings": self.settings.digest}
        return fit(target.filepath, progress=listen, metadata=notes, **self.fit_arguments)

    def _save(self, video: Any, path: Path) -> None:
        try:
            video.save(path)
        except (OSError, InputError) as error:
            # A folder that is full or read-only: the next video would be lost the same way, after minutes of
            # work
            raise _Fatal(InputError(f"{error}; what was fitted before is kept")) from error

    def _fail(self, target: Target, error: Exception) -> None:
        known = isinstance(error, InputError | BitstreamError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        failure = Failure(target.sample_id, target.filepath, reason)
        self.done.failed.append(failure)
        self.outcomes[target.sample_id] = runs.outcome("failed", target.filepath, self.settings.digest, reason=reason)
        if not known:
            logger.error("fitting %s failed", target.filepath, exc_info=error)
        self.reporter.note(f"Failed: {failure}", logging.WARNING)
        if not self.skip_failures:
            raise InputError(f"{failure}") from error

    def _finish(self, status: str) -> None:
        """Records the run and brings the index up to date, however the loop ended."""
        self.done.seconds = time.monotonic() - self.started
        self._record(status)
        try:
            self.reporter.stage(1.0, "indexing" if self.teacher is not None else "done")
            self._index()
        except InputError:
            if status == "done":
                raise
            logger.exception("the index is not up to date; it is built when the fit is run again")
        finally:
            self.reporter.close()
            _free_memory()

    def _index(self) -> None:
        if self.teacher is None:
            if self.brain_key in self.dataset.list_brain_runs():
                index.refresh_index(self.dataset, self.brain_key, self.names)
            return
        self.done.indexed = index.update_index(
            self.dataset, self.brain_key, self.names, self.teacher,
            backend=self.backend, options=self.backend_options,
        )  # fmt: skip

    def _record(self, status: str) -> None:
        settings = dict(self.settings.record)
        if self.teacher is None and self.record and with_embedding(self.dataset, self.names):
            # Vectors that are still there keep their teacher's name
            settings.update({name: self.record.get(name) for name in ("teacher", "teacher_id", "embedding_dim")})
        counts = {name: len(getattr(self.done, name)) for name in ("fitted", "adopted", "skipped", "failed")}
        config = {
            **settings, "digest": self.settings.digest, "status": status, "counts": counts,
            "updated": runs.now(), "embeddings_field": self.names.embedding, "brain_key": self.brain_key,
            "output_dir": str(self.folder), "versions": runs.versions(),
            "seconds": round(time.monotonic() - self.started, 1),
        }  # fmt: skip
        runs.write(self.dataset, self.names.embedding, config, self.outcomes)
        self._recorded = time.monotonic()


class _Fatal(Exception):
    """Stops the job whatever `skip_failures` says."""

    def __init__(self, cause: InputError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _free_memory() -> None:
    """Gives GPU memory back: FiftyOne's delegated service and the App live on in this process."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
