"""Files of other shapes than those of the corpus, from the whole range that the format allows, and well coded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fiftyone_latent_inr import codec
from fiftyone_latent_inr.latent_video.sections import group_specs, group_work, semantic_specs, work_allowed
from fiftyone_latent_inr.model import ModelConfig
from fiftyone_latent_inr.model.tensors import TensorSpec

from .mutations import Parts, Rng


def of_zeros(parts: Parts, groups: int = 1) -> Parts:
    """Sections that hold the zeros of the first model, well coded; the head's bias alone is not zero."""
    config = ModelConfig.from_json(parts.document["models"][0])
    made = []
    if config.semantic_dim:
        count = groups * config.num_frames
        made.append(codec.Section(codec.SEMANTIC, count, 0, _zeros(semantic_specs(config, count))))
    data = _zeros(group_specs(config))
    parts.sections = made + [codec.Section(codec.GROUP, config.num_frames, 0, data)] * groups
    parts.sizes = [None] * len(parts.sections)
    return parts


def _zeros(specs: list[TensorSpec]) -> bytes:
    layouts = [codec.Layout(spec.kind, spec.shape) for spec in specs]
    tensors = []
    for spec, layout in zip(specs, layouts, strict=True):
        live = spec.name == "embedding.bias"
        tensors.append(
            codec.Quantised(np.full(layout.shape, live, np.int16), np.full(layout.channels, live, np.float32))
        )
    return codec.encode(layouts, tensors)


def reshape(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Another model, of any size, length and width, in many groups or few, of zeros or of noise."""
    parts = Parts.of(data)
    parts.version = (codec.VERSION, codec.VERSION)
    config = _configuration(rng)
    parts.document["models"] = [config.to_json()]
    groups = _to(rng, 1000) if rng.random() < 0.3 else 1
    # of semantic latents, which are one section, this process has to make no more than one may hold
    groups = max(1, min(groups, 15_000_000 // max(1, config.num_frames * config.semantic_dim)))
    parts = of_zeros(parts, groups)
    if rng.random() < 0.4:  # a noise that is read for as long as it lasts
        noise = rng.bytes(4 * int(rng.choice([0, 4, 256, 4096, 250_000], p=[0.2, 0.3, 0.3, 0.15, 0.05])))
        parts.sections[-1] = replace(parts.sections[-1], data=noise)
    if rng.random() < 0.4:  # each group but every ninth is the child of the one before it
        first, number = len(parts.sections) - groups, 0
        for k in range(first, len(parts.sections)):
            number = k - first
            parts.sections[k] = replace(parts.sections[k], parent=number - 1 if number % 9 else None)
    total = groups * config.num_frames
    if rng.random() < 0.2 and total > 1:
        parts.document["cuts"] = sorted({int(n) for n in rng.integers(1, total, 50)})
    if rng.random() < 0.2 and total > 1:
        parts.document["times"] = [total - 1, int(rng.choice([1, 10**6, 2**53]))]
    if rng.random() < 0.2:
        parts.document["fps"] = float(10 ** rng.uniform(-6, 7))
    return parts.whole()


def _configuration(rng: Rng) -> ModelConfig:
    """Mostly one that a small section may hold, else whatever a model may be."""
    while True:
        try:
            config = ModelConfig.from_json(_document(rng))
        except ValueError:
            continue
        numbers = config.num_frames * config.semantic_dim + (config.semantic_dim + 1) * config.embedding_dim
        if max(numbers, group_work(config)) <= work_allowed(0) or (numbers < 1e8 and rng.random() < 0.02):
            return config


def _document(rng: Rng) -> dict[str, Any]:
    teacher, fourier, gated = rng.random(3) < (0.4, 0.2, 0.3)
    semantic = _to(rng, 4096) if teacher else 0
    rows, cols = (0, 0) if gated or rng.random() < 0.5 else (_to(rng, 256), _to(rng, 256))
    levels = [
        {
            "rows": max(2, _to(rng, 16_384)),
            "cols": max(2, _to(rng, 16_384)),
            "channels": _to(rng, 2_000_000),
            "copies": 1 if gated or rng.random() < 0.5 else _to(rng, 1000),
        }
        for _ in range(0 if fourier else _to(rng, 16))
    ]
    return {
        "num_frames": _to(rng, 1_000_000),
        "height": _to(rng, 16_384),
        "width": _to(rng, 16_384),
        "latent_dim": semantic + (0 if teacher and rng.random() < 0.2 else _to(rng, 4096)),
        "semantic_dim": semantic,
        "embedding_dim": _to(rng, 8192) if teacher else 0,
        "bottleneck": _to(rng, 1024),
        "levels": levels,
        "planes": _to(rng, 8),
        "hidden": _to(rng, 1024),
        "layers": max(2, _to(rng, 12)),
        "warp_rows": rows,
        "warp_cols": cols,
        "warp_scale": float(rng.choice([0, 0.05, -3, 65_536])),
        "patch": 1 if rng.random() < 0.7 else _to(rng, 8),
        "modulation": "sigmoid" if gated else "rank_one",
        "rank": _to(rng, 64) if gated else 1,
        "encoding": "fourier" if fourier else "grid",
        "frequencies": _to(rng, 16) if fourier else 0,
    }


def _to(rng: Rng, most: int) -> int:
    """From 1 to `most`, every order of magnitude as likely; sometimes the very end."""
    return most if rng.random() < 0.05 else int(most ** rng.random())
