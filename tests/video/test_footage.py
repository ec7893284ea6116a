"""What is fitted: the frames of a file or of an array, read from the start as often as needed."""

from __future__ import annotations

import weakref
from pathlib import Path

import media
import numpy as np
import pytest
from scenes import scene

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.frames.resize import area_resize
from fiftyone_latent_inr.video.footage import Footage


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("footage") / "clip.mkv", scene(1, 10))


def write(path: Path, frames: np.ndarray) -> Path:
    """Without loss, but for the conversion of colours."""
    media.encode(path, frames, codec="ffv1", pix_fmt="bgr0")
    return path


@pytest.mark.parametrize("size", [None, (12, 16), (17, 23)])
@pytest.mark.parametrize("most", [None, 3, 10, 50])
def test_arrays_and_files_give_the_same_frames(clip: Path, size: tuple[int, int] | None, most: int | None) -> None:
    array, file = Footage(scene(1, 10), size, most), Footage(clip, size, most)
    one, other = (list(footage.frames()) for footage in (array, file))
    assert len(one) == len(other) == min(10, most or 10)
    assert array.expected == file.expected == len(one)
    for k, (a, b) in enumerate(zip(one, other, strict=True)):
        assert a.dtype == np.uint8 and a.shape == (*(size or (24, 32)), 3) and a.flags.c_contiguous
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, scene(1, 10)[k] if size is None else area_resize(scene(1, 10)[k], size))


def test_frames_come_from_the_start_each_time(clip: Path) -> None:
    for footage in (Footage(scene(1, 10)), Footage(clip)):
        first = next(footage.frames())
        assert len(list(footage.frames())) == 10
        np.testing.assert_array_equal(first, next(footage.frames()))


def test_rate_and_warnings_of_a_file_are_known_once_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    media.damaged_halfway(path)
    footage = Footage(path)
    assert footage.warnings == ()
    assert list(footage.frames()) and footage.warnings and footage.fps != 30.0
    assert Footage(scene(1, 2), fps=12).fps == 12.0


def test_runs_of_frames() -> None:
    video = scene(1, 10, 1.0)
    runs = list(Footage(video).groups([3, 1, 6]))
    assert [len(run) for run in runs] == [3, 1, 6]
    np.testing.assert_array_equal(np.concatenate(runs), video)
    assert [len(run) for run in Footage(video, (12, 16)).groups([2, 2])] == [2, 2]


def test_one_run_is_held_at_a_time(clip: Path) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    for run in Footage(clip).groups([2] * 5):
        alive.append(weakref.ref(run))
        assert sum(ref() is not None for ref in alive) == 1
        del run
        assert alive[-1]() is None


def test_a_file_that_became_shorter_or_of_another_size_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", scene(1, 10))
    footage = Footage(path)
    assert len(list(footage.frames())) == 10
    write(path, scene(1, 7))
    with pytest.raises(InputError, match=r"clip\.mkv.*changed while being fitted"):
        list(footage.groups([4, 6]))
    assert [len(run) for run in footage.groups([4, 3])] == [4, 3]
    write(path, scene(1, 10, height=30))
    with pytest.raises(InputError, match="changed"):
        list(footage.groups([4, 6], (24, 32)))
    assert [len(run) for run in footage.groups([4, 6], (30, 32))] == [4, 6]


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", scene(1, 3))
    footage = Footage(path)
    path.unlink()
    for act in (footage.key, lambda: list(footage.frames())):
        with pytest.raises(InputError, match=r"clip\.mkv"):
            act()


def test_keys_follow_the_content(clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another name.mkv"
    copy.write_bytes(clip.read_bytes())
    assert Footage(copy).key() == Footage(clip).key()
    other = bytearray(clip.read_bytes())
    other[len(other) // 2] ^= 1
    copy.write_bytes(other)
    assert Footage(copy).key() != Footage(clip).key()

    video = scene(1, 10)
    keys = {Footage(video).key(), Footage(video[:9]).key(), Footage(scene(2, 10)).key()}
    keys.add(Footage(video.reshape(10, 32, 24, 3)).key())
    changed = video.copy()
    changed[7, 3, 3, 1] ^= 1
    assert len(keys | {Footage(changed).key()}) == 5
    # where frames lie in memory counts for nothing
    assert Footage(np.asfortranarray(video)).key() == Footage(video[::-1].copy()[::-1]).key() == Footage(video).key()


@pytest.mark.parametrize("num", [63, 127, 200])
def test_keys_of_long_arrays_see_their_end(num: int) -> None:
    video = np.zeros((num, 2, 2, 3), np.uint8)
    key = Footage(video).key()
    changed = video.copy()
    changed[: num // 2 + 5] = 1
    assert Footage(changed).key() != key
    changed = video.copy()
    changed[num * 3 // 4 :] = 1
    assert Footage(changed).key() != key


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source": np.zeros((2, 4, 4), np.uint8)}, "frames must be uint8"),
        ({"source": np.zeros((2, 4, 4, 3), np.float32)}, "frames must be uint8"),
        ({"source": np.zeros((0, 4, 4, 3), np.uint8)}, "frames must be uint8"),
        ({"source": scene(1, 2), "fps": float("nan")}, "fps"),
        ({"source": "clip.mp4", "max_frames": 0}, "max_frames"),
    ],
)
def test_bad_arguments(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Footage(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, ()),
        ((12, 16), ()),
        ((48, 64), ()),
        ((17, 23), ()),  # as near as whole pixels come
        ((24, 24), ("size 24x24", "24x32", "1.33 times as high", "18x24 keeps the shape")),
        ((12, 32), ("2 times as wide", "24x32 keeps the shape")),
    ],
)
def test_a_size_that_changes_the_shape_of_pictures_is_told(
    clip: Path, size: tuple[int, int] | None, words: tuple[str, ...]
) -> None:
    for source in (clip, scene(1, 10)):
        footage = Footage(source, size)
        assert footage.notes == () and len(list(footage.frames())) == 10 and len(footage.notes) == bool(words)
        assert all(word in footage.notes[0] for word in words) and footage.warnings == ()
