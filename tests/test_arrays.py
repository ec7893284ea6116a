"""The check of frames, and unit norm."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_latent_inr.arrays import check_frames, unit_norm
from fiftyone_latent_inr.errors import InputError


def test_frames_are_taken_and_anything_else_is_named() -> None:
    check_frames(np.zeros((2, 4, 5, 3), np.uint8))
    check_frames(np.zeros((4, 5, 3), np.uint8), single=True)
    others = [
        *(np.zeros(shape, np.uint8) for shape in ((4, 5, 3), (2, 4, 5, 4), (0, 4, 5, 3), (2, 0, 5, 3))),
        *(np.zeros((2, 4, 5, 3)), [[1]], None, "video.mp4"),
    ]
    for other in others:
        with pytest.raises(InputError, match=r"videos must be uint8 \(T, H, W, 3\), not "):
            check_frames(other, "videos")
    with pytest.raises(InputError, match=r"frames must be uint8 \(H, W, 3\), not uint8 \(2, 4, 5, 3\)"):
        check_frames(np.zeros((2, 4, 5, 3), np.uint8), single=True)


def test_unit_norm_leaves_zeros() -> None:
    vectors = unit_norm(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_what_rounds_to_zero_is_no_error_whatever_the_host_has_set() -> None:
    vectors = np.array([[1.0, 1e-60], [0.0, 1e-300]])
    with np.errstate(all="raise"):
        assert np.array_equal(unit_norm(vectors)[0], [1, 0])
