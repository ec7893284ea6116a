"""Drawing over files that strangers made to stop it: the good ones are drawn, each other one is named."""

from __future__ import annotations

import zlib
from pathlib import Path

import fiftyone as fo
import pytest

from benchmarks.fuzz import hostile
from fiftyone_latent_inr import reconstruct
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.datasets.drawings import preview
from fiftyone_latent_inr.datasets.drawings.drawing import Drawing
from fiftyone_latent_inr.datasets.drawings.preview import draw_status

# Of those below, what is cheap to draw is drawn, as odd as it is.
HARMLESS = {"lone_surrogates", "control_characters", "one_side_16384", "mixed_grids_of_many_frames", "many_models"}
HARMLESS |= {"measures_of_many_digits"}
SLOW = {"warps_of_many_points", "chained_groups", "sides_of_8k", "many_cuts"}


def trial(dataset: fo.Dataset, folder: Path, good: int, names: list[str]) -> dict[str, str]:
    """What was said of each hostile file in a run among good ones, after a form was asked about them."""
    paths = {f"good{k}": hostile.PLAIN for k in range(good)} | {name: hostile.CASES[name]() for name in names}
    samples = []
    for k, (name, data) in enumerate(sorted(paths.items(), key=lambda item: zlib.crc32(item[0].encode()))):
        (folder / f"{name}.linr").write_bytes(data)
        samples.append(fo.Sample(str(folder / f"original{k}.mp4"), latent_inr_path=str(folder / f"{name}.linr")))
    dataset.media_type = "video"
    dataset.add_samples(samples)
    drawing, options = Drawing(scale=0.5), {"embeddings_field": "latent_inr", "overwrite": False, "device": "cpu"}
    status = draw_status(dataset, drawing, options)
    assert status.total == len(paths) and status.cost.videos
    result = reconstruct(dataset, device="cpu", audio=False, progress=False)
    failed = {Path(one.filepath).name: one.reason for one in result.failed}
    by_original = {Path(sample.filepath).name: Path(sample.latent_inr_path).stem for sample in dataset}
    drawn = {Path(sample.latent_inr_path).stem for sample in dataset if sample.latent_inr_recon}
    assert {f"good{k}" for k in range(good)} <= drawn
    assert all(Path(sample.latent_inr_recon).stat().st_size > 500 for sample in dataset if sample.latent_inr_recon)
    assert runs.read_config(dataset, "latent_inr_recon")["status"] == "done"
    named = {by_original[original]: reason for original, reason in failed.items()}
    assert named.keys() | drawn == paths.keys() and not named.keys() & drawn
    return named


@pytest.mark.parametrize(
    "good, names",
    [
        (3, ["both_sides_16384", "large_network", "million_frames_wide_embeddings", "slow_rate", "warps_of_10_39"]),
        pytest.param(20, sorted({*hostile.CASES} - SLOW), marks=pytest.mark.slow),
    ],
)
def test_one_bad_file_stops_no_form_and_no_run(dataset, tmp_path, good, names) -> None:
    dataset.delete_samples(dataset.values("id"))
    named = trial(dataset, tmp_path, good, names)
    assert named.keys() >= set(names) - HARMLESS
    for name, reason in named.items():
        assert f"{name}.linr" in reason and "\n" not in reason, reason


def test_a_form_looks_at_few_files_and_not_for_long(dataset, tmp_path, monkeypatch) -> None:
    dataset.delete_samples(dataset.values("id"))
    (tmp_path / "one.linr").write_bytes(hostile.CASES["large_network"]())
    samples = [fo.Sample(str(tmp_path / f"{k}.mp4"), latent_inr_path=str(tmp_path / "one.linr")) for k in range(300)]
    dataset.add_samples(samples)
    looked: list[str] = []

    def load(path: str) -> None:
        looked.append(path)
        raise MemoryError

    monkeypatch.setattr(preview, "load", load)
    options = {"embeddings_field": "latent_inr", "overwrite": False, "device": "cpu"}
    assert draw_status(dataset, Drawing(), options).total == 300 and 0 < len(looked) <= 13
    looked.clear()
    monkeypatch.setattr(preview, "_PATIENCE", -1.0)
    assert draw_status(dataset, Drawing(), options).total == 300 and not looked
