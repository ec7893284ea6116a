"""What a model is made of, as data: an `Architecture`, and the `ModelConfig` that it becomes for one video."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, Literal

from ..arguments import shown
from ..errors import InputError

# Bounds on what a configuration may ask for. They are far above any preset and keep a hostile file from
# making the reader allocate without end.
MAX_PARAMETERS = 64_000_000
MAX_SIDE = 16_384
MAX_FRAMES = 1_000_000
MAX_PATCH = 8
MAX_WARP_SCALE = 65_536

Modulation = Literal["rank_one", "sigmoid"]
Encoding = Literal["grid", "fourier"]

# Settings that came later. At these values they are left out of JSON: what was written before them stays as it is.
LATER: dict[str, Any] = {"patch": 1, "modulation": "rank_one", "rank": 1, "encoding": "grid", "frequencies": 0}


def _refuse(wrong: bool, why: str) -> None:
    if wrong:
        raise InputError(f"model configuration: {why}")


@dataclass(frozen=True)
class GridLevel:
    """One resolution of the feature planes.

    Attributes:
        rows: nodes in height, at least 2.
        cols: nodes in width, at least 2.
        channels: features that the field sees from each plane at this level.
        copies: grids mixed into each channel by coefficients that the hypernetwork predicts.
    """

    rows: int
    cols: int
    channels: int
    copies: int = 1


@dataclass(frozen=True)
class ModelConfig:
    """The exact shape of a `LatentINR`: everything that is needed to rebuild it from stored tensors.

    Attributes:
        num_frames: T, entries of the latent dictionary.
        height: H of the fitted frames, pixels.
        width: W of the fitted frames, pixels.
        latent_dim: D, width of a latent.
        semantic_dim: S <= D, how many leading dimensions of the latent the embedding head reads; 0 without a teacher.
        embedding_dim: E, width of the teacher's embeddings; 0 without a teacher.
        bottleneck: width of the hypernetwork's trunk; under `sigmoid` of the hidden layer of each hypernetwork.
        levels: resolutions of the feature planes; none under `fourier`.
        planes: canonical planes, each seen through its own warp.
        hidden: width of the field's hidden layers.
        layers: linear layers of the field, at least 2.
        warp_rows: control points of a warp in height; 0 for no warp.
        warp_cols: control points of a warp in width.
        warp_scale: displacement, in half frame sizes, of a control value of 1.
        patch: p, the field gives p x p pixels for a point in their middle; 1 for the point alone.
        modulation: `rank_one`, see `field.Field`; `sigmoid`, the paper's, see `paper.PaperField`.
        rank: r of the paper's modulation.
        encoding: input of the field at a point: `grid`, the feature planes; `fourier`, sines and cosines.
        frequencies: number of them: 1, 2, 4, ... half waves from the middle of a frame to its border; 0 under `grid`.
    """

    num_frames: int
    height: int
    width: int
    latent_dim: int
    semantic_dim: int
    embedding_dim: int
    bottleneck: int
    levels: tuple[GridLevel, ...]
    planes: int
    hidden: int
    layers: int
    warp_rows: int
    warp_cols: int
    warp_scale: float
    patch: int = 1
    modulation: Modulation = "rank_one"
    rank: int = 1
    encoding: Encoding = "grid"
    frequencies: int = 0

    def __post_init__(self) -> None:
        small = {
            "num_frames": (1, MAX_FRAMES),
            "height": (1, MAX_SIDE),
            "width": (1, MAX_SIDE),
            "latent_dim": (1, 4096),
            "semantic_dim": (0, 4096),
            "embedding_dim": (0, 8192),
            "bottleneck": (1, 1024),
            "planes": (1, 8),
            "hidden": (1, 1024),
            "layers": (2, 12),
            "warp_rows": (0, 256),
            "warp_cols": (0, 256),
            "patch": (1, MAX_PATCH),
            "rank": (1, 64),
            "frequencies": (0, 16),
        }
        for name, (low, high) in small.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(
                    f"model configuration: {name} must be an integer from {low} to {high}, not {shown(value)}"
                )
        _refuse(self.semantic_dim > self.latent_dim, "semantic_dim is larger than latent_dim")
        one_alone = (self.semantic_dim == 0) != (self.embedding_dim == 0)
        _refuse(one_alone, "semantic_dim and embedding_dim must both be zero or both be set")
        number = isinstance(self.warp_scale, int | float) and not isinstance(self.warp_scale, bool)
        inside = number and abs(self.warp_scale) <= MAX_WARP_SCALE  # false for NaN, too
        _refuse(not inside, f"warp_scale must be a number within +-{MAX_WARP_SCALE}")
        known = self.modulation in ("rank_one", "sigmoid") and self.encoding in ("grid", "fourier")
        _refuse(not known, "unknown modulation or encoding")
        fourier = self.encoding == "fourier"
        _refuse(fourier != (self.frequencies > 0), "frequencies belong to the fourier encoding, which needs some")
        bad_levels = len(self.levels) > 16 or fourier == bool(self.levels)
        _refuse(bad_levels, "there must be 1 to 16 grid levels, none with the fourier encoding")
        for level in self.levels:
            sizes = (level.rows, level.cols, level.channels, level.copies)
            counts = all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in sizes)
            _refuse(not counts, "a grid level's sizes must be positive integers")
            _refuse(level.rows < 2 or level.cols < 2, "a grid level needs at least 2 x 2 nodes")
        if self.modulation == "rank_one":
            _refuse(self.rank != 1, "the rank_one modulation has rank 1")
        else:
            mixes = self.warp_rows > 0 or self.warp_cols > 0 or any(level.copies > 1 for level in self.levels)
            _refuse(mixes, "the sigmoid modulation has neither warps nor copies to mix")
        count = self.num_parameters
        _refuse(count > MAX_PARAMETERS, f"{count:,} parameters are more than the {MAX_PARAMETERS:,} allowed")

    @property
    def features(self) -> int:
        """Features that the field's first layer reads."""
        return self.planes * (4 * self.frequencies + sum(level.channels for level in self.levels))

    @property
    def samples(self) -> int:
        """Values read from all grids for one point, before the copies are mixed."""
        return self.planes * (4 * self.frequencies + sum(level.channels * level.copies for level in self.levels))

    @property
    def layer_sizes(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of each linear layer of the field."""
        widths = [self.features, *[self.hidden] * (self.layers - 1), 3 * self.patch**2]
        return tuple(pairwise(widths))

    @property
    def heads(self) -> dict[str, int]:
        """What the hypernetwork predicts for a frame, and how many numbers each is, in order."""
        if self.modulation == "sigmoid":
            sides = [
                ((f"left{k}", outputs), (f"right{k}", inputs)) for k, (inputs, outputs) in enumerate(self.layer_sizes)
            ]
            return {name: self.rank * size for pair in sides for name, size in pair}
        heads = {"mix": self.samples}
        if self.warp_rows and self.warp_cols:
            heads["warp"] = self.planes * 2 * self.warp_rows * self.warp_cols
        for k, (inputs, outputs) in enumerate(self.layer_sizes):
            if k:  # the first layer's inputs are already scaled by the mixing coefficients
                heads[f"in{k}"] = inputs
            heads[f"out{k}"] = outputs
            heads[f"shift{k}"] = outputs
        return heads

    @property
    def trunk_width(self) -> int:
        """Columns of the trunk: the paper has a hypernetwork, and so a hidden layer, for each layer of the field."""
        return self.bottleneck * (self.layers if self.modulation == "sigmoid" else 1)

    @property
    def num_parameters(self) -> int:
        """All stored numbers: latents, hypernetwork, grids, field and embedding head."""
        predicted = sum(self.heads.values())
        hyper = self.latent_dim * self.trunk_width + self.bottleneck * predicted + predicted
        hyper += self.trunk_width if self.modulation == "sigmoid" else 0
        grids = sum(self.planes * n.channels * n.copies * n.rows * n.cols for n in self.levels)
        field = sum(i * o + o for i, o in self.layer_sizes)
        head = (self.semantic_dim + 1) * self.embedding_dim
        return self.num_frames * self.latent_dim + hyper + grids + field + head

    def to_json(self) -> dict[str, Any]:
        """The configuration as JSON-able data."""
        return without_later_defaults(asdict(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelConfig:
        """Builds a configuration from untrusted data.

        Raises:
            InputError: a key is missing or unknown, or a value is out of bounds.
        """
        if not isinstance(data, Mapping) or set(data) - set(LATER) != {f.name for f in fields(cls)} - set(LATER):
            raise InputError("model configuration: keys are missing or unknown")
        level_keys = {f.name for f in fields(GridLevel)}
        levels = data["levels"]
        if not isinstance(levels, list | tuple) or not all(
            isinstance(n, Mapping) and set(n) == level_keys for n in levels
        ):
            raise InputError("model configuration: grid levels are malformed")
        return cls(**{**data, "levels": tuple(GridLevel(**n) for n in levels)})


@dataclass(frozen=True)
class Level:
    """A grid level in an architecture: node spacing in pixels of the fitted frames, channels, copies."""

    spacing: float
    channels: int
    copies: int = 1


@dataclass(frozen=True)
class Architecture:
    """The shape of a model before it meets a video; `for_video` scales it to size and length.

    Grids are laid out by spacing in pixels, so their number of nodes follows the frame size. Videos longer than
    `reference_frames` get more copies to mix and more channels, by the powers `copies_growth` and `channels_growth`
    of the ratio: sub-linear, because frames share most of what they show. All else is as in `ModelConfig`.
    """

    levels: tuple[Level, ...]
    latent_dim: int = 32
    semantic_dim: int = 32
    bottleneck: int = 32
    planes: int = 2
    hidden: int = 36
    layers: int = 3
    warp_rows: int = 5
    warp_cols: int = 8
    warp_scale: float = 0.05
    reference_frames: int = 32
    copies_growth: float = 0.5
    channels_growth: float = 0.25
    patch: int = 1
    modulation: Modulation = "rank_one"
    rank: int = 1
    encoding: Encoding = "grid"
    frequencies: int = 0

    def for_video(self, num_frames: int, height: int, width: int, embedding_dim: int = 0) -> ModelConfig:
        """The configuration for a video of `num_frames` frames of `height` x `width` pixels.

        A latent has one dimension a frame at most (more could not be told apart), plus the semantic ones.
        """
        ratio = max(1.0, num_frames / self.reference_frames)
        levels = tuple(
            GridLevel(
                rows=max(2, math.ceil(height / level.spacing) + 1),
                cols=max(2, math.ceil(width / level.spacing) + 1),
                channels=round(level.channels * ratio**self.channels_growth),
                copies=round(level.copies * ratio**self.copies_growth) if level.copies > 1 else 1,
            )
            for level in self.levels
        )
        semantic = min(self.semantic_dim, max(1, num_frames - 1), embedding_dim) if embedding_dim else 0
        free = min(self.latent_dim, num_frames)
        # what is linear in the latents has their rank at most
        bottleneck = min(self.bottleneck, num_frames + 1) if self.modulation == "rank_one" else self.bottleneck
        return ModelConfig(
            num_frames=num_frames,
            height=height,
            width=width,
            latent_dim=free + semantic,
            semantic_dim=semantic,
            embedding_dim=embedding_dim,
            bottleneck=bottleneck,
            levels=levels,
            planes=self.planes,
            hidden=self.hidden,
            layers=self.layers,
            warp_rows=self.warp_rows,
            warp_cols=self.warp_cols,
            warp_scale=self.warp_scale,
            patch=self.patch,
            modulation=self.modulation,
            rank=self.rank,
            encoding=self.encoding,
            frequencies=self.frequencies,
        )

    def to_json(self) -> dict[str, Any]:
        """The architecture as JSON-able data."""
        return without_later_defaults(asdict(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Architecture:
        """Builds an architecture from untrusted data; what it makes of a video is bounded by `ModelConfig`.

        Raises:
            InputError: a key is missing or unknown, or a value is not a number, or no level's spacing.
        """
        if not isinstance(data, Mapping) or set(data) - set(LATER) != {f.name for f in fields(cls)} - set(LATER):
            raise InputError("architecture: keys are missing or unknown")
        levels = data["levels"]
        if not isinstance(levels, list | tuple) or not all(
            isinstance(one, Mapping) and set(one) == {f.name for f in fields(Level)} for one in levels
        ):
            raise InputError("architecture: grid levels are malformed")
        words = ("levels", "modulation", "encoding")
        numbers = [value for name, value in data.items() if name not in words]
        numbers += [value for one in levels for value in one.values()]
        if any(isinstance(n, bool) or not isinstance(n, int | float) or not 0 <= n <= 65_536 for n in numbers):
            raise InputError("architecture: settings must be numbers from 0 to 65536")
        if any(one["spacing"] < 0.25 for one in levels) or not data["reference_frames"] >= 1:
            raise InputError("architecture: a level's spacing must be at least 0.25, reference_frames at least 1")
        return cls(**{**data, "levels": tuple(Level(**one) for one in levels)})


def without_later_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """Data without the settings of `LATER` that are at their defaults."""
    return {name: value for name, value in data.items() if name not in LATER or value != LATER[name]}
