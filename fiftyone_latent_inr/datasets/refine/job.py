"""Refines stored files one by one, each in its place; vectors and index stay as they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiftyone as fo

from ...latent_video.video import load
from ...progress import FitProgress
from ...video.images import bytes_of
from ..fields import FieldNames, all_videos, ensure_fields, store_figures, values_now
from ..job import Job
from ..samples import Target
from ..stored_files import check_swapped
from ..tally import Item, Result
from ..writing import check_disk, try_fields

# Of a file's notes: digest of the settings that it was refined with last.
_WITH = "refined_with"


@dataclass(kw_only=True)
class RefineJob(Job):
    """Everything that one `refine_dataset` has settled before the first video.

    Attributes:
        again: whether to refine what was refined with these settings before, too.
        arguments: of `refine_video`.
        record: the settings, JSON-able.
    """

    VERB = "refined"

    names: FieldNames
    again: bool
    arguments: Mapping[str, Any]
    record: dict[str, Any]

    def _prepare(self) -> None:
        self.better: list[str] = []
        self._written: set[str] = set()

    def _examine(self, target: Target) -> Item | None:
        assert target.stored is not None
        video = load(target.stored)
        check_swapped(target.stored, video)
        known = values_now(self.dataset, target.sample_id, self.names.bytes).get(self.names.bytes)
        done = video.metadata.get(_WITH) == self.digest and known == os.path.getsize(target.stored)
        return None if done and not self.again else Item(target)

    def _try_writing(self, target: Target) -> None:
        check_disk(Path(target.stored or "").parent)
        try_fields(all_videos(self.dataset).select(target.sample_id), self._types())

    def _make(self, item: Item) -> Result:
        from ...encoding.refine import refine_video

        target = item.target
        path = target.stored
        assert path is not None
        before, looked = load(path), os.stat(path)
        # done, but for what the sample says: by a run that was killed then, or for another sample of the same video
        if path in self._written or (before.metadata.get(_WITH) == self.digest and not self.again):
            return Result(path, True, {"psnr": before.metrics.get("psnr")}, content=before)

        def listen(event: FitProgress) -> None:
            if event.message and event.step:
                self.reporter.note(f"{target.name}: {event.message}")
            self.reporter.event(event)

        if_busy, note = "wait" if self.last_round else "refuse", {_WITH: self.digest}
        named: dict[str, Any] = {"progress": listen, "if_busy": if_busy, "metadata": note}
        video = refine_video(path, source=target.source, **self.arguments, **named)
        self._written.add(path)
        figures = [one.metrics.get("psnr") for one in (before, video)]
        if not os.path.samestat(os.stat(path), looked):  # it was replaced
            self.better.append(target.sample_id)
        score = "" if None in figures else f"{figures[0]:.1f} -> {figures[1]:.1f} dB"
        return Result(path, False, {"psnr": figures[1], "psnr_before": figures[0]}, score, video)

    def _keep(self, item: Item, result: Result) -> None:
        ensure_fields(self.dataset, self.names)
        target, ratio = item.target, self.names.ratio
        # of the first frames alone, the file says nothing of how it compares with the whole
        whole = values_now(self.dataset, target.sample_id, ratio).get(ratio) is not None
        size = bytes_of(target.source) if whole else None
        store_figures(self.dataset, target.sample_id, self.names, result.content, result.path, size)

    def _paths(self, target: Target) -> tuple[tuple[str, ...], str | None]:
        return () if target.images else (target.filepath,), None if self.again else target.stored

    def _types(self) -> dict[str, type[fo.Field]]:
        """What is written: all but the embeddings."""
        mine = {
            self.names.path,
            self.names.psnr,
            self.names.ms_ssim,
            self.names.bpp,
            self.names.bytes,
            self.names.ratio,
        }
        return {name: kind for name, kind in self.names.types().items() if name in mine}

    def _fields(self) -> set[str]:
        return set(self._types())

    def _config(self) -> dict[str, Any]:
        return {**self.record, "embeddings_field": self.names.embedding}
