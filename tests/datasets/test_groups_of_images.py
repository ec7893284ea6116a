"""Images that are frames, grouped by video: fitted, found, fitted again where they changed, and what cannot be done."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.datasets.fields import FieldNames
from fiftyone_latent_inr.datasets.fit import preview
from fiftyone_latent_inr.datasets.samples import list_targets
from fiftyone_latent_inr.datasets.search.search import search
from fiftyone_latent_inr.small_world.drawing import render
from fiftyone_latent_inr.small_world.world import random_spec

LOOKS = {"red circle": "white", "blue square": "yellow", "green star": "black"}
FORM = {"preset": "fast", "teacher": "small", "embeddings_field": "latent_inr", "brain_key": "latent_inr"}


@pytest.fixture
def images(make_dataset: Callable[..., fo.Dataset], tmp_path: Path) -> Iterator[fo.Dataset]:
    """Three videos of six images each, added in no order; names say nothing of it."""
    dataset, rng = make_dataset(), np.random.default_rng(1)
    for name, ground in LOOKS.items():
        colour, kind = name.split()
        frames = render(random_spec(rng, (colour, kind, ground), motion="still", aspect=1), 6, (48, 48))
        for k in (3, 0, 5, 1, 4, 2):
            path = tmp_path / name.replace(" ", "_") / f"{9 - k}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(frames[k]).save(path)
            dataset.add_sample(fo.Sample(filepath=str(path), video=name, frame=k))
    yield dataset
    gc.collect()  # FiftyOne cannot delete a dataset while a sample of it lives whose video is a folder


@pytest.fixture
def groups(images: fo.Dataset) -> Any:
    return images.group_by("video", order_by="frame")


def first(groups: Any, name: str) -> fo.Sample:
    return groups.get_dynamic_group(name).first()


def test_each_group_is_a_video_in_its_order(groups: Any) -> None:
    targets = list_targets(groups, groups._root_dataset, FieldNames.of("latent_inr"))
    assert [target.name for target in targets] == list(LOOKS)
    for target in targets:
        assert target.images is not None and target.sample_id == first(groups, target.name).id
        assert [file.name for file in target.images.files] == [f"{9 - k}.png" for k in range(6)]


def test_fitted_found_and_up_to_date(images: fo.Dataset, groups: Any, fit: Callable[..., Any], tiny: Any) -> None:
    summary = fit(groups)
    assert len(summary.fitted) == 3 and not summary.failed and summary.brain_key == "latent_inr"
    assert sorted(summary.fitted) == sorted(first(groups, name).id for name in LOOKS)
    assert images.count("latent_inr") == images.count("latent_inr_path") == groups.count("latent_inr") == 3
    sample = first(groups, "red circle")
    stored = linr.load(sample["latent_inr_path"])
    assert stored.num_frames == 6 and stored.fps == 25 and sample["latent_inr_frames"].shape[0] == 6
    assert stored.metadata["source"] == "red circle" and Path(sample["latent_inr_path"]).name.startswith("red_circle-")
    files = groups.get_dynamic_group("red circle").values("filepath")
    whole = np.stack([np.asarray(Image.open(file)) for file in files])
    expected = linr.fit(whole, config=tiny, teacher="small", device="cpu", progress=False, fps=25)
    np.testing.assert_array_equal(stored.render(), expected.render())

    for samples in (images, groups):
        found = samples.sort_by_similarity("a red circle", k=1, brain_key="latent_inr")
        assert found.values("id") == [sample.id]
    assert search(images, "a blue square", k=1)[0].sample_id in summary.fitted

    again = fit(groups)
    assert len(again.skipped) == 3 and not again.fitted
    Image.new("RGB", (48, 48)).save(groups.get_dynamic_group("green star").last().filepath)
    third = fit(groups.match({"video": {"$in": ["green star", "red circle"]}}))
    assert third.fitted == [first(groups, "green star").id] and len(third.skipped) == 1
    assert len(fit(groups, fps=10).fitted) == 3 and linr.load(first(groups, "red circle")["latent_inr_path"]).fps == 10


def test_one_group_that_fails_costs_no_other(groups: Any, fit: Callable[..., Any]) -> None:
    for path in groups.get_dynamic_group("blue square").values("filepath"):
        Path(path).write_bytes(b"no image")
    damaged, *_ = groups.get_dynamic_group("red circle").values("filepath")[2:]
    Path(damaged).write_bytes(b"no image")
    shutil.rmtree(Path(first(groups, "green star").filepath).parent)
    summary = fit(groups, teacher=None)
    assert summary.fitted == [first(groups, "red circle").id]
    reasons = {failure.sample_id: failure.reason for failure in summary.failed}
    assert "none of the 6 images of blue square" in reasons[first(groups, "blue square").id]
    assert "no such file" in reasons[first(groups, "green star").id]
    stored = linr.load(first(groups, "red circle")["latent_inr_path"])
    assert stored.num_frames == 5 and any("left out: 7.png" in line for line in stored.metadata["warnings"])
    with pytest.raises(linr.InputError, match="green star"):
        fit(groups, teacher=None, skip_failures=False)


def test_the_form_knows_groups(images: fo.Dataset, groups: Any, fit: Callable[..., Any]) -> None:
    options = {**FORM, "overwrite": False}
    assert preview.problems(groups, options) == {}
    status = preview.fit_status(groups, options)
    assert (status.total, status.current) == (3, 0) and status.seconds is not None and status.seconds > 0
    fit(groups)
    assert preview.fit_status(groups, options).other == 3
    assert "samples" in preview.problems(images, options)


def test_images_that_are_of_no_video(images: fo.Dataset, fit: Callable[..., Any], tmp_path: Path) -> None:
    images.add_sample(fo.Sample(filepath=str(tmp_path / "lone.png")))
    with pytest.raises(linr.InputError, match=r"'video' is empty; leave them out: dataset\.exists\('video'\)"):
        fit(images.group_by("video", order_by="frame"))
    assert len(fit(images.exists("video").group_by("video", order_by="frame").limit(1), teacher=None).fitted) == 1


def test_groups_by_two_fields_or_an_expression(images: fo.Dataset, fit: Callable[..., Any]) -> None:
    images.set_values("camera", ["left"] * len(images))
    view = images.group_by(["camera", "video"], order_by="frame").limit(1)
    (done,) = fit(view, teacher=None).fitted
    assert linr.load(images[done]["latent_inr_path"]).metadata["source"] == "red_circle"


def test_what_cannot_be_done_says_what_can(
    images: fo.Dataset, groups: Any, dataset: fo.Dataset, fit: Callable[..., Any], make_dataset: Callable[..., Any]
) -> None:
    def refused(call: Callable[..., Any], *arguments: Any) -> str:
        with pytest.raises(linr.InputError) as error:
            call(*arguments)
        assert "\n" not in str(error.value)
        return str(error.value)

    for samples in (images, images.group_by("video", order_by="frame", flat=True)):
        assert "fit_dataset(dataset.group_by(VIDEO, order_by=FRAME))" in refused(fit, samples)
    for call in (linr.reconstruct, linr.super_resolve, linr.interpolate):
        assert "into a dataset of videos" in refused(call, groups)
    assert "into a dataset of videos" in refused(linr.to_grouped_dataset, groups, "side-by-side")
    assert "pretrain([folder, ...])" in refused(linr.pretrain, groups)
    dataset.set_values("camera", ["a", "a", "b"])
    assert "give the videos themselves" in refused(fit, dataset.group_by("camera"))
    assert "no samples" in refused(fit, groups.match({"video": "none"}))
    grouped = make_dataset()
    grouped.add_group_field("group", default="left")
    path = images.first().filepath
    for k in range(2):
        group = fo.Group()
        slices = [fo.Sample(filepath=path, group=group.element(s), scene="one", k=k) for s in ("left", "right")]
        grouped.add_samples(slices)
    message = refused(fit, grouped.select_group_slices("left").group_by("scene", order_by="k"))
    assert "dataset.select_group_slices('left').clone()" in message
    flat = grouped.select_group_slices("left").clone()
    assert len(fit(flat.group_by("scene", order_by="k"), teacher=None).fitted) == 1
    flat.delete()


def test_folders_in_a_dataset_of_videos(
    images: fo.Dataset, clips: dict[str, str], make_dataset: Callable[..., fo.Dataset], fit: Callable[..., Any]
) -> None:
    """Such a sample has no picture of its own in the App; what is drawn of it plays."""
    folder = Path(images.first().filepath).parent
    dataset = make_dataset()
    dataset.add_samples([fo.Sample(filepath=str(folder), media_type="video"), fo.Sample(filepath=clips["blue square"])])
    summary = fit(dataset)
    assert len(summary.fitted) == 2 and not summary.failed
    assert len(fit(dataset).skipped) == 2
    drawn = linr.reconstruct(dataset, progress=False, device="cpu")
    assert len(drawn.drawn) == 2 and not drawn.failed
    # values, not samples: FiftyOne itself cannot copy a sample whose file is a folder
    ids, stored, recon = dataset.values(["id", "latent_inr_path", "latent_inr_recon"])
    assert Path(stored[0]).name.startswith("red_circle-") and len(video.read(recon[0]).array) == 6
    assert len(linr.reconstruct(dataset, progress=False, device="cpu").skipped) == 2
    Image.new("RGB", (48, 48)).save(folder / "9.png")
    assert fit(dataset).fitted == [ids[0]]


def test_the_documents_way_to_draw_groups(
    images: fo.Dataset, groups: Any, fit: Callable[..., Any], repository: Path
) -> None:
    page = (repository / "docs" / "python.md").read_text(encoding="utf-8")
    (code,) = (block for block in page.split("```python\n")[1:] if "sequences-drawn" in block)
    images.name = "sequences"
    fit(groups, teacher=None)
    known: dict[str, Any] = {}
    try:
        exec(code.split("```")[0], known)
        drawn = fo.load_dataset("sequences-drawn")
        assert drawn.media_type == "video" and drawn.values("video") == list(LOOKS)
        for one, larger in zip(*drawn.values(["filepath", "latent_inr_x2"]), strict=True):
            assert video.probe(one).num_frames == 6 and video.probe(larger).height == 96
    finally:
        fo.delete_dataset("sequences-drawn")
