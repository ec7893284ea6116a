"""Folders of images through fits, comparisons and pretraining: what they give is what their frames give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import media
import numpy as np
import pytest
from PIL import Image

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.encoding.measure import compare
from fiftyone_latent_inr.fitting import FitConfig
from fiftyone_latent_inr.pretraining.reels import named_reels
from fiftyone_latent_inr.pretraining.sources import list_sources
from fiftyone_latent_inr.progress import FitProgress
from fiftyone_latent_inr.video.images import find_images

FRAMES = media.moving_square(12, 32, 48)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return numbered(tmp_path / "frames", FRAMES)


def numbered(place: Path, frames: np.ndarray) -> Path:
    place.mkdir(parents=True)
    for k, frame in enumerate(frames, 1):
        Image.fromarray(frame).save(place / f"{k}.png")
    return place


def quick(source: object, config: FitConfig, **options: object) -> linr.LatentVideo:
    return linr.fit(source, config=config, device="cpu", **{"progress": False, **options})  # type: ignore[arg-type]


def test_a_folder_is_fitted_like_its_frames(folder: Path, tiny: FitConfig, tmp_path: Path) -> None:
    expected = quick(FRAMES, tiny, fps=25)
    video = quick(str(folder), tiny)
    np.testing.assert_array_equal(video.render(), expected.render())
    assert video.metrics["psnr"] == expected.metrics["psnr"] and video.fps == 25
    assert "25 frames a second are assumed" in video.metadata["warnings"][0]
    files = [folder / f"{k}.png" for k in range(12, 0, -1)]
    backwards = quick(files, tiny, fps=12.5)
    assert backwards.fps == 12.5 and "warnings" not in backwards.metadata
    np.testing.assert_array_equal(backwards.render(), quick(FRAMES[::-1], tiny, fps=12.5).render())
    video.save(tmp_path / "clip.linr")
    measured = compare(folder, tmp_path / "clip.linr")
    assert measured["psnr"] == pytest.approx(video.metrics["psnr"]) and measured["num_frames"] == 12
    assert not measured["resized"]


def test_folders_among_many(folder: Path, tiny: FitConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    options = {"config": tiny, "device": "cpu", "progress": False}
    one, none, array = linr.fit_many([folder, tmp_path / "empty", FRAMES], fps=12, **options)
    assert isinstance(none, linr.InputError) and "no image" in str(none)
    assert isinstance(one, linr.LatentVideo) and isinstance(array, linr.LatentVideo)
    assert one.fps == array.fps == 12
    np.testing.assert_array_equal(one.render(), array.render())


class StoppedError(Exception):
    """Stands for a crash."""


def test_a_stopped_fit_goes_on_unless_an_image_has_changed(folder: Path, tiny: FitConfig, tmp_path: Path) -> None:
    config, parts = replace(tiny, steps=20, group_frames=4), tmp_path / "parts"
    seen: list[FitProgress] = []

    def stop_late(event: FitProgress) -> None:
        if event.stage == "fit" and event.step > 0.7 * event.total_steps:
            raise StoppedError

    def stopped() -> None:
        with pytest.raises(StoppedError):
            quick(folder, config, checkpoint=parts, progress=stop_late)

    def goes_on() -> tuple[linr.LatentVideo, bool]:
        seen.clear()
        video = quick(folder, config, checkpoint=parts, progress=seen.append)
        return video, any("going on" in (event.message or "") for event in seen)

    stopped()
    video, went_on = goes_on()
    assert went_on and video.fps == 25
    np.testing.assert_array_equal(video.render(), quick(folder, config).render())
    Image.fromarray(FRAMES[0]).save(folder / "7.png")
    assert not goes_on()[1]


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_rates_that_are_none(folder: Path, tiny: FitConfig, fps: float) -> None:
    with pytest.raises(linr.InputError, match="fps, the frame rate, must be a number from"):
        quick(folder, tiny, fps=fps)


def test_videos_in_a_list_are_not_one_video(tiny: FitConfig) -> None:
    with pytest.raises(linr.InputError, match="fit_many"):
        quick(["a.mp4", "b.mp4"], tiny)


def test_what_is_pretrained_on(tmp_path: Path) -> None:
    """A folder of folders of images, as many research sets are, and one folder of images; not thumbnails of videos."""
    for name in ("bear", "camel"):
        numbered(tmp_path / "set" / name, np.repeat(FRAMES, 5, 0))
    (tmp_path / "set" / "poster.png").write_bytes(b"alone")
    assert [name for name, _ in list_sources(tmp_path / "set")] == ["bear", "camel"]
    sequence = find_images(tmp_path / "set" / "bear")
    assert sequence is not None
    sources = [*list_sources([tmp_path / "set" / "bear", sequence]), ("files", list(sequence.files))]
    assert [name for name, _ in sources] == ["bear", "bear", "files"]
    for reel in named_reels(sources):
        window = reel.window(np.random.default_rng(0))
        assert window.shape == (46, 32, 48, 3) and reel.num_frames == 60
    media.encode(tmp_path / "set" / "clip.mp4", FRAMES)
    assert [name for name, _ in list_sources(tmp_path / "set")] == ["clip.mp4"]
