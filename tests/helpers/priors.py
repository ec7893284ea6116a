"""A prior of a few thousand numbers, which every test of priors uses."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import torch

from fiftyone_latent_inr.model import Architecture, Level
from fiftyone_latent_inr.priors.networks import PriorConfig
from fiftyone_latent_inr.priors.prior import Prior

ARCHITECTURE = Architecture(
    levels=(Level(8, 2, 2), Level(3, 2)), latent_dim=4, semantic_dim=3, bottleneck=4, hidden=6, warp_rows=2, warp_cols=3
)
CONFIG = PriorConfig(
    "tiny",
    ARCHITECTURE,
    latent_dim=12,
    width=4,
    hidden=8,
    teacher="small",
    teacher_id="small@12345678",
    embedding_dim=5,
    semantic_dim=3,
    semantic_width=2,
)
NOTES: dict[str, Any] = {
    "description": "Made by a test.",
    "steps": 7,
    "trained_on": [{"name": "toy frog", "licence": "CC BY 4.0", "frames": 24}],
    "metrics": {"psnr after 100 steps": 30.125, "commit": "0123abc"},
}


def make(config: PriorConfig = CONFIG, seed: int = 0) -> Prior:
    """A prior that is the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Prior(config, NOTES)


def split(weights: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and numbers of a safetensors file."""
    length = struct.unpack("<Q", weights[:8])[0]
    return json.loads(weights[8 : 8 + length]), weights[8 + length :]


def join(header: dict[str, Any] | bytes, numbers: bytes) -> bytes:
    """A safetensors file of these parts."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def files(folder: Path) -> dict[str, bytes]:
    """What a folder holds, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
