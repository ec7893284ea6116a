"""Vectors that others have put into the field: which samples hold them is said, and the fit of these heals it."""

from dataclasses import replace

import fiftyone as fo
import numpy as np
import pytest

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.datasets.fields import FieldNames, odd_embeddings, with_usable_embedding
from fiftyone_latent_inr.datasets.search.search import search


@pytest.fixture
def quick(fit, tiny):
    config = replace(tiny, steps=5, points_per_step=64)
    return lambda samples, **options: fit(samples, config=config, prior="none", **options)


def test_another_width(dataset, quick):
    """Nothing can be searched while it is there, by FiftyOne neither; what is fitted is stored."""
    quick(dataset.limit(1))
    odd = dataset.values("id")[2]
    dataset.set_values("latent_inr", {odd: np.ones(8)}, key_field="id")
    told = rf"1 of .* samples: {odd} \(8 numbers instead of 64\); fit these samples, too"
    with pytest.raises(InputError, match=told):
        quick(dataset.limit(2))
    assert dataset.count("latent_inr_path") == 2
    with pytest.raises(InputError, match=f"cannot be read .*{odd}"):
        search(dataset, "a red circle")
    assert quick(dataset).fitted == [odd]
    assert len(search(dataset, "a red circle")) == 3


def test_numbers_that_are_none(dataset, quick):
    quick(dataset)
    first, second, third = dataset.values("id")
    bad = {first: np.full(64, np.nan), second: np.zeros(64)}
    dataset.set_values("latent_inr", bad, key_field="id")
    assert {one.sample_id for one in search(dataset, "a red circle")} == {second, third}
    names = FieldNames.of("latent_inr")
    assert with_usable_embedding(dataset, names, 64) == {third}
    told = odd_embeddings(dataset, "latent_inr")
    assert f"{first} (numbers that are not finite), {second} (zeros)" in told
    assert sorted(quick(dataset).adopted) == sorted([first, second])
    assert not odd_embeddings(dataset, "latent_inr") and len(search(dataset, "a red circle")) == 3


def test_a_field_of_another_tool(dataset, quick):
    dataset.add_sample_field("latent_inr", fo.VectorField)
    dataset.set_values("latent_inr", [np.ones(64)] * 3)
    with pytest.raises(InputError, match="already holds 3 vectors that were not written by this package"):
        quick(dataset)
