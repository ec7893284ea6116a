"""Every colour matrix of H.273: converted right, or refused with the file's name and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import media
import numpy as np
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.video.matrices import is_yuv
from fiftyone_latent_inr.video.rgb import Colours

LIMITED, FULL = 1, 2
REFUSED = {11: "Y'D'zD'x", 14: "ICtCp", 15: "IPT-C2"}
# shares of red and blue in luma: 12 and 13 follow from the primaries, here those of BT.709
LUMA = {
    **{1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087)},
    **{2: (0.299, 0.114), 3: (0.299, 0.114), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593), 18: (0.299, 0.114)},
    **{12: (0.2126, 0.0722), 13: (0.2126, 0.0722)},
}
GROUND = np.array(media.COLOURS) / 255


def stored(matrix: int, full: bool, bits: int) -> np.ndarray:
    """The patches as whole numbers Y, Cb, Cr (N, 3), by the equations of H.273."""
    unit = 2.0 ** (bits - 8)
    black, white, reach = (0.0, 2.0**bits - 1, 2.0**bits - 1) if full else (16 * unit, 219 * unit, 224 * unit)
    half = 2 ** (bits - 1)
    red, green, blue = GROUND.T
    if matrix in (16, 17):
        return lifted(bits, 2 if matrix == 16 else 1, full)
    if matrix == 0:
        return np.stack([black + white * part for part in (green, blue, red)], -1).round()
    if matrix == 8:
        cg, co = green / 2 - (red + blue) / 4, (red - blue) / 2
        luma = green / 2 + (red + blue) / 4
        return np.stack([black + white * luma, half + white * cg, half + white * co], -1).round()
    kr, kb = LUMA[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    return np.stack([black + white * luma, half + reach * cb, half + reach * cr], -1).round()


def lifted(bits: int, extra: int, full: bool) -> np.ndarray:
    unit = 2.0 ** (bits - extra - 8)
    black, white = (0.0, 2.0 ** (bits - extra) - 1) if full else (16 * unit, 219 * unit)
    red, green, blue = (black + white * GROUND).round().astype(int).T
    co = red - blue
    rest = blue + (co >> 1)
    cg = green - rest
    half = 2 ** (bits - 1)
    return np.stack([rest + (cg >> 1), cg + half, co + half], -1)


def picture(numbers: np.ndarray, layout: str, bits: int) -> av.VideoFrame:
    """A frame of patches 32 pixels wide, of any format with colour differences; numbers are kept."""
    rows = np.repeat(numbers, 32, axis=0)[None].repeat(32, axis=0).astype(np.uint8 if bits == 8 else "<u2")
    whole = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
    frame = av.VideoFrame(rows.shape[1], rows.shape[0], whole)
    for plane, part in zip(frame.planes, np.moveaxis(rows, -1, 0), strict=True):
        padded = np.zeros((part.shape[0], plane.line_size // part.itemsize), part.dtype)
        padded[:, : part.shape[1]] = part
        plane.update(padded)
    frame.colorspace, frame.color_range = 2, FULL
    return frame if layout == whole else frame.reformat(format=layout, dst_color_range=FULL)


def colours() -> Colours:
    def never() -> Iterator[av.VideoFrame]:
        raise AssertionError("opaque frames are not decoded twice")

    return Colours(Path("clip.mkv"), never)


FORMATS = [
    *[("yuv444p", 8), ("yuv420p", 8), ("yuv422p", 8), ("yuv440p", 8), ("yuv411p", 8), ("yuv410p", 8), ("nv12", 8)],
    *[("yuva444p", 8), ("yuv420p9le", 9), ("yuv444p10le", 10), ("p010le", 10), ("y210le", 10), ("yuv422p12le", 12)],
    *[("yuv444p16le", 16), ("yuyv422", 8)],
]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [0, *sorted(LUMA), 8, 16, 17])
def test_every_matrix_in_every_format(matrix: int, full: bool) -> None:
    for layout, bits in FORMATS:
        subsampled = av.VideoFormat(layout, 8, 8).chroma_width(8) * av.VideoFormat(layout, 8, 8).chroma_height(8) < 64
        if (matrix == 0 and subsampled) or (matrix in (16, 17) and bits < 10):
            continue  # not to be had
        frame = picture(stored(matrix, full, bits), layout, bits)
        frame.colorspace, frame.color_range, frame.color_primaries = matrix, FULL if full else LIMITED, 1
        error = media.patch_error(colours().to_rgb(frame))
        assert error <= 3, (layout, error)


@pytest.mark.parametrize("matrix", sorted(REFUSED))
def test_what_is_not_converted_is_refused_with_advice(matrix: int) -> None:
    frame = picture(stored(6, False, 8), "yuv420p", 8)
    frame.colorspace = matrix
    with pytest.raises(linr.InputError, match=r"cannot read clip\.mkv: its colour matrix is ") as caught:
        colours().to_rgb(frame)
    assert REFUSED[matrix] in str(caught.value) and "\n" not in str(caught.value)


def test_a_matrix_says_nothing_of_what_has_no_colour_differences() -> None:
    frame = av.VideoFrame.from_ndarray(media.patches(media.COLOURS)[0], format="rgb24")
    for layout in ("rgb24", "gbrp", "gbrp10le", "bgra", "rgb565le", "gray", "gray10le", "ya8", "gbrpf32le"):
        other = frame.reformat(format=layout)
        assert not is_yuv(other)
        plain = colours().to_rgb(other)
        for matrix in (0, 8, 10, 14, 15, 17):
            other.colorspace = matrix
            assert np.array_equal(colours().to_rgb(other), plain), (layout, matrix)
    assert not is_yuv(av.VideoFrame(32, 32, "pal8")) and not is_yuv(av.VideoFrame(32, 32, "xyz12le"))


def test_a_matrix_that_changes_on_the_way() -> None:
    converter = colours()
    for matrix, full in ((6, False), (8, False), (1, True), (8, True), (9, False), (0, True)):
        frame = picture(stored(matrix, full, 8), "yuv444p", 8)
        frame.colorspace, frame.color_range = matrix, FULL if full else LIMITED
        assert media.patch_error(converter.to_rgb(frame)) <= 3


def test_alpha_lies_over_black_whatever_the_matrix() -> None:
    frame = picture(stored(8, True, 8), "yuva444p", 8)
    layer = frame.planes[3]
    layer.update(bytes([128]) * layer.buffer_size)
    converter = colours()
    for _ in range(2):
        frame.colorspace, frame.color_range = 8, FULL
        expected = np.array(media.COLOURS) * 128 / 255
        assert np.abs(media.patch_colours(converter.to_rgb(frame)) - expected).max() <= 3
    assert list(converter.notes) == ["transparent pixels were laid over black"]


def test_what_libswscale_cannot_read_is_refused_with_the_files_name() -> None:
    with pytest.raises(linr.InputError, match=r"cannot read clip\.mkv: frames of the format bgr4.*ffmpeg -pix_fmt"):
        colours().to_rgb(av.VideoFrame(32, 32, "bgr4"))


def test_files_tagged_so(tmp_path: Path) -> None:
    """As decoders give them: H.264 whose tags say YCgCo, BT.2020 with constant luminance, or ICtCp."""
    for matrix, note in ((8, False), (10, True)):
        path, frame = tmp_path / f"{matrix}.mp4", picture(stored(matrix, False, 8), "yuv444p", 8)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=10, options={"crf": "4"})
            stream.height, stream.width, stream.pix_fmt = frame.height, frame.width, "yuv444p"
            stream.codec_context.colorspace = frame.colorspace = matrix
            stream.codec_context.color_range = frame.color_range = LIMITED
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        read = video.read(path)
        assert media.patch_error(read.array[0]) <= 3
        assert any("constant luminance" in line for line in read.warnings) == note
    path = media.encode(tmp_path / "ictcp.mp4", media.moving_square(2), tags={"colorspace": 14})
    for function in (video.read, video.probe):
        with pytest.raises(linr.InputError, match=r"ictcp\.mp4: its colour matrix is ICtCp"):
            function(path)
