"""Probability tables: exact, the same everywhere, and close to what they stand for."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from fiftyone_latent_inr.codec.distributions import (
    FIRST_WIDE,
    FRACTIONS,
    LEVELS,
    NUM_LEVELS,
    REACH,
    SHAPES,
    SYMBOLS,
    TOTAL,
    level_of,
    tables,
)


def test_levels_are_four_an_octave() -> None:
    exact = 4 * 2.0 ** (np.arange(NUM_LEVELS) / 4)
    assert np.array_equal(LEVELS, np.floor(exact + 1e-9))
    assert LEVELS[FIRST_WIDE] == 128  # 2, in 1/64


def test_the_level_of_a_spread() -> None:
    spreads = np.array([1, 3, 4, 5, 127, 128, 4095, 4096, 10**6, 2**30], np.int32)
    for given in (spreads, spreads[:7]):
        wanted = [max(0, int((value >= LEVELS).sum()) - 1) for value in given.tolist()]
        assert level_of(given).tolist() == wanted


@pytest.mark.parametrize("shape", range(SHAPES))
def test_tables_are_exact_in_float32(shape: int) -> None:
    table = tables(shape).astype(np.float64) * TOTAL
    assert table.shape == ((FIRST_WIDE + 1) * FRACTIONS, SYMBOLS)
    assert np.array_equal(table, np.rint(table)) and table.min() >= 1
    assert (table.sum(1) == TOTAL).all()


def test_tables_never_change() -> None:
    """Files depend on them: other tables are another format version."""
    digest = hashlib.sha256(b"".join(tables(shape).astype("<f4").tobytes() for shape in range(SHAPES)))
    assert digest.hexdigest() == "ca5f19795ba565a3139fc5f016952cf649d2e315e8c6cd67d3e323f052dcb8b9"


@pytest.mark.parametrize("level", [14, 17, 20])
def test_the_first_shape_is_a_double_exponential(level: int) -> None:
    """The mean distance from a whole location is the level's, and each step away is as much less likely."""
    row = tables(0)[level * FRACTIONS + 4].astype(np.float64)
    distances = np.abs(np.arange(SYMBOLS - 1) - REACH)
    tail = row[SYMBOLS - 1] * (REACH + 1 + 1 / max(1e-9, 1 - row[0] / row[1]))
    assert (row[:-1] * distances).sum() + tail == pytest.approx(LEVELS[level] / 64, rel=0.05)
    assert row[2] / row[3] == pytest.approx(row[3] / row[4], rel=0.02)


@pytest.mark.parametrize("shape", range(SHAPES))
def test_locations_between_integers_are_mirror_images(shape: int) -> None:
    table = tables(shape).reshape(-1, FRACTIONS, SYMBOLS)
    left, right = table[:, 4 - 3, : SYMBOLS - 1], table[:, 4 + 3, : SYMBOLS - 1]
    np.testing.assert_allclose(left[:, ::-1], right, atol=20 / TOTAL)
    assert (table[:, 0, REACH - 1] >= table[:, 4, REACH - 1]).all()  # half below: the lower neighbour is likelier
