"""A database that has no room for a write: one line, nothing half done, and the same process goes on later."""

import fiftyone as fo
import fiftyone.core.odm as foo
import full_database
import pytest
from gridfs import GridFS
from pymongo.errors import OperationFailure

from fiftyone_latent_inr import reconstruct
from fiftyone_latent_inr.datasets import claims, failures, fields, journal, runs, writing
from fiftyone_latent_inr.datasets.drawings import job, media_fields
from fiftyone_latent_inr.errors import InputError, StorageError

KEY = "latent_inr"


@pytest.fixture
def flat(make_dataset, tmp_path):
    """Two samples, whose files nobody reads."""
    return make_dataset([tmp_path / f"{k}.mp4" for k in range(2)])


def stored_fields(dataset):
    return [field["name"] for field in foo.get_db_conn().datasets.find_one(dataset._doc.id)["sample_fields"]]


DECLARING = {
    "any": lambda dataset: writing.declare(dataset, "new", fo.StringField),
    "a fit's": lambda dataset: fields.ensure_fields(dataset, fields.FieldNames.of(KEY)),
    "a drawing's": lambda dataset: media_fields.ensure_media_field(dataset, "latent_inr_x2"),
}


@pytest.mark.parametrize("refused", [0, 1])
@pytest.mark.parametrize("declare", DECLARING.values(), ids=DECLARING)
def test_fields_are_declared_later(flat, declare, refused, monkeypatch):
    held, before = flat.first(), set(flat.get_field_schema())
    with monkeypatch.context() as patch:
        full_database.fill(patch, "datasets", "update_one", refused)
        if declare is DECLARING["any"] and refused:
            declare(flat)
        else:
            with pytest.raises(OperationFailure):
                declare(flat)
    assert set(flat.get_field_schema()) <= set(stored_fields(flat))
    declare(flat)
    named = stored_fields(flat)
    new = set(flat.get_field_schema()) - before
    assert new and new <= set(named) and len(named) == len(set(named))
    if "latent_inr_x2" in new:
        kept = foo.get_db_conn().datasets.find_one(flat._doc.id)["app_config"]["media_fields"]
        assert kept == ["filepath", "latent_inr_x2"]
    for name in new & {"new", "latent_inr_path", "latent_inr_x2"}:
        held[name] = "there"
        held.save()
        assert flat.values(name) == ["there", None]


def test_a_failure_is_marked_later(flat, monkeypatch):
    marks = failures.FailureMarks(flat, KEY)
    marks.failed(flat.first().id, "why")
    with monkeypatch.context() as patch:
        full_database.fill(patch, "datasets", "update_one")
        marks.flush()
    assert "latent_inr_error" not in flat.get_field_schema()
    marks.flush()
    assert flat.values("latent_inr_error") == ["why", None]


def test_what_a_refused_run_has_left_goes_with_the_next_one(flat, monkeypatch):
    db = foo.get_db_conn()
    with monkeypatch.context() as patch:
        full_database.fill(patch, "datasets", "update_one")
        with pytest.raises(InputError, match="no space left on device"):
            runs.write(flat, KEY, {"status": "done"}, {})
    assert db.runs.count_documents({"_dataset_id": flat._doc.id}) == 1 and not runs.is_ours(flat, KEY)
    torn = journal.Journal(flat, KEY, runs.METHOD)
    with monkeypatch.context() as patch:
        full_database.fill(patch, "fs.files", "insert_one")
        with pytest.raises(OperationFailure):
            try:
                torn.begin({"status": "running"})
                GridFS(db).put(b'{"cls": "fiftyone.brain.similarity.Results"}')
            finally:
                torn.close()
    assert set(db.fs.chunks.distinct("files_id")) - set(db.fs.files.distinct("_id"))
    runs.write(flat, KEY, {"status": "done"}, {})
    assert not set(db.fs.chunks.distinct("files_id")) - set(db.fs.files.distinct("_id"))
    assert db.runs.count_documents({"_dataset_id": flat._doc.id}) == 1 and runs.is_ours(flat, KEY)
    assert not db[journal.COLLECTION].count_documents({})


def test_a_run_that_cannot_be_noted_is_refused_in_a_line(flat, monkeypatch):
    with claims.Claims(flat, KEY, "fit", "share", lambda line, level: None) as mine, monkeypatch.context() as patch:
        full_database.fill(patch, claims.COLLECTION, "update_one")
        with pytest.raises(StorageError, match=r"database refuses what is to be stored .no space left on device"):
            mine.settle("0123456789")
        mine.settle("0123456789")


def test_videos_are_not_failed_one_by_one_for_want_of_room(fitted_dataset, monkeypatch, tmp_path):
    """Neither in the samples, nor in the folder for all drawings: that would be said of every one of them."""
    options = {"output_dir": tmp_path / "drawn", "progress": False, "device": "cpu"}

    def full(_):
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(job, "writable_folder", full)
        with pytest.raises(StorageError, match=r"the disk is full; pass another output_dir.*goes on from there"):
            reconstruct(fitted_dataset, **options)
    with monkeypatch.context() as patch:
        full_database.fill(patch, fitted_dataset._sample_collection_name, "update_one")
        with pytest.raises(StorageError, match=r"disk of FiftyOne's database is full .*goes on from there"):
            reconstruct(fitted_dataset, **options)
    assert len(reconstruct(fitted_dataset, **options).failed) == 0 == len(fitted_dataset.distinct("tags"))
    assert fitted_dataset.count("latent_inr_recon") == 2 and not fitted_dataset.has_field("latent_inr_recon_error")
