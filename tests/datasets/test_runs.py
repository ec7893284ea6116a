"""The custom run: what another tool has recorded under its name is left alone."""

import pytest

from fiftyone_latent_inr import InputError


def test_custom_run_of_another_kind(dataset, fit):
    dataset.register_run("latent_inr", dataset.init_run(method="something"))
    with pytest.raises(InputError, match="custom run 'latent_inr' of another kind"):
        fit(dataset)
