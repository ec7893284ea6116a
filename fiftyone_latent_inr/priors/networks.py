"""What is pretrained over many videos: hypernetwork, field, and the encoders that give a new video its start.

frames --encoders--> latents (T, D), grids, semantic latents
latents --hypernetwork, field over these grids--> frames
semantic latents --head--> the teacher's space
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..arguments import shown
from ..arrays import FloatArray, Frames
from ..errors import InputError
from ..model.config import MAX_PARAMETERS, Architecture, ModelConfig
from ..model.field import Field
from ..model.hypernetwork import Hypernetwork
from .encoders import GridEncoder, LatentEncoder, LevelEncoder, SemanticEncoder, semantic_view
from .key_frames import choose_keys, differences, thumbnails

# Characters of a text in a configuration; texts are names, and are shown in messages.
_MAX_TEXT = 1000
# Gain with which latents start as what the encoder sees; the hypernetwork's heads start with its inverse.
_GAIN = 0.5


def smooth_modes(rows: int, cols: int) -> Tensor:
    """Cosine modes of a grid of control points, orthonormal, smoothest first: (rows * cols, rows * cols)."""

    def cosines(size: int) -> Tensor:
        k, at = torch.arange(size)[:, None], torch.arange(size)[None] + 0.5
        return F.normalize(torch.cos(math.pi * k * at / size), dim=1)

    both = torch.einsum("ax,by->abxy", cosines(rows), cosines(cols)).flatten(2).flatten(0, 1)
    order = (torch.arange(rows)[:, None] / rows + torch.arange(cols)[None] / cols).flatten().argsort()
    return both[order]


@dataclass(frozen=True)
class PriorConfig:
    """The shape of `PriorNetworks`: everything that is needed to rebuild them from stored tensors.

    Attributes:
        preset: the preset that it is for; a label only.
        architecture: the models' that it starts; with the `rank_one` modulation and grids.
        latent_dim: D, width of the latents that the prior's own hypernetwork reads: wide, for all that videos do.
        width: channels of the grid encoder.
        hidden: units of the latent encoder's hidden layer.
        teacher: name of the teacher that the semantic encoder imitates, or None.
        teacher_id: its `Teacher.id`, or None.
        embedding_dim: E, width of the teacher's space; 0 without a teacher.
        semantic_dim: S, width of the semantic encoder's latents; 0 without a teacher.
        semantic_width: channels of the semantic encoder's first convolution.
    """

    preset: str
    architecture: Architecture
    _: KW_ONLY
    latent_dim: int = 192
    width: int = 24
    hidden: int = 128
    teacher: str | None = None
    teacher_id: str | None = None
    embedding_dim: int = 0
    semantic_dim: int = 0
    semantic_width: int = 24

    def __post_init__(self) -> None:
        bounds = {
            "latent_dim": (1, 1024),
            "width": (1, 256),
            "hidden": (1, 2048),
            "embedding_dim": (0, 8192),
            "semantic_dim": (0, 4096),
            "semantic_width": (1, 256),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"prior: {name} must be an integer from {low} to {high}, not {shown(value)}")
        for name in ("preset", "teacher", "teacher_id"):
            value = getattr(self, name)
            if value is None and name != "preset":
                continue
            if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT or not value.isprintable():
                raise InputError(f"prior: {name} must be a line of text")
        with_teacher = {self.teacher is not None, self.teacher_id is not None}
        with_teacher |= {self.embedding_dim > 0, self.semantic_dim > 0}
        if len(with_teacher) > 1:
            raise InputError("prior: teacher, teacher_id, embedding_dim and semantic_dim belong together")
        architecture = self.architecture
        if not isinstance(architecture, Architecture):
            raise InputError("prior: architecture must be an Architecture")
        if architecture.modulation != "rank_one" or architecture.encoding != "grid" or architecture.patch != 1:
            raise InputError("prior: only architectures of points with rank_one modulation and grids can be pretrained")
        if not (0 <= architecture.copies_growth <= 1 and 0 <= architecture.channels_growth <= 1):
            raise InputError("prior: copies_growth and channels_growth must be numbers from 0 to 1")
        architecture.for_video(64, 16, 16)  # checks all the rest
        self.shape(1, 16, 16)  # and bounds what is counted next
        if self.num_parameters > MAX_PARAMETERS:
            raise InputError(
                f"prior: {self.num_parameters:,} parameters are more than the {MAX_PARAMETERS:,} that are allowed"
            )

    def check_teacher(self, teacher_id: str | None, name: str) -> None:
        """Checks that a fit aligned to this teacher can start from this prior.

        One that was pretrained without a teacher draws, and leaves the alignment to the fit: it suits all.

        Args:
            teacher_id: `Teacher.id`, or None for a fit without a teacher.
            name: name of the prior, for the message.

        Raises:
            InputError: the prior's teacher is another one; the message names both.
        """
        if teacher_id is None or self.teacher is None or teacher_id == self.teacher_id:
            return
        raise InputError(
            f"prior {name} was pretrained with teacher {self.teacher_id}, the fit has {teacher_id}: give "
            f"teacher={self.teacher!r}, or another prior"
        )

    def check_architecture(self, architecture: Architecture, name: str) -> None:
        """Checks that a fit of this architecture can start from this prior. `semantic_dim` is the prior's anyway.

        Raises:
            InputError: it cannot; the message names each setting that differs, the prior's value first.
        """
        own = self.architecture
        settings = [field.name for field in fields(own) if field.name not in ("levels", "semantic_dim")]
        pairs = [(one, getattr(own, one), getattr(architecture, one)) for one in settings]
        if len(own.levels) != len(architecture.levels):
            pairs.append(("levels", len(own.levels), len(architecture.levels)))
        else:
            for k, (mine, other) in enumerate(zip(own.levels, architecture.levels, strict=True)):
                settings = [field.name for field in fields(mine)]
                pairs += [(f"{one} of level {k + 1}", getattr(mine, one), getattr(other, one)) for one in settings]
        differ = [f"{one} {ours} against {theirs}" for one, ours, theirs in pairs if ours != theirs]
        if differ:
            raise InputError(
                f"prior {name} is for another architecture than the fit's: {', '.join(differ)}; give "
                f"preset={self.preset!r}, or another prior"
            )

    @property
    def num_parameters(self) -> int:
        """All numbers of `PriorNetworks`, counted without making any."""
        shape = self.shape(1, 16, 16)
        grids = sum(shape.planes * n.channels * n.copies * n.rows * n.cols for n in shape.levels)
        drawing = shape.num_parameters - shape.num_frames * shape.latent_dim - grids
        encoders = GridEncoder.count(shape, self.width) + LatentEncoder.count(shape, shape.latent_dim, self.hidden)
        if self.embedding_dim:
            encoders += SemanticEncoder.count(self.semantic_dim, self.semantic_width)
            encoders += (self.semantic_dim + 1) * self.embedding_dim
        return drawing + encoders

    def shape(self, num_frames: int, height: int, width: int) -> ModelConfig:
        """The configuration of a model that has the prior's own hypernetwork; one that is fitted has a narrower one."""
        architecture = self.architecture.for_video(num_frames, height, width)
        return replace(architecture, latent_dim=self.latent_dim, bottleneck=self.latent_dim)

    def to_json(self) -> dict[str, Any]:
        """The configuration as JSON-able data."""
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**data, "architecture": self.architecture.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PriorConfig:
        """Builds a configuration from untrusted data.

        Raises:
            InputError: a key is missing or unknown, or a value is out of bounds.
        """
        if not isinstance(data, Mapping) or set(data) != {field.name for field in fields(cls)}:
            raise InputError("prior: keys of its configuration are missing or unknown")
        return cls(**{**data, "architecture": Architecture.from_json(data["architecture"])})


