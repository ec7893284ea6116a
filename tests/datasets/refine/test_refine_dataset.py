"""Refining a dataset: files in their places, vectors and index as they were, an order by choice, going on."""

import os
from dataclasses import replace

import numpy as np
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import InputError, load
from fiftyone_latent_inr.datasets import runs


@pytest.fixture
def begun(tiny):
    return replace(tiny, steps=20, prior=None)


@pytest.fixture
def refine(tiny):
    def run(samples, **options):
        return linr.refine(samples, **{"config": tiny, "device": "cpu", "progress": False, **options})

    return run


def test_files_get_better_in_their_places_and_the_index_stays(dataset, fit, refine, begun):
    fit(dataset, config=begun)
    paths, vectors, psnr = (dataset.values(f"latent_inr{end}") for end in ("_path", "", "_psnr"))
    info = dataset.get_brain_info("latent_inr").timestamp
    ids = dataset.values("id")
    dataset.set_values("looked_at", {ids[0]: 1, ids[2]: 5}, key_field="id")
    seen = []
    summary = refine(dataset, order="looked_at", progress=lambda _, label: seen.append(label))
    assert summary.better == [ids[2], ids[0], ids[1]] and not summary.failed and not summary.kept
    assert dataset.values("latent_inr_path") == paths
    assert all(np.array_equal(a, b) for a, b in zip(dataset.values("latent_inr"), vectors, strict=True))
    dataset.reload()
    assert dataset.get_brain_info("latent_inr").timestamp == info
    for sample, old in zip(dataset, psnr, strict=True):
        video = load(sample.latent_inr_path)
        assert sample.latent_inr_psnr == pytest.approx(video.metrics["psnr"]) and sample.latent_inr_psnr > old
        assert sample.latent_inr_bytes == os.path.getsize(sample.latent_inr_path) == video.metrics["bytes"]
        assert sample.latent_inr_ratio == pytest.approx(sample.latent_inr_bytes / os.path.getsize(sample.filepath))
        assert np.allclose(sample.latent_inr, video.embedding, atol=1e-6)
    assert dataset.sort_by_similarity("a green star", k=1).first().filepath.endswith("green_star.mp4")
    assert runs.read_config(dataset, "latent_inr_refined")["status"] == "done"
    # neither a fit with the settings of before nor a second refinement has anything to do
    assert len(fit(dataset, config=begun).skipped) == 3
    files = [os.stat(path).st_mtime_ns for path in paths]
    assert len(refine(dataset).skipped) == 3 and [os.stat(path).st_mtime_ns for path in paths] == files
    again = refine(dataset.limit(1), again=True)
    assert again.better + again.kept == ids[:1]


def test_failures_are_recorded_and_a_run_that_is_stopped_goes_on(make_dataset, clips, fit, refine, begun, tmp_path):
    dataset = make_dataset(clips.values())
    fit(dataset, config=begun, teacher=None)
    ids = dataset.values("id")
    moved = dataset[ids[1]]
    moved.filepath = clips["red circle"]  # another video than its file was fitted to
    moved.save()

    class StopError(Exception):
        pass

    def stop(fraction, _):
        if fraction > 0.5:
            raise StopError

    with pytest.raises(StopError):
        refine(dataset.select([ids[0], ids[2]], ordered=True), progress=stop)
    summary = refine(dataset)
    assert ids[0] in summary.skipped and summary.better == [ids[2]]
    (failure,) = summary.failed
    assert failure.sample_id == ids[1] and "not, or no longer, the video" in failure.reason
    assert summary.failed_tag in dataset[ids[1]].tags
    # killed between a file and its sample, which is then told, before there was a record
    dataset.delete_run("latent_inr_refined")
    dataset.set_values("latent_inr_bytes", {ids[0]: 1}, key_field="id")
    assert ids[0] in refine(dataset).skipped
    assert dataset[ids[0]].latent_inr_bytes == os.path.getsize(dataset[ids[0]].latent_inr_path)


def test_orders(fitted_dataset):
    from fiftyone_latent_inr.datasets.fields import FieldNames
    from fiftyone_latent_inr.datasets.refine.refine_dataset import in_order
    from fiftyone_latent_inr.datasets.samples import list_targets

    names, dataset = FieldNames.of("latent_inr"), fitted_dataset
    first, second = dataset.values("id")
    dataset.add_sample_field("latent_inr_psnr", linr.datasets.fields.fo.FloatField)
    dataset.set_values("latent_inr_psnr", [30.0, 20.0])
    sample = dataset[second]
    sample.tags.append("favourite")
    sample.save()
    targets = list_targets(dataset, dataset, names)

    def found(order):
        return [target.sample_id for target in in_order(targets, dataset, names, order)]

    assert found("view") == [first, second] and found("latent_inr_psnr") == [first, second]
    assert found("worst") == found("favourite") == [second, first]
    for order, words in (("nothing", "no such field or tag"), ("metadata", "cannot be compared"), (3, "order=3")):
        if order == "metadata":
            dataset.compute_metadata()
        with pytest.raises(InputError, match=words):
            found(order)


def test_what_is_refused(dataset, refine):
    with pytest.raises(InputError, match="none of these 3 videos is fitted"):
        refine(dataset)
    with pytest.raises(InputError, match="minutes"):
        refine(dataset, minutes=-1)
