"""The pool of windows: bounded, the same for a seed, and undeterred by broken videos."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from scenes import scene

from fiftyone_latent_inr import video
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.pretraining.reels import WINDOW_FRAMES, named_reels
from fiftyone_latent_inr.pretraining.windows import Pool, WindowPool, view_of


class Mean:
    """A teacher that says the mean colour."""

    def embed_frames(self, frames: np.ndarray) -> np.ndarray:
        return (frames.mean((1, 2)) / 255).astype(np.float32)


def test_a_pool_holds_the_newest_and_no_more() -> None:
    made: list[int] = []

    def make(k: int) -> int:
        made.append(k)
        return k

    pool = Pool(make, capacity=5, first=2, every=3, ahead=2)
    assert pool.at(0) == [0, 1] and pool.at(3) == [0, 1, 2]
    assert pool.at(30) == [7, 8, 9, 10, 11]
    assert len(pool._items) <= 5 + 2
    pool.close()
    fresh = Pool(make, capacity=5, first=2, every=3, ahead=2)
    assert fresh.at(30) == [7, 8, 9, 10, 11]  # a run that goes on finds the same ones
    fresh.close()


def test_items_are_made_by_another_thread_and_its_errors_reach_the_caller() -> None:
    def make(k: int) -> str:
        if k == 3:
            raise InputError("broken")
        return threading.current_thread().name

    pool = Pool(make, capacity=5, first=2, every=1, ahead=4)
    assert all(name.startswith("pretrain") for name in pool.at(0))
    with pytest.raises(InputError, match="broken"):
        pool.at(2)
    pool.close()


def test_what_is_drawn_follows_the_seed() -> None:
    long = scene(0, 70, 1.0)
    pools = [WindowPool(named_reels([("long", long)]), 5, Mean(), uses=2, clips_per_step=2) for _ in range(2)]
    for step in (0, 7):
        drawn = [pool.draw(step, np.random.default_rng(step)) for pool in pools]
        assert np.array_equal(*drawn)
        views = [pool.views(step, np.random.default_rng(step), 6) for pool in pools]
        assert np.array_equal(views[0][0], views[1][0]) and np.array_equal(views[0][1], views[1][1])
    assert pools[0].seen == {"long": 70}
    for pool in pools:
        pool.close()


def test_the_pool_takes_a_bounded_number_of_bytes() -> None:
    pool = WindowPool(named_reels([("a", scene(0, 70))]), 0, uses=1, clips_per_step=1, most_bytes=80 << 20)
    largest = WINDOW_FRAMES * 192 * 320 * 3
    for step in range(0, 60, 5):
        pool.draw(step, np.random.default_rng(step))
        assert len(pool._pool._items) * largest <= 80 << 20
    pool.close()


def test_the_teacher_sees_what_the_student_is_shown() -> None:
    pool = WindowPool(named_reels([("a", scene(0, 20, 1.0, 96, 144))]), 0, Mean())
    pictures, embeddings = pool.views(0, np.random.default_rng(0), 12)
    assert pictures.shape == (12, 48, 48, 3) and embeddings.shape == (12, 3)
    assert np.abs(pictures.mean((1, 2)) / 255 - embeddings).max() < 0.01
    assert embeddings.std(0).max() > 0.005
    pool.close()


def test_broken_videos_are_left_out_and_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.mp4", tmp_path / "bad.mp4"
    video.write(good, scene(0, 60, 1.0, 64, 96), 25)
    bad.write_bytes(b"no video")
    pool = WindowPool(named_reels([("bad.mp4", bad), ("good.mp4", good)]), 0, uses=1, clips_per_step=1)
    for step in range(6):
        pool.draw(step, np.random.default_rng(step))
    pool.close()
    assert pool.seen == {"good.mp4": 60} and set(pool.skipped) == {"bad.mp4"}
    lost = WindowPool(named_reels([("bad.mp4", bad)]), 0)
    with pytest.raises(InputError, match=r"none of the videos.*bad\.mp4"):
        lost.draw(0, np.random.default_rng(0))
    lost.close()


def test_a_view_is_a_small_square() -> None:
    assert np.array_equal(view_of(np.full((1, 60, 80, 3), 7, np.uint8)), np.full((1, 48, 48, 3), 7, np.uint8))
