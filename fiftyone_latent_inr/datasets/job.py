"""The loop over the samples: the up to date are skipped, failures recorded, what is done stored at once."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import fiftyone as fo

from ..devices import free_memory
from ..errors import InputError, LatentINRError, StorageError
from ..files import full_disk, reason
from ..owners import BusyError
from ..progress import ListenerError
from . import runs
from .claims import Claims
from .failures import FailureMarks
from .journal import Journal
from .looks import Looks
from .patience import DatabaseAwayError, no_room, patiently, refusals_told
from .progress import Reporter
from .run_store import DatasetGoneError, Outcomes
from .samples import Target
from .tally import Failure, Item, Result, Tally
from .words import brief, video_count

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds between two records of how far the run is; what became of each sample is recorded at once
_RECORD_EVERY = 60.0


@dataclass(kw_only=True)
class Job(ABC):
    """Everything that is settled before the first sample; `run` does the rest.

    Attributes:
        dataset: the samples' dataset.
        key: name of the custom run that records what is done.
        digest: digest of the settings that decide the result.
        skip_failures: whether to record a sample that fails and go on, or to raise its error.
        reporter: bar or callback that progress goes to.
        claims: what this and other runs have in hand.
    """

    VERB: ClassVar[str]  # what becomes of a sample: "fitted", "drawn"

    dataset: fo.Dataset
    key: str
    digest: str
    skip_failures: bool
    reporter: Reporter
    claims: Claims

    @refusals_told()
    def run(self, targets: list[Target]) -> Tally:
        """Does the targets.

        Raises:
            StorageError: the disk is full or read-only, or the folder is gone.
            InputError: a sample failed and failures are not skipped, or the end failed.
        """
        self.tally, self.started, self._recorded = Tally(), time.monotonic(), time.monotonic()
        self.began, self.last_round = time.time(), False
        self.journal = Journal(self.dataset, self.key, runs.METHOD)
        self._unrecorded: Outcomes = {}
        outcomes = runs.read_outcomes(self.dataset, self.key)
        self._marks = FailureMarks(self.dataset, self.key, outcomes)
        self._looks = Looks(outcomes, self.digest)
        self._prepare()
        status = "failed"
        try:
            work = self._plan(targets)
            if work:
                self._try_writing(work[0].target)
            self._record("running")
            self._announce(work)
            self.reporter.begin(len(work), self._costs(work))
            self._all(work)
            self._leave_out_lost()
            status = "done"
        except (KeyboardInterrupt, GeneratorExit, SystemExit, ListenerError):
            status = "interrupted"
            self.reporter.note(
                f"Stopped: {len(self.tally.made)} videos are {self.VERB} and stored; run it again to go on",
                logging.WARNING,
            )
            raise
        except (DatasetGoneError, DatabaseAwayError):
            status = "lost"  # there is nothing to end it in
            raise
        except Exception:
            self._leave_out_lost()
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

    def _costs(self, work: list[Any]) -> list[float] | None:
        """What each costs relative to the others, for the time that is left; None where that is not known."""
        return None

    @abstractmethod
    def _make(self, item: Any) -> Result:
        """Makes one sample's file; of the database it only reads.

        Raises:
            StorageError: nothing can be stored any more, whatever the sample.
            Exception: this sample cannot be done.
        """

    @abstractmethod
    def _keep(self, item: Any, result: Result) -> None:
        """Writes what was made into the sample; done again if the database was away.

        Raises:
            Exception: it cannot be written.
        """

    def _paths(self, target: Target) -> tuple[tuple[str, ...], str | None]:
        """What a sample's file is made of, and that file; None where it is to be examined whatever is known of it."""
        return (), None

    @abstractmethod
    def _fields(self) -> set[str]:
        """Names of the fields that are written."""

    @abstractmethod
    def _config(self) -> dict[str, Any]:
        """The settings, as the custom run records them."""

    def _tell_end(self) -> None:  # noqa: B027 (a hook)
        """Says what is done after the last sample."""

    def _conclude(self, status: str) -> None:  # noqa: B027 (a hook)
        """After the last sample, however the loop ended: `done`, `failed` or `interrupted`."""

    def _plan(self, targets: list[Target]) -> list[Item]:
        """Sorts out what is up to date and what cannot be done; returns the rest."""
        work = []
        for position, target in enumerate(targets):
            if position % 100 == 0:
                self.reporter.stage(0.0, f"checking files {position}/{len(targets)}")
            try:
                sure = self._looks.is_known(target.sample_id, *self._paths(target))
                item = None if sure else self._examine(target)
            except Exception as error:
                if (fatal := self._fatal(target, error)) is not None:
                    raise fatal from error
                self._fail(target, error)
                continue
            if item is None:
                self.tally.skipped.append(target.sample_id)
                self._marks.done(target.sample_id)
                if not sure and (found := self._looks.found(target, self.VERB, *self._paths(target))):
                    self._unrecorded[target.sample_id] = found
            else:
                work.append(item)
        if self.tally.skipped:
            self.reporter.note(f"{len(self.tally.skipped)} of {len(targets)} videos are up to date")
        return work

    def _all(self, work: list[Item]) -> None:
        """Does all; what others have in hand is asked for once more in the end, and then left to them."""
        put_off = []
        for position, item in enumerate(work):
            self.reporter.video(position)
            if not self._is_done_here(item):
                put_off.append(item)
            if time.monotonic() - self._recorded > _RECORD_EVERY:
                self._patiently(lambda: self._record("running"))
        self.last_round = True
        self.tally.elsewhere += [item.target.sample_id for item in put_off if not self._is_done_here(item)]
        if self.claims.met:
            self.reporter.note(self.claims.told())

    def _is_done_here(self, item: Item) -> bool:
        """Does a sample, unless another run has it in hand, or has done it since this one began."""
        sample_id = item.target.sample_id
        if not self._patiently(lambda: self.claims.take(sample_id)):
            return False
        try:
            if self._patiently(lambda: self._is_done_meanwhile(item)):
                self.tally.skipped.append(sample_id)
                self.reporter.done(None, f"{item.target.name}: done by another run")
            else:
                self._one(item)
        except BusyError:  # its file is being made for another dataset or field
            return False
        finally:
            self.claims.give_back(sample_id)
        return True

    def _is_done_meanwhile(self, item: Any) -> bool:
        """Whether another run has done a sample since this one began."""
        return False

    def _one(self, item: Item) -> None:
        target, started = item.target, time.monotonic()
        try:
            made = self._patiently(lambda: self._make(item) if self._is_there(target) else None)
            seconds = time.monotonic() - started
            if made is None or not self._patiently(lambda: self._store(item, made, seconds)):
                self.reporter.note(f"{target.name}: its sample has been deleted, so it is left out", logging.WARNING)
                return
        except (DatasetGoneError, DatabaseAwayError, BusyError):
            raise
        except Exception as error:
            if (fatal := self._fatal(target, error)) is not None:
                raise fatal from error
            self._fail(target, error)
            self._patiently(self._flush)
            return
        (self.tally.adopted if made.adopted else self.tally.made).append(target.sample_id)
        self.tally.files.append((target, made.path))
        line = " ".join(filter(None, [f"{target.name}: {'adopted' if made.adopted else self.VERB}", made.score]))
        self.reporter.done(None if made.adopted else seconds, line)

    def _fatal(self, target: Target, error: Exception) -> StorageError | None:
        """What ends the run, where nothing can be stored any more: the next one would fail so after minutes of work."""
        full = None if isinstance(error, LatentINRError) else full_disk(error)
        said = no_room(error) if full is None else f"{full.filename or target.name}: {reason(full)}"
        if not said and not isinstance(error, StorageError):
            return None
        kept = f"what was {self.VERB} before is kept, and the same call goes on from there"
        if self.tally.lost():
            kept = f"with what was {self.VERB} before; the same call does it again"
        return StorageError(f"{said or error}; {kept}")

    def _store(self, item: Item, made: Result, seconds: float) -> bool:
        """Writes sample and record, and both again if the database was away; whether the sample is still there.

        The record's write waits for the server's disk: what the sample was told before is safe with it.
        """
        if not self._is_there(item.target):
            return False
        self._keep(item, made)
        status = "adopted" if made.adopted else self.VERB
        seen = self._looks.seen(item.target.sample_id, self._paths(item.target)[0], made.path)
        self._note(item.target, status, path=made.path, seconds=round(seconds, 2), seen=seen, **made.facts)
        self._flush()
        return True

    def _is_there(self, target: Target) -> bool:
        """Whether the sample is there; fields that others have deleted are declared anew when they are written.

        Raises:
            DatasetGoneError: the dataset is not.
        """
        if missing := self.journal.missing(self._fields()):
            self.dataset.reload()
            self.reporter.note(
                f"field {', '.join(map(repr, missing))} has been deleted, with what it held, and is made anew; run "
                "this again for the videos that were done before",
                logging.WARNING,
            )
        return self.journal.has_sample(target.sample_id)

    def _fail(self, target: Target, error: Exception) -> None:
        known = isinstance(error, LatentINRError)
        reason = brief(error) if known else brief(f"{type(error).__name__}: {error}")
        failure = Failure(target.sample_id, target.filepath, reason)
        self.tally.failed.append(failure)
        self._note(target, "failed", reason=reason)
        if not known:  # a fault of ours, maybe, or of a library: where it is, for whoever looks for it
            logger.debug("sample %s could not be %s", target.sample_id, self.VERB, exc_info=error)
        self.reporter.note(f"Failed: {failure}", logging.WARNING)
        if not self.skip_failures:
            raise InputError(f"{failure}") from error

    def _leave_out_lost(self) -> None:
        """What was made and is gone before the run ends is not made: somebody has removed its folder, maybe."""
        lost = self.tally.lost()
        for target, path in lost:
            reason = f"{path}: it was removed while this run went on; run it again"
            self.tally.turn_to_failed(target, reason)
            self._note(target, "failed", reason=reason)
        if lost:
            line = f"{video_count(len(lost))} of those {self.VERB} are gone again, such as {lost[0][1]}: run it again"
            self.reporter.note(line, logging.WARNING)

    def _note(self, target: Target, status: str, **facts: Any) -> None:
        self._unrecorded[target.sample_id] = runs.outcome(status, target.filepath, self.digest, **facts)
        if status == "failed":
            self._marks.failed(target.sample_id, facts["reason"])
        else:
            self._marks.done(target.sample_id)

    def _flush(self) -> None:
        self.journal.add(self._unrecorded)
        self._unrecorded.clear()
        self._marks.flush()

    def _patiently(self, step: Callable[[], T]) -> T:
        return patiently(step, self.reporter.note)

    def _finish(self, status: str) -> None:
        """Brings the index up to date and ends the record, however the loop ended; each part may be done again."""
        self.tally.seconds = time.monotonic() - self.started
        try:
            if status == "done":
                self._end_well()
            elif status != "lost":
                self._end_badly(status)
        finally:
            self.journal.close()
            self.reporter.close()
            free_memory()

    def _end_well(self) -> None:
        """It is done when the index stands, and not before."""
        try:
            self._patiently(self._conclude_alone)
        except BaseException as error:
            self._end_record("failed" if isinstance(error, Exception) else "interrupted")
            raise
        try:
            self._patiently(lambda: self._record("done", end=True))
        except DatasetGoneError:
            raise
        except Exception as error:
            line = f"the record of the run {self.key!r} could not be written: {brief(error)}"
            raise InputError(f"{line}; what was {self.VERB} is stored") from error

    def _end_badly(self, status: str) -> None:
        """What fails now must not hide why the run has ended."""
        self._end_record(status)
        try:
            self._conclude_alone(status)
        except Exception as error:
            self.reporter.note(f"the end of the run {self.key!r} failed: {brief(error)}", logging.WARNING)

    def _conclude_alone(self, status: str = "done") -> None:
        """Two runs must not build one index at once; the later one has all of both in it."""
        try:
            self._tell_end()  # to a listener that may do whatever it likes, such as calling for another run
        finally:  # whatever it raises: what is stored is to be found
            with self.claims.alone():
                self._conclude(status)

    def _end_record(self, status: str) -> None:
        try:
            self._record(status, end=True)
        except Exception as error:
            self.reporter.note(
                f"the record of the run {self.key!r} could not be written: {brief(error)}", logging.WARNING
            )

    def _record(self, status: str, *, end: bool = False) -> None:
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
        if self.journal.run is None:
            self.journal.begin(config)
        elif not end:
            self.journal.update(config)
        self._flush()
        if end:
            self.journal.end(config)
            if self.journal.left_out:
                self.reporter.note(
                    f"{self.journal.left_out} samples are no longer there, and left out of the record of this run"
                )
        self._recorded = time.monotonic()
