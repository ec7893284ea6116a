"""Refinement: a fit that goes on from a stored video, group by group, in the groups and networks that it has.

stored group --its numbers, step sizes--> GroupTask --fitted--> a new section | semantic latents, head: as they are
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ..arrays import Frames
from ..fitting import FitConfig, GroupTask
from ..fitting.head import Head
from ..fitting.start import OwnStart
from ..latent_video.sections import encode_group
from ..latent_video.stored import to_model
from ..latent_video.video import LatentVideo
from ..model import LatentINR, ModelConfig
from ..model.tensors import SEMANTIC, is_shared
from ..priors.model_tensors import prior_tensors
from ..progress import ProgressCallback, silent
from .checkpoint import Checkpoint
from .plan import Plan, Span, no_prints
from .request import FitRequest
from .scan import Scan
from .video_fit import Tensors, VideoFit, motion_between

# Of the bytes that are to stay as many: what is aimed at is reached within about as much.
_SLIGHTLY_LESS = 0.99


class Refinement(VideoFit):
    """A fit under way that goes on from a stored video.

    Args:
        request: how it is to be fitted; its prior is the one that the file is the difference from, if it is.
        video: the stored one.
        same_bytes: whether each group is to take as many bytes as it has, whatever the configuration weighs them at.
        checkpoint: what is finished; by default in memory.
        report: takes lines for people.
    """

    def __init__(
        self,
        request: FitRequest,
        video: LatentVideo,
        same_bytes: bool,
        checkpoint: Checkpoint | None = None,
        report: ProgressCallback = silent,
    ) -> None:
        super().__init__(request, scan_of(video), checkpoint=checkpoint, report=report)
        self._video, self._file, self._same_bytes = video, video.stored, same_bytes
        self._configs = {group.first: group.config for group in self._file.groups}
        if request.reference is not None:
            self._of_prior = prior_tensors(request.reference.networks, video.config)
        semantic = self._file.quantised_semantic()
        if semantic:
            self._head = Head.learned(semantic)
        self._before = {name: video.metrics[name] for name in ("alignment", "seconds") if name in video.metrics}
        sections = sum(group.entry.size for group in self._file.groups)
        self._rest = (video.metrics["bytes"] - sections) / video.num_groups  # of the file, for each group

    def aim_of(self, index: int) -> FitConfig:
        """What a group is fitted with."""
        if not self._same_bytes or self.config.rate_weight == 0:
            return self.config
        group, (height, width) = self._file.groups[index], self.scan.size
        size = _SLIGHTLY_LESS * group.entry.size + self._rest
        return self.config.at(bpp=8 * size / (group.config.num_frames * height * width))

    def prepare(self, index: int, frames: Frames | None = None) -> GroupTask:
        """All that a group is fitted with, from its own frames (T, H, W, 3)."""
        assert frames is not None
        span, began, group = self._spans[index], time.monotonic(), self._file.groups[index]
        tensors, step_sizes = self._tensors(index), self._file.step_sizes(index)
        reference, parent = self._of_prior, ""
        if span.parent is not None:
            with self._lock:
                reference = self._stored(span.parent)[0]
                parent = self._digests[span.parent]
            # what it differed by from its parent as that was, it is to differ by from what that has become
            old = self._file.group(span.parent)
            tensors |= {name: reference[name] + (tensors[name] - old[name]) for name in old if is_shared(name)}
        nearest = torch.arange(span.count)
        start = OwnStart(tensors, step_sizes, nearest, reference, of_group=span.parent is not None)
        self._begin(index, frames, reference, began, parent)
        return GroupTask(
            torch.from_numpy(frames),
            group.config,
            None,
            motion_between(frames, self._cuts(span), self.config, self._report),
            self.request.seed + index,
            self._head,
            start,
            partial(self._size, reference),
        )

    def psnr_before(self, index: int, frames: Frames) -> float:
        """PSNR in dB of what is stored of a group, summed over its frames (T, H, W, 3)."""
        span = self._spans[index]
        return self._measured(to_model(self._shape_of(span), self._tensors(index)), frames, self._cuts(span))[0]

    def _tensors(self, index: int) -> Tensors:
        """A group's numbers as they are stored, the semantic ones included."""
        group, semantic = self._file.groups[index], self._file.semantic()
        own = {name: values for name, values in semantic.items() if name != SEMANTIC[0]}
        if semantic:
            own[SEMANTIC[0]] = semantic[SEMANTIC[0]][group.first : group.first + group.config.num_frames]
        return {**self._file.group(index), **own}

    def _shape_of(self, span: Span) -> ModelConfig:
        return self._configs[span.first]

    def _size(self, reference: Tensors | None, model: LatentINR, step_sizes: Mapping[str, Any]) -> int:
        """Bytes of a group in the file, with its share of what is none of a group's."""
        return len(encode_group(model, step_sizes, self.config.bits, reference)) + round(self._rest)

    def _facts(self) -> dict[str, Any]:
        named = {"teacher": self._video.teacher, "teacher_id": self._video.teacher_id}
        return {**super()._facts(), **named}


def scan_of(video: LatentVideo) -> Scan:
    """What a first look at a video found, as its file says it; without the teacher's embeddings."""
    spans: list[Span] = []
    for group in video.stored.groups:
        parent = group.parent if group.parent is not None and group.parent >= 0 else None
        depth = 0 if parent is None else spans[parent].depth + 1
        spans.append(Span(group.first, group.config.num_frames, parent, depth))
    plan = Plan(tuple(spans), video.cuts, *no_prints(spans))
    return Scan(plan, video.size, video.fps, (), None, video.times, video.pixel_aspect)


def fits_architecture(video: LatentVideo, config: FitConfig) -> bool:
    """Whether the networks of a stored video are those that a configuration's architecture makes of some length."""
    own = replace(video.config, num_frames=1)

    def made_of(count: int) -> ModelConfig:
        made = config.architecture.for_video(count, *video.size, own.embedding_dim)
        return replace(made, num_frames=1)

    lengths = {video.num_frames, config.group_frames, *(group.config.num_frames for group in video.stored.groups)}
    return any(made_of(count) == own for count in (*sorted(lengths), *range(1, 257)))


def psnr_of(video: LatentVideo) -> float:
    """PSNR in dB that a file says was measured on it; not a number where it does not say."""
    return float(video.metrics.get("psnr", np.nan))
