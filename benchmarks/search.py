"""Text search over fitted clips: the latents' embeddings against the teacher's own, and a new process's searches.

    python -m benchmarks.search [--clips 60]

Writes generated clips whose (colour, shape, background) the small teacher never saw in training, fits them with
`fit_dataset` in a FiftyOne database of their own, and asks for each by its caption: in this process, and by
`sort_by_similarity` in a new one that imports FiftyOne only. Writes `results/search.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FRAMES, SIZE, SEED = 12, (48, 64), 2024
LEAST_RECALL, MOST_POINTS_BELOW, LEAST_FOUND_SHARE = 0.80, 2.0, 48 / 60

_NEW_PROCESS = """
import json, sys
import fiftyone as fo
dataset = fo.load_dataset(sys.argv[1])
captions = json.load(open(sys.argv[2]))
found = [dataset.sort_by_similarity(text, k=1).first().filepath for text in captions]
assert "fiftyone_latent_inr" not in sys.modules
print(json.dumps(found))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--preset", default="fast")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # before FiftyOne is imported: a database and directories of its own
        os.environ.setdefault("FIFTYONE_DATABASE_DIR", str(root / "db"))
        os.environ["FIFTYONE_DEFAULT_DATASET_DIR"] = str(root / "datasets")
        os.environ["FIFTYONE_MODEL_ZOO_DIR"] = str(root / "zoo")
        record = measure(root, arguments.clips, arguments.preset)
    from .shared.records import show_table, write_record

    show_table([record])
    write_record("search", record)


def measure(root: Path, count: int, preset: str) -> dict[str, Any]:
    """Fits the clips, searches for each, and judges the gates."""
    import fiftyone as fo
    import numpy as np

    import fiftyone_latent_inr as linr
    from fiftyone_latent_inr import video
    from fiftyone_latent_inr.semantics.scores import pool, recall_at_k
    from fiftyone_latent_inr.small_world.clips import write_clips

    clips = write_clips(root / "clips", count, SEED, size=SIZE, num_frames=FRAMES, held_out=True)
    captions = [str(clip["caption"]) for clip in clips]
    paths = [str(root / "clips" / str(clip["file"])) for clip in clips]
    dataset = fo.Dataset("latent-inr-search-benchmark", persistent=True)
    dataset.add_samples([fo.Sample(filepath=path) for path in paths])
    teacher = linr.load_teacher("small", device="cpu")
    start, cpu = time.monotonic(), time.process_time()
    summary = linr.fit_dataset(dataset, preset=preset, teacher=teacher, device="cpu")
    cpu, wall = time.process_time() - cpu, time.monotonic() - start
    assert not summary.failed, summary
    ours = np.stack(dataset.values("latent_inr"))
    theirs = np.stack([pool(teacher.embed_frames(video.read(path).array)) for path in paths])
    texts = teacher.embed_text(captions)
    recalls = {
        f"{who} R@{k}": recall_at_k(texts, vectors, k)
        for who, vectors in (("latents", ours), ("teacher", theirs))
        for k in (1, 5)
    }
    found = search_in_new_process(dataset.name, captions, root)
    right = sum(one == path for one, path in zip(found, paths, strict=True))
    psnr, bpp = (float(np.mean(dataset.values(f"latent_inr_{name}"))) for name in ("psnr", "bpp"))
    gap = 100 * (recalls["teacher R@1"] - recalls["latents R@1"])
    good = recalls["latents R@1"] >= LEAST_RECALL and gap <= MOST_POINTS_BELOW and right >= LEAST_FOUND_SHARE * count
    return {
        "clips": count,
        "frames": f"{SIZE[1]}x{SIZE[0]}x{FRAMES}",
        "preset": preset,
        **{name: round(float(value), 4) for name, value in recalls.items()},
        "new process: right first": f"{right} of {count}",
        "mean psnr": round(psnr, 2),
        "mean bpp": round(bpp, 3),
        "cpu_seconds_a_clip": round(cpu / count, 1),
        "wall_seconds_a_clip": round(wall / count, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "gate": "passed" if good else "MISSED",
    }


def search_in_new_process(name: str, captions: list[str], root: Path) -> list[str]:
    """The first result of each search, from a Python that cannot have this package in memory."""
    asked = root / "captions.json"
    asked.write_text(json.dumps(captions), encoding="utf-8")
    command = [sys.executable, "-c", _NEW_PROCESS, name, str(asked)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root).stdout
    answers: list[str] = json.loads(output.splitlines()[-1])
    return answers


if __name__ == "__main__":
    main()
