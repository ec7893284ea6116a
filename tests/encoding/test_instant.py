"""The preset `instant`: a file like any other, from videos of any length and shape, with or without a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import media
import numpy as np
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.encoding import scan as scanning
from fiftyone_latent_inr.encoding.glances import STRIDE, Glances
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.video.decode import write

OPTIONS = {"preset": "instant", "device": "cpu", "progress": False}
# Of so small frames next to nothing would be left within the preset's bits.
PLENTY = {**OPTIONS, "config": replace(PRESETS["instant"], max_bpp=None)}


class CountingTeacher:
    """Embeds a frame as its mean colour, and counts."""

    name = id = "counting"
    embedding_dim = 4

    def __init__(self) -> None:
        self.count = 0

    def embed_frames(self, frames: np.ndarray) -> np.ndarray:
        self.count += len(frames)
        found = np.concatenate([frames.mean((1, 2)) / 255, np.ones((len(frames), 1))], 1)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return media.moving_square(num=40, height=36, width=48)


@pytest.fixture(scope="module")
def teacher() -> CountingTeacher:
    return CountingTeacher()


@pytest.fixture(scope="module")
def fitted(frames: np.ndarray, teacher: CountingTeacher) -> linr.LatentVideo:
    return linr.fit(frames, teacher=teacher, **PLENTY)


def test_the_file_is_like_any_other(fitted: linr.LatentVideo, frames: np.ndarray, tmp_path: Path) -> None:
    fitted.save(tmp_path / "clip.linr")
    loaded = linr.load(tmp_path / "clip.linr")
    assert (loaded.preset, loaded.num_frames, loaded.size) == ("instant", 40, (36, 48))
    drawn = loaded.render(device="cpu")
    assert drawn.shape == frames.shape
    assert np.abs(drawn.astype(float) - frames).mean() < np.abs(frames[::-1].astype(float) - frames).mean() / 2
    assert loaded.render(times=np.array([0.5, 3.25]), size=(72, 96), device="cpu").shape == (2, 72, 96, 3)


def test_what_it_says_of_its_pictures_is_of_what_is_stored(fitted: linr.LatentVideo, frames: np.ndarray) -> None:
    drawn = fitted.render(device="cpu").astype(float)
    psnr = 10 * np.log10(255**2 / np.square(drawn - frames).mean((1, 2, 3)))
    assert psnr.min() <= fitted.metrics["psnr"] <= psnr.max()


def test_its_vector_is_the_teachers_and_few_frames_are_shown_to_it(
    fitted: linr.LatentVideo, frames: np.ndarray, teacher: CountingTeacher
) -> None:
    assert teacher.count == len(range(0, 40, STRIDE))
    assert fitted.embeddings is not None and fitted.embedding is not None
    truth = CountingTeacher().embed_frames(frames)
    mean = truth.mean(0) / np.linalg.norm(truth.mean(0))
    assert fitted.embedding @ mean > 0.999 and (fitted.embeddings * truth).sum(1).min() > 0.99


def test_the_same_video_gives_the_same_bytes(fitted: linr.LatentVideo, frames: np.ndarray, tmp_path: Path) -> None:
    again = linr.fit(frames, teacher=CountingTeacher(), **PLENTY)
    assert all(np.array_equal(fitted.tensors[name], again.tensors[name]) for name in fitted.tensors)
    (other,) = linr.fit_many([frames], teacher=CountingTeacher(), **PLENTY)
    assert isinstance(other, linr.LatentVideo)
    assert all(np.array_equal(fitted.tensors[name], other.tensors[name]) for name in fitted.tensors)


def test_frames_that_do_not_fit_in_memory_are_read_again(
    fitted: linr.LatentVideo, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_MOST_KEPT", 1)
    again = linr.fit(frames, teacher=CountingTeacher(), **PLENTY)
    assert all(np.array_equal(fitted.tensors[name], again.tensors[name]) for name in fitted.tensors)


@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 5, 90), (3, 130, 7)])
def test_any_shape_works(shape: tuple[int, int, int]) -> None:
    frames = np.full((*shape, 3), (200, 40, 90), np.uint8)
    found = linr.fit(frames, **OPTIONS).render(device="cpu")
    assert np.abs(found.astype(int) - frames).max() < 16


def test_each_scene_is_looked_at_and_nothing_is_between_two() -> None:
    frames = np.concatenate([media.moving_square(num=6, height=36, width=48), np.zeros((3, 36, 48, 3), np.uint8)])
    teacher = CountingTeacher()
    glances = Glances(teacher.embed_frames)
    cuts: Sequence[int] = ()
    for index, frame in enumerate(frames):
        cuts = (6,) if index >= 8 else ()
        glances.add(index, frame, cuts)
    found = glances.finish(cuts)
    truth = CountingTeacher().embed_frames(frames)
    np.testing.assert_allclose(found[6:], truth[6:], atol=1e-6)
    assert (found[:6] * truth[:6]).sum(1).min() > 0.99


def test_the_command_line_makes_one(frames: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", frames[:10], fps=10)
    arguments = ["encode", str(tmp_path / "a.mp4"), str(tmp_path / "a.linr"), "--preset", "instant", "--quiet"]
    assert main([*arguments, "--size", "18x24", "--device", "cpu"]) == 0
    found = linr.load(tmp_path / "a.linr")
    assert (found.preset, found.size) == ("instant", (18, 24))


def test_steps_can_be_given_to_its_architecture(frames: np.ndarray) -> None:
    config = replace(PRESETS["instant"], steps=2)
    assert linr.fit(frames[:4], config=config, device="cpu", progress=False).num_frames == 4
