"""Scene cuts: what is one and what is none, in generated clips and in real ones."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fiftyone_latent_inr import InputError, resources, video
from fiftyone_latent_inr.frames.cuts import MAX_FLASH, CutFinder, find_cuts

CLIPS = Path(os.environ.get("LATENT_INR_CLIPS", Path(__file__).resolve().parents[3] / "shared" / "clips"))
# Seen by eye; of the two tracks of `nasa_mirror` in the larger one. `mixed_scenes` has two pairs of scenes in turns
# of 1, 1, 2, 2, 3, 3, ... frames, started anew nine times.
REAL = {"street_cuts": (30, 76, 137, 187, 242), "nasa_mirror_180p": (240,)}
_STARTS = (0, 210, 420, 600, 810, 1020, 1200, 1410, 1620)


def world(seed: int, height: int = 90, width: int = 160) -> np.ndarray:
    """A picture, float (H, W, 3): soft blobs of all sizes and colours."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(float)
    picture = np.full((height, width, 3), rng.uniform(60, 190, 3))
    for _ in range(60 * height * width // (90 * 160)):
        radius = rng.uniform(4, 25)
        near = (rows - rng.uniform(0, height)) ** 2 + (columns - rng.uniform(0, width)) ** 2 < radius**2
        picture[near] = rng.uniform(0, 255, 3)
    return picture


def still(seed: int, num: int) -> np.ndarray:
    """A scene, uint8 (T, 90, 160, 3), that a slight noise keeps from standing quite still."""
    noise = np.random.default_rng(seed).normal(0, 2, (num, 90, 160, 3))
    return (world(seed) + noise).clip(0, 255).astype(np.uint8)


def pan(seed: int, num: int, pixels: int) -> np.ndarray:
    """A camera that moves over a wide picture."""
    wide = world(seed, 90, 160 + pixels * num).astype(np.uint8)
    return np.stack([wide[:, pixels * k : pixels * k + 160] for k in range(num)])


def lit(frames: np.ndarray, gain: np.ndarray | float, lift: float = 0.0) -> np.ndarray:
    """Frames in another light."""
    return (frames * np.reshape(gain, (-1, 1, 1, 1)) + lift).clip(0, 255).astype(np.uint8)


def mixed_scenes() -> set[int]:
    """The cuts of `mixed_scenes_qcif_1700f`."""
    cuts: set[int] = set()
    for start, end in zip(_STARTS, (*_STARTS[1:], 1700), strict=True):
        turns = np.repeat(np.arange(1, 20), 2)
        cuts |= {int(k) for k in start + np.concatenate([[0], turns.cumsum()]) if k < end}
    # a few turns at the ends of rounds are not of that pattern
    return (cuts ^ {0, 588, 589, 1188, 1189, 1696}) - {0}


@pytest.mark.parametrize("seed", range(4))
def test_a_hard_cut(seed: int) -> None:
    assert find_cuts(np.concatenate([still(seed, 5), still(seed + 50, 4)])) == (5,)


def test_a_cut_between_plain_pictures() -> None:
    red, blue = (np.full((3, 48, 64, 3), colour, np.uint8) for colour in ((200, 30, 30), (30, 30, 200)))
    assert find_cuts(np.concatenate([red, blue, still(1, 1)[:, :48, :64]])) == (3, 6)


def test_scenes_of_single_frames() -> None:
    assert find_cuts(np.concatenate([still(seed, 1) for seed in range(6)])) == (1, 2, 3, 4, 5)
    inside = np.concatenate([still(1, 4), still(2, 1), still(1, 4)])
    assert find_cuts(inside) == (4, 5)


def test_a_cut_within_a_pan_and_nothing_else() -> None:
    assert find_cuts(np.concatenate([pan(3, 8, 11), pan(4, 8, 11)])) == (8,)
    assert find_cuts(pan(5, 12, 14)) == ()
    assert find_cuts(pan(5, 12, 60)) != ()  # too fast to tell, as documented; and so that the test above can fail


def test_an_object_that_crosses_the_picture() -> None:
    frames = np.full((8, 90, 160, 3), 225, np.uint8)
    for k, frame in enumerate(frames):
        frame[20:80, 20 * k : 20 * k + 40] = (180, 30, 20)
    assert find_cuts(frames) == ()


@pytest.mark.parametrize("gain,lift", [(1.6, 0), (4, 0), (1, 80), (1, 255), (0.3, 0), (0, 0)])
@pytest.mark.parametrize("length", [1, MAX_FLASH])
def test_a_flash_is_no_cut(gain: float, lift: float, length: int) -> None:
    frames = still(7, 12)
    frames[5 : 5 + length] = lit(frames[5 : 5 + length], gain, lift)
    assert find_cuts(frames) == ()


def test_light_that_stays_off_is_a_cut() -> None:
    frames = still(7, 12)
    frames[5:] = 0
    assert find_cuts(frames) == (5,)


def test_a_flash_at_a_cut_hides_it_not() -> None:
    frames = np.concatenate([still(7, 5), still(8, 5)])
    frames[5] = 255
    assert set(find_cuts(frames)) & {5, 6}


def test_fades_and_slow_dissolves_are_no_cuts() -> None:
    frames = still(9, 16)
    assert find_cuts(lit(frames, np.linspace(0.15, 1, 16))) == ()
    assert find_cuts(lit(frames, np.linspace(1, 0.15, 16))) == ()
    share = np.linspace(0, 1, 16)[:, None, None, None]
    assert find_cuts((frames * (1 - share) + still(10, 16) * share).astype(np.uint8)) == ()


@pytest.mark.parametrize("ground", [np.full((90, 160, 3), 120.0), world(11)])
def test_noise_is_no_cut(ground: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(0, 25, (6, *ground.shape))
    assert find_cuts((ground + noise).clip(0, 255).astype(np.uint8)) == ()


def test_frames_shown_twice_change_nothing() -> None:
    moving = pan(12, 6, 8)
    assert find_cuts(moving.repeat(3, axis=0)) == ()
    assert find_cuts(np.concatenate([moving, still(13, 3)]).repeat(3, axis=0)) == (18,)


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2), (700, 1100)])
def test_any_size(shape: tuple[int, int]) -> None:
    frames = np.zeros((4, *shape, 3), np.uint8)
    frames[2:] = (10, 200, 90)
    assert find_cuts(frames) == (2,)


