"""Fits the videos one by one, or takes up their finished files; the index follows."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...encoding.checkpoint import PARTS, discard, parts_of, remove_finished
from ...errors import BitstreamError, InputError, NewerFileError
from ...held_folder import HeldFolder, held
from ...progress import FitProgress
from ...video.images import bytes_of, content_of, state_of
from ..fields import (
    FieldNames,
    all_videos,
    ensure_fields,
    odd_embeddings,
    store,
    values_now,
    with_embedding,
    with_usable_embedding,
)
from ..file_names import SUFFIX, file_name, is_current, settings_suffix
from ..job import Job
from ..samples import Target
from ..search import index
from ..stored_files import CHECKSUMS, DECODED, HEADER, Wanted, check_fitted, read_fitted, undrawn
from ..tally import Item, Result
from ..writing import check_disk, check_place, check_room, try_fields
from .cost import relative_costs
from .settings import Settings
from .teacher_space import clear_space


@dataclass(frozen=True)
class FitItem(Item):
    """A video to fit, and its fingerprint."""

    fingerprint: str


@dataclass(kw_only=True)
class FitJob(Job):
    """Everything that one `fit_dataset` has settled before the first video.

    Attributes:
        clear_first: whether the embeddings field is emptied before the first video is stored, as its vectors are of
            another teacher. Until then they and their index go on answering searches.
        check: how much is read of the files that are there: `quick` or `all`.
    """

    VERB = "fitted"

    names: FieldNames
    brain_key: str
    folder: Path
    teacher: Any
    settings: Settings
    fit_arguments: dict[str, Any]
    overwrite: bool
    backend: str | None
    backend_options: dict[str, Any] | None
    record: dict[str, Any] | None
    clear_first: bool
    check: str

    def _prepare(self) -> None:
        self.indexed = False
        self._written: set[str] = set()
        self._said: set[str] = set()
        self.too_long: list[str] = []
        self.sizes: dict[str, tuple[int, int]] = {}
        # vectors that are to be cleared make no sample complete, whatever file it names
        self._embedded: set[str] = set()
        if self.teacher is not None and not self.clear_first:
            dim = self.teacher.embedding_dim
            self._embedded = with_usable_embedding(self.dataset, self.names, dim)
            if len(with_embedding(self.dataset, self.names)) > len(self._embedded):  # no search could be made of them
                self.reporter.note(odd_embeddings(self.dataset, self.names.embedding, dim), logging.WARNING)
        self._wanted = Wanted.of(self.settings)
        self._undrawn = undrawn(self.dataset, self.names.embedding)
        for parts in self.folder.glob(f"*{SUFFIX}{PARTS}"):
            remove_finished(parts.with_name(parts.name.removesuffix(PARTS)))

    def _examine(self, target: Target) -> FitItem | None:
        found = content_of(target.source)
        current = is_current(target.stored, found, self.settings.digest)
        complete = self.teacher is None or target.sample_id in self._embedded
        if not current or not complete or self.overwrite or not self._is_good(target, found):
            return FitItem(target, found)
        return None

    def _is_good(self, target: Target, source: str) -> bool:
        """Whether the sample's file can be used; all of it is looked at where that is asked for, or drawing failed."""
        assert target.stored is not None
        depth = DECODED if target.sample_id in self._undrawn else CHECKSUMS if self.check == "all" else HEADER
        try:
            check_fitted(target.stored, source, self._wanted, depth)
        except NewerFileError as error:
            raise InputError(f"{error}, or fit this sample again with overwrite=True") from error
        except (BitstreamError, InputError):  # said when it is fitted
            return False
        return True

    def _try_writing(self, target: Target) -> None:
        check_disk(self.folder)
        try_fields(all_videos(self.dataset).select(target.sample_id), self.names.types())

    def _costs(self, work: list[FitItem]) -> list[float] | None:
        return relative_costs(self.dataset, [item.target.sample_id for item in work], self.fit_arguments)

    def _make(self, item: FitItem) -> Result:
        target = item.target
        check_room(self.dataset, target.sample_id, self.names.frames)
        path = self.folder / file_name(target.name, item.fingerprint, self.settings.digest)
        check_place(path, "the fitted file")
        # groups of a long video that are finished: a run that is stopped goes on with them, if no other one does
        if_busy = "wait" if self.last_round else "refuse"
        with held(parts_of(path), if_busy, self.reporter.note, follow=False) as parts:
            video = self._adopt(item, path)
            adopted = video is not None
            if video is None:
                video = self._fit(target, item.fingerprint, parts)
                video.save(path)
                self._written.add(str(path))
            discard(parts)
        score = "" if video.metrics.get("psnr") is None else f"{video.metrics['psnr']:.1f} dB"
        return Result(str(path), adopted, {"psnr": video.metrics.get("psnr")}, score, video)

    def _keep(self, item: FitItem, result: Result) -> None:
        ensure_fields(self.dataset, self.names)
        if self.clear_first:
            with self.claims.alone():
                if clear_space(self.dataset, self.names, settings_suffix(self.settings.digest)):
                    index.drop_index(self.dataset, self.brain_key)
            self.clear_first = False
        sample_id = item.target.sample_id
        # of the first frames alone, the file says nothing of how it compares with the whole
        cut = self.fit_arguments.get("max_frames") is not None
        self.sizes[sample_id] = os.path.getsize(result.path), 0 if cut else bytes_of(item.target.source)
        if not store(self.dataset, sample_id, self.names, result.content, result.path, self.sizes[sample_id][1]):
            self.too_long = [*dict.fromkeys([*self.too_long, sample_id])]
            result.facts["note"] = f"{self.names.frames} is left empty: too long for the database; see the .linr file"
        self._written.add(result.path)

    def _paths(self, target: Target) -> tuple[tuple[str, ...], str | None]:
        complete = self.teacher is None or target.sample_id in self._embedded
        known = complete and not self.overwrite and target.sample_id not in self._undrawn and self.check != "all"
        return () if target.images else (target.filepath,), target.stored if known else None

    def _fields(self) -> set[str]:
        return set(self.names.types())

    def _adopt(self, item: FitItem, path: Path) -> Any:
        """Loads the finished file, if it is there: at the path to be, or where the sample says."""
        target = item.target
        candidates = [str(path)] if not self.overwrite or str(path) in self._written else []
        if not self.overwrite and target.stored and Path(target.stored).name == path.name:
            candidates.append(target.stored)
        depth = DECODED if target.sample_id in self._undrawn else CHECKSUMS
        for candidate in dict.fromkeys(candidates):
            if not os.path.exists(candidate):
                continue
            try:
                video = read_fitted(candidate, item.fingerprint, self._wanted, depth)
                _ = video.embedding  # what is stored of it
            except NewerFileError as error:
                raise InputError(f"{error}, or fit this sample again with overwrite=True") from error
            except (BitstreamError, InputError) as error:
                self.reporter.note(f"{candidate}: fitted again, as it cannot be used: {error}", logging.WARNING)
                continue
            if candidate != str(path):
                video.save(path)
            return video
        return None

    def _is_done_meanwhile(self, item: FitItem) -> bool:
        fields = [self.names.path] + [self.names.embedding] * (self.teacher is not None)
        found = values_now(self.dataset, item.target.sample_id, *fields)
        path = found.get(self.names.path)
        if not path or not is_current(path, item.fingerprint, self.settings.digest) or not all(map(found.get, fields)):
            return False
        is_new = os.path.getmtime(path) >= self.began and path not in self._written
        return is_new or (path != item.target.stored and not self.overwrite)

    def _fit(self, target: Target, source: str, parts: HeldFolder) -> Any:
        from ...encoding.fit import fit

        def listen(event: FitProgress) -> None:
            if event.message and event.message not in self._said:
                self._said.add(event.message)
                self.reporter.note(f"{target.name}: {event.message}")
            self.reporter.event(event)

        notes = {"source": target.name, "fingerprint": source, "settings": self.settings.digest}
        state = state_of(target.source)
        self._check_unchanged(target, source, state)
        video = fit(target.source, progress=listen, metadata=notes, checkpoint=parts, **self.fit_arguments)
        try:
            self._check_unchanged(target, source, state)
        except InputError:
            discard(parts)
            raise
        return video

    def _check_unchanged(self, target: Target, source: str, state: Any) -> None:
        """A file that was exchanged since the run began would be stored under the name of what it was."""
        if state_of(target.source) != state or content_of(target.source) != source:
            raise InputError(f"{target.filepath}: it has changed since this run began; run it again")

    def _tell_end(self) -> None:
        self.reporter.stage(1.0, "indexing" if self.teacher is not None else "done")

    def _conclude(self, status: str) -> None:
        """Brings the index up to date."""
        try:
            self._index()
        except InputError as error:
            if status == "done":
                raise
            line = f"the index is not up to date, and built when the fit is run again: {error}"
            self.reporter.note(line, logging.WARNING)

    def _index(self) -> None:
        if self.teacher is None or self.clear_first:
            index.refresh_index(self.dataset, self.brain_key, self.names)
            return
        covered = self.dataset, self.brain_key, self.names, self.teacher
        self.indexed = index.update_index(*covered, backend=self.backend, options=self.backend_options)

    def _config(self) -> dict[str, Any]:
        settings = dict(self.settings.record)
        if self.clear_first or (self.teacher is None and self.record and with_embedding(self.dataset, self.names)):
            # Vectors that are still there keep their teacher's name
            names = ("teacher", "teacher_id", "embedding_dim")
            settings.update({name: (self.record or {}).get(name) for name in names})
        return {
            **settings,
            "embeddings_field": self.names.embedding,
            "brain_key": self.brain_key,
            "output_dir": str(self.folder),
        }
