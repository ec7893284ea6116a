"""Collections that cannot be used: a clear error, before anything is written."""

import fiftyone as fo
import pytest

from fiftyone_latent_inr import InputError, fit_dataset, reconstruct
from fiftyone_latent_inr.datasets.drawings import preview as draw_preview
from fiftyone_latent_inr.datasets.drawings.drawing import Drawing
from fiftyone_latent_inr.datasets.fit import preview as fit_preview


def test_not_a_collection():
    with pytest.raises(InputError, match="expected a FiftyOne dataset or view, got str"):
        fit_dataset("my-dataset")


def test_image_dataset(make_dataset, fit):
    dataset = make_dataset(["a.png", "b.png"])
    with pytest.raises(InputError, match="'image'"):
        fit(dataset)
    assert not dataset.list_runs()


def test_grouped_dataset_names_the_video_slice(make_dataset, fit):
    dataset = make_dataset()
    dataset.add_group_field("group", default="picture")
    group = fo.Group()
    dataset.add_samples(
        [
            fo.Sample(filepath="a.png", group=group.element("picture")),
            fo.Sample(filepath="a.mp4", group=group.element("film")),
        ]
    )
    with pytest.raises(InputError, match=r"dataset\.select_group_slices\('film'\)"):
        fit(dataset)
    with pytest.raises(InputError, match="'image'"):
        fit(dataset.select_group_slices("picture"))


def test_grouped_dataset_without_videos(make_dataset, fit):
    dataset = make_dataset()
    dataset.add_group_field("group", default="picture")
    dataset.add_sample(fo.Sample(filepath="a.png", group=fo.Group().element("picture")))
    with pytest.raises(InputError, match="no video slice"):
        fit(dataset)


def test_empty_dataset_and_view(make_dataset, dataset, fit):
    with pytest.raises(InputError, match="no samples"):
        fit(make_dataset())
    with pytest.raises(InputError, match="no samples"):
        fit(dataset.limit(1).match({"filepath": "nowhere"}))


def test_clips_view(dataset, fit):
    sample = dataset.first()
    sample["events"] = fo.TemporalDetections(detections=[fo.TemporalDetection(label="x", support=[1, 3])])
    sample.save()
    with pytest.raises(InputError, match="view of clips"):
        fit(dataset.to_clips("events"))


def test_a_dataset_that_is_deleted(make_dataset, fit):
    dataset = make_dataset(["a.mp4"])
    view = dataset.limit(1)
    dataset.delete()
    for samples in (dataset, view):
        with pytest.raises(InputError, match="has been deleted"):
            fit(samples)


def test_a_sample_that_a_view_holds_twice(dataset, fit):
    summary = fit(dataset.limit(2).concat(dataset.limit(1)), teacher=None)
    assert summary.fitted == dataset.limit(2).values("id") and not summary.adopted


def test_previews_of_views_without_the_fields(dataset, fit):
    """A form is asked about whatever view the App shows."""
    fit(dataset.limit(2), teacher=None)
    options = {"embeddings_field": "latent_inr", "brain_key": "latent_inr", "preset": "fast", "teacher": None}
    options |= {"prior": None, "overwrite": False, "device": "cpu"}
    for view in (dataset.select_fields("filepath"), dataset.exclude_fields(["latent_inr_path", "latent_inr_psnr"])):
        assert not fit_preview.problems(view, options)
        status = fit_preview.fit_status(view, options)
        assert (status.total, status.current + status.other) == (3, 2)
        assert not draw_preview.problems(view, {}, options)
        assert draw_preview.draw_status(view, Drawing(), options).unfitted == 1
        assert len(reconstruct(view, progress=False, device="cpu").unfitted) == 1
        assert len(fit(view.limit(2), teacher=None).skipped) == 2
