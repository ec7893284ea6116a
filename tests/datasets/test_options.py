"""Options of calls on datasets are checked once, before the first sample and before anything is written or loaded."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.datasets.fit.fit_dataset import _checked_options
from fiftyone_latent_inr.errors import InputError

NAN = float("nan")
FLAGS = ["no", 1, None, []]
COUNTS = [0, -1, 2.0, "3", True, NAN, [3]]
FIT: dict[str, list[Any]] = {
    "size": ["90x160", 90, (8.0, 8.0), (8, 0), (8, 8, 8), (True, 8), (8, 10**9), NAN],
    "fps": ["25", True, NAN, float("inf"), 0, -1, [25], 1j],
    "seed": [None, "0", 0.0, True, -1, 2**63, NAN],
    "max_frames": COUNTS,
    "residual": FLAGS,
    "overwrite": FLAGS,
    "skip_failures": FLAGS,
    "progress": ["yes", 1.0, []],
    "preset": [None, 3, [], "Balanced", ""],
    "quality": ["50", True, NAN, -1, 101, [50]],
    "bpp": ["1", True, NAN, 0, 25, [1]],
    "config": ["fast", 5, {}],
    "teacher": [5, True, [], b"small"],
    "prior": [5, True, [], b"fast-prior"],
    "device": ["toaster", 1.5, [], ""],
    "backend": [5, True, [], "", "sklaern"],
    "backend_options": ["cosine", 5, [1]],
    "embeddings_field": [
        None,
        5,
        "",
        "frames",
        "id",
        "filepath",
        "tags",
        "metadata",
        "created_at",
        "media_type",
    ],
    "brain_key": [None, 5, "", "a.b", "a b", "1st", "_a", "naïve", "a" * 101],
    "output_dir": [5, True, b"a\0b"],
    "sizes": [(8, 8)],
}
FIT["embeddings_field"] += [
    *FIT["brain_key"],
    "group",
    "sample_id",
    "support",
    "frame_number",
    "frames.x",
    "save",
]
DRAW: dict[str, list[Any]] = {
    "crf": ["12", None, NAN, -1, 52, True],
    "audio": FLAGS,
    "overwrite": FLAGS,
    "skip_failures": FLAGS,
    "progress": ["yes", 1.0, []],
    "device": ["toaster", 1.5, [], ""],
    "embeddings_field": ["frames", "a b", "media_type", None],
    "output_dir": [5, True],
    "nope": [1],
}
NUMBERS = ["2", None, True, NAN, float("inf"), 0, -1, [2]]
CALLS: dict[str, tuple[Callable[..., Any], dict[str, list[Any]]]] = {
    "fit_dataset": (linr.fit_dataset, FIT),
    "reconstruct": (linr.reconstruct, DRAW),
    "super_resolve": (linr.super_resolve, {**DRAW, "scale": [*NUMBERS, 17, 0.01]}),
    "interpolate": (linr.interpolate, {**DRAW, "scale": NUMBERS, "factor": [*NUMBERS, 0.5, 65], "motion": FLAGS}),
}


@pytest.fixture
def untouched(make_dataset: Callable[..., fo.Dataset], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> fo.Dataset:
    """A dataset that seems to be fitted; whoever loads a teacher or begins with a sample is wrong."""

    def begun(*arguments: object, **options: object) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr("fiftyone_latent_inr.datasets.fit.fit_dataset.load_teacher", begun)
    for job in ("fit.job.FitJob", "drawings.job.DrawJob"):
        monkeypatch.setattr(f"fiftyone_latent_inr.datasets.{job}._examine", begun)
    monkeypatch.setattr("fiftyone_latent_inr.datasets.fit.fit_dataset.default_folder", lambda: tmp_path / "files")
    dataset = make_dataset(["/clips/a.mp4"])
    dataset.set_values("latent_inr_path", ["/clips/a.linr"])
    return dataset


@pytest.mark.parametrize("call", CALLS)
def test_wrong_options_are_refused_once(untouched: fo.Dataset, call: str, tmp_path: Path) -> None:
    function, table = CALLS[call]
    fields = set(untouched.get_field_schema())
    for name, values in table.items():
        for value in values:
            given = {"progress": False, "device": "cpu", name: value}
            with pytest.raises(InputError) as caught:
                function(untouched, **given)
            text, words = str(caught.value), {"output_dir": "folder", "config": "FitConfig"}.get(name, name)
            assert words.split("_")[0] in text.replace("Field", "field") and text.isprintable() and len(text) < 500, (
                name,
                value,
                text,
            )
    assert set(untouched.get_field_schema()) == fields and not untouched.list_runs()
    assert not (tmp_path / "files").exists()


def test_options_of_other_types_are_taken(dataset: fo.Dataset, fit: Callable[..., Any]) -> None:
    """And recorded, as numbers that the database knows."""
    options = {"size": np.array([16, 24]), "max_frames": np.int16(2), "seed": np.int64(3), "fps": Fraction(25, 2)}
    assert _checked_options(options) == {"size": (16, 24), "max_frames": 2, "seed": 3, "fps": 12.5}
    assert len(fit(dataset[:1], teacher=None, overwrite=np.bool_(False), **options).fitted) == 1
    record = runs.read_config(dataset, "latent_inr")
    assert record is not None and [record[name] for name in ("size", "max_frames", "seed", "fps")] == [
        [16, 24],
        2,
        3,
        12.5,
    ]
    assert len(fit(dataset[:1], teacher=None, size=[16, 24], max_frames=2, seed=3, fps=12.5).skipped) == 1


@pytest.mark.parametrize("name", ["x", "frame_embeddings", "a" * 80, "items", "name", "values", "cls"])
def test_names_that_mean_nothing_else_are_taken(
    dataset: fo.Dataset, fit: Callable[..., Any], name: str, tiny: Any
) -> None:
    assert len(fit(dataset[:1], embeddings_field=name, brain_key=name).fitted) == 1
    assert dataset.count(name) == 1 and name in dataset.list_brain_runs()
