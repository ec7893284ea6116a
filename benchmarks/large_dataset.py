"""What a large dataset costs where nothing is to be done, and what keeping the record costs a sample.

    python -m benchmarks.large_dataset [--samples 5000] [--megabytes 0]

Makes so many different videos of one fitted clip (`--megabytes`: as large as that, on the disk only holes), with their
`.linr` files, in a FiftyOne database of their own; runs `fit_dataset` on them until all are up to date, then again. The
cost of locks and record is what a run that stores a number in each sample takes longer than a bare loop that does: the
two take turns. Writes `results/large_dataset.json`.
"""

from __future__ import annotations

import argparse
import atexit
import cProfile
import os
import pstats
import random
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

MOST_SECONDS, MOST_MILLISECONDS = 3.0, 5.0
QUIET: dict[str, Any] = {"progress": False, "device": "cpu", "teacher": "small"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--megabytes", type=float, default=0, help="size of each video, at least")
    parser.add_argument("--profile", action="store_true", help="show what the last run spent its time on")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, root, ignore_errors=True)  # after FiftyOne's own end, which needs its database
    # before FiftyOne is imported: a database and directories of its own
    os.environ.setdefault("FIFTYONE_DATABASE_DIR", str(root / "db"))
    os.environ["FIFTYONE_DEFAULT_DATASET_DIR"] = str(root / "datasets")
    os.environ["FIFTYONE_MODEL_ZOO_DIR"] = str(root / "zoo")
    record = measure(root, arguments.samples, arguments.megabytes, arguments.profile)
    from .shared.records import show_table, write_record

    show_table([record])
    write_record("large_dataset", record)


def measure(root: Path, count: int, megabytes: float, profile: bool) -> dict[str, Any]:
    """Makes the dataset, and times the runs."""
    import fiftyone as fo
    import numpy as np

    import fiftyone_latent_inr as linr
    from fiftyone_latent_inr import video
    from fiftyone_latent_inr.fitting.presets import PRESETS

    fo.config.show_progress_bars = False
    options = {**QUIET, "config": replace(PRESETS["fast"], preset="tiny", steps=10, points_per_step=64)}
    options["output_dir"] = root / "linr"
    clip = root / "clip.mp4"
    video.write(clip, np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8), 10.0)
    dataset = fo.Dataset("large")
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in _copies(root / "videos", clip, count, megabytes)])
    linr.fit_dataset(dataset.limit(1), **options)
    _multiply(dataset)
    started = time.monotonic()
    first = linr.fit_dataset(dataset, **options)
    taken_up = time.monotonic() - started
    linr.fit_dataset(dataset, **options)
    profiler = cProfile.Profile()
    started, busy = time.monotonic(), time.process_time()
    summary = (
        profiler.runcall(linr.fit_dataset, dataset, **options) if profile else linr.fit_dataset(dataset, **options)
    )
    again, busy = time.monotonic() - started, time.process_time() - busy
    if profile:
        pstats.Stats(profiler).sort_stats("cumtime").print_stats(60)
    whole, bare = _record(dataset)
    milliseconds = whole - bare
    return {
        "samples": count,
        "megabytes": megabytes,
        "taken_up": len(first.adopted),
        "seconds_taking_up": round(taken_up, 2),
        "up_to_date": len(summary.skipped),
        "seconds_up_to_date": round(again, 2),
        "of_them_processor": round(busy, 2),
        "milliseconds_stored": round(whole, 2),
        "milliseconds_stored_bare": round(bare, 2),
        "milliseconds_of_record": round(milliseconds, 2),
        "passed": len(summary.skipped) == count and again < MOST_SECONDS and milliseconds < MOST_MILLISECONDS,
    }


def _copies(folder: Path, clip: Path, count: int, megabytes: float) -> list[Path]:
    """Videos that differ in what follows the film."""
    folder.mkdir()
    paths = [folder / f"clip-{k:05d}.mp4" for k in range(count)]
    for k, path in enumerate(paths):
        shutil.copyfile(clip, path)
        size = path.stat().st_size
        with open(path, "ab") as file:
            file.truncate(max(size, round(megabytes * 2**20)))
            file.write(b"\0\0\0\x10free" + k.to_bytes(8, "big"))
    return paths


def _multiply(dataset: Any) -> None:
    """Writes the first sample's file for each of the others, under the name that it is looked for."""
    from fiftyone_latent_inr import codec
    from fiftyone_latent_inr.datasets.file_names import file_name
    from fiftyone_latent_inr.files import fingerprint

    model = Path(dataset.exists("latent_inr_path").first().latent_inr_path)
    document, entries = codec.parse(codec.FileSource(model))
    sections = [
        codec.Section(e.kind, e.count, e.model, codec.read_section(codec.FileSource(model), e), e.parent)
        for e in entries
    ]
    notes = document["metadata"]
    for path in dataset.exists("latent_inr_path", False).values("filepath"):
        document["metadata"] = {**notes, "source": Path(path).name, "fingerprint": fingerprint(path)}
        name = file_name(path, document["metadata"]["fingerprint"], notes["settings"])
        (model.parent / name).write_bytes(codec.assemble(document, sections))


def _record(dataset: Any) -> tuple[float, float]:
    """Milliseconds that a sample takes which stores a number, in a run, and by itself; medians of turns."""
    from fiftyone_latent_inr.datasets.claims import Claims
    from fiftyone_latent_inr.datasets.job import Item, Job, Result
    from fiftyone_latent_inr.datasets.progress import Reporter
    from fiftyone_latent_inr.datasets.samples import Target

    class Nothing(Job):
        """Stores a number in each sample, and makes nothing."""

        VERB = "fitted"

        def _examine(self, target: Target) -> Item:
            return Item(target)

        def _make(self, item: Item) -> Result:
            return Result(item.target.filepath, False)

        def _keep(self, item: Item, result: Result) -> None:
            _store_number(self.dataset, item.target.sample_id)

        def _fields(self) -> set[str]:
            return {"latent_inr_bpp"}

        def _config(self) -> dict[str, Any]:
            return {}

    targets = [Target(i, path, None) for i, path in zip(*dataset.limit(200).values(["id", "filepath"]), strict=True)]
    reporter = Reporter(False)
    whole, bare = [], []
    for _ in range(5):
        with Claims(dataset, "timed", "fit", "share", reporter.note) as claims:
            settled = {"dataset": dataset, "key": "timed", "digest": "", "claims": claims}
            job = Nothing(**settled, skip_failures=True, reporter=reporter)
            whole.append(job.run(targets).seconds / len(targets) * 1000)
        began = time.monotonic()
        for target in targets:
            _store_number(dataset, target.sample_id)
        bare.append((time.monotonic() - began) / len(targets) * 1000)
    return median(whole), median(bare)


def _store_number(dataset: Any, sample_id: str) -> None:
    sample = dataset[sample_id]
    sample["latent_inr_bpp"] = random.random()
    sample.save()


if __name__ == "__main__":
    main()
