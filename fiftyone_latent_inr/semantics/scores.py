"""Pooling embeddings over a video, and scores of retrieval and alignment. numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, unit_norm
from ..errors import InputError


def pool(embeddings: NDArray[np.floating]) -> FloatArray:
    """A video's embedding: the mean of its frames', scaled to unit norm.

    Args:
        embeddings: (T, E), T at least 1; the frames' embeddings, of unit norm.

    Returns:
        float32 (E,), unit norm.

    Raises:
        InputError: if there is no frame.
    """
    embeddings = np.asarray(embeddings, np.float32)
    if embeddings.ndim != 2 or len(embeddings) == 0:
        raise InputError(f"pooling needs embeddings of shape (T, E) with T at least 1, got {embeddings.shape}")
    return unit_norm(embeddings.mean(0, dtype=np.float64))


def recall_at_k(
    queries: NDArray[np.floating],
    items: NDArray[np.floating],
    k: int = 1,
    targets: NDArray[np.integer] | None = None,
) -> float:
    """The fraction of queries whose item is among the `k` most similar.

    Ties count against the query: an index of equal vectors retrieves nothing.

    Args:
        queries: (N, E) unit norm, such as texts.
        items: (M, E) unit norm, such as videos.
        k: at least 1.
        targets: (N,) the item that belongs to each query; None means query i belongs to item i.

    Returns:
        0 to 1.

    Raises:
        InputError: if the shapes do not fit or `k` is less than 1.
    """
    queries, items = np.asarray(queries, np.float32), np.asarray(items, np.float32)
    if queries.ndim != 2 or items.ndim != 2 or queries.shape[1] != items.shape[1] or len(queries) == 0:
        raise InputError(f"recall needs (N, E) queries and (M, E) items, got {queries.shape} and {items.shape}")
    if k < 1:
        raise InputError(f"recall at k needs k of at least 1, got {k}")
    own = np.arange(len(queries)) if targets is None else np.asarray(targets)
    if own.shape != (len(queries),) or own.min() < 0 or own.max() >= len(items):
        raise InputError("recall needs one target for each query, and an item for each target")
    scores = queries @ items.T
    target = scores[np.arange(len(own)), own][:, None]
    ahead = (scores >= target).sum(1) - 1  # others that are as similar or more
    return float((ahead < k).mean())


def centred_cosine(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """How well `a` follows `b` beyond what all frames share: mean cosine, each one's own mean taken off before.

    Frames of one video are nearly parallel in a teacher's space, so plain cosines flatter; these do not.

    Args:
        a: rows (T, E).
        b: rows to compare them with, one by one.

    Returns:
        -1 to 1; 1 if `b` does not vary and neither does `a`, 0 if only one of them does.

    Raises:
        InputError: if the shapes differ.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 2 or len(a) == 0:
        raise InputError(f"centred cosine needs two arrays of the same shape (T, E), got {a.shape} and {b.shape}")
    a, b = a - a.mean(0), b - b.mean(0)
    norms = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    flat = [norm <= 1e-6 for norm in norms]
    cosine = (a * b).sum(1) / np.maximum(norms[0] * norms[1], 1e-12)
    cosine = np.where(flat[0] & flat[1], 1.0, np.where(flat[0] | flat[1], 0.0, cosine))
    return float(cosine.mean())
