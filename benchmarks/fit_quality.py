"""Quality of the fits: PSNR, bytes and CPU seconds of two fits; what alignment and learning to interpolate cost.

`rate_distortion` has all clips.

    python -m benchmarks.fit_quality [--clips DIR] [--only NAME]

Runs each case on the CPU, from noise (the bundled prior has seen these clips), measures the stored file, prints a table
and updates its rows of `results/fit_quality.json`, one by one, so that what was measured before an interruption is
kept. Without the directory of full-length clips only the bundled ones are fitted, and no gate is judged.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import resources, video
from fiftyone_latent_inr.encoding.choose_prior import NO_PRIOR
from fiftyone_latent_inr.fitting import PRESETS, GroupTask, fit_frames
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.latent_video.write import to_bytes
from fiftyone_latent_inr.rendering.draw import draw
from fiftyone_latent_inr.semantics.scores import centred_cosine
from fiftyone_latent_inr.semantics.teachers import load_teacher

from .shared.bjontegaard import quality_at
from .shared.records import CLIPS, keep, read_record, show_table, write_record


@dataclass(frozen=True)
class Case:
    """One clip, one preset, and the gate it has to pass (None: reported only).

    What is stored is bounded in bytes, eight bits for each parameter that once was allowed: a number that the rate term
    rounds to zero is a parameter, but costs next to nothing. What a rate costs in PSNR is `benchmarks.rate`'s.
    """

    clip: str
    size: tuple[int, int]
    frames: int
    preset: str
    least_psnr: float | None = None
    most_bytes: int | None = None
    most_cpu_seconds: float | None = None


CASES = [
    Case("bunny_720p", (90, 160), 16, "fast", 35.0, 62_000, 60),
    Case("bunny_720p", (180, 320), 32, "balanced", 36.0, 190_000, 240),
]
MOST_ALIGNMENT_COST = 0.2
MOST_BETWEEN_COST = 0.3
LEAST_ALIGNMENT = 0.95


def measure(case: Case, path: Path) -> dict[str, object]:
    """Fits one case with the small teacher and judges it by its gate."""
    start, cpu = time.monotonic(), time.process_time()
    fitted = linr.fit(
        path,
        preset=case.preset,
        size=case.size,
        max_frames=case.frames,
        prior=NO_PRIOR,
        teacher="small",
        device="cpu",
        progress=False,
    )
    cpu = time.process_time() - cpu
    found = fitted.metrics
    passed = []
    if case.least_psnr is not None:
        passed.append(found["psnr"] >= case.least_psnr)
        passed.append(found["bytes"] <= (case.most_bytes or 0))
        passed.append(cpu <= (case.most_cpu_seconds or 0))
    return {
        "clip": case.clip,
        "frames": f"{case.size[1]}x{case.size[0]}x{fitted.num_frames}",
        "preset": case.preset,
        "psnr": round(found["psnr"], 2),
        "ms_ssim": round(found["ms_ssim"], 4),
        "parameters": fitted.num_parameters,
        "bytes": int(found["bytes"]),
        "bpp": round(found["bpp"], 3),
        "alignment": round(found.get("alignment", float("nan")), 4),
        "cpu_seconds": round(cpu, 1),
        "wall_seconds": round(time.monotonic() - start, 1),
        "gate": "passed" if all(passed) else "MISSED",
    }


def random_targets(frames: np.ndarray) -> torch.Tensor:
    """Embeddings of the frames by a ViT-B/32 with random weights: no semantics, no smoothness, 512 wide."""
    import open_clip
    from PIL import Image

    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32", pretrained=None)
    images = torch.stack([preprocess(Image.fromarray(frame)) for frame in frames])
    with torch.inference_mode():
        return torch.nn.functional.normalize(model.eval().encode_image(images), dim=-1).clone()


def measure_alignment(path: Path, preset: str = "fast") -> Iterator[dict[str, object]]:
    """At equal steps: PSNR without a teacher, with the small one, and with one of random weights."""
    frames = video.read(path, size=(90, 160), max_frames=64).array
    config = PRESETS[preset]
    targets: dict[str, torch.Tensor | None] = {
        "none": None,
        "small": torch.from_numpy(load_teacher("small", device="cpu").embed_frames(frames)),
        "random ViT-B/32": random_targets(frames),
    }
    alone = 0.0
    for name, target in targets.items():
        running = fit_frames(GroupTask.of(torch.from_numpy(frames), config, targets=target), config)
        while True:
            try:
                next(running)
            except StopIteration as stop:
                (fitted,) = stop.value
                break
        stored = from_bytes(to_bytes(fitted.model, step_sizes=fitted.step_sizes, fps=25, preset=preset))
        times = np.arange(len(frames), dtype=np.float32)
        reached = psnr(frames, np.stack(list(draw(stored.model(), times, *stored.size))))
        embeddings = stored.embeddings
        row: dict[str, object] = {"clip": path.stem, "teacher": name, "psnr": round(reached, 2)}
        row["bytes"] = len(stored.data)
        if target is None or embeddings is None:
            alone = reached
        else:
            cosine = float(centred_cosine(embeddings, target.numpy()))
            good = alone - reached <= MOST_ALIGNMENT_COST and cosine >= LEAST_ALIGNMENT
            row |= {
                "alignment_costs": round(alone - reached, 2),
                "alignment": round(cosine, 4),
                "parameters": stored.num_parameters,
                "gate": "passed" if good else "MISSED",
            }
        yield row


def measure_between(path: Path, preset: str = "balanced") -> dict[str, object]:
    """At equal bytes: PSNR with and without the steps that learn what lies between the frames."""
    config = PRESETS[preset]
    options = {"size": (180, 320), "max_frames": 32, "device": "cpu", "progress": False}
    fitted = linr.fit(path, config=config, **options)  # type: ignore[arg-type]
    without = linr.fit_rates(path, qualities=[40, 50, 55], config=replace(config, between=0.0), **options)  # type: ignore[arg-type]
    curve = [(one.metrics["bytes"], one.metrics["psnr"]) for one in without]
    alone = quality_at(fitted.metrics["bytes"], curve)
    row: dict[str, object] = {
        "clip": path.stem,
        "preset": preset,
        "between": config.between,
        "psnr": round(fitted.metrics["psnr"], 2),
        "bytes": int(fitted.metrics["bytes"]),
        "curve_without": [(int(size), round(reached, 2)) for size, reached in curve],
    }
    if alone is not None:
        cost = alone - fitted.metrics["psnr"]
        row |= {"costs": round(cost, 2), "gate": "passed" if cost <= MOST_BETWEEN_COST else "MISSED"}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=CLIPS, help="directory of full-length clips")
    parser.add_argument("--only", default="", help="fit only the cases whose clip or preset contains this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    record = read_record("fit_quality")
    fits, alignments, between = (record.get(name, []) for name in ("fits", "alignment", "between"))

    def write() -> None:
        write_record("fit_quality", {"fits": fits, "alignment": alignments, "between": between})

    cases = [(case, arguments.clips / f"{case.clip}.mp4") for case in CASES]
    if not any(path.exists() for _, path in cases):
        print(f"{arguments.clips} has no clips; fitting the bundled ones instead")
        cases = [(Case(path.stem, (90, 160), 24, "fast"), path) for path in resources.bundled_clips()]
    for case, path in cases:
        if path.exists() and arguments.only in f"{case.clip} {case.preset}":
            keep(fits, measure(case, path), ("clip", "frames", "preset"))
            write()
    for clip in ("bunny_720p", "foreman_cif"):
        path = arguments.clips / f"{clip}.mp4"
        if path.exists() and arguments.only in f"{clip} alignment":
            for row in measure_alignment(path):
                keep(alignments, row, ("clip", "teacher"))
    path = arguments.clips / "bunny_720p.mp4"
    if path.exists() and arguments.only in "bunny_720p between":
        keep(between, measure_between(path), ("clip", "preset"))
    print()
    for table in (fits, alignments, between):
        show_table(table)
    write()


if __name__ == "__main__":
    main()
