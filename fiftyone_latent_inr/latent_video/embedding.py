"""Embeddings of frames and of a whole video, from the semantic latents and the head: memory grows with neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..arrays import DoubleArray, FloatArray, unit_norm
from ..model.tensors import SEMANTIC

# Numbers that are embedded at once, in 64 bits each: of a few thousand frames.
_AT_ONCE = 1 << 22


def embed(semantic: Mapping[str, FloatArray]) -> FloatArray:
    """(T, E) unit-norm embeddings of the frames, from the tensors of a file's semantic section."""
    latents, head = semantic[SEMANTIC[0]], _head(semantic)
    embeddings = np.empty((len(latents), head.shape[1]), np.float32)
    for part, some in _parts(latents, head):
        # in float64, for the same embeddings on every machine, and finite ones whatever a file holds
        embeddings[part] = unit_norm(some @ head[:-1] + head[-1])
    return embeddings


def mean_embedding(semantic: Mapping[str, FloatArray]) -> FloatArray:
    """(E,) the unit-norm mean of the frames' unit-norm embeddings.

    Of long videos no frame is embedded for it. With W the head, its bias as a last row, and z a frame's latent with a
    one behind it, the mean of zW / |zW| is that of z / |zW|, times W; and |zW|^2 = z (W W^T) z^T needs S + 1 numbers a
    frame, where an embedding has E.
    """
    latents, head = semantic[SEMANTIC[0]], _head(semantic)
    count, (width, dim) = len(latents), head.shape
    if count * dim <= _AT_ONCE:
        return unit_norm(embed(semantic).mean(0))
    if width >= dim:
        total = np.zeros(dim)
        for _, some in _parts(latents, head):
            total += unit_norm(some @ head[:-1] + head[-1]).sum(0, dtype=np.float64)
        return unit_norm(total / count)
    products, sums = head @ head.T, np.zeros(width)
    for _, some in _parts(latents, head):
        extended = np.append(some, np.ones((len(some), 1)), 1)
        squares = np.einsum("ts,ts->t", extended @ products, extended)
        sums += (extended / np.maximum(np.sqrt(np.maximum(squares, 0)), 1e-12)[:, None]).sum(0)
    return unit_norm(sums @ head / count)


def _head(semantic: Mapping[str, FloatArray]) -> DoubleArray:
    """(S + 1, E) the head, its bias as the last row."""
    weight, bias = (semantic[name].astype(np.float64) for name in SEMANTIC[1:])
    return np.append(weight, bias[None], 0)


def _parts(latents: FloatArray, head: DoubleArray) -> Iterator[tuple[slice, DoubleArray]]:
    """Some frames at a time: which they are, and their latents (N, S)."""
    step = max(1, _AT_ONCE // max(head.shape))
    for first in range(0, len(latents), step):
        part = slice(first, first + step)
        yield part, latents[part].astype(np.float64)
