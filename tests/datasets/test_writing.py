"""What FiftyOne and MongoDB do not let be written: known before the first fit, in one line; long videos find room."""

import functools
import logging
from types import SimpleNamespace

import fiftyone as fo
import numpy as np
import pytest
from fiftyone.core.odm import get_db_conn

from fiftyone_latent_inr import InputError, reconstruct, super_resolve
from fiftyone_latent_inr.datasets import fields, runs, writing
from fiftyone_latent_inr.encoding import fit as fits

QUIET = {"progress": False, "device": "cpu"}


def lock(dataset, name, read_only=True):
    field = dataset.get_field(name)
    field.read_only = read_only
    field.save()


@pytest.mark.parametrize("name", ["latent_inr", "latent_inr_frames", "latent_inr_path", "latent_inr_psnr"])
def test_read_only_fields(dataset, fit, no_fit, name, caplog):
    dataset.add_sample_field(name, fields.FieldNames.of("latent_inr").types()[name])
    lock(dataset, name)
    with pytest.raises(InputError, match=rf"field '{name}' is read-only; pass another embeddings_field, or make it"):
        fit(dataset, teacher=None)
    assert "Traceback" not in caplog.text and not [r for r in caplog.records if r.exc_info]
    lock(dataset, name, read_only=False)
    with pytest.raises(InputError, match="a video was fitted"):
        fit(dataset, teacher=None, skip_failures=False)


def test_read_only_fields_that_nothing_is_to_be_written_to(fitted_dataset):
    """Whoever protects what is done may go on asking for it."""
    assert len(reconstruct(fitted_dataset, **QUIET).drawn) == 2
    lock(fitted_dataset, "latent_inr_recon")
    assert len(reconstruct(fitted_dataset, **QUIET).skipped) == 2
    with pytest.raises(InputError, match="'latent_inr_recon' is read-only"):
        reconstruct(fitted_dataset, overwrite=True, **QUIET)


def test_a_read_only_media_field(fitted_dataset, tmp_path):
    fitted_dataset.add_sample_field("latent_inr_x2", fo.StringField)
    lock(fitted_dataset, "latent_inr_x2")
    with pytest.raises(InputError, match="'latent_inr_x2' is read-only"):
        super_resolve(fitted_dataset, **QUIET)
    assert not list(tmp_path.glob("*.mp4"))


@pytest.mark.parametrize("name", ["latent_inr_psnr", "latent_inr_path"])
def test_what_the_database_refuses(dataset, fit, no_fit, name):
    collection = dataset._sample_collection.name
    get_db_conn().command("collMod", collection, validator={name: {"$exists": False}})
    with pytest.raises(InputError, match=rf"field '{name}' cannot be written.*Document failed validation"):
        fit(dataset, teacher=None)


def test_no_right_to_add_a_field(dataset, fit, no_fit, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError("not authorized" + " to do this" * 200)

    monkeypatch.setattr(fo.Dataset, "add_sample_field", refuse)
    with pytest.raises(InputError, match="'latent_inr' cannot be written, so nothing is done: not auth") as caught:
        fit(dataset, teacher=None)
    assert len(str(caught.value)) < 1400


def test_a_record_that_cannot_be_written_does_not_hide_why(dataset, fit, no_fit, monkeypatch, caplog):
    """A dataset that is locked refuses fields and records alike."""

    def refuse(*_, **__):
        raise ValueError("the dataset is locked")

    monkeypatch.setattr(fo.Dataset, "add_sample_field", refuse)
    monkeypatch.setattr(fo.Dataset, "register_run", refuse)
    with pytest.raises(InputError, match="cannot be written, so nothing is done: the dataset is locked"):
        fit(dataset, teacher=None)
    assert not [r for r in caplog.records if r.exc_info]


def test_a_field_stored_under_our_name(dataset, fit, no_fit):
    """Such a field comes from datasets that other tools have written."""
    dataset.add_sample_field("theirs", fo.StringField)
    (document,) = (field for field in dataset._doc.sample_fields if field.name == "theirs")
    document.db_field = "latent_inr_path"
    dataset._doc.save()
    dataset._sample_doc_cls._fields["theirs"].db_field = "latent_inr_path"
    with pytest.raises(InputError, match="'theirs' is stored under the name 'latent_inr_path'"):
        fit(dataset, teacher=None)


def test_a_field_of_a_narrower_type(dataset, fit):
    from fiftyone.core.fields import ColorField

    dataset.add_sample_field("latent_inr_path", ColorField)
    with pytest.raises(InputError, match="'latent_inr_path' of type ColorField"):
        fit(dataset)


def made_up(frames, width=512):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(frames, width)).astype(np.float16)
    config = SimpleNamespace(embedding_dim=width)
    video = {"embedding": embeddings[0], "embeddings": embeddings, "num_frames": frames, "config": config}
    return SimpleNamespace(**video, metrics={"psnr": 30.0})


