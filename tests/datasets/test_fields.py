"""Names and types of fields that cannot be used: a clear error, before anything is written."""

import fiftyone as fo
import pytest

from fiftyone_latent_inr import InputError


@pytest.mark.parametrize("name", ["frames.latent", "a.b", "", "_hidden", "1st", "with space", "naïve"])
def test_unusable_names(dataset, fit, name):
    with pytest.raises(InputError, match="embeddings_field"):
        fit(dataset, embeddings_field=name)
    with pytest.raises(InputError, match="brain_key"):
        fit(dataset, brain_key=name)
    assert not dataset.list_runs()
    assert not [field for field in dataset.get_field_schema() if "latent" in field]


@pytest.mark.parametrize("field", ["latent_inr", "latent_inr_psnr", "latent_inr_path"])
def test_field_of_another_type(dataset, fit, field):
    dataset.add_sample_field(field, fo.IntField)
    with pytest.raises(InputError, match=f"'{field}' of type IntField"):
        fit(dataset)
    assert not dataset.list_runs()


def test_reserved_field(dataset, fit):
    with pytest.raises(InputError, match="'filepath' of type StringField"):
        fit(dataset, embeddings_field="filepath")
