"""Draws the stored videos one by one as H.264, or takes up what is drawn already."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np

from ...errors import BitstreamError, InputError, LatentINRError, NewerFileError
from ...files import check_length, fingerprint, writable_folder
from ...held_folder import held_file
from ...latent_video.limits import guarded
from ...latent_video.video import LatentVideo, load
from ...progress import FitProgress
from ...video.images import content_of, find_images
from ...video.opening import is_whole
from ...video.writer import Frame, write
from .. import runs
from ..fields import all_videos, values_now
from ..job import Job
from ..samples import Target
from ..stored_files import check_swapped
from ..tally import Item, Result
from ..words import log_line
from ..writing import check_disk, check_place, save, try_fields
from .cost import Workload, estimate, seconds_per_pixel
from .drawing import Drawing
from .media_fields import ensure_media_field

logger = logging.getLogger(__name__)

# Seconds between two reports of progress: on a GPU frames come by the hundred
_TICK = 0.2


@dataclass(frozen=True)
class DrawItem(Item):
    """A video to draw.

    Attributes:
        stored: path of its `.linr` file.
        path: path of the drawing.
        sound: path of the file whose sound is taken along, or None.
        work: pixels to draw, and what from.
        note: line for people, or empty.
    """

    stored: str
    path: Path
    sound: str | None
    work: Workload
    note: str


@dataclass(kw_only=True)
class DrawJob(Job):
    """Everything that one call has settled before the first video.

    Attributes:
        field: the media field.
        drawing: size, rate and sound of the videos.
        folder: folder for the videos; None puts each beside its `.linr` file.
        device: torch device; None for CUDA where there is a GPU, else the CPU.
        overwrite: whether to draw what is up to date, too.
        drawn: path that the media field holds, by the sample's id.
    """

    VERB = "drawn"

    field: str
    drawing: Drawing
    folder: Path | None
    device: str | None
    overwrite: bool
    drawn: dict[str, str | None]

    def _prepare(self) -> None:
        self.silent: list[str] = []
        self._written: set[Path] = set()
        self._writable: set[Path] = set()
        self._known = runs.read_outcomes(self.dataset, self.key)

    def _examine(self, target: Target) -> DrawItem | None:
        assert target.stored is not None
        try:
            video, content = load(target.stored), fingerprint(target.stored)
            check_swapped(target.stored, video)
            with guarded(target.stored, "a drawing"):
                work = Workload.of(video, self.drawing)
        except NewerFileError as error:
            raise InputError(str(error)) from error
        except LatentINRError as error:
            raise InputError(f"{error}; fit this sample again") from error
        sound, gone, note = self._sound(target, video)
        folder = self.folder or Path(target.stored).parent
        names = [self.drawing.file_name(target.stored, content, sound is not None)]
        if gone:
            # What was drawn while there was an original to take the sound from is better than what can be drawn now
            names.insert(0, self.drawing.file_name(target.stored, content, True))
        current = self.drawn.get(target.sample_id)
        if current and not self.overwrite and Path(current).name in names and self._is_good(target, Path(current)):
            return None
        self._check(folder)
        check_length(folder / names[-1])
        there = [] if self.overwrite else [name for name in names if self._is_good(target, folder / name)]
        path = folder / [*there, names[-1]][0]
        return DrawItem(target, target.stored, path, sound, work, note)

    def _is_good(self, target: Target, path: Path) -> bool:
        """Whether a drawing is there, all of it, and still what was drawn, as far as that is on record."""
        known = self._known.get(target.sample_id, {})
        if not _is_whole(path):
            return False
        try:
            return known.get("path") != str(path) or known.get("content") in (None, fingerprint(path))
        except InputError:  # it cannot be read
            return False

    def _sound(self, target: Target, video: LatentVideo) -> tuple[str | None, bool, str]:
        """The file to take the sound from, if it is still what was fitted; whether it is gone; what to say of it."""
        if not self.drawing.audio:
            return None, False, ""
        name = target.name
        try:
            images = find_images(target.filepath)
            found = content_of(images or target.filepath)
        except InputError as error:
            return None, True, f"{name}: drawn without sound, as the original cannot be read: {error}"
        if video.metadata.get("fingerprint") not in (None, found):
            return None, False, f"{name}: drawn as it was fitted, without sound: it has changed since; fit it again"
        return None if images else target.filepath, False, ""

    def _check(self, folder: Path) -> None:
        """Finds out before the first video, and once a folder, whether it can be written."""
        if folder in self._writable:
            return
        try:
            found = writable_folder(folder)
        except InputError as error:
            # of a folder for all the others fail there, too
            kind = InputError if self.folder is None else type(error)
            raise kind(f"{error}; pass another output_dir") from error
        check_disk(found)
        self._writable.add(found)

    def _try_writing(self, target: Target) -> None:
        try_fields(all_videos(self.dataset).select(target.sample_id), {self.field: fo.StringField})

    def _announce(self, work: list[DrawItem]) -> None:
        todo = [item for item in work if self.overwrite or not _is_whole(item.path)]
        if not todo:
            return
        try:
            speed = seconds_per_pixel(todo[0].stored, self.device)
        except Exception as error:  # said when it is that video's turn: an estimate is not worth a run
            speed = None
            logger.debug("%s tells no speed", todo[0].stored, exc_info=error)
        cost = estimate([item.work for item in todo], self.drawing, speed)
        self.reporter.note(f"To be drawn: {cost.text()}")

    def _costs(self, work: list[DrawItem]) -> list[float] | None:
        return [item.work.pixels for item in work]

    def _make(self, item: DrawItem) -> Result:
        facts: dict[str, Any] = {}
        check_place(item.path, "the drawing")
        with held_file(item.path, "wait" if self.last_round else "refuse", self.reporter.note):
            adopted = item.path in self._written or (not self.overwrite and self._is_good(item.target, item.path))
            if not adopted:
                notes = self._draw(item)
                facts = {"bytes": item.path.stat().st_size, "notes": notes or None}
            facts["content"] = fingerprint(item.path)
        self._written.add(item.path)
        return Result(str(item.path), adopted, facts)

    def _keep(self, item: DrawItem, result: Result) -> None:
        ensure_media_field(self.dataset, self.field)
        sample = self.dataset[item.target.sample_id]
        sample[self.field] = result.path
        save(sample)

    def _is_done_meanwhile(self, item: DrawItem) -> bool:
        before = self.drawn.get(item.target.sample_id)
        path = values_now(self.dataset, item.target.sample_id, self.field).get(self.field)
        if not path or Path(path).name != item.path.name or not _is_whole(Path(path)):
            return False
        is_new = os.path.getmtime(path) >= self.began and Path(path) not in self._written
        return is_new or (path != before and not self.overwrite)

    def _paths(self, target: Target) -> tuple[tuple[str, ...], str | None]:
        assert target.stored is not None
        drawn = None if self.overwrite else self.drawn.get(target.sample_id)
        return () if target.images else (target.filepath, target.stored), drawn

    def _fields(self) -> set[str]:
        return {self.field}

    def _draw(self, item: DrawItem) -> list[str]:
        """Draws one, says what was not as it should be with its sound, and gives those lines."""
        video = load(item.stored)
        if item.sound is not None and self._sound(item.target, video)[0] is None:
            raise InputError(f"{item.sound}: it has changed since this run began; run it again")
        rate, times = video.fps * self.drawing.factor, None
        if video.times is not None:
            drawn, held = self.drawing.times(video.num_frames)
            starts = np.arange(len(drawn) + held) / self.drawing.factor
            times = video.seconds(np.minimum(starts, video.num_frames))
        options: dict[str, Any] = {"crf": self.drawing.crf, "times": times, "pixel_aspect": video.pixel_aspect}
        try:
            notes = write(item.path, self._frames(video), rate, audio=item.sound, **options)
        except BitstreamError as error:  # damage behind the header
            raise InputError(f"{error}; fit this sample again") from error
        lines = [log_line(line) for line in (item.note, *(f"{item.target.name}: {note}" for note in notes)) if line]
        if item.note:
            self.silent.append(item.target.sample_id)
        for line in lines:
            self.reporter.note(line, logging.WARNING)
        return lines

    def _frames(self, video: LatentVideo) -> Iterator[Frame]:
        """All frames, one at a time, the last one held; reports each."""
        times, held = self.drawing.times(video.num_frames)
        options: dict[str, Any] = {"motion": True} if self.drawing.motion else {}
        report, frame = _reports(self.reporter.event, len(times)), None
        for number, frame in enumerate(video.iter_render(times, self.drawing.size(video.size), self.device, **options)):
            report(number)
            yield frame
        assert frame is not None
        yield from repeat(frame, held)

    def _config(self) -> dict[str, Any]:
        return {
            **self.drawing.record(),
            "media_field": self.field,
            "output_dir": None if self.folder is None else str(self.folder),
            "device": self.device,
        }


def _is_whole(path: Path) -> bool:
    """Whether a drawing is there, all of it; a pipe in its place would keep its reader waiting."""
    return os.path.isfile(path) and is_whole(path)


def _reports(event: Callable[[FitProgress], None], total: int) -> Callable[[int], None]:
    """Turns the numbers of the frames drawn, from 0, into events, a few a second."""
    started, last = time.monotonic(), 0.0

    def report(number: int) -> None:
        nonlocal last
        now, done = time.monotonic(), number + 1
        if now - last < _TICK and done < total:
            return
        last, seconds = now, now - started
        left = seconds / done * (total - done)
        event(FitProgress(f"frame {done}/{total}", done, total, seconds=seconds, seconds_left=left))

    return report
