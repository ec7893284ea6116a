"""The demo: its clips, its dataset, its picture, and how it chooses what to ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.demo import run
from fiftyone_latent_inr.demo.clips import NUM_GENERATED, Clip, prepare_clips
from fiftyone_latent_inr.demo.dataset import Row, find_dataset, make_dataset, read_rows
from fiftyone_latent_inr.demo.picture import draw_picture
from fiftyone_latent_inr.demo.run import choose_queries, format_table
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS, FitConfig
from fiftyone_latent_inr.semantics.teachers import load_teacher
from fiftyone_latent_inr.small_world.world import is_held_out
from fiftyone_latent_inr.video.decode import read


class Stored:
    """Stands for a stored video that draws a flat gray."""

    num_frames = 4
    metrics = {"seconds": 2.0}

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def render(self, times: list[int]) -> np.ndarray:
        return np.full((len(times), *self.size, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return prepare_clips(tmp_path_factory.mktemp("demo"))


def rows_of(clips: list[Clip]) -> list[Row]:
    return [
        Row(
            str(clip.path),
            clip.caption,
            clip.kind,
            Stored(read(clip.path).array.shape[1:3]),
            psnr=30.0 + k,
            bpp=1.5,
        )
        for k, clip in enumerate(clips)
    ]


def test_the_clips_are_unseen_by_the_teacher_and_real(clips: list[Clip]) -> None:
    assert [clip.kind for clip in clips] == ["generated"] * NUM_GENERATED + ["real"] * 3
    assert NUM_GENERATED >= 12
    for clip in clips[:NUM_GENERATED]:
        words = clip.caption.split()
        assert is_held_out(words[1], words[2], words[-2]), clip.caption


def test_a_second_time_nothing_is_written(clips: list[Clip]) -> None:
    before = {clip.path: clip.path.stat().st_mtime_ns for clip in clips}
    assert prepare_clips(clips[0].path.parents[1]) == clips
    assert {clip.path: clip.path.stat().st_mtime_ns for clip in clips} == before
    clips[3].path.unlink()
    assert prepare_clips(clips[0].path.parents[1]) == clips and clips[3].path.exists()


@pytest.mark.parametrize("name", ["recipe.json", "manifest.json"])
def test_notes_that_cannot_be_read_are_written_anew(clips: list[Clip], name: str) -> None:
    (note,) = clips[0].path.parents[1].rglob(name)
    note.write_text("[" * 100_000)
    assert prepare_clips(clips[0].path.parents[1]) == clips and note.read_text() != "[" * 100_000


def test_queries_are_on_different_backgrounds(clips: list[Clip]) -> None:
    queries = choose_queries(rows_of(clips))
    assert len(queries) == 3 == len({query.rsplit(" on ", 1)[1] for query in queries})


def test_the_table_has_a_line_a_clip_and_the_means(clips: list[Clip]) -> None:
    lines = format_table(rows_of(clips)).splitlines()
    assert len(lines) == len(clips) + 4 and len({len(line) for line in lines}) == 1
    assert lines[-1].split() == ["mean", f"{30 + (len(clips) - 1) / 2:.2f}", "1.500", "2.0"]


def test_the_picture_shows_originals_and_frames_what_was_found(clips: list[Clip], tmp_path: Path) -> None:
    rows = rows_of(clips)
    hits = [(row.path, 0.5, row.caption) for row in rows[:4]]
    path = tmp_path / "demo.png"
    draw_picture(rows, {rows[0].query: hits}, path)
    right = np.asarray(Image.open(path))
    draw_picture(rows, {rows[5].query: hits}, path)
    wrong = np.asarray(Image.open(path))
    green = (34, 139, 84)
    assert (right == green).all(-1).any() and not (wrong == green).all(-1).any()
    assert right.shape[1] == 1400 and len(np.unique(right.reshape(-1, 3), axis=0)) > 5000


def test_the_dataset_is_kept_and_found_again(clips: list[Clip]) -> None:
    name = "latent-inr-demo-test"
    dataset = make_dataset(clips, "teacher@1", name)
    try:
        assert dataset.persistent and len(dataset) == len(clips)
        assert dataset.values("caption") == [clip.caption for clip in clips]
        identity = dataset.first().id
        assert make_dataset(clips, "teacher@1", name).first().id == identity
        assert make_dataset(clips, "teacher@2", name).first().id != identity  # vectors of another space
        assert len(make_dataset(clips[:5], "teacher@2", name)) == 5  # other clips: made anew
    finally:
        fo.delete_dataset(name)
    assert find_dataset(name) is None


@pytest.fixture
def fitted(clips: list[Clip], tiny: FitConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fo.Dataset]:
    """Two generated clips and a real one, fitted as the demo does it, with next to no steps."""
    monkeypatch.setitem(PRESETS, "fast", replace(tiny, steps=10, points_per_step=128))
    monkeypatch.setattr(run, "MAX_FRAMES", 3)
    teacher = load_teacher("small", device="cpu")
    dataset = make_dataset([clips[0], clips[1], clips[-1]], teacher.id, "latent-inr-demo-fitted")
    run._fit(dataset, teacher, tmp_path, "cpu")
    run._fit(dataset, teacher, tmp_path, "cpu")  # `make demo` a second time
    yield dataset
    fo.delete_dataset(dataset.name)


def test_what_the_teacher_cannot_tell_apart_is_not_searched(fitted: fo.Dataset, capsys: pytest.CaptureFixture) -> None:
    """A newcomer's first query: nothing is found for it without a word, and never is a real clip among shapes."""
    assert [vector is None for vector in fitted.values("latent_inr")] == [False, False, True]
    assert None not in fitted.values("latent_inr_psnr") and None not in fitted.values("latent_inr_path")
    assert fitted.get_run_info("latent_inr").config.teacher == "small"
    assert main(["search", fitted.name, "a rabbit"]) == 0
    out, err = capsys.readouterr()
    assert "'rabbit'" in err and "means nothing" in err and "--teacher" in err and "ViT-B-32" in err
    shapes = set(fitted.match_tags("generated").values("filepath"))
    assert {line.split(maxsplit=2)[2] for line in out.splitlines()} == shapes
    for query in choose_queries(read_rows(fitted)):
        assert main(["search", fitted.name, query, "-k", "1"]) == 0
        out, err = capsys.readouterr()
        assert "learned" not in err and out.split(maxsplit=2)[2].strip() in shapes


def test_somebody_elses_dataset_is_left_alone(clips: list[Clip]) -> None:
    name = "latent-inr-demo-foreign"
    fo.Dataset(name)
    try:
        with pytest.raises(InputError, match="did not make"):
            make_dataset(clips, "teacher@1", name)
        assert len(fo.load_dataset(name)) == 0
    finally:
        fo.delete_dataset(name)
