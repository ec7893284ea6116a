"""Collections and arguments that cannot be used: a clear error, before anything is written."""

import os

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
import pytest

from fiftyone_latent_inr import InputError, fit_dataset


def untouched(dataset):
    return not dataset.list_runs() and not [name for name in dataset.get_field_schema() if "latent" in name]


def test_not_a_collection():
    with pytest.raises(InputError, match="expected a FiftyOne dataset or view, got str"):
        fit_dataset("my-dataset")


def test_image_dataset(make_dataset, fit):
    dataset = make_dataset(["a.png", "b.png"])
    with pytest.raises(InputError, match="'image'"):
        fit(dataset)
    assert untouched(dataset)


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


@pytest.mark.parametrize("name", ["frames.latent", "a.b", "", "_hidden", "1st", "with space", "naïve"])
def test_unusable_names(dataset, fit, name):
    with pytest.raises(InputError, match="embeddings_field"):
        fit(dataset, embeddings_field=name)
    with pytest.raises(InputError, match="brain_key"):
        fit(dataset, brain_key=name)
    assert untouched(dataset)


@pytest.mark.parametrize("field", ["latent_inr", "latent_inr_psnr", "latent_inr_path"])
def test_field_of_another_type(dataset, fit, field):
    dataset.add_sample_field(field, fo.IntField)
    with pytest.raises(InputError, match=f"'{field}' of type IntField"):
        fit(dataset)
    assert not dataset.list_runs()


def test_reserved_field(dataset, fit):
    with pytest.raises(InputError, match="'filepath' of type StringField"):
        fit(dataset, embeddings_field="filepath")


def test_vectors_of_somebody_else(dataset, fit):
    dataset.set_values("latent_inr", [np.ones(4, np.float32)] * 3)
    with pytest.raises(InputError, match="not written by this package"):
        fit(dataset)


def test_brain_key_of_another_kind(dataset, fit):
    dataset.set_values("other", [np.eye(4, dtype=np.float32)[i] for i in range(3)])
    fob.compute_similarity(dataset, embeddings="other", brain_key="latent_inr")
    with pytest.raises(InputError, match="similarity index of 'other'"):
        fit(dataset)
    assert dataset.list_brain_runs() == ["latent_inr"]


def test_custom_run_of_another_kind(dataset, fit):
    dataset.register_run("latent_inr", dataset.init_run(method="something"))
    with pytest.raises(InputError, match="custom run 'latent_inr' of another kind"):
        fit(dataset)


def test_unknown_preset_teacher_and_option(dataset, fit):
    with pytest.raises(InputError, match="unknown preset 'fats'"):
        fit(dataset, preset="fats")
    with pytest.raises(InputError, match="quality must be a number from 0 to 100"):
        fit(dataset, config=None, preset="fast", quality=400)
    with pytest.raises(InputError, match="not both"):
        fit(dataset, config=None, preset="fast", quality=40, bpp=1.0)
    with pytest.raises(InputError, match="smal"):
        fit(dataset, teacher="smal")
    with pytest.raises(InputError, match=r"does not know frames; .*max_frames"):
        fit(dataset, frames=3)
    assert untouched(dataset)


def test_output_directory_that_is_a_file(dataset, fit, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="output directory"):
        fit(dataset, output_dir=tmp_path / "file")
    assert untouched(dataset)


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.isdir("/proc/1"), reason="needs a read-only place")
def test_read_only_output_directory(dataset, fit):
    # Root may write anywhere, but not in /proc
    with pytest.raises(InputError, match="cannot be written"):
        fit(dataset, output_dir="/proc/latent-inr")
    assert untouched(dataset)


def test_a_full_disk_stops_the_job_and_keeps_what_is_done(dataset, fit, monkeypatch):
    from fiftyone_latent_inr.latent_video.video import LatentVideo

    saved, save = [], LatentVideo.save

    def full(self, path):
        if saved:
            raise OSError(28, "No space left on device", str(path))
        saved.append(path)
        save(self, path)

    monkeypatch.setattr(LatentVideo, "save", full)
    with pytest.raises(InputError, match="No space left"):
        fit(dataset)
    assert dataset.count("latent_inr") == 1 and len(saved) == 1
