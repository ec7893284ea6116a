"""The custom run: what another tool has recorded under its name is left alone."""

import pytest
from bson import ObjectId

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.datasets import runs


def test_custom_run_of_another_kind(dataset, fit):
    dataset.register_run("latent_inr", dataset.init_run(method="something"))
    with pytest.raises(InputError, match="custom run 'latent_inr' of another kind"):
        fit(dataset)


def test_results_that_cannot_be_read_are_none(dataset, fit):
    """As a process leaves them that is killed between the two steps in which FiftyOne stores them."""
    fit(dataset.limit(1), teacher=None)
    document = dataset._doc.runs["latent_inr"]
    dataset._doc.runs["latent_inr"].results.delete()
    document._get_collection().update_one({"_id": document.id}, {"$set": {"results": ObjectId()}})
    dataset.reload()
    assert runs.read_outcomes(dataset, "latent_inr") == {}
    assert len(fit(dataset, teacher=None).fitted) == 2
    assert set(runs.read_outcomes(dataset, "latent_inr")) == set(dataset.values("id"))
