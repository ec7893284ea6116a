"""Inputs whose fits give the same files as ever where code only moves, and what their files are known by.

A file says how many seconds its fit took; everything else in it is decided by the seed, on one kind of processor with
one version of torch: digests are kept for each kind that they were made on (`golden/fits.json`).
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scenes import scene, scenes

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import codec
from fiftyone_latent_inr.fitting import PRESETS, FitConfig
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.resources import bundled_clips

QUICK = replace(PRESETS["fast"], steps=30, steps_growth=0.0, points_per_step=1024)
COLD = replace(QUICK, prior=None)
GROUPS = replace(QUICK, steps=20, group_frames=8, similar=15.0)
COLD_GROUPS = replace(GROUPS, prior=None)


def _long() -> np.ndarray:
    """Groups of several lengths; scenes that come back, so that some start from others."""
    return scenes((1, 14, 0.3), (2, 14, 0.3), (1, 14, 0.3))


def _fit(source: Any, config: FitConfig, **options: Any) -> list[linr.LatentVideo]:
    return [linr.fit(source, config=config, device="cpu", progress=False, **options)]


def _rates(source: Any, config: FitConfig, **options: Any) -> list[linr.LatentVideo]:
    options = {"qualities": (40, 60), "device": "cpu", "progress": False, **options}
    return linr.fit_rates(source, config=config, **options)


def _many(sources: list[Any], config: FitConfig, **options: Any) -> list[linr.LatentVideo]:
    found = linr.fit_many(sources, config=config, device="cpu", progress=False, **options)
    assert all(isinstance(one, linr.LatentVideo) for one in found), found
    return [one for one in found if isinstance(one, linr.LatentVideo)]


def _stopped() -> list[linr.LatentVideo]:
    """A long fit that is stopped after its second group, and goes on."""

    def stop(event: linr.FitProgress) -> None:
        if event.step > 30:
            raise KeyboardInterrupt

    with TemporaryDirectory() as folder:
        with suppress(KeyboardInterrupt):
            linr.fit(_long(), config=GROUPS, teacher="small", device="cpu", progress=stop, checkpoint=folder)
        return _fit(_long(), GROUPS, teacher="small", checkpoint=folder)


def _dataset() -> list[linr.LatentVideo]:
    import fiftyone as fo

    dataset = fo.Dataset()
    try:
        dataset.add_samples([fo.Sample(filepath=str(path)) for path in bundled_clips()[:2]])
        with TemporaryDirectory() as folder:
            options: dict[str, Any] = {"size": (27, 48), "max_frames": 6, "device": "cpu", "progress": False}
            linr.fit_dataset(dataset, config=QUICK, teacher="small", output_dir=folder, **options)
            return [from_bytes(Path(path).read_bytes()) for path in dataset.values("latent_inr_path")]
    finally:
        dataset.delete()


def _clip(options: dict[str, Any]) -> list[linr.LatentVideo]:
    return _fit(bundled_clips()[0], QUICK, size=(36, 64), **options)


CASES: dict[str, Callable[[], list[linr.LatentVideo]]] = {
    "short, from noise": lambda: _fit(scene(1, 6, 0.4), COLD),
    "short, from noise, with a teacher": lambda: _fit(scene(1, 6, 0.4), COLD, teacher="small", seed=3),
    "short, from a prior": lambda: _fit(scene(1, 6, 0.4), QUICK, metadata={"note": 1}, fps=12.0),
    "short, residual against a prior": lambda: _fit(scene(1, 6, 0.4), QUICK, residual=True, teacher="small"),
    "short, with a cut": lambda: _fit(scenes((1, 4, 0.4), (2, 4, 0.4)), COLD),
    "one pixel, one frame": lambda: _fit(np.full((1, 1, 1, 3), 99, np.uint8), QUICK),
    "still, one frame, with a teacher": lambda: _fit(scene(1, 1), COLD, teacher="small"),
    "a file, resized": lambda: _clip({"max_frames": 7, "teacher": "small"}),
    "a rate to reach": lambda: _fit(scene(1, 6, 0.4), COLD, bpp=3.0),
    "without a rate": lambda: _fit(scene(1, 6, 0.4), replace(COLD, rate_weight=0.0), teacher="small"),
    "the paper's network": lambda: _fit(
        scene(1, 6, 0.4), replace(PRESETS["paper"], steps=20, steps_growth=0.0), teacher="small"
    ),
    "a preset of four planes": lambda: _fit(scene(1, 6, 0.4), replace(PRESETS["best"], steps=20, steps_growth=0.0)),
    "long, from noise": lambda: _fit(_long(), COLD_GROUPS),
    "long, from noise, with a teacher": lambda: _fit(_long(), COLD_GROUPS, teacher="small", seed=5),
    "long, from a prior": lambda: _fit(_long(), GROUPS, teacher="small"),
    "long, residual against a prior": lambda: _fit(_long(), GROUPS, residual=True),
    "long, a file": lambda: _fit(bundled_clips()[1], GROUPS, size=(27, 48), teacher="small"),
    "long, stopped and gone on with": _stopped,
    "long, a rate to reach": lambda: _fit(_long(), COLD_GROUPS, bpp=3.0),
    "rates of a short one": lambda: _rates(scene(1, 6, 0.4), QUICK, teacher="small"),
    "rates of a long one": lambda: _rates(_long(), GROUPS, residual=True),
    "many, one at a time": lambda: _many([scene(1, 6, 0.4), _long(), scene(2, 6)], GROUPS, teacher="small"),
    "many, together": lambda: _many([scene(k, 6, 0.4) for k in range(3)], QUICK, teacher="small", together=3),
    "a dataset": _dataset,
}


def digest(video: linr.LatentVideo) -> str:
    """Sixteen hexadecimal digits of all that a file says, but for its seconds."""
    source = codec.MemorySource(video.data)
    document, entries = codec.parse(source)
    del document["metrics"]["seconds"]
    found = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for entry in entries:
        found.update(f"{entry.kind} {entry.count} {entry.model} {entry.parent} ".encode())
        found.update(codec.read_section(source, entry))
    return found.hexdigest()[:16]


def figures(video: linr.LatentVideo) -> list[float]:
    """PSNR in dB and bytes of a file."""
    return [round(video.metrics["psnr"], 2), int(video.metrics["bytes"])]


def processor() -> str:
    """What decides how this machine rounds: its processor, the versions, and what a few of their kernels give."""
    found = hashlib.sha256()
    rng = np.random.default_rng(0)
    for size in ((7, 5), (64, 48), (300, 130)):
        values = rng.standard_normal(size).astype(np.float32)
        a = torch.from_numpy(values)
        for part in (a @ a.T, a.T @ a, a.exp(), a.tanh(), a.sum(), a.log_softmax(-1), torch.linalg.svdvals(a)):
            found.update(part.numpy().tobytes())
        found.update((values @ values.T).tobytes())
    square = torch.from_numpy(rng.standard_normal((40, 40)).astype(np.float32))
    picture, weights = (torch.from_numpy(rng.random(size, np.float32)) for size in ((1, 3, 17, 23), (4, 3, 3, 3)))
    for part in (*torch.linalg.qr(square), *torch.linalg.eigh(square @ square.T)):
        found.update(part.numpy().tobytes())
    found.update(torch.nn.functional.conv2d(picture, weights).numpy().tobytes())
    return f"{_model()}, torch {torch.__version__}, numpy {np.__version__}, {found.hexdigest()[:12]}"


def _model() -> str:
    """The processor by its maker, family and model, where Linux says them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(re.findall(r"^(vendor_id|cpu family|model|flags)\s*:\s*(.*)$", text, re.MULTILINE))
    flags = hashlib.sha256(facts.pop("flags", "").encode()).hexdigest()[:6]
    return " ".join([*facts.values(), flags])
