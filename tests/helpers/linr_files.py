"""Tensors and models to store in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from fiftyone_latent_inr.codec import Layout, Quantised, Section, assemble, encode
from fiftyone_latent_inr.codec.byte_source import MemorySource
from fiftyone_latent_inr.model import Architecture, LatentINR, Level
from fiftyone_latent_inr.model.tensors import model_views, tensor_specs

GOLDEN = Path(__file__).parents[1] / "golden" / "version2.linr"  # of version 2
GOLDEN3 = (
    Path(__file__).parents[1] / "golden" / "version3.linr"
)  # of version 3: two groups, the second a child of the first

ARCHITECTURE = Architecture(levels=(Level(8, 4, 3), Level(3, 2)), latent_dim=6, semantic_dim=4, bottleneck=5, hidden=12)


def networks(frames: int = 6, teacher: bool = True, seed: int = 0) -> LatentINR:
    """A small model of 24 x 33 pixels with random numbers."""
    torch.manual_seed(seed)
    model = LatentINR(ARCHITECTURE.for_video(frames, 24, 33, 16 if teacher else 0))
    with torch.no_grad():
        model.latents.normal_(std=0.5)
        if teacher:
            model.embedding_weight.normal_()
        for grid in model.field.grids:
            grid.normal_(std=0.3)
    return model


def golden_model() -> tuple[LatentINR, dict[str, np.ndarray]]:
    """What `golden/version2.linr` was made of: smooth grids, dead rows, outliers, slow latents; and its steps."""
    rng = np.random.default_rng(7)
    levels = (Level(8, 2, 2), Level(1.5, 1))
    architecture = Architecture(levels=levels, latent_dim=6, semantic_dim=4, bottleneck=5, hidden=8)
    model = LatentINR(architecture.for_video(40, 72, 96, 12))
    views, steps = model_views(model), {}
    for spec in tensor_specs(model.config):
        values = rng.laplace(size=spec.shape)
        if spec.kind == "grid":
            for axis in (1, 2):
                values = values + np.roll(values, 1, axis)
        elif spec.kind == "sequence":
            values = np.cumsum(values, 0)
        elif spec.kind == "matrix":
            values[::3] = 0
        values.reshape(-1)[0] = 3000
        views[spec.name].copy_(torch.from_numpy(values).float())
        steps[spec.name] = rng.choice([0.5, 0.75, 1.0, 1.25], spec.step_shape).astype(np.float32).ravel()
    return model, steps


def golden3_groups() -> tuple[dict[str, Any], list[Layout], list[list[Quantised]]]:
    """What `golden/version3.linr` was made of: a configuration, and two groups of tensors, the second mostly zero."""
    rng = np.random.default_rng(8)
    architecture = Architecture(levels=(Level(8, 2, 2), Level(1.5, 1)), latent_dim=4, bottleneck=3, hidden=4, planes=2)
    config = architecture.for_video(6, 150, 180, 0)
    layouts = [Layout(spec.kind, spec.shape) for spec in tensor_specs(config)]
    groups: list[list[Quantised]] = [[], []]
    for layout in layouts:
        codes = np.rint(rng.laplace(size=layout.shape) * (0.7 if layout.size > 9000 else 3)).astype(np.int16)
        child = np.where(rng.random(layout.shape) < 0.1, codes[::-1], 0).astype(np.int16)
        if layout.kind == "grid":
            child[:, 12:] = 0
            child[:, :, 17:] = 0
        for group, own in zip(groups, (codes, child), strict=True):
            steps = rng.choice([0.5, 0.75, 1.0, 1.25], layout.channels).astype(np.float32)
            live = layout.by_channel(own).any(1)
            group.append(Quantised(own, np.where(live, steps, np.float32(0))))
    return config.to_json(), layouts, groups


def golden3() -> bytes:
    """The file as the encoder writes it today."""
    config, layouts, groups = golden3_groups()
    header = {"models": [config], "fps": 12.5, "preset": "fast", "teacher": None, "teacher_id": None}
    header |= {"metrics": {}, "metadata": {"note": "golden 3"}}
    data = [encode(layouts, group) for group in groups]
    return assemble(header, [Section(1, 6, 0, data[0]), Section(1, 6, 0, data[1], parent=0)])


def tensors(seed: int = 0) -> tuple[list[Layout], list[Quantised]]:
    """Tensors of all kinds: codes small and large, rows and channels of zeros, a wild outlier."""
    rng = np.random.default_rng(seed)
    layouts = [
        Layout("sequence", (37, 5)),
        Layout("matrix", (5, 9)),
        Layout("matrix", (5, 4)),
        Layout("vector", (9,)),
        Layout("grid", (4, 19, 26)),
        Layout("grid", (1, 2, 3)),
        Layout("sequence", (1, 2)),
    ]
    made = []
    for layout in layouts:
        codes = np.rint(rng.laplace(size=layout.shape) * rng.choice([0.3, 2, 40, 900])).astype(np.int16)
        if layout.channels > 1:
            layout.by_channel(codes)[1] = 0
            codes[..., 1 if layout.kind == "sequence" else 0] = 0
        codes.reshape(-1)[-1] = rng.choice([-32767, 32767])
        steps = (2.0 ** rng.integers(-20, 20, layout.channels)).astype(np.float32)
        live = layout.by_channel(codes).any(1)
        made.append(Quantised(codes, np.where(live, steps, np.float32(0))))
    return layouts, made


class CountingSource(MemorySource):
    """Bytes in memory that count what is read of them."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, count: int) -> bytes:
        found = super().read(offset, count)
        self.reads.append((offset, len(found)))
        return found

    @property
    def total(self) -> int:
        """Bytes read so far."""
        return sum(count for _, count in self.reads)


def sections() -> list[Section]:
    """The sections of a file of two groups of frames, the second a child of the first, with a semantic one."""
    return [Section(0, 5, 0, b"semantic"), Section(1, 3, 0, b"first"), Section(1, 2, 1, b"", 0)]
