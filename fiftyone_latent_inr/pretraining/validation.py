"""Videos that are held out of pretraining, and what networks make of them without a fit."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..frames.metrics import psnr
from ..frames.resize import area_resize
from ..priors.networks import PriorNetworks
from ..video.footage import Footage, Source
from .augment import Frames
from .trainer import drawn_unseen

if TYPE_CHECKING:
    from ..semantics.teachers import Teacher

# Of the videos' names, one in so many is held out, once there are so many videos.
_HELD_OUT, _LEAST_TO_HOLD_OUT = 20, 40
# What is measured: the first frames of so many videos, at this shorter side.
_VALIDATION_VIDEOS, _VALIDATION_FRAMES, _VALIDATION_SIDE = 16, 16, 90


@dataclass(frozen=True)
class Validation:
    """Videos to measure on.

    Attributes:
        clips: frames by name, uint8 (T, H, W, 3).
        targets: the teacher's embeddings (N, E) of all their frames, one clip after another; None without a teacher.
    """

    clips: dict[str, Frames]
    targets: npt.NDArray[np.float32] | None = None

    def psnr(self, networks: PriorNetworks) -> dict[str, float]:
        """PSNR without a fit, by name."""
        return {name: round(psnr(drawn_unseen(networks, clip), clip), 3) for name, clip in self.clips.items()}

    def measure(self, networks: PriorNetworks) -> dict[str, float]:
        """Mean PSNR without a fit, and how the embeddings follow the teacher's (centred cosine)."""
        if not self.clips:
            return {}
        each = self.psnr(networks)
        measured = {"psnr": round(float(np.mean(list(each.values()))), 3)}
        if self.targets is not None and len(self.targets) > 1 and networks.config.embedding_dim:
            from ..semantics.scores import centred_cosine

            embeddings = np.concatenate([networks.embed_frames(clip) for clip in self.clips.values()])
            measured["alignment"] = round(float(centred_cosine(embeddings, self.targets)), 4)
        return measured


def hold_out(
    sources: list[tuple[str, Source]], validation: list[tuple[str, Source]] | None
) -> tuple[list[tuple[str, Source]], list[tuple[str, Source]]]:
    """Parts videos into those to measure on and those to train on.

    Args:
        sources: (name, source) of each video.
        validation: videos to measure on; None holds out one in twenty of many sources, by the hash of their names.

    Returns:
        (held out, to train on).
    """
    if validation is not None or len(sources) < _LEAST_TO_HOLD_OUT:
        return validation or [], sources
    held = [one for one in sources if zlib.crc32(one[0].encode()) % _HELD_OUT == 0]
    kept = {id(one) for one in held}
    return held, [one for one in sources if id(one) not in kept]


def read_validation(sources: Sequence[tuple[str, Source]], teacher: Teacher | None) -> tuple[Validation, list[str]]:
    """The first frames of the first videos that can be read, and warnings."""
    clips: dict[str, Frames] = {}
    warnings: list[str] = []
    for name, source in sources:
        if len(clips) == _VALIDATION_VIDEOS:
            break
        try:
            frames = np.stack(list(Footage(source, max_frames=_VALIDATION_FRAMES).frames()))
        except InputError as error:
            warnings.append(f"not measured on: {error}")
            continue
        height, width = frames.shape[1:3]
        scale = min(1.0, _VALIDATION_SIDE / min(height, width))
        clips[name] = area_resize(frames, (max(1, round(scale * height)), max(1, round(scale * width))))
    targets = None
    if teacher is not None and clips:
        targets = np.concatenate([teacher.embed_frames(clip) for clip in clips.values()])
    return Validation(clips, targets), warnings
