"""Fits of long videos, group after group: memory does not grow with length, and what is finished stays.

frames --scan--> plan, embeddings --> head of all groups
group k: frames --fit, from its parent if it has one--> section --> checkpoint --measure--> sums
all sections --assemble--> .linr
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from .. import codec
from ..codec.quantisation import FloatArray
from ..errors import InputError
from ..fitting import FitConfig, Fitted, fit_frames
from ..fitting.prior_start import prior_start
from ..fitting.start import Head, Start
from ..latent_video.sections import decode_group, encode_group, encode_semantic, header
from ..latent_video.stored import to_model
from ..latent_video.video import LatentVideo, from_bytes
from ..model import ModelConfig, model_views
from ..priors.model_tensors import prior_tensors
from ..progress import FitProgress, ProgressCallback, drive
from ..video.footage import Footage
from .checkpoint import Checkpoint, Finished
from .fit_parts import measure, motion_between, with_less_memory
from .plan import Span
from .scan import Scan

if TYPE_CHECKING:
    from ..priors.prior import Prior

# Groups whose numbers are kept to start others from.
_KEPT = 4
# Bytes that header and index take, for rates that are asked for in bits.
_OVERHEAD = 200

Tensors = dict[str, FloatArray]


def fit_long(
    footage: Footage,
    scan: Scan,
    settings: FitConfig,
    checkpoint: Checkpoint,
    *,
    prior: Prior | None = None,
    seed: int,
    device: torch.device,
    report: ProgressCallback,
    notes: Mapping[str, Any],
) -> LatentVideo:
    """Fits a video that was found to be several groups of frames.

    Args:
        footage: its frames.
        scan: where it is cut, and the teacher's embeddings.
        settings: of the fit.
        checkpoint: what is finished; groups that are there are taken as they are.
        prior: what groups start from that start from no other group.
        seed: of the groups' networks and pixels.
        device: where to fit.
        report: takes progress.
        notes: preset, teacher, teacher's id and metadata, for the header; and the prior, where the networks are to be
            stored as the difference from it.

    Returns:
        The fitted video; its metrics are measured on what is stored.

    Raises:
        InputError: the frames are not those that were scanned.
    """
    job = _LongFit(footage, scan, settings, checkpoint, seed, device, report, prior, "prior" in notes)
    for index, frames in enumerate(footage.groups([span.count for span in scan.plan.spans], scan.size)):
        if job.checkpoint.group(index) is None:
            job.fit(index, frames)
        job.tick(index)
    return job.video(notes)


@dataclass
class _LongFit:
    """One fit under way."""

    footage: Footage
    scan: Scan
    settings: FitConfig
    checkpoint: Checkpoint
    seed: int
    device: torch.device
    report: ProgressCallback
    prior: Prior | None = None
    residual: bool = False  # of the prior

    def __post_init__(self) -> None:
        spans, embeddings = self.scan.plan.spans, self.scan.embeddings
        width = 0 if embeddings is None else embeddings.shape[1]
        # one shape for all groups, so that any may start from any; a group's own length only adds latents
        self.shape = self.settings.architecture.for_video(self.settings.group_frames, *self.scan.size, width)
        self._of_prior: Tensors | None = None
        if self.prior is not None and self.residual:
            self._of_prior = prior_tensors(self.prior.networks, self.shape)
        self.head = None if embeddings is None else _head(embeddings, self.shape.semantic_dim)
        self._decoded: OrderedDict[int, tuple[Tensors, Tensors]] = OrderedDict()
        height, width = self.scan.size
        self._steps = [self.settings.steps_for(s.count, height, width, warm=s.parent is not None) for s in spans]
        self._done = 0

    def fit(self, index: int, frames: npt.NDArray[np.uint8]) -> None:
        """Fits a group, stores it, and measures what is stored."""
        begun = time.monotonic()
        span = self.scan.plan.spans[index]
        targets, parent, start = self._targets(span), self._of_prior, None
        if span.parent is not None:
            parent, steps = self._group(span.parent)
            start = Start(parent, steps, torch.from_numpy(self.scan.plan.nearest(index, frames)))
        elif self.prior is not None:
            pixels = torch.from_numpy(frames)
            start = prior_start(self.prior.networks, pixels, self._shape(span), self.seed + index, self.residual)
        fitted = self._fit(index, frames, self._shape(span), targets, start, parent)
        self.keep(index, frames, fitted, parent, begun)

    def keep(
        self, index: int, frames: npt.NDArray[np.uint8], fitted: Fitted, parent: Tensors | None, begun: float
    ) -> None:
        """Stores a fitted group, and measures what is stored; `begun` is when its fit began, by the monotonic clock."""
        span = self.scan.plan.spans[index]
        config = self._shape(span)
        data = encode_group(fitted.model, fitted.steps, self.settings.bits, parent)
        tensors, _ = decode_group(config, data, parent)
        codes = self._semantic_codes(fitted)
        if self.head is not None:
            tensors = {**self._semantic_tensors(codes), **tensors}
        psnr, similarity = measure(to_model(config, tensors).to(self.device), frames, self._cuts(span))
        sums = {"psnr": psnr, "ms_ssim": similarity, "seconds": time.monotonic() - begun}
        self.checkpoint.keep_group(index, Finished(data, codes, sums))

    def tick(self, index: int) -> None:
        """Counts a group as done."""
        self._done += self._steps[index]

    def video(self, notes: Mapping[str, Any]) -> LatentVideo:
        """The file of all groups."""
        plan, spans = self.scan.plan, self.scan.plan.spans
        sections, documents = [], []
        sums = dict.fromkeys(("psnr", "ms_ssim", "seconds"), 0.0)
        codes = []
        for index, span in enumerate(spans):
            finished = self.checkpoint.group(index)
            if finished is None:
                raise InputError(f"{self.footage.source}: group {index} of its fit is lost; fit it again")
            document = self._shape(span).to_json()
            if document not in documents:
                documents.append(document)
            parent = codec.PRIOR if span.parent is None and self.residual else span.parent
            section = codec.Section(codec.GROUP, span.count, documents.index(document), finished.data, parent)
            sections.append(section)
            codes.append(finished.semantic)
            sums = {name: value + finished.metrics[name] for name, value in sums.items()}
        count = plan.num_frames
        metrics = {"psnr": sums["psnr"] / count, "ms_ssim": sums["ms_ssim"] / count, "seconds": sums["seconds"]}
        if self.head is not None:
            head, shape = self.head, replace(self.shape, num_frames=count)
            latents = codec.Quantised(np.concatenate(codes), head.steps["latents.semantic"])
            section = codec.Section(codec.SEMANTIC, count, 0, encode_semantic(shape, latents, head.weight, head.bias))
            sections.insert(0, section)
            metrics["alignment"] = self._alignment(latents)
        document = header(
            documents, fps=self.scan.fps, cuts=plan.cuts, metrics=metrics, **notes
        )  # fmt: skip
        return from_bytes(codec.assemble(document, sections), notes.get("prior"))

    def _fit(
        self,
        index: int,
        frames: npt.NDArray[np.uint8],
        config: ModelConfig,
        targets: torch.Tensor | None,
        start: Start | None,
        parent: Tensors | None,
    ) -> Fitted:
        settings = self.settings
        while True:
            try:
                pixels = torch.from_numpy(frames).to(self.device)
                cuts = self._cuts(self.scan.plan.spans[index])
                running = fit_frames(
                    pixels,
                    settings,
                    targets=targets,
                    motion=motion_between(frames, pixels, cuts, settings, self.report),
                    seed=self.seed + index,
                    device=self.device,
                    size_of=lambda model, steps: self._size(model, steps, parent),
                    shape=config,
                    head=self.head,
                    start=start,
                )
                return drive(running, self._heard)[0]
            except torch.OutOfMemoryError as error:
                settings = with_less_memory(settings, error)

    def _heard(self, event: FitProgress) -> None:
        """A group's event as one of the whole video."""
        total, done = sum(self._steps), self._done + event.step
        left = None
        if event.step:
            left = event.seconds / event.step * (total - done)
        self.report(replace(event, step=done, total_steps=total, seconds_left=left))

    def _size(self, model: Any, steps: Mapping[str, FloatArray], parent: Tensors | None) -> int:
        """Bytes of a group in the file."""
        size = len(encode_group(model, steps, self.settings.bits, parent)) + _OVERHEAD // len(self.scan.plan.spans)
        if self.head is not None:
            codes = _codes(model, self.head)
            spec = codec.Layout("sequence", codes.shape)
            size += len(codec.encode([spec], [codec.Quantised(codes, self.head.steps["latents.semantic"])]))
        return size

    def _group(self, index: int) -> tuple[Tensors, Tensors]:
        """A finished group's numbers as they are stored, and their steps; its parents' are added."""
        if index not in self._decoded:
            span, finished = self.scan.plan.spans[index], self.checkpoint.group(index)
            assert finished is not None
            parent = self._of_prior if span.parent is None else self._group(span.parent)[0]
            tensors, steps = decode_group(self._shape(span), finished.data, parent)
            self._decoded[index] = tensors, steps
            while len(self._decoded) > _KEPT:
                self._decoded.popitem(last=False)
            return tensors, steps
        self._decoded.move_to_end(index)
        return self._decoded[index]

    def _shape(self, span: Span) -> ModelConfig:
        return replace(self.shape, num_frames=span.count)

    def _cuts(self, span: Span) -> list[int]:
        return [cut - span.first for cut in self.scan.plan.cuts if 0 < cut - span.first < span.count]

    def _targets(self, span: Span) -> torch.Tensor | None:
        if self.scan.embeddings is None:
            return None
        return torch.from_numpy(self.scan.embeddings[span.first : span.first + span.count].astype(np.float32))

    def _semantic_codes(self, fitted: Fitted) -> npt.NDArray[np.int16]:
        if self.head is None:
            return np.zeros((fitted.model.config.num_frames, 0), np.int16)
        return _codes(fitted.model, self.head)

    def _semantic_tensors(self, codes: npt.NDArray[np.int16]) -> Tensors:
        assert self.head is not None
        head = self.head
        values = codec.dequantise(codes, head.steps["latents.semantic"], 1)
        return {"latents.semantic": values, "embedding.weight": head.weight_values, "embedding.bias": head.bias_values}

    def _alignment(self, latents: codec.Quantised) -> float:
        """Mean centred cosine of the stored embeddings with the teacher's."""
        from ..semantics.scores import centred_cosine

        tensors, targets = self._semantic_tensors(latents.codes), self.scan.embeddings
        assert targets is not None
        embeddings = tensors["latents.semantic"] @ tensors["embedding.weight"] + tensors["embedding.bias"]
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        return float(centred_cosine(embeddings, targets.astype(np.float32)))


def _codes(model: Any, head: Head) -> npt.NDArray[np.int16]:
    values = model_views(model)["latents.semantic"].detach().float().cpu().numpy()
    return codec.quantise(values, head.steps["latents.semantic"], 1)[0]


def _head(embeddings: npt.NDArray[np.float16], width: int) -> Head:
    """The head of all frames, from their mean and covariance, in parts that fit in memory."""
    count, size = embeddings.shape
    mean, square = np.zeros(size), np.zeros((size, size))
    for first in range(0, count, 4096):
        part = embeddings[first : first + 4096].astype(np.float64)
        mean += part.sum(0)
        square += part.T @ part
    mean /= count
    covariance = square / count - np.outer(mean, mean)
    return Head.of(torch.from_numpy(mean), torch.from_numpy(covariance), width)
