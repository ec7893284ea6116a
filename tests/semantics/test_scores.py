"""Pooling and scores, against numbers worked out by hand."""

import numpy as np
import pytest

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.semantics.scores import centred_cosine, pool, recall_at_k


def test_pool_is_the_direction_of_the_mean():
    pooled = pool(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, np.array([1, 2]) / np.sqrt(5), rtol=1e-6)


def test_pool_of_nothing_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        pool(np.zeros((0, 4)))


def test_recall_counts_the_ranks():
    items = np.eye(3)
    queries = np.array([[0.9, 0.1, 0.0], [0.6, 0.5, 0.1], [0.5, 0.4, 0.3]])  # own item ranks 1, 2, 3
    assert recall_at_k(queries, items, 1) == pytest.approx(1 / 3)
    assert recall_at_k(queries, items, 2) == pytest.approx(2 / 3)
    assert recall_at_k(queries, items, 3) == 1


def test_recall_with_targets():
    items = np.eye(2)
    assert recall_at_k(np.array([[1.0, 0.0], [0.9, 0.2]]), items, 1, targets=np.array([0, 0])) == 1
    assert recall_at_k(np.array([[1.0, 0.0], [0.9, 0.2]]), items, 1, targets=np.array([0, 1])) == 0.5


def test_an_index_of_equal_vectors_retrieves_nothing():
    assert recall_at_k(np.ones((4, 3)), np.ones((4, 3)), 1) == 0


@pytest.mark.parametrize(("queries", "items", "k"), [((2, 3), (2, 4), 1), ((0, 3), (2, 3), 1), ((2, 3), (2, 3), 0)])
def test_recall_refuses_what_does_not_fit(queries, items, k):
    with pytest.raises(InputError):
        recall_at_k(np.ones(queries), np.ones(items), k)


def test_centred_cosine_sees_through_a_shared_direction():
    rng = np.random.default_rng(0)
    common, a, b = 100 * rng.normal(size=8), rng.normal(size=(500, 8)), rng.normal(size=(500, 8))
    plain = np.mean(
        [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(a + common, b + common, strict=True)]
    )
    assert plain > 0.95
    assert abs(centred_cosine(a + common, b + common)) < 0.1
    assert centred_cosine(a + common, a + 2 * common) == pytest.approx(1)


def test_centred_cosine_of_a_still_video():
    still = np.ones((4, 3))
    assert centred_cosine(still, still) == 1
    assert centred_cosine(np.random.default_rng(0).normal(size=(4, 3)), still) == 0
