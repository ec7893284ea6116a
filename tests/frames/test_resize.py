"""Area averaging against a plain reference and OpenCV's."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.frames.resize import area_resize

RNG = np.random.default_rng(0)


def overlaps(old: int, new: int) -> np.ndarray:
    """(new, old): which share of each new pixel each old one makes up."""
    matrix = np.zeros((new, old))
    for i in range(new):
        for j in range(old):
            matrix[i, j] = max(0.0, min((i + 1) * old / new, j + 1) - max(i * old / new, j)) * new / old
    return matrix


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((64, 96), (16, 24)),
        ((143, 175), (50, 61)),
        ((90, 160), (89, 159)),
        ((7, 5), (1, 1)),
        ((5, 7), (8, 20)),
        ((31, 1), (4, 1)),
        ((1, 1), (3, 2)),
        ((10, 10), (10, 3)),
    ],
)
def test_is_the_mean_of_what_is_covered(old: tuple[int, int], new: tuple[int, int]) -> None:
    frames = RNG.integers(0, 256, (2, *old, 3)).astype(np.uint8)
    expected = np.einsum("ah,thwc,bw->tabc", overlaps(old[0], new[0]), frames, overlaps(old[1], new[1]))
    result = area_resize(frames, new)
    assert result.dtype == np.uint8
    assert np.abs(result - expected).max() <= 0.5 + 1e-9


def test_halves_round_up() -> None:
    assert area_resize(np.array([[[0], [1]]], np.uint8), (1, 1)).tolist() == [[[1]]]


def test_large_sums_do_not_overflow() -> None:
    """Coprime sides: the sum of weights passes 2 ** 24, beyond what 32 bits hold times 510."""
    frame = np.full((4099, 4097, 1), 255, np.uint8)
    assert (area_resize(frame, (4, 3)) == 255).all()


def test_agrees_with_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    frame = RNG.integers(0, 256, (180, 320, 3)).astype(np.uint8)
    for height, width in ((90, 160), (70, 101)):
        other = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        assert np.abs(area_resize(frame, (height, width)).astype(int) - other).max() <= 1


def test_one_frame_or_many() -> None:
    frames = RNG.integers(0, 256, (3, 20, 30, 3)).astype(np.uint8)
    many = area_resize(frames, (7, 8))
    assert all(np.array_equal(area_resize(frame, (7, 8)), out) for frame, out in zip(frames, many, strict=True))


def test_same_size_is_untouched() -> None:
    frames = RNG.integers(0, 256, (3, 20, 30, 3)).astype(np.uint8)
    assert area_resize(frames, (20, 30)) is frames


@pytest.mark.parametrize("size", [(0, 3), (3, 0), (-1, 3)])
def test_bad_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        area_resize(np.zeros((1, 4, 4, 3), np.uint8), size)


def test_other_types() -> None:
    with pytest.raises(InputError, match="uint8"):
        area_resize(np.zeros((1, 4, 4, 3), np.float32), (2, 2))  # type: ignore[arg-type]