def test_few_frames() -> None:
    assert find_cuts(np.empty((0, 4, 4, 3), np.uint8)) == find_cuts(still(0, 1)) == ()


def test_what_are_no_frames() -> None:
    for wrong in (np.zeros((2, 4, 4, 3), np.float32), np.zeros((2, 4, 4), np.uint8), np.zeros((2, 0, 4, 3), np.uint8)):
        with pytest.raises(InputError, match="must be uint8"):
            find_cuts(wrong)
    with pytest.raises(InputError, match="one size"):
        find_cuts([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)])


def test_frame_by_frame_a_cut_is_certain_soon() -> None:
    frames = np.concatenate([still(1, 4), still(2, 1), still(3, 8), still(4, 2)])
    finder = CutFinder()
    told = {cut: k for k, frame in enumerate(frames) for cut in finder.add(frame)}
    assert told == {4: 4 + MAX_FLASH, 5: 5 + MAX_FLASH}
    assert finder.finish() == (13,) and finder.finish() == ()


def test_memory_does_not_grow_with_the_frames() -> None:
    def stream(num: int) -> Iterator[np.ndarray]:
        frame = still(1, 1)[0]
        for k in range(num):
            yield np.roll(frame, 3 * k, axis=1)

    peaks = []
    for num in (20, 200):
        tracemalloc.start()
        find_cuts(stream(num))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 50_000


def test_the_bundled_clips_have_no_cuts_and_their_splices_have() -> None:
    clips = [video.read(path, size=(90, 160), max_frames=24).array for path in resources.bundled_clips()]
    assert [find_cuts(clip) for clip in clips] == [()] * len(clips)
    for one, other in zip(clips, [*clips[1:], clips[0]], strict=True):
        assert find_cuts(np.concatenate([one, other])) == (24,)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs the full-length clips")
@pytest.mark.parametrize("path", sorted(CLIPS.glob("*.mp4")), ids=lambda path: path.stem)
def test_real_clips(path: Path) -> None:
    """Every cut and nothing else, in fast pans, dissolves and scenes of one frame."""
    cuts = mixed_scenes() if path.stem.startswith("mixed_scenes") else set(REAL.get(path.stem, ()))
    assert set(find_cuts(video.iter_frames(path, size=(90, 160)))) == cuts
