"""Videos of any name that a file system can hold, from fit to grouped dataset; what a database cannot name is told."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.text import one_line

CUT = "x" * 100
NAMES = [
    "動" * 83 + ".mp4",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 13 + ".mp4",
    "a" * 246 + ".mp4",
    CUT + "1.mp4",
    CUT + "2.mp4",
    "one/clip.mp4",
    "two/clip.mp4",
    "-rf.mp4",
    "100% %s %41.mp4",
    'it\'s "quoted" $HOME `id`.mp4',
    " spaces / at ends .mp4",
    "two\nlines\x1b[2J\u202e.mp4",
    "e\u0301 and \u00e9: b.mp4",
    "file:.mp4",
]
LINK, DAMAGED = "link to bytes.mp4", "dam\naged\u2028: %s.mp4"


@pytest.fixture
def odd(make_dataset: Callable[..., fo.Dataset], tmp_path: Path) -> fo.Dataset:
    """A sample a name, each with a video of its own; a link to a name that is no text; and what is no video."""
    dataset = make_dataset()
    for k, name in enumerate([*NAMES, "ole\udce9.mp4"]):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = tmp_path / "made.mp4"
        video.write(made, np.full((2, 16, 16, 3), 10 * k, np.uint8), 10.0)
        made.rename(path)
    (tmp_path / "clips" / LINK).symlink_to(path)
    (tmp_path / "clips" / DAMAGED).write_bytes(b"no video")
    dataset.add_samples([fo.Sample(filepath=str(tmp_path / "clips" / name)) for name in (*NAMES, LINK, DAMAGED)])
    return dataset


def test_each_name_is_fitted_drawn_and_grouped_once(
    odd: fo.Dataset,
    fit: Callable[..., Any],
    tiny: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, options = len(NAMES) + 1, {"config": replace(tiny, steps=2), "progress": True}
    labels: list[str] = []
    with caplog.at_level(logging.INFO, "fiftyone_latent_inr"):
        summary = fit(odd, **options)
        assert len(summary.fitted) == good and [Path(one.filepath).name for one in summary.failed] == [DAMAGED]
        drawn = linr.reconstruct(odd, device="cpu", progress=lambda _, label: labels.append(label))
        assert len(drawn.drawn) == good and len(drawn.unfitted) == 1 and not drawn.failed
        again = fit(odd, **options)
        assert len(again.skipped) == good and len(again.failed) == 1 and not again.fitted + again.adopted
        assert len(linr.reconstruct(odd, device="cpu", progress=False).skipped) == good
    lines = [*caplog.messages, *capsys.readouterr().err.splitlines(), *labels]
    assert all(one_line(line) == line and len(line) <= 1000 for line in lines)
    assert any(r"two\nlines\x1b[2J\u202e.mp4: fitted " in line for line in lines)
    assert any(r"dam\naged\u2028: %s.mp4 (sample " in line for line in lines)
    assert not any("b.mp4" in label for label in labels), "labels do not repeat names"
    outcomes = runs.read_outcomes(odd, "latent_inr")
    assert {one["filepath"] for one in outcomes.values()} == set(odd.values("filepath"))
    assert all(one.get("reason", "").isprintable() for one in outcomes.values())

    stored, recon = ([path for path in odd.values(f"latent_inr_{name}") if path] for name in ("path", "recon"))
    files = {str(path) for path in (tmp_path / "linr").iterdir()}
    assert files == {*stored, *recon} and len(files) == 2 * good
    for name, path in zip(NAMES, stored, strict=False):
        assert linr.load(path).metadata["source"] == Path(name).name
    assert [path.name for path in (tmp_path / "clips").iterdir() if "latent" in path.name] == []

    grouped = linr.to_grouped_dataset(odd, "odd names")
    try:
        for _ in range(2):
            assert grouped.select_group_slices("recon").values("filepath") == recon
            assert sorted(grouped.select_group_slices("original").values("filepath")) == sorted(odd.values("filepath"))
            grouped = linr.to_grouped_dataset(odd, "odd names")
    finally:
        fo.delete_dataset("odd names")


def test_the_database_takes_no_name_that_is_no_text(make_dataset: Callable[..., fo.Dataset]) -> None:
    """Which is why none comes to a fit, and `docs/` tells of a link."""
    with pytest.raises(UnicodeEncodeError):
        make_dataset().add_sample(fo.Sample(filepath="/clips/ole\udce9.mp4"))


@pytest.mark.parametrize(
    "error", [RuntimeError("dec\n\noder\x1b[0m \udce9 " + "x" * 5000), MemoryError(), OSError(5, "a\nb")]
)
def test_what_nobody_foresaw_is_one_line_without_a_traceback(
    make_dataset: Callable[..., fo.Dataset],
    clips: dict[str, str],
    fit: Callable[..., Any],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("fiftyone_latent_inr.datasets.fit.job.FitJob._fit", fails)
    dataset = make_dataset([clips["red circle"]])
    with caplog.at_level(logging.INFO, "fiftyone_latent_inr"):
        (failure,) = fit(dataset, teacher=None).failed
    assert failure.reason.startswith(type(error).__name__) and failure.reason.isprintable()
    assert len(failure.reason) <= 1000 and runs.read_outcomes(dataset, "latent_inr")
    assert not [record for record in caplog.records if record.exc_info]
    assert sum("Failed: " in line for line in caplog.messages) == 1
    assert all(one_line(line) == line for line in caplog.messages)


def test_long_paths_leave_a_line_its_reason(tmp_path: Path) -> None:
    from fiftyone_latent_inr.datasets.tally import Failure

    line = str(Failure("1", os.path.sep + "動\n/" * 1400, "the reason"))
    assert len(line) <= 1000 and line.startswith(r"/動\n/") and line.endswith("(sample 1): the reason")


def test_where_names_may_not_be_as_long_the_others_go_on(
    make_dataset: Callable[..., fo.Dataset], clips: dict[str, str], fit: Callable[..., Any], tiny: Any, tmp_path: Path
) -> None:
    """A path has 4,096 bytes on Linux: so deep, a name has 55 left."""
    folder = tmp_path / "deep"
    while len(os.fspath(folder)) < 3800:
        folder /= "d" * 200
    folder /= "d" * (4095 - 56 - len(os.fspath(folder)))
    for name, clip in zip(("a.mp4", "b" * 60 + ".mp4"), clips.values(), strict=False):
        (tmp_path / name).symlink_to(clip)
    dataset = make_dataset([tmp_path / "a.mp4", tmp_path / ("b" * 60 + ".mp4")])
    summary = fit(dataset, teacher=None, config=replace(tiny, steps=2), output_dir=folder)
    (failure,) = summary.failed
    assert len(summary.fitted) == 1 and failure.filepath == dataset.last().filepath
    assert failure.reason.startswith("cannot write /") and failure.reason.endswith("or a folder less deep")
    drawn = linr.interpolate(dataset, 12.5001, scale=1.2502, device="cpu", progress=False)
    assert len(drawn.failed) == 1 and not drawn.drawn and drawn.unfitted == [failure.sample_id]
    assert len(linr.reconstruct(dataset, device="cpu", progress=False).drawn) == 1
