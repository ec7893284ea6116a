"""Written videos: colours, rates, odd sizes; whole or absent."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import media
import numpy as np
import pytest

from fiftyone_latent_inr import video
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.frames.metrics import psnr

BT601, LIMITED = 6, 1


def test_write_then_read_keeps_colours(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", media.patches(media.COLOURS), 25, crf=4)
    assert media.patch_error(video.read(tmp_path / "a.mp4").array[0]) <= 3


def test_write_then_read_keeps_brightness(tmp_path: Path) -> None:
    """Five generations: a level lost in each would be five levels darker."""
    first = media.moving_square(6, 96, 128)
    frames = first
    for generation in range(5):
        video.write(tmp_path / f"{generation}.mp4", frames, 25, crf=4)
        frames = video.read(tmp_path / f"{generation}.mp4").array
    assert abs(float((frames.astype(float) - first).mean())) < 1


def test_written_files_say_their_colours(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", media.moving_square(2), 25)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (BT601, LIMITED)
        assert context.pix_fmt == "yuv420p"
        assert container.streams.video[0].codec_context.name == "h264"


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25), Fraction(15, 2)])
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_frame_rates_survive(tmp_path: Path, rate: Fraction, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    video.write(path, media.moving_square(8, 32, 32), float(rate))
    assert video.read(path).fps == pytest.approx(float(rate), rel=1e-4)
    assert video.read(path, max_frames=3).fps == pytest.approx(float(rate), rel=1e-4)
    assert video.probe(path).fps == pytest.approx(float(rate), rel=1e-4)


@pytest.mark.parametrize("shape", [(143, 175), (1, 1), (2, 5), (37, 64)])
def test_odd_sizes_are_padded(tmp_path: Path, shape: tuple[int, int]) -> None:
    # Gray, so that halving the colour's resolution costs nothing.
    frames = np.repeat(media.moving_square(3, *shape)[..., :1], 3, axis=-1)
    video.write(tmp_path / "a.mp4", frames, 25, crf=0)
    back = video.read(tmp_path / "a.mp4").array
    height, width = shape
    assert back.shape[1:3] == (height + height % 2, width + width % 2)
    assert psnr(back[:, :height, :width], frames) > 40


def test_default_quality_is_visually_lossless(tmp_path: Path) -> None:
    frames = media.moving_square(8, 96, 160)
    video.write(tmp_path / "a.mp4", frames, 25)
    assert psnr(video.read(tmp_path / "a.mp4").array, frames) > 36  # the square's edges lose to 4:2:0


def test_the_index_is_at_the_front(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", media.moving_square(3), 25)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_any_iterable_of_frames(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", (frame for frame in media.moving_square(4)), Fraction(25))
    assert len(video.read(tmp_path / "a.mp4").array) == 4


@pytest.mark.parametrize(
    ("frames", "fps", "name", "match"),
    [
        ([], 25, "a.mp4", "no frames"),
        ([np.zeros((4, 4, 3))], 25, "a.mp4", "uint8"),
        ([np.zeros((4, 4), np.uint8)], 25, "a.mp4", "uint8"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)], 25, "a.mp4", "shape"),
        ([np.zeros((4, 4, 3), np.uint8)], 0, "a.mp4", "frame rate"),
        ([np.zeros((4, 4, 3), np.uint8)], float("nan"), "a.mp4", "frame rate"),
        ([np.zeros((4, 4, 3), np.uint8)], 25, "a.webm", "mp4"),
        ([np.zeros((4, 4, 3), np.uint8)], 25, "a", "mp4"),
        ([np.zeros((4, 4, 3), np.uint8)], 25, "nowhere/a.mp4", "folder"),
        ([np.zeros((4, 4, 3), np.uint8)], 25, "folder.mp4", "folder"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, frames: list[np.ndarray], fps: float, name: str, match: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match=match):
        video.write(tmp_path / name, frames, fps)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.mp4"]


def test_a_failure_midway_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    video.write(path, media.moving_square(2), 25)
    before = path.read_bytes()

    def frames() -> Iterator[np.ndarray]:
        yield from media.moving_square(2)
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError, match="the source failed"):
        video.write(path, frames(), 25)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("limit", [0, 2000, 20_000])
def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path: Path, limit: int) -> None:
    """A limit on the file size stands in for a full disk: the same failed writes, without one."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3)).astype(np.uint8)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .*a\.mp4"):
            video.write(tmp_path / "a.mp4", noise, 25, crf=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder() -> None:
    with media.open_folder() as folder:
        folder.chmod(0o555)
        with media.ordinary_user(), pytest.raises(InputError, match="permission denied"):
            video.write(folder / "a.mp4", media.moving_square(2), 25)
        folder.chmod(0o755)
        assert list(folder.iterdir()) == []
