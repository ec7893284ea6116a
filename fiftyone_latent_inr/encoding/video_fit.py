"""VideoFit: one video being fitted, of one group of frames or of many, from its plan to its file.

a group's frames --prepare--> GroupTask --fitted, alone or with others--> Fitted
Fitted --keep--> its section and sums, in the checkpoint --> the groups that may start from it
all sections --finish--> LatentVideo
"""

from __future__ import annotations

import copy
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
import torch

from .. import codec
from ..arrays import FloatArray, Frames
from ..devices import unless_full
from ..errors import InputError
from ..fitting import FitConfig, Fitted, GroupTask
from ..fitting.head import Head
from ..fitting.prior_start import prior_start
from ..fitting.start import Start
from ..frames.motion import LEAST_SIDE, Motion, optical_flow
from ..latent_video.limits import Limits
from ..latent_video.sections import decode_group, encode_group, quantised_semantic
from ..latent_video.stored import to_model
from ..latent_video.video import LatentVideo, from_bytes
from ..latent_video.write import put_together
from ..model import LatentINR, ModelConfig, model_views
from ..priors.model_tensors import prior_tensors
from ..progress import FitProgress, ProgressCallback, silent
from .checkpoint import Checkpoint, FinishedGroup
from .glances import STRIDE
from .measure import glimpse, measure
from .plan import Span
from .request import FitRequest
from .scan import Scan

# Groups whose numbers are kept to start others from.
_MOST_DECODED = 4
# Bytes of a file that are not known while it is fitted, for rates that are asked for in bits: the metrics of a group's
# own file, and the header and index of a file of many.
_METRICS_BYTES, _HEADER_BYTES = 120, 200

Tensors = dict[str, FloatArray]


@dataclass(frozen=True)
class _UnderWay:
    """A group that is being fitted: its frames, what it is stored as the residual against, since when, its parent."""

    frames: Frames
    reference: Tensors | None
    began: float
    parent: str = ""


