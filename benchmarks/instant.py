"""The preset `instant`: what it costs beside reading and embedding, what its pictures and its vectors are worth.

    python -m benchmarks.instant [--only cost windows search]

- cost: CPU time of fits against that of reading the frames and embedding every fourth by an OpenCLIP ViT-B/32 of random
  weights, five clips at two sizes, 64 frames of each.
- windows: 12 windows of 32 frames at 320x180 of clips that nothing was trained or tuned by but for the four first ones,
  whose first 16 frames the steps of quantisation were chosen on.
- generated: 30 clips of the small world, of combinations that are held out.
- search: 60 such clips with the small teacher, recall of their captions by instant files and by its own vectors.

Writes `results/instant.json`.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import cv2
import numpy as np
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.small_world.clips import captions
from fiftyone_latent_inr.small_world.drawing import render
from fiftyone_latent_inr.small_world.world import random_specs

from .shared.clips import Clip
from .shared.records import CLIPS, FIT_CODE, code_digest, read_record, show_table, write_record

SIZE, FRAMES = (180, 320), 32
# Clip and first frame of each window.
WINDOWS = (
    *(("foreman_cif", 0), ("dog_catch_720p", 0), ("cups_ball_720p", 0), ("coffee_pour_720p", 0)),
    *(("foreman_cif", 160), ("dog_catch_720p", 160), ("cups_ball_720p", 160), ("coffee_pour_720p", 160)),
    *(("flower_720p", 0), ("nasa_mirror_180p", 0), ("street_cuts", 0), ("mixed_scenes_qcif_1700f", 0)),
)
COST_CLIPS = ("foreman_cif", "dog_catch_720p", "cups_ball_720p", "coffee_pour_720p", "flower_720p")
COST_SIZES, COST_FRAMES = ((180, 320), (360, 640)), 64
GATES = {"cost": 2.5, "psnr": 27.0, "psnr_min": 21.0, "bpp": 0.35, "generated": 30.0, "cosine": 0.99, "points": 1.0}


class RandomTeacher:
    """A ViT-B/32 as OpenCLIP makes it, of random weights, with its preprocessing."""

    name = id = "random ViT-B/32"
    embedding_dim = 512

    def __init__(self) -> None:
        import open_clip

        torch.manual_seed(0)
        self._model, _, self._preprocess = open_clip.create_model_and_transforms("ViT-B-32", pretrained=None)
        self._model.eval()

    @torch.inference_mode()
    def embed_frames(self, frames: np.ndarray) -> np.ndarray:
        """(T, H, W, 3) -> (T, 512), unit norm."""
        from PIL import Image

        images = torch.stack([self._preprocess(Image.fromarray(frame)) for frame in frames])
        found: np.ndarray = torch.nn.functional.normalize(self._model.encode_image(images), dim=-1).numpy()
        return found


def cpu(function: Any, *given: Any, **named: Any) -> tuple[float, Any]:
    """CPU seconds of this process that a call takes, and what it gives."""
    start = time.process_time()
    result = function(*given, **named)
    return time.process_time() - start, result


def cost() -> list[dict[str, Any]]:
    """Milliseconds a frame: reading, embedding every fourth frame, a fit with both; and the ratio."""
    teacher, rows = RandomTeacher(), []
    options: dict[str, Any] = {"preset": "instant", "device": "cpu", "progress": False}
    linr.fit(np.zeros((8, 64, 64, 3), np.uint8), teacher=teacher, **options)  # what is loaded at first use
    for size in COST_SIZES:
        for name in COST_CLIPS:
            path = CLIPS / f"{name}.mp4"
            reading, frames = cpu(lambda p=path, s=size: video.read(p, size=s, max_frames=COST_FRAMES).array)
            embedding, _ = cpu(teacher.embed_frames, frames[::4])
            fitting, _ = cpu(linr.fit, path, teacher=teacher, size=size, max_frames=COST_FRAMES, **options)
            row = {"clip": name, "size": f"{size[1]}x{size[0]}"}
            parts = {"read_ms": reading, "embed_ms": embedding, "fit_ms": fitting}
            rows.append(
                row
                | {key: round(1000 * seconds / len(frames), 1) for key, seconds in parts.items()}
                | {"ratio": round(fitting / (reading + embedding), 2)}
            )
            show_table(rows[-1:])
    return rows


def windows() -> list[dict[str, Any]]:
    """PSNR of all frames, bits per pixel, and the cosine of the video's vector to the mean of the teacher's."""
    teacher, rows = RandomTeacher(), []
    for name, first in WINDOWS:
        frames = Clip(CLIPS / f"{name}.mp4", SIZE).read(first + FRAMES)[first:]
        seconds, fitted = cpu(linr.fit, frames, preset="instant", teacher=teacher, device="cpu", progress=False)
        mean = teacher.embed_frames(frames).mean(0)
        drawn = fitted.render(device="cpu").astype(np.float32)
        mse = np.square(drawn - frames).mean((1, 2, 3))
        psnr = 10 * np.log10(255**2 / np.maximum(mse, 1e-6))
        rows.append(
            {
                "clip": name,
                "first": first,
                "psnr": round(float(psnr.mean()), 2),
                "psnr_worst_frame": round(float(psnr.min()), 2),
                "said": round(fitted.metrics["psnr"], 2),
                "bpp": round(fitted.metrics["bpp"], 4),
                "cosine": round(float(fitted.embedding @ mean / np.linalg.norm(mean)), 5),
                "cpu_ms": round(1000 * seconds / FRAMES, 1),
            }
        )
        show_table(rows[-1:])
    return rows


def generated(count: int = 30) -> dict[str, Any]:
    """Generated clips, at 160x120, 32 frames."""
    found, rates = [], []
    for spec in random_specs(count, 7, held_out=True, two_shapes=0.25):
        fitted = linr.fit(render(spec, FRAMES, (120, 160)), preset="instant", device="cpu", progress=False)
        found.append(fitted.metrics["psnr"])
        rates.append(fitted.metrics["bpp"])
    return {"clips": count, "psnr": round(float(np.mean(found)), 2), "bpp": round(float(np.mean(rates)), 4)}


def search(count: int = 60) -> dict[str, Any]:
    """Recall at 1 and 5 of captions, by instant files' vectors and by the means of the teacher's."""
    teacher = linr.load_teacher("small", device="cpu")
    specs = random_specs(count, 2024, held_out=True, two_shapes=0.0)
    wanted = [captions(spec)[0] for spec in specs]
    ours, theirs = [], []
    for spec in specs:
        frames = render(spec, 12, (48, 64))
        ours.append(linr.fit(frames, preset="instant", teacher=teacher, device="cpu", progress=False).embedding)
        mean = teacher.embed_frames(frames).mean(0)
        theirs.append(mean / np.linalg.norm(mean))
    texts = teacher.embed_text(wanted)
    record: dict[str, Any] = {"clips": count}
    for name, vectors in (("instant", np.stack(ours)), ("teacher", np.stack(theirs))):
        order = np.argsort(-(texts @ vectors.T), axis=1, kind="stable")
        for most in (1, 5):
            hits = [any(wanted[j] == text for j in row[:most]) for text, row in zip(wanted, order, strict=True)]
            record[f"{name}_recall_at_{most}"] = round(float(np.mean(hits)), 4)
    record["cosine_min"] = round(float(min((a * b).sum() for a, b in zip(ours, theirs, strict=True))), 5)
    return record


def judged(record: dict[str, Any]) -> dict[str, Any]:
    """What was asked and what was reached, of all that is on record."""
    gates: dict[str, Any] = {}
    if rows := record.get("cost"):
        for size in sorted({row["size"] for row in rows}):
            ratios = [row["ratio"] for row in rows if row["size"] == size]
            gates[f"cost {size}"] = [GATES["cost"], round(float(np.mean(ratios)), 2), max(ratios)]
    if rows := record.get("windows"):
        gates["psnr mean"] = [GATES["psnr"], round(float(np.mean([row["psnr"] for row in rows])), 2)]
        gates["psnr least window"] = [GATES["psnr_min"], min(row["psnr"] for row in rows)]
        gates["bpp most"] = [GATES["bpp"], max(row["bpp"] for row in rows)]
        gates["cosine least"] = [GATES["cosine"], min(row["cosine"] for row in rows)]
    if "generated" in record:
        gates["generated psnr mean"] = [GATES["generated"], record["generated"]["psnr"]]
    return gates


def main() -> None:
    parts = {"cost": cost, "windows": windows, "generated": generated, "search": search}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    names = parser.parse_args().only
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    record = {name: one for name, one in read_record("instant").items() if name in parts}
    for name in names:
        record[name] = parts[name]()
    record["gates"] = judged(record)
    show_table([{"gate": name, "asked and reached": values} for name, values in record["gates"].items()])
    write_record("instant", {"code": code_digest(*FIT_CODE), **record})


if __name__ == "__main__":
    main()