class PriorNetworks(nn.Module):
    """Hypernetwork and field that many videos share, and the encoders.

    Args:
        config: their shape.
    """

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        shape = config.shape(1, 16, 16)
        self.hypernetwork = Hypernetwork(shape)
        self.field = Field(shape)
        self.field.grids = nn.ParameterList()  # each video's own
        self.grid_encoder = GridEncoder(shape, config.width)
        self.latent_encoder = LatentEncoder(shape, shape.latent_dim, config.hidden)
        self._begin_with_motion(shape)
        if config.embedding_dim:
            self.semantic_encoder = SemanticEncoder(config.semantic_dim, config.semantic_width)
            self.embedding_weight = nn.Parameter(
                torch.randn(config.semantic_dim, config.embedding_dim) / math.sqrt(config.semantic_dim)
            )
            self.embedding_bias = nn.Parameter(torch.zeros(config.embedding_dim))

    @torch.no_grad()
    def _begin_with_motion(self, shape: ModelConfig) -> None:
        """Makes what is predicted small, but for warps and mix, which begin as they would be without learning.

        The warps are the smooth part of the motion seen, and of all planes those count most whose key frames are near.
        """
        hyper, encoder = self.hypernetwork, self.latent_encoder
        self._begin_with_colours(shape)
        hyper.heads.mul_(0.1)
        hyper.trunk.zero_().fill_diagonal_(1)
        heads = dict(zip(shape.heads, hyper.heads.split(list(shape.heads.values()), dim=1), strict=True))
        free = iter(range(min(shape.latent_dim, shape.bottleneck)))
        if shape.planes > 1:
            owners = torch.cat(
                [torch.arange(shape.planes).repeat_interleave(n.channels * n.copies) for n in shape.levels]
            )
            for plane, k in zip(range(shape.planes), free):  # noqa: B905  whichever ends first
                encoder.linear.weight[k].zero_()
                encoder.linear.weight[k, encoder.nearness + plane] = _GAIN
                heads["mix"][k] = torch.where(owners == plane, 1 / _GAIN, 0.0)
        if "warp" not in shape.heads:
            return
        modes = smooth_modes(shape.warp_rows, shape.warp_cols)
        modes = modes[: max(1, shape.latent_dim * 7 // (16 * shape.planes))]  # seven eighths of the latents
        parts = [(part, mode) for part in range(2 * shape.planes) for mode in modes]
        for (part, mode), k in zip(parts, free):  # noqa: B905
            places = slice(part * len(mode), (part + 1) * len(mode))
            encoder.linear.weight[k].zero_()
            encoder.linear.weight[k, places] = _GAIN * mode
            heads["warp"][k, places] = mode / _GAIN

    def _begin_with_colours(self, shape: ModelConfig) -> None:
        """Makes grids begin as colours of what their level sees, and the field treat all planes and levels alike.

        What the first layer reads of all levels together is then that of the whole picture.
        """
        planes, column = shape.planes, 0
        of_colour = torch.randn(shape.hidden, 3)
        for level, encoder in zip(shape.levels, self.grid_encoder.levels, strict=True):
            assert isinstance(encoder, LevelEncoder)
            size = level.channels * level.copies
            colours = F.normalize(torch.randn(size, 3), dim=1)
            colours[0] = 3**-0.5
            encoder.linear.weight.zero_()
            for plane in range(planes):
                for corner in range(4):
                    seen = 3 * (planes * corner + plane)
                    encoder.linear.weight[plane * size : (plane + 1) * size, seen : seen + 3, 0, 0] = 0.25 * colours
            weight = self.field.weights[0][:, column : column + planes * level.channels].unflatten(1, (planes, -1))
            of_channel = torch.linalg.pinv(colours.unflatten(0, (level.channels, level.copies)).sum(1))
            weight.copy_((of_colour @ of_channel)[:, None].expand_as(weight))
            column += planes * level.channels

    def key_frames(self, frames: Tensor) -> list[int]:
        """Indices of a video's key frames, one a plane, ascending; of (T, 3, H, W) frames those that all are like."""
        return choose_keys(frames, self.config.architecture.planes)

    def differences(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """(P, 3, H, W) key frames, 0 to 1 -> what grids are made of, and (P,) how much of it is left out."""
        architecture = self.config.architecture
        return differences(keys, max(2, architecture.warp_rows), max(2, architecture.warp_cols))

    def grids(self, keys: Tensor) -> list[Tensor]:
        """(B, P, 3, H, W), as `differences` gives them -> for each level (B, P, channels * copies, rows, cols)."""
        height, width = keys.shape[-2:]
        levels = self.config.shape(1, height, width).levels
        grids: list[Tensor] = self.grid_encoder(keys, [(level.rows, level.cols) for level in levels])
        return grids

    def latents(self, frames: Tensor, keys: Tensor, apart: Tensor, taken: Tensor) -> Tensor:
        """Latents of B frames of a video.

        Args:
            frames: (B, 3, H, W), 0 to 1.
            keys: (P, 3, H, W) its key frames.
            apart: (B, P) signed distance in time of each frame from each key frame; the video is 1 long.
            taken: (P,) as `differences` gives it.

        Returns:
            (B, D).
        """
        latents: Tensor = self.latent_encoder(frames, keys, apart, taken)
        return latents

    @torch.no_grad()
    def encode(self, frames: Tensor, batch: int = 32) -> tuple[Tensor, list[Tensor]]:
        """A video's latents and grids.

        Args:
            frames: uint8 (T, H, W, 3), anywhere.
            batch: frames that are looked at at a time.

        Returns:
            (T, D), and for each level (P, channels * copies, rows, cols), where the networks are.
        """
        device = self.hypernetwork.trunk.device
        small = torch.cat([thumbnails(pictures_of(part.to(device))) for part in frames.split(batch)])
        keyed = self.key_frames(small)
        keys = pictures_of(frames[keyed].to(device))
        times = torch.arange(len(frames), device=device)
        apart = (times[:, None] - times[keyed]) / max(1, len(frames) - 1)
        parts = zip(frames.split(batch), apart.split(batch), strict=True)
        pictures, taken = self.differences(keys)
        latents = [self.latents(pictures_of(part.to(device)), keys, when, taken) for part, when in parts]
        return torch.cat(latents), [grid[0] for grid in self.grids(pictures[None])]

    def draw(self, latents: Tensor, points: Tensor, grids: list[Tensor]) -> Tensor:
        """Colours of N points of B frames of one video, (B, N, 3); `grids` are (P, channels * copies, rows, cols)."""
        colours: Tensor = self.field(self.hypernetwork(latents), points, grids)
        return colours.transpose(1, 2)

    def embed(self, frames: Tensor, normalise: bool = True) -> Tensor:
        """(B, 3, H, W) frames, 0 to 1 -> (B, E) in the teacher's space."""
        embeddings = self.semantic_encoder(frames) @ self.embedding_weight + self.embedding_bias
        return F.normalize(embeddings, dim=-1) if normalise else embeddings

    @torch.no_grad()
    def embed_frames(self, frames: Frames, batch: int = 64) -> FloatArray:
        """Frames, uint8 (T, H, W, 3), in the teacher's space: (T, E), unit norm; `batch` of them at a time."""
        rows = []
        for start in range(0, len(frames), batch):
            part = torch.from_numpy(np.ascontiguousarray(frames[start : start + batch])).to(self.embedding_bias.device)
            # channel by channel in memory, which pooling large frames is several times faster on
            pictures = part.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
            rows.append(self.embed(semantic_view(pictures) / 255))
        embeddings: FloatArray = torch.cat(rows).cpu().numpy()
        return embeddings


def pictures_of(frames: Tensor) -> Tensor:
    """Bytes (N, H, W, 3) -> (N, 3, H, W), 0 to 1."""
    return frames.permute(0, 3, 1, 2).float() / 255