@pytest.mark.parametrize(("frames", "others", "fits"), [(30_000, 0, False), (12_000, 0, True), (12_000, 5, False)])
def test_long_videos_find_room(dataset, frames, others, fits):
    """17 minutes at 30 frames a second were refused; what other fields of the sample hold counts, too."""
    names, sample = fields.FieldNames.of("latent_inr"), dataset.first()
    if others:
        sample["theirs"] = np.random.default_rng(1).integers(0, 256, others << 20, np.uint8)
        sample.save()
    fields.ensure_fields(dataset, names)
    assert fields.store(dataset, sample.id, names, made_up(frames), __file__) is fits
    sample.reload()
    assert (sample.latent_inr_frames is not None) is fits
    assert sample.latent_inr.shape == (512,) and sample.latent_inr_path == __file__ and sample.latent_inr_psnr == 30
    sample["label"] = "more"
    sample.save()


def test_a_long_video_once_more_drops_what_was_there(dataset):
    names, sample_id = fields.FieldNames.of("latent_inr"), dataset.first().id
    fields.ensure_fields(dataset, names)
    for frames in (20, 30_000, 20):
        fits = fields.store(dataset, sample_id, names, made_up(frames), __file__)
        assert fits is (frames == 20) and (dataset[sample_id].latent_inr_frames is not None) is fits


def test_without_frames_all_else_works(dataset, fit, monkeypatch):
    monkeypatch.setattr(fields, "MOST_BYTES", 800)
    summary = fit(dataset)
    ids = dataset.values("id")
    assert summary.fitted == ids == summary.without_frames
    assert "3 videos too long for the database to hold the embeddings of all frames, which are in" in str(summary)
    outcomes = runs.read_outcomes(dataset, "latent_inr")
    assert all("latent_inr_frames is left empty" in outcomes[i]["note"] for i in ids)
    assert dataset.count("latent_inr_frames") == 0 and dataset.count("latent_inr") == 3
    assert len(dataset.sort_by_similarity("a red circle", k=2)) == 2
    again = fit(dataset)
    assert again.skipped == ids and not again.without_frames
    assert len(reconstruct(dataset, **QUIET).drawn) == 3


def test_a_sample_without_any_room(dataset, fit, no_fit, caplog):
    first = dataset.first()
    for name, size in (("theirs", 8 << 20), ("more", (8 << 20) - 60_000)):
        first[name] = np.random.default_rng(1).integers(0, 256, size, np.uint8)
        first.save()
    with caplog.at_level(logging.INFO, "fiftyone_latent_inr"):
        summary = fit(dataset.select(first.id), teacher=None)
    (failure,) = summary.failed
    assert "already holds 17 MB in other fields" in failure.reason and not [r for r in caplog.records if r.exc_info]


def test_errors_of_any_length_become_a_line(dataset, fit, monkeypatch):
    @functools.wraps(fits.fit)
    def fail(*_, **__):
        raise RuntimeError("first line\n" + "page " * 100_000)

    monkeypatch.setattr(fits, "fit", fail)
    summary = fit(dataset, teacher=None)
    assert len(summary.failed) == 3
    for failure in summary.failed:
        assert failure.reason.startswith("RuntimeError: first line page") and len(failure.reason) <= 1000
    assert writing.MOST_BYTES < writing.LARGEST


def test_a_disk_that_is_nearly_full(dataset, fitted_dataset, fit, no_fit, monkeypatch):
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, free=10**6))
    with pytest.raises(InputError, match=r"only 1\.0 MB are left on the disk of .*another output_dir"):
        fit(dataset, teacher=None)
    summary = reconstruct(fitted_dataset, **QUIET)
    assert len(summary.failed) == 2 and all("1.0 MB are left" in failure.reason for failure in summary.failed)
