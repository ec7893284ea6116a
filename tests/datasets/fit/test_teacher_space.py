"""Vectors of two teachers never meet in one field."""

import numpy as np
import pytest

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.datasets import runs


class Renamed:
    """The small teacher under another identity: what a teacher with other weights looks like."""

    def __init__(self):
        from fiftyone_latent_inr import load_teacher

        self._teacher = load_teacher("small", device="cpu")
        self.id = "another-teacher"
        self.name = "another"

    def __getattr__(self, name):
        return getattr(self._teacher, name)


@pytest.fixture(scope="module")
def another():
    return Renamed()


def test_another_teacher_for_all_replaces_the_vectors(dataset, fit, another):
    fit(dataset)
    summary = fit(dataset, teacher=another)
    assert len(summary.fitted) == 3
    assert runs.read_config(dataset, "latent_inr")["teacher_id"] == "another-teacher"
    back = fit(dataset)
    assert len(back.adopted) == 3, "files of the first teacher are still there"


def test_another_teacher_for_a_view_is_refused(dataset, fit, another):
    fit(dataset)
    before = dataset.values("latent_inr_path")
    with pytest.raises(InputError, match=r"2 samples outside this view.*embeddings_field='latent_inr_2'"):
        fit(dataset.limit(1), teacher=another)
    assert dataset.values("latent_inr_path") == before
    fit(dataset.limit(1), teacher=another, embeddings_field="latent_inr_2", brain_key="latent_inr_2")
    assert dataset.count("latent_inr_2") == 1 and dataset.count("latent_inr") == 3


def test_failed_samples_lose_the_old_teachers_vectors(dataset, fit, another):
    fit(dataset)
    sample = dataset.first()
    sample.filepath = sample.filepath.replace("clips", "gone")
    sample.save()
    summary = fit(dataset, teacher=another)
    assert len(summary.failed) == 1 and dataset.count("latent_inr") == 2


def test_no_teacher_does_not_silently_drop_vectors(dataset, fit):
    fit(dataset)
    with pytest.raises(InputError, match="overwrite=True"):
        fit(dataset.limit(1), teacher=None)
    fit(dataset.limit(1), teacher=None, overwrite=True)
    assert dataset.count("latent_inr") == 2
    assert len(dataset.sort_by_similarity("a blue square", k=3)) == 2
    fit(dataset.skip(1).limit(1))
    assert runs.read_config(dataset, "latent_inr")["teacher"] == "small"


def test_teacher_is_read_from_the_files_when_the_run_was_deleted(dataset, fit, another):
    fit(dataset)
    dataset.delete_run("latent_inr")
    with pytest.raises(InputError, match="outside this view"):
        fit(dataset.limit(1), teacher=another)
    assert len(fit(dataset).skipped) == 3


def test_vectors_of_somebody_else(dataset, fit):
    dataset.set_values("latent_inr", [np.ones(4, np.float32)] * 3)
    with pytest.raises(InputError, match="not written by this package"):
        fit(dataset)
