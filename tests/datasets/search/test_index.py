"""The similarity index: what another tool has stored under its key is left alone."""

import fiftyone.brain as fob
import numpy as np
import pytest

from fiftyone_latent_inr import InputError


def test_brain_key_of_another_kind(dataset, fit):
    dataset.set_values("other", [np.eye(4, dtype=np.float32)[i] for i in range(3)])
    fob.compute_similarity(dataset, embeddings="other", brain_key="latent_inr")
    with pytest.raises(InputError, match="similarity index of 'other'"):
        fit(dataset)
    assert dataset.list_brain_runs() == ["latent_inr"]
