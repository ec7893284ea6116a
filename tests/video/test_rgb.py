"""Colours, transparency and orientation of decoded frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import media
import numpy as np
import pytest
from av.video.format import names as pixel_formats

from fiftyone_latent_inr import InputError, video
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.frames.resize import area_resize
from fiftyone_latent_inr.video.reader import VideoReader
from fiftyone_latent_inr.video.rgb import Colours, orientation, turn

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


def layers(alpha: Callable[[int], int], num: int = 8) -> np.ndarray:
    """The moving square as RGBA whose frame k has alpha(k) everywhere."""
    frames = media.moving_square(num)
    layer = np.array([alpha(k) for k in range(num)], np.uint8).reshape(-1, 1, 1, 1)
    return np.concatenate([frames, np.broadcast_to(layer, (*frames.shape[:3], 1))], axis=-1)


WITH_ALPHA = [
    *[("mov", "png", "rgba"), ("mov", "png", "rgba64be"), ("mov", "qtrle", "argb"), ("nut", "rawvideo", "rgba")],
    *[("mov", "rawvideo", "argb"), ("avi", "utvideo", "gbrap"), ("avi", "huffyuv", "bgra"), ("mkv", "ffv1", "bgra")],
    *[("mkv", "ffv1", "yuva444p"), ("mkv", "ffv1", "yuva444p10le")],
]


@pytest.mark.parametrize(("suffix", "codec", "pix_fmt"), WITH_ALPHA)
def test_alpha_that_is_nowhere_is_none(tmp_path: Path, suffix: str, codec: str, pix_fmt: str) -> None:
    options = {"codec": codec, "pix_fmt": pix_fmt, "source": "rgba", "options": {}}
    path = media.encode(tmp_path / f"unused.{suffix}", layers(lambda k: 0), **options)
    for most in (None, 1):
        read = video.read(path, max_frames=most)
        assert np.abs(read.array.astype(int) - media.moving_square(8)[:most]).max() <= 3
        assert any("taken for none" in line for line in read.warnings)
    # a fade from nothing: colours that are not to be seen yet stay black, however many frames are asked for
    path = media.encode(tmp_path / f"fade.{suffix}", layers(lambda k: 50 * max(0, k - 3)), **options)
    for most in (None, 1):
        read = video.read(path, max_frames=most)
        assert not read.array[:4].any()
        assert any("over black" in line for line in read.warnings)
    with VideoReader(path) as reader:  # from later on, too
        first = next(reader.frames(start=0.2))
        last = list(reader.frames())[-1]
    expected = media.moving_square(8)[7].astype(float) * 200 / 255
    assert np.abs(last - expected).max() <= 3 and first.max() <= 200


@pytest.mark.parametrize(("most", "where"), [(4, "the first 4 frames"), (9, "every frame")])
def test_how_much_was_looked_at_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, where: str) -> None:
    monkeypatch.setattr("fiftyone_latent_inr.video.rgb._MOST_LOOKED_AT", most)
    options = {"codec": "png", "pix_fmt": "rgba", "source": "rgba", "options": {}}
    path = media.encode(tmp_path / "late.mov", layers(lambda k: 255 * (k >= most)), **options)
    (line,) = (line for line in video.read(path).warnings if "transparency" in line)
    assert line == f"transparency that is total in {where} is taken for none"


def test_raw_avi_has_no_alpha(tmp_path: Path) -> None:
    """Its fourth byte is unused, whatever a program leaves there."""
    for alpha in (lambda k: 0, lambda k: 77, lambda k: 30 * k):
        raw = {"codec": "rawvideo", "pix_fmt": "bgra", "source": "rgba", "options": {}}
        path = media.encode(tmp_path / "a.avi", layers(alpha), **raw)
        read = video.read(path)
        assert np.array_equal(read.array, media.moving_square(8)) and not read.warnings


def test_opaque_video_with_an_alpha_channel_says_nothing(tmp_path: Path) -> None:
    png = {"codec": "png", "pix_fmt": "rgba", "source": "rgba", "options": {}}
    path = media.encode(tmp_path / "a.mov", layers(lambda k: 255), **png)
    read = video.read(path)
    assert np.array_equal(read.array, media.moving_square(8)) and not read.warnings


def test_alpha_beside_the_stream_is_said(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.webm", media.moving_square(2), codec="libvpx-vp9", options={"crf": "10"})
    assert not video.read(path).warnings
    options = {"codec": "libvpx-vp9", "pix_fmt": "yuva420p", "source": "rgba", "options": {"auto-alt-ref": "0"}}
    path = media.encode(tmp_path / "b.webm", layers(lambda k: 0), **options)
    read = video.read(path)
    assert read.array.mean() > 50 and any("transparency is not read" in w and "-c:v libvpx" in w for w in read.warnings)


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_side_data_that_pyav_does_not_know(tmp_path: Path, clockwise: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """TIFF, PNG and motion JPEG carry Exif, which makes PyAV refuse to list any."""
    path = media.encode(tmp_path / "a.mov", media.moving_square(2), codec="tiff", pix_fmt="rgb24")
    assert np.array_equal(video.read(path).array, media.moving_square(2))

    class Frame:
        rotation = -clockwise

        @property
        def side_data(self) -> None:
            raise ValueError("31 is not a valid Type")

    stored = media.moving_square(1, 48, 32)[0]
    how = orientation(Frame())  # type: ignore[arg-type]
    assert how is not None and np.array_equal(turn(stored, how), np.rot90(stored, -clockwise // 90))


def test_every_pixel_format_is_converted_or_refused(tmp_path: Path) -> None:
    def again() -> Iterator[av.VideoFrame]:
        return iter(())

    refused = []
    for name in sorted(pixel_formats):
        for height, width in ((32, 48), (7, 5)):
            try:
                frame = av.VideoFrame(width, height, name)
            except (av.error.FFmpegError, ValueError):  # of a card's memory
                continue
            try:
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                assert Colours(tmp_path, again).to_rgb(frame).shape == (height, width, 3), name
            except InputError as error:
                assert name in str(error) and "\n" not in str(error)
                refused.append(name)
    usual = {"yuv420p", "nv12", "p010le", "gbrp", "gbrap12le", "rgb24", "bgra", "rgba64le", "gray", "gray10le", "ya8"}
    usual |= {"pal8", "xyz12le", "bayer_rggb8", "gbrpf32le", "yuva444p16le", "uyyvyy411", "rgb565le", "monow", "y210le"}
    assert usual <= set(pixel_formats) and not usual & set(refused)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (17, 13), (1, 9), (9, 1)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv410p", "yuv411p", "yuv440p", "nv12", "yuv420p10le", "bgra"])
def test_odd_sizes(tmp_path: Path, shape: tuple[int, int], pix_fmt: str) -> None:
    frames = np.full((2, *shape, 3), 90, np.uint8)
    path = media.encode(tmp_path / "a.nut", frames, codec="rawvideo", pix_fmt=pix_fmt, options={})
    read = video.read(path).array
    assert read.shape == frames.shape and np.abs(read.astype(int) - frames).max() <= 2


def test_interlaced_video_is_said_to_be(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "tff=1"}
    path = media.encode(tmp_path / "a.mp4", media.moving_square(3), options=options)
    assert any("interlaced" in line for line in video.read(path).warnings)
    path = media.encode(tmp_path / "b.mp4", media.moving_square(3))
    assert not video.read(path).warnings