class VideoFit:
    """A fit of one video under way; its methods may be called from any thread.

    Args:
        request: how it is to be fitted.
        scan: where it is cut, and the teacher's embeddings.
        frames: all of its frames, uint8 (T, H, W, 3); None where each group's are given to `prepare`.
        checkpoint: what is finished; groups that are there are taken as they are. By default in memory.
        began: when its work began, by the monotonic clock; by default now.
        report: takes lines for people.
    """

    def __init__(
        self,
        request: FitRequest,
        scan: Scan,
        *,
        frames: Frames | None = None,
        checkpoint: Checkpoint | None = None,
        began: float | None = None,
        report: ProgressCallback = silent,
    ) -> None:
        self.request, self.scan, self.config = request, scan, request.config
        self.bytes = 0 if frames is None else 2 * frames.nbytes
        self._frames, self._report = frames, report
        self._checkpoint = checkpoint or Checkpoint()
        self._began = time.monotonic() if began is None else began
        self._spans, targets = scan.plan.spans, scan.embeddings
        # one shape for all groups, so that any may start from any; a group's own length only adds latents
        length = self._spans[0].count if self._is_one_group else self.config.group_frames
        architecture = self.config.architecture
        if self.config.at_once:
            # its groups are short: a head that all share may know more of the teacher's space, if no more than was seen
            length = length if self._is_one_group else max(length, architecture.reference_frames)
            most = max(1, scan.plan.num_frames // STRIDE)
            architecture = replace(architecture, semantic_dim=min(architecture.semantic_dim, most))
        width = 0 if targets is None else targets.shape[1]
        self._shape = architecture.for_video(length, *scan.size, width)
        self._of_prior: Tensors | None = None
        if request.reference is not None:
            self._of_prior = prior_tensors(request.reference.networks, self._shape)
        # an only group learns a head with its networks; several are given one
        self._head: Head | None = None
        if targets is not None and not self._is_one_group:
            self._head = Head.of_targets(targets, self._shape.semantic_dim)
        self._under_way: dict[int, _UnderWay] = {}
        self._decoded: OrderedDict[int, tuple[Tensors, Tensors]] = OrderedDict()
        self._digests: dict[int, str] = {}
        self._lock = Lock()
        self._before: Mapping[str, float] = {}  # metrics of an earlier fit that still hold, and its seconds

    def at(self, aim: FitConfig) -> VideoFit:
        """The same fit as far as it has come, to be stored at another aim; what is finished is kept in memory."""
        other = copy.copy(self)
        other.config, other._checkpoint = aim, Checkpoint()
        other._under_way, other._decoded, other._digests = dict(self._under_way), OrderedDict(), {}
        return other

    def aim_of(self, index: int) -> FitConfig:
        """What a group is fitted with."""
        return self.config

    def ready(self) -> list[int]:
        """The groups that start from no other."""
        return [k for k, span in enumerate(self._spans) if span.parent is None]

    def prepare(self, index: int, frames: Frames | None = None) -> GroupTask:
        """All that a group is fitted with; `frames` are its own, unless the video was given all of them."""
        request, span, plan = self.request, self._spans[index], self.scan.plan
        if frames is None:
            assert self._frames is not None
            frames = self._frames[span.first : span.first + span.count]
        began = self._began if self._is_one_group else time.monotonic()
        pixels, shape, seed = torch.from_numpy(frames), self._shape_of(span), request.seed + index
        reference, start, parent = self._of_prior, None, ""
        if span.parent is not None:
            with self._lock:
                reference, step_sizes = self._stored(span.parent)
                parent = self._digests[span.parent]
            start = Start(reference, step_sizes, torch.from_numpy(plan.nearest(index, frames)))
        elif request.prior is not None:
            try:
                start = prior_start(request.prior.networks, pixels, shape, seed, request.residual)
            except InputError as error:
                raise InputError(f"prior {request.prior.name}: {error}") from error
        self._begin(index, frames, reference, began, parent)
        return GroupTask(
            pixels,
            shape,
            self._targets(span),
            motion_between(frames, self._cuts(span), self.config, self._report),
            seed,
            self._head,
            start,
            partial(self._size, reference),
        )

    def _begin(self, index: int, frames: Frames, reference: Tensors | None, began: float, parent: str) -> None:
        self._under_way[index] = _UnderWay(frames, reference, began, parent)

    def keep(self, index: int, fitted: Fitted, ended: float | None = None) -> list[int]:
        """Stores a fitted group, measures what is stored, and gives the groups that may start now.

        Args:
            index: the group.
            fitted: what its fit ended with.
            ended: when it did, by the monotonic clock; by default now.
        """
        group, span = self._under_way[index], self._spans[index]
        seconds = (time.monotonic() if ended is None else ended) - group.began
        config, cuts, bits = self._shape_of(span), self._cuts(span), self.config.bits
        data = encode_group(fitted.model, fitted.step_sizes, bits, group.reference, self.config.at_once)
        if self.config.at_once:  # it is rounded, and to decode it takes as long as to find it
            tensors = {name: view.numpy() for name, view in model_views(fitted.model).items()}
        else:
            tensors, _ = decode_group(config, data, group.reference)
        codes = np.zeros((span.count, 0), np.int16)
        if self._head is None and self.scan.embeddings is not None:
            self._head = Head.learned(quantised_semantic(fitted.model, fitted.step_sizes, bits))
        if self._head is not None:
            codes = self._head.latents(fitted.model).codes
            tensors |= self._head.tensors(codes)
        stored = to_model(config, tensors)
        if self.config.at_once:
            sums = {"psnr": glimpse(stored, group.frames, cuts, STRIDE)}
        else:
            psnr, similarity = self._measured(stored, group.frames, cuts)
            sums = {"psnr": psnr, "ms_ssim": similarity}
        if fitted.step_sizes is None and not self.config.at_once:  # numbers were rounded after the fit only
            sums["psnr_unquantised"] = self._measured(fitted.model, group.frames, cuts)[0]
        self._checkpoint.keep_group(index, FinishedGroup(data, codes, {**sums, "seconds": seconds}, group.parent))
        del self._under_way[index]
        return [k for k, one in enumerate(self._spans) if one.parent == index]

    def is_kept(self, index: int) -> bool:
        """Whether a group is finished."""
        return self._kept(index) is not None

    @property
    def is_done(self) -> bool:
        """Whether all groups are finished."""
        return all(map(self.is_kept, range(len(self._spans))))

    def finish(self) -> LatentVideo:
        """The fitted video; its metrics are measured on what is stored.

        Raises:
            InputError: a group is not to be had from the checkpoint any more.
        """
        done = [self._finished(index) for index in range(len(self._spans))]
        groups = [(self._shape_of(k), one.data, self._parent(k)) for k, one in zip(self._spans, done, strict=True)]
        # a group of an earlier version's checkpoint may lack a metric: a part of the frames says nothing of the video
        names = [name for name in done[0].metrics if all(name in one.metrics for one in done)]
        sums = {name: sum(one.metrics[name] for one in done) for name in names}
        count, seconds = self.scan.plan.num_frames, sums.pop("seconds")
        metrics = {name: value / count for name, value in sums.items()}
        semantic = None if self._head is None else self._head.stored(np.concatenate([one.semantic for one in done]))
        notes = self.request.notes(self.scan, self.config)
        whole = partial(put_together, groups, semantic, metadata=notes, **self._facts())
        stored = partial(from_bytes, prior=self.request.reference, limits=Limits.none())
        if self.scan.embeddings is not None and count > 1:
            metrics["alignment"] = self._alignment(stored(whole()))
        seconds += self._before.get("seconds", 0)
        return stored(whole(metrics={**self._before, **metrics, "seconds": seconds}))

    def share(self, index: int) -> float:
        """How much of the video's work a group is."""
        return self._spans[index].count / self.scan.plan.num_frames

    def _facts(self) -> dict[str, Any]:
        """What the header says of the video whatever the fit ends with."""
        return self.request.facts(self.scan)

    def _measured(self, model: LatentINR, frames: Frames, cuts: Sequence[int]) -> tuple[float, float]:
        """What a model is worth: on the device, or on the CPU where the device has no room left for it."""
        found = unless_full(lambda: measure(model.to(self.request.device), frames, cuts))
        return measure(model.cpu(), frames, cuts) if found is None else found

    @property
    def _is_one_group(self) -> bool:
        return len(self._spans) == 1

    def _size(self, reference: Tensors | None, model: LatentINR, step_sizes: Mapping[str, FloatArray]) -> int:
        """Bytes of a group in the file; of an only one, those of the file."""
        data = encode_group(model, step_sizes, self.config.bits, reference, self.config.at_once)
        if self._is_one_group:
            semantic = None if self.scan.embeddings is None else quantised_semantic(model, step_sizes, self.config.bits)
            group = model.config, data, self._parent(self._spans[0])
            return len(put_together([group], semantic, **self._facts())) + _METRICS_BYTES
        size = len(data) + _HEADER_BYTES // len(self._spans)
        if self._head is not None:
            latents = self._head.latents(model)
            size += len(codec.encode([codec.Layout("sequence", latents.codes.shape)], [latents]))
        return size

    def _kept(self, index: int) -> FinishedGroup | None:
        """A group, if it is finished and its parent is still what it was fitted against, for it is the residual."""
        found, parent = self._checkpoint.group(index), self._spans[index].parent
        if found is None or parent is None or not found.parent:
            return found
        start = self._checkpoint.group(parent)
        return found if start is not None and start.digest == found.parent else None

    def _finished(self, index: int) -> FinishedGroup:
        found = self._kept(index)
        if found is None:  # somebody has cleaned up
            raise InputError(f"{self._checkpoint.place(index)}: this finished group is gone or damaged; fit it again")
        return found

    def _stored(self, index: int) -> tuple[Tensors, Tensors]:
        """A finished group's numbers as a reader sees them, and the step sizes that they were stored with."""
        if index not in self._decoded:
            span, finished = self._spans[index], self._finished(index)
            reference = self._of_prior if span.parent is None else self._stored(span.parent)[0]
            found = decode_group(self._shape_of(span), finished.data, reference)
            self._decoded[index], self._digests[index] = found, finished.digest
            while len(self._decoded) > _MOST_DECODED:
                self._decoded.popitem(last=False)
            return found
        self._decoded.move_to_end(index)
        return self._decoded[index]

    def _parent(self, span: Span) -> int | None:
        """What a group's section says it is the residual against."""
        return codec.PRIOR if span.parent is None and self.request.residual else span.parent

    def _shape_of(self, span: Span) -> ModelConfig:
        return replace(self._shape, num_frames=span.count)

    def _cuts(self, span: Span) -> list[int]:
        return [cut - span.first for cut in self.scan.plan.cuts if 0 < cut - span.first < span.count]

    def _targets(self, span: Span) -> torch.Tensor | None:
        if self.scan.embeddings is None:
            return None
        return torch.from_numpy(self.scan.embeddings[span.first : span.first + span.count].astype(np.float32))

    def _alignment(self, video: LatentVideo) -> float:
        """Mean centred cosine of the stored embeddings with the teacher's."""
        from ..semantics.scores import centred_cosine

        embeddings, targets = video.embeddings, self.scan.embeddings
        assert embeddings is not None and targets is not None
        return float(centred_cosine(embeddings, targets.astype(np.float32)))


def motion_between(frames: Frames, cuts: Sequence[int], config: FitConfig, report: ProgressCallback) -> Motion | None:
    """What the steps between frames learn from; None where there are none of them, or nothing between the frames.

    Args:
        frames: (T, H, W, 3).
        cuts: frames that start a new scene.
        config: of the fit.
        report: takes a line where OpenCV is missing.
    """
    gaps = [k for k in range(len(frames) - 1) if k + 1 not in set(cuts)]
    if not gaps or config.between == 0 or min(frames.shape[1:3]) < LEAST_SIDE:
        return None
    try:
        flows = optical_flow(frames, gaps)
    except ImportError:
        report(FitProgress("motion", 1, 1, message="OpenCV is not installed: frames in between will be poor"))
        return None
    return Motion(torch.from_numpy(frames), torch.tensor(gaps), torch.from_numpy(flows))
