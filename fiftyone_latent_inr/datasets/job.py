"""The loop over the samples: the up to date are skipped, failures recorded, what is done stored at once."""

from __future__ import annotations

import gc
import logging
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import fiftyone as fo

from ..errors import InputError, LatentINRError
from . import runs
from .progress import Reporter
from .samples import Target
from .words import brief, log_line

logger = logging.getLogger(__name__)

# Seconds between two records of the run while it goes on: what a crash may lose of the record (never of the files)
_RECORD_EVERY = 60.0


@dataclass(frozen=True)
class Failure:
    """A sample that could not be done, and why."""

    sample_id: str
    filepath: str
    reason: str

    def __str__(self) -> str:
        return log_line(f"{self.filepath} (sample {self.sample_id}): {self.reason}")


@dataclass
class Tally:
    """Ids by outcome, filled while the job runs; `adopted` are those whose finished file was on disk already."""

    made: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Item:
    """One sample that is to be done."""

    target: Target


@dataclass(frozen=True)
class Result:
    """What was made of one sample.

    Attributes:
        path: path of its file.
        adopted: whether that was on disk already.
        facts: entries for the record besides.
        score: quality in words, for people; may be empty.
    """

    path: str
    adopted: bool
    facts: dict[str, Any] = field(default_factory=dict)
    score: str = ""


class FatalError(Exception):
    """Stops the job whatever `skip_failures` says: the next sample would fail the same way."""

    def __init__(self, cause: InputError) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(kw_only=True)
class Job(ABC):
    """Everything that is settled before the first sample; `run` does the rest.

    Attributes:
        dataset: the samples' dataset.
        key: name of the custom run that records what is done.
        digest: digest of the settings that decide the result.
        skip_failures: whether to record a sample that fails and go on, or to raise its error.
        reporter: bar or callback that progress goes to.
    """

    VERB: ClassVar[str]  # what becomes of a sample: "fitted", "drawn"

    dataset: fo.Dataset
    key: str
    digest: str
    skip_failures: bool
    reporter: Reporter

    def run(self, targets: list[Target]) -> Tally:
        """Does the targets.

        Raises:
            InputError: a sample failed and failures are not skipped, the disk is full, or the end failed.
        """
        self.tally, self.started, self._recorded = Tally(), time.monotonic(), time.monotonic()
        self.outcomes = runs.read_outcomes(self.dataset, self.key)
        self._prepare()
        status = "failed"
        try:
            work = self._plan(targets)
            if work:
                self._try_writing(work[0].target)
            self._record("running")
            self._announce(work)
            self.reporter.begin(len(work))
            for position, item in enumerate(work):
                self.reporter.video(position)
                self._one(item)
                if time.monotonic() - self._recorded > _RECORD_EVERY:
                    self._record("running")
            status = "done"
        except (KeyboardInterrupt, GeneratorExit):
            status = "interrupted"
            self.reporter.note(
                f"Stopped: {len(self.tally.made)} videos are {self.VERB} and stored; run it again to go on",
                logging.WARNING,
            )
            raise
        finally:
            self._finish(status)
        return self.tally

    def _prepare(self) -> None:  # noqa: B027 (a hook)
        """Before anything else."""

    @abstractmethod
    def _examine(self, target: Target) -> Item | None:
        """Says what there is to do for a sample; None where it is up to date.

        Raises:
            LatentINRError: it cannot be done.
        """

    def _try_writing(self, target: Target) -> None:  # noqa: B027 (a hook)
        """Finds out on the first sample that is to be done whether results can be stored.

        Raises:
            InputError: they cannot.
        """

    def _announce(self, work: list[Any]) -> None:  # noqa: B027 (a hook)
        """Says what is about to be done."""

    @abstractmethod
    def _make(self, item: Any) -> Result:
        """Does one sample and stores it at once.

        Raises:
            FatalError: nothing more can be done.
            Exception: this sample cannot be done.
        """

    @abstractmethod
    def _config(self) -> dict[str, Any]:
        """The settings, as the custom run records them."""

    def _conclude(self, status: str) -> None:  # noqa: B027 (a hook)
        """After the last sample, however the loop ended: `done`, `failed` or `interrupted`."""

    def _plan(self, targets: list[Target]) -> list[Item]:
        """Sorts out what is up to date and what cannot be done; returns the rest."""
        work = []
        for position, target in enumerate(targets):
            if position % 100 == 0:
                self.reporter.stage(0.0, f"checking files {position}/{len(targets)}")
            try:
                item = self._examine(target)
            except LatentINRError as error:
                self._fail(target, error)
                continue
            if item is None:
                self.tally.skipped.append(target.sample_id)
            else:
                work.append(item)
        if self.tally.skipped:
            self.reporter.note(f"{len(self.tally.skipped)} of {len(targets)} videos are up to date")
        return work

    def _one(self, item: Item) -> None:
        target, started = item.target, time.monotonic()
        try:
            made = self._make(item)
        except FatalError as error:
            raise error.cause from error
        except Exception as error:
            self._fail(target, error)
            return
        seconds = time.monotonic() - started
        status = "adopted" if made.adopted else self.VERB
        (self.tally.adopted if made.adopted else self.tally.made).append(target.sample_id)
        self.outcomes[target.sample_id] = runs.outcome(
            status, target.filepath, self.digest, path=made.path, seconds=round(seconds, 2), **made.facts
        )
        line = " ".join(filter(None, [f"{target.name}: {status}", made.score]))
        self.reporter.done(None if made.adopted else seconds, line)

    def _fail(self, target: Target, error: Exception) -> None:
        known = isinstance(error, LatentINRError)
        reason = brief(error) if known else brief(f"{type(error).__name__}: {error}")
        failure = Failure(target.sample_id, target.filepath, reason)
        self.tally.failed.append(failure)
        self.outcomes[target.sample_id] = runs.outcome("failed", target.filepath, self.digest, reason=reason)
        if not known:  # a fault of ours, maybe, or of a library: where it is, for whoever looks for it
            logger.debug("sample %s could not be %s", target.sample_id, self.VERB, exc_info=error)
        self.reporter.note(f"Failed: {failure}", logging.WARNING)
        if not self.skip_failures:
            raise InputError(f"{failure}") from error

    def _finish(self, status: str) -> None:
        """Records the run and concludes it, however the loop ended."""
        self.tally.seconds = time.monotonic() - self.started
        try:
            self._record_end(status)
            self._conclude(status)
        finally:
            self.reporter.close()
            free_memory()

    def _record_end(self, status: str) -> None:
        """What the database forbids must not hide why the run has ended."""
        try:
            self._record(status)
        except Exception as error:
            line = f"the record of the run {self.key!r} could not be written: {brief(error)}"
            if status == "done":
                raise InputError(f"{line}; what was {self.VERB} is stored") from error
            self.reporter.note(line, logging.WARNING)

    def _record(self, status: str) -> None:
        tally = self.tally
        counts = {self.VERB: len(tally.made), "adopted": len(tally.adopted)}
        counts |= {"skipped": len(tally.skipped), "failed": len(tally.failed)}
        config = {
            **self._config(),
            "digest": self.digest,
            "status": status,
            "counts": counts,
            "updated": runs.now(),
            "versions": runs.versions(),
            "seconds": round(time.monotonic() - self.started, 1),
        }
        runs.write(self.dataset, self.key, config, self.outcomes)
        self._recorded = time.monotonic()


def free_memory() -> None:
    """Gives GPU memory back: FiftyOne's delegated service and the App live on in this process."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
