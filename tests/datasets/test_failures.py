"""Failures as a field and a tag: put, kept, and taken away at the next success; of fits and of drawings."""

import shutil
import time
from pathlib import Path

import fiftyone as fo
import pytest
from pymongo.errors import AutoReconnect

from fiftyone_latent_inr import InputError, reconstruct
from fiftyone_latent_inr.datasets.failures import FailureMarks, last_failures

TAG, ERROR = "latent_inr_failed", "latent_inr_error"


@pytest.fixture
def half_broken(make_dataset, clips, tmp_path):
    """One good clip, one that is damaged and one that is gone, in a folder of the test's own."""
    good, damaged, gone = (tmp_path / f"{name}.mp4" for name in ("good", "damaged", "gone"))
    shutil.copy(clips["red circle"], good)
    damaged.write_bytes(b"no video" * 99)
    return make_dataset([good, damaged, gone])


def test_failed_fits_are_found_by_field_and_tag_until_they_succeed(half_broken, clips, fit):
    dataset, held = half_broken, half_broken.last()  # a sample in memory follows, too
    summary = fit(dataset, teacher=None)
    reasons = dict(zip(*dataset.exists(ERROR).values(["id", ERROR]), strict=True))
    assert reasons == {failure.sample_id: failure.reason for failure in summary.failed} and len(reasons) == 2
    assert dataset.match_tags(TAG).values("id") == list(reasons) and held[ERROR] and held.tags == [TAG]
    assert last_failures(dataset, "latent_inr") == (2, next(iter(reasons.values())))
    dataset.tag_samples("mine")
    shutil.copy(clips["blue square"], dataset.last().filepath)
    assert len(fit(dataset.skip(2), teacher=None).fitted) == 1
    assert dataset.values(ERROR)[2] is None and dataset.last().tags == ["mine"]
    assert dataset.match_tags(TAG).values("id") == dataset.values("id")[1:2]


def test_a_mark_goes_when_the_video_is_up_to_date_after_all(half_broken, fit):
    good = Path(half_broken.first().filepath)
    fit(half_broken.limit(1), teacher=None)
    good.rename(good.with_suffix(".away"))
    fit(half_broken.limit(1), teacher=None)
    assert half_broken.first().tags == [TAG]
    good.with_suffix(".away").rename(good)
    assert len(fit(half_broken.limit(1), teacher=None).skipped) == 1
    assert half_broken.first().tags == [] and half_broken.first()[ERROR] is None


def test_the_one_that_stops_a_run_is_marked(half_broken, fit):
    with pytest.raises(InputError, match="damaged"):
        fit(half_broken.limit(2), teacher=None, skip_failures=False)
    assert "damaged.mp4" in half_broken.match_tags(TAG).values("filepath")[0]


def test_failed_drawings_have_a_field_of_their_own(fitted_dataset, fit):
    path = Path(fitted_dataset.first().latent_inr_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    reconstruct(fitted_dataset, progress=False, device="cpu")
    assert fitted_dataset.first().latent_inr_recon_error and fitted_dataset.first().tags == ["latent_inr_recon_failed"]
    assert fitted_dataset.last().latent_inr_recon_error is None and not fitted_dataset.has_field(ERROR)
    assert fitted_dataset.app_config.media_fields == ["filepath", "latent_inr_recon"]
    path.write_bytes(whole)
    reconstruct(fitted_dataset, progress=False, device="cpu")
    assert not fitted_dataset.count("latent_inr_recon_error") and fitted_dataset.first().tags == []


def test_drawings_that_succeed_leave_no_field(fitted_dataset):
    reconstruct(fitted_dataset, progress=False, device="cpu")
    assert not fitted_dataset.has_field("latent_inr_recon_error")


def test_a_field_of_that_name_and_another_kind_is_left_alone(dataset):
    dataset.add_sample_field("x2_error", fo.FloatField)
    marks = FailureMarks(dataset, "x2")
    marks.failed(dataset.first().id, "why")
    marks.flush()
    assert dataset.first().x2_error is None and dataset.first().tags == ["x2_failed"]
    assert last_failures(dataset, "x2") == (0, "")


@pytest.mark.parametrize(("tags", "kept"), [(None, []), ("mine", ["mine"]), (["mine"], ["mine"]), (3, [])])
def test_tags_that_are_no_list_keep_no_sample_from_its_mark(dataset, tags, kept):
    odd, other, _ = dataset.values("_id")
    dataset._sample_collection.update_one({"_id": odd}, {"$set": {"tags": tags}})
    marks = FailureMarks(dataset, "x2")
    for sample in odd, other:
        marks.failed(str(sample), "why")
    marks.flush()
    found = list(dataset._sample_collection.find({"x2_error": "why"}))
    assert [one["tags"] for one in found] == [[*kept, "x2_failed"], ["x2_failed"]]
    assert last_failures(dataset, "x2") == (2, "why")
    marks.done(str(odd))
    marks.flush()
    assert dataset.first().tags == kept and dataset.first().x2_error is None


def test_text_of_others_stays(dataset):
    """Whether their sample fails, succeeds, or fails and then succeeds in another run."""
    dataset.add_sample_field("x2_error", fo.StringField)
    dataset.set_values("x2_error", ["mine", "mine", None])
    first, second, third = dataset.values("id")
    marks = FailureMarks(dataset, "x2")
    marks.done(first)
    for sample in second, third:
        marks.failed(sample, "why")
    marks.flush()
    assert dataset.values("x2_error") == ["mine", "mine", "why"] and len(dataset.match_tags("x2_failed")) == 2
    outcomes = {sample: {"status": "failed", "reason": "why"} for sample in (second, third)}
    marks = FailureMarks(dataset, "x2", outcomes)
    for sample in first, second, third:
        marks.done(sample)
    marks.flush()
    assert dataset.values("x2_error") == ["mine", "mine", None] and not dataset.match_tags("x2_failed")
    assert last_failures(dataset, "x2") == (0, "")


def test_a_fit_that_succeeds_leaves_the_text_of_others(dataset, fit):
    dataset.add_sample_field(ERROR, fo.StringField)
    dataset.set_values(ERROR, ["mine", None, None])
    assert len(fit(dataset.limit(1), teacher=None).fitted) == 1
    assert dataset.first()[ERROR] == "mine"


def test_marks_wait_for_a_database_that_is_away(dataset, monkeypatch):
    marks, write = FailureMarks(dataset, "x2"), fo.Dataset._bulk_write

    def away(*_, **__):
        raise AutoReconnect("away")

    monkeypatch.setattr(fo.Dataset, "_bulk_write", away)
    marks.failed(dataset.first().id, "why")
    marks.flush()
    monkeypatch.setattr(fo.Dataset, "_bulk_write", write)
    marks.flush()
    assert dataset.first().x2_error == "why"


def test_thousands_of_marks_are_cheap(make_dataset):
    dataset = make_dataset([f"clip-{k}.mp4" for k in range(1000)])
    ids = dataset.values("id")

    def spent(act):
        started = time.process_time()
        marks = FailureMarks(dataset, "latent_inr")
        for i in ids:
            act(marks, i)
        marks.flush()
        return time.process_time() - started

    assert spent(lambda marks, i: marks.failed(i, "the file is gone")) < 0.005 * len(ids)
    assert len(dataset.match_tags(TAG)) == dataset.count(ERROR) == len(ids)
    assert spent(lambda marks, i: marks.done(i)) < 0.005 * len(ids)
    assert not dataset.count(ERROR) and not dataset.match_tags(TAG)
