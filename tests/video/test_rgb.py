"""Colours, transparency and orientation of decoded frames."""

from __future__ import annotations

from pathlib import Path

import av
import media
import numpy as np
import pytest

from fiftyone_latent_inr import video
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.frames.resize import area_resize

BT709, BT601 = 1, 6
LIMITED, FULL = 1, 2


@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_colour_matrix_and_range_are_honoured(tmp_path: Path, matrix: int, full: bool, pix_fmt: str) -> None:
    range_ = FULL if full else LIMITED
    path = media.encode(
        tmp_path / "a.mp4",
        media.patches(media.COLOURS),
        pix_fmt=pix_fmt,
        tags={"colorspace": matrix, "color_range": range_},
        convert={"dst_colorspace": {BT601: 5, BT709: 1}[matrix], "dst_color_range": range_},
    )
    assert media.patch_error(video.read(path).array[0]) <= 3


def test_untagged_is_bt601_as_in_ffmpeg(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.patches(media.COLOURS), convert={"dst_colorspace": 5})
    assert media.patch_error(video.read(path).array[0]) <= 3


def test_common_videos_decode_bit_for_bit_as_in_pyav(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(4))
    with av.open(str(path)) as container:
        plain = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert np.array_equal(video.read(path).array, plain)


def test_high_dynamic_range_is_mentioned(tmp_path: Path) -> None:
    tags = {"color_trc": 16, "color_primaries": 9, "colorspace": 9}
    path = media.encode(tmp_path / "a.mp4", media.moving_square(2), pix_fmt="yuv420p10le", tags=tags)
    assert any("PQ" in line for line in video.read(path).warnings)


def test_gray_is_gray(tmp_path: Path) -> None:
    frames = video.read(media.gray(tmp_path / "a.mp4")).array
    assert np.array_equal(frames, np.repeat(media.moving_square()[..., :1], 3, axis=-1))


def test_ten_bit(tmp_path: Path) -> None:
    assert psnr(video.read(media.ten_bit(tmp_path / "a.mp4")).array, media.moving_square()) > 30


def test_alpha_lies_over_black(tmp_path: Path) -> None:
    frames = video.read(media.with_alpha(tmp_path / "a.mp4", alpha=128)).array
    expected = media.moving_square().astype(float)
    expected[:, 32:] *= 128 / 255
    assert np.abs(frames - expected).max() <= 0.51


def test_odd_height_in_420(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mkv", media.moving_square(3, 143, 175), codec="ffv1")
    assert psnr(video.read(path).array, media.moving_square(3, 143, 175)) > 30


@pytest.mark.parametrize("clockwise", [90, 180, 270])
@pytest.mark.parametrize("size", [None, (24, 16)])
def test_rotation_is_honoured(tmp_path: Path, clockwise: int, size: tuple[int, int] | None) -> None:
    upright = media.moving_square(3, 48, 32)
    stored = np.rot90(upright, clockwise // 90, axes=(1, 2))  # counter-clockwise, so that the player turns it back
    path = media.rotated(tmp_path / "a.mp4", stored, clockwise)
    read = video.read(path, size=size)
    assert read.source_size == (48, 32)
    assert psnr(read.array, upright if size is None else area_resize(upright, size)) > 28
    info = video.probe(path)
    assert (info.height, info.width) == (48, 32)


def test_mirrored(tmp_path: Path) -> None:
    """A selfie's display matrix: columns flipped, no rotation."""
    path = media.rotated(tmp_path / "a.mp4", media.moving_square(2), 180)
    data = path.read_bytes()
    flipped = (1 << 16).to_bytes(4, "big")
    at = data.index(b"tkhd") + 44 + 16  # the number d of the matrix
    path.write_bytes(data[:at] + flipped + data[at + 4 :])
    assert psnr(video.read(path).array, media.moving_square(2)[:, :, ::-1]) > 28
