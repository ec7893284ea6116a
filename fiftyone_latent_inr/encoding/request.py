"""What is asked of a fit, settled before its first frame: aims, teacher, prior, device, seed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from .. import arguments, codec
from ..devices import describe_device, or_too_small, pick_training_device
from ..errors import InputError
from ..files import digest_of
from ..fitting import FitConfig
from ..progress import FitProgress, ProgressCallback
from ..video.footage import Footage
from .choose_prior import prior_for
from .scan import Scan

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..semantics.teachers import Teacher


_LONGEST_NAME = 4096  # a path


def check_teacher_type(teacher: Any) -> None:
    """Refuses what is neither a teacher nor the name of one.

    Raises:
        InputError: says what it is.
    """
    if teacher is not None and not isinstance(teacher, str | os.PathLike) and not hasattr(teacher, "embed_frames"):
        raise InputError(f"teacher must be a name, a directory or a loaded teacher, not {type(teacher).__name__}")


def _check_teacher_facts(teacher: Any) -> None:
    """What a file's header says of a teacher must be text, which is not known of a user's own."""
    for name in ("name", "id"):
        value = getattr(teacher, name, None)
        if value is not None and (not isinstance(value, str) or len(value) > _LONGEST_NAME):
            raise InputError(f"the teacher's {name} must be text of at most {_LONGEST_NAME} characters")
    if teacher is not None and hasattr(teacher, "embedding_dim"):
        arguments.whole("the teacher's embedding_dim", teacher.embedding_dim, 1)


@dataclass(frozen=True)
class FitRequest:
    """How videos are to be fitted, all of it at hand.

    Attributes:
        aims: configurations, which differ in their rate only; the video is stored once for each.
        teacher: what the latents are aligned with, or None.
        prior: what groups are initialised from that start from no other group, on the device; None for noise.
        residual: whether the field is stored as the residual against the prior.
        device: where to fit.
        seed: of networks and pixels.
        metadata: JSON-able notes to keep in the file.
    """

    aims: tuple[FitConfig, ...]
    teacher: Teacher | None
    prior: Prior | None
    residual: bool
    device: torch.device
    seed: int
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def settle(
        cls,
        aims: Sequence[FitConfig],
        report: ProgressCallback,
        *,
        teacher: str | Teacher | None,
        prior: str | Prior | None,
        residual: bool = False,
        device: str | None,
        seed: int,
        metadata: Mapping[str, Any] | None = None,
    ) -> FitRequest:
        """Finds and loads what is named; `report` takes the first line for people, the rest are as those of `fit`.

        Raises:
            InputError: the device is not there; the prior cannot be had or is for something else.
            TeacherUnavailableError: the teacher's weights cannot be had.
        """
        notes, seed = arguments.notes("metadata", metadata), arguments.seed(seed)
        try:
            codec.check_notes(notes)
        except ValueError as error:
            raise InputError(f"metadata cannot be stored: {error}; shorten it, or keep it elsewhere") from error
        residual = arguments.flag("residual", residual)
        check_teacher_type(teacher)
        chosen = pick_training_device(device)
        report(FitProgress("decode", 0, 1, message=f"fitting on {describe_device(chosen)}"))
        if isinstance(teacher, str | os.PathLike):  # Pillow is needed for teachers alone
            from ..semantics.teachers import load_teacher

            teacher = or_too_small(partial(load_teacher, teacher, device=chosen), f"teacher {teacher!r}")
        _check_teacher_facts(teacher)
        found = prior_for(prior, aims[0], teacher, residual, chosen)
        return cls(tuple(aims), teacher, found, residual, chosen, seed, notes)

    @property
    def config(self) -> FitConfig:
        """What all aims have in common, and the first one's rate."""
        return self.aims[0]

    @property
    def reference(self) -> Prior | None:
        """The prior that files are stored as the residual against; None where they stand alone."""
        return self.prior if self.residual else None

    def key(self, footage: Footage) -> str:
        """What a checkpoint is of."""
        named = None if self.teacher is None else self.teacher.id
        cut = footage.size, footage.max_frames, footage.fps
        begun = [] if self.prior is None else [self.prior.id, self.residual]
        return digest_of([footage.key(), *cut, self.config.digest(), named, self.seed, *begun])

    def facts(self, scan: Scan) -> dict[str, Any]:
        """What the header of a video's file says whatever the fit ends with; see `latent_video.write.header`."""
        return {
            "preset": self.config.preset,
            "teacher": None if self.teacher is None else self.teacher.name,
            "teacher_id": None if self.teacher is None else self.teacher.id,
            "fps": scan.fps,
            "times": scan.times,
            "pixel_aspect": scan.pixel_aspect,
            "cuts": scan.plan.cuts,
            "prior": self.reference,
        }

    def notes(self, scan: Scan, aim: FitConfig) -> dict[str, Any]:
        """The header's metadata: how the video was fitted, what was odd about it, and the user's own notes."""
        spans = scan.plan.spans
        return {
            "config": aim.digest(),
            **({"steps": aim.steps_for(spans[0].count, *scan.size)} if len(spans) == 1 else {}),
            "seed": self.seed,
            **({} if self.prior is None else {"started_from": self.prior.id}),
            **({"warnings": list(scan.warnings)} if scan.warnings else {}),
            **self.metadata,
        }
