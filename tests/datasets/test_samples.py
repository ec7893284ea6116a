"""Collections that cannot be used: a clear error, before anything is written."""

import fiftyone as fo
import pytest

from fiftyone_latent_inr import InputError, fit_dataset


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
