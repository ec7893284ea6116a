"""Images as frames: every kind as Pillow sees it, upright, of one size; what is damaged, and what is too much."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path

import media
import numpy as np
import PIL
import pytest
from PIL import Image

from fiftyone_latent_inr import InputError, video
from fiftyone_latent_inr.frames.resize import area_resize
from fiftyone_latent_inr.video.image_reader import open_video

SMOOTH = np.clip(
    np.add.outer(np.arange(40) * 3, np.arange(64) * 2)[..., None] + np.array([0, 20, 40]), 0, 255
).astype(np.uint8)  # fmt: skip


def saved(image: Image.Image, path: Path, kind: str | None = None, **options: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    image.save(path, kind, **options)
    return path


def numbered(place: Path, frames: np.ndarray) -> Path:
    for k, frame in enumerate(frames):
        saved(Image.fromarray(frame), place / f"{k}.png")
    return place


def one(place: Path) -> np.ndarray:
    (frame,) = video.iter_frames(place)
    assert frame.dtype == np.uint8 and frame.flags.c_contiguous
    return frame


def test_frames_are_those_of_the_images_in_their_order(tmp_path: Path) -> None:
    frames = media.moving_square(12, 48, 64)
    place = numbered(tmp_path / "frames", frames)
    read = video.read(place)
    np.testing.assert_array_equal(read.array, frames)
    assert read.fps == 25.0 and read.source_size == (48, 64) and len(read.warnings) == 1
    info = video.probe(place)
    assert (info.path, info.height, info.width, info.num_frames) == (place, 48, 64, 12)
    assert info.duration == 12 / 25 and not info.has_audio
    small = list(video.iter_frames(place, size=(12, 16), max_frames=3))
    np.testing.assert_array_equal(small, [area_resize(frame, (12, 16)) for frame in frames[:3]])


@pytest.mark.parametrize(
    ("suffix", "mode", "options", "most"),
    [
        *((".png", mode, {}, 0) for mode in ("RGB", "RGBA", "L", "LA", "P", "1")),
        (".jpg", "RGB", {"quality": 95}, 2),
        (".jpeg", "RGB", {"quality": 95, "progressive": True}, 3),
        (".JPG", "L", {"quality": 95}, 1),
        (".jpe", "CMYK", {"quality": 95}, 3),
        (".webp", "RGB", {"lossless": True}, 0),
        (".webp", "RGBA", {"lossless": True}, 0),
        *((suffix, "RGB", {}, 0) for suffix in (".bmp", ".tif", ".tiff", ".TIF", ".tga", ".ppm", ".pnm")),
        (".jp2", "RGB", {"irreversible": False}, 0),
        *((suffix, "L", {}, 0) for suffix in (".bmp", ".tif", ".pgm", ".tga")),
        (".tif", "P", {}, 0),
        (".pbm", "1", {}, 0),
    ],
)
def test_kinds_of_images(tmp_path: Path, suffix: str, mode: str, options: dict[str, object], most: float) -> None:
    image = Image.fromarray(SMOOTH)
    image = image.quantize(256) if mode == "P" else image.convert(mode)
    path = saved(image, tmp_path / "frames" / f"1{suffix}", **options)
    with Image.open(path) as opened:
        expected = np.asarray(opened.convert("RGB"), int)
    assert np.abs(one(path.parent) - expected).mean() <= most


@pytest.mark.parametrize("mode", ["RGB", "L", "YCbCr", "CMYK", "RGBA"])
@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", None])
def test_how_tiffs_are_compressed(tmp_path: Path, mode: str, compression: str | None) -> None:
    """JPEG in TIFF is black to FFmpeg, without an error, and YCbCr is stretched."""
    if (mode, compression) == ("YCbCr", None) and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow before 13 does not read these")
    image = Image.fromarray(SMOOTH).convert("RGB" if mode == "RGBA" else mode)
    if mode == "RGBA":
        image.putalpha(100)
    path = saved(image, tmp_path / "frames" / "1.tif", compression=compression)
    with Image.open(path) as opened:
        expected = np.asarray(opened.convert("RGB"), float) * (100 / 255 if mode == "RGBA" else 1)
    assert np.abs(one(path.parent) - expected).mean() <= 1.5


def tiled(path: Path, levels: np.ndarray, order: str = "<") -> Path:
    """A TIFF of tiles of 16 by 16, not compressed; of (H, W) or (H, W, 3), sides in multiples of 16."""
    height, width, channels = np.atleast_3d(levels).shape
    cut = [levels[y : y + 16, x : x + 16] for y in range(0, height, 16) for x in range(0, width, 16)]
    tiles = [tile.astype(levels.dtype.newbyteorder(order)).tobytes() for tile in cut]
    tags = {
        256: [width],
        257: [height],
        258: [8 * levels.itemsize] * channels,
        259: [1],
        262: [1 if channels == 1 else 2],
    }
    tags |= {277: [channels], 322: [16], 323: [16], 324: [0] * len(tiles), 325: [len(tiles[0])] * len(tiles)}
    tags |= {339: [3 if levels.dtype.kind == "f" else 1] * channels}
    first = 8 + 2 + 12 * len(tags) + 4
    begin = first + sum(4 * len(value) for value in tags.values() if len(value) > 1)
    tags[324] = [begin + len(tiles[0]) * k for k in range(len(tiles))]
    entries = rest = b""
    for tag, value in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(value)}I", *value)
        at = packed if len(value) == 1 else struct.pack(f"{order}I", first + len(rest))
        rest += b"" if len(value) == 1 else packed
        entries += struct.pack(f"{order}HHI", tag, 4, len(value)) + at
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(head + entries + bytes(4) + rest + b"".join(tiles))
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiles_of_a_tiff(tmp_path: Path, order: str) -> None:
    """As maps and microscopes have them; they are black to FFmpeg, without an error."""
    colours = SMOOTH[:32]
    np.testing.assert_array_equal(one(tiled(tmp_path / "8" / "1.tif", colours, order).parent), colours)
    grey = np.arange(0, 65536, 32, dtype=np.uint16).reshape(32, 64)
    frame = one(tiled(tmp_path / "16" / "1.tif", grey, order).parent)
    assert np.abs(frame - (grey[..., None] / 257)).max() <= 1.5
    with pytest.raises(InputError, match=r"1\.tif: it is damaged, .* or of more than 16 bits"):
        one(tiled(tmp_path / "32" / "1.tif", grey.astype(np.float32) / 65535, order).parent)


@pytest.mark.parametrize("value", range(1, 9))
def test_jpeg_in_tiff_is_turned_upright(tmp_path: Path, value: int) -> None:
    path = tmp_path / "frames" / "1.tif"
    saved(Image.fromarray(SMOOTH), path, compression="jpeg", quality=98, tiffinfo={0x0112: value})
    bare = saved(Image.fromarray(SMOOTH), tmp_path / "bare" / "1.tif", tiffinfo={0x0112: value})
    frame, expected = one(path.parent).astype(int), one(bare.parent)
    assert frame.shape == expected.shape and np.abs(frame - expected).mean() < 3


def test_damaged_jpeg_in_tiff_is_left_out_and_said(tmp_path: Path) -> None:
    for k in range(4):
        path = saved(Image.fromarray(SMOOTH), tmp_path / "frames" / f"{k}.tif", compression="jpeg")
    path.with_name("1.tif").write_bytes(path.read_bytes()[:300])
    data = path.read_bytes()
    at = data.index(b"\xff\xd8\xff")
    path.with_name("2.tif").write_bytes(data[:at] + bytes(len(data[at:]) // 2) + data[at + len(data[at:]) // 2 :])
    read = video.read(path.parent)
    assert len(read.array) == 2 and read.array.reshape(2, -1).mean(1).min() > 50
    assert any(line == "2 images could not be read and are left out: 1.tif, 2.tif" for line in read.warnings)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_several_pictures_in_one_image_are_said(tmp_path: Path, suffix: str) -> None:
    """Pages of a TIFF, as microscopes write them, and animations in PNG."""
    first, second = (Image.fromarray(frame) for frame in media.moving_square(2, 48, 64))
    for k in range(2):
        saved(first, tmp_path / "frames" / f"{k}{suffix}")
    path = saved(first, tmp_path / "frames" / f"2{suffix}", save_all=True, append_images=[second])
    read = video.read(path.parent)
    np.testing.assert_array_equal(read.array, [np.asarray(first)] * 3)
    (line,) = (line for line in read.warnings if "several pictures" in line)
    assert line.startswith("1 images") and line.endswith(f": 2{suffix}")


def test_a_smaller_copy_in_a_tiff_is_no_page(tmp_path: Path) -> None:
    small = Image.fromarray(SMOOTH).resize((32, 20))
    small.encoderinfo = {"tiffinfo": {0x00FE: 1}}
    path = saved(Image.fromarray(SMOOTH), tmp_path / "frames" / "1.tif", save_all=True, append_images=[small])
    with Image.open(path) as opened:
        opened.seek(1)
        assert opened.tag_v2[0x00FE] == 1
    assert not any("several pictures" in line for line in video.read(path.parent).warnings)


def test_sixteen_bits(tmp_path: Path) -> None:
    grey = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    saved(Image.fromarray(grey), tmp_path / "frames" / "1.png")
    frame = one(tmp_path / "frames")
    assert np.abs(frame - (grey[..., None] / 257)).max() <= 1.5 and (frame == frame[..., :1]).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("value", range(1, 9))
def test_images_are_turned_upright(tmp_path: Path, kind: str, value: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = value
    path = tmp_path / "frames" / f"1.{kind.lower()}"
    saved(Image.fromarray(SMOOTH), path, exif=exif, **({"quality": 98} if kind == "JPEG" else {"lossless": True}))
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"), int)
    frame = one(path.parent)
    assert frame.shape == expected.shape and np.abs(frame - expected).mean() < 2


def test_a_video_whose_frames_carry_exif_is_read(tmp_path: Path) -> None:
    """Cameras write motion JPEG so; PyAV cannot list what it does not know beside a frame."""
    import av

    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(SMOOTH).save(buffer, "JPEG", quality=98, exif=exif)
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 40, "yuvj420p"
        for k in range(3):
            packet = av.Packet(buffer.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, k, k, Fraction(1, 10)
            container.mux(packet)
    frames = list(video.iter_frames(tmp_path / "clip.mkv"))
    assert frames and frames[0].shape == (64, 40, 3)
    assert np.abs(frames[0].astype(int) - np.rot90(SMOOTH, -1)).mean() < 2


def test_the_name_may_tell_another_kind(tmp_path: Path) -> None:
    saved(Image.fromarray(SMOOTH), tmp_path / "frames" / "1.jpg", "PNG")
    np.testing.assert_array_equal(one(tmp_path / "frames"), SMOOTH)


def test_sizes_that_differ_become_the_first_ones(tmp_path: Path) -> None:
    for k, size in enumerate([(64, 40), (32, 20), (40, 64)]):
        saved(Image.fromarray(SMOOTH).resize(size), tmp_path / "frames" / f"{k}.png")
    read = video.read(tmp_path / "frames")
    assert read.array.shape == (3, 40, 64, 3) and any("another size" in line for line in read.warnings)
    assert not any("another size" in line for line in video.read(tmp_path / "frames", size=(20, 32)).warnings)


def damage(place: Path, what: str) -> None:
    """Makes of the fourth image something else."""
    path = place / "3.png"
    whole = path.read_bytes()
    path.unlink()
    if what == "link":
        path.symlink_to(place / "nowhere.png")
    elif what == "circle":
        path.symlink_to(path.name)
    elif what == "pipe":
        os.mkfifo(path)
    else:
        text = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": text, "zeros": bytes(2000)}[what])


@pytest.mark.parametrize("what", ["empty", "cut", "text", "zeros", "link", "circle", "pipe"])
def test_a_damaged_image_is_left_out_and_said(tmp_path: Path, what: str) -> None:
    frames = media.moving_square(6, 48, 64)
    place = numbered(tmp_path / "frames", frames)
    damage(place, what)
    read = video.read(place)
    np.testing.assert_array_equal(read.array, np.delete(frames, 3, 0))
    assert any(line == "1 images could not be read and are left out: 3.png" for line in read.warnings)


def test_a_folder_of_damaged_images(tmp_path: Path) -> None:
    place = tmp_path / "frames"
    place.mkdir()
    for k in range(3):
        (place / f"{k}.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    with pytest.raises(InputError, match=r"none of the 3 images of .*frames can be read: .*0\.png: it is damaged"):
        video.read(place)


def test_a_jpeg_that_was_cut_is_said(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x9286] = b"\xff\xd9" * 20  # the mark of an end before the picture, as of a thumbnail
    for k in range(3):
        path = saved(noise, tmp_path / "frames" / f"{k}.jpg", exif=exif)
    assert not any("cut" in line for line in video.read(path.parent).warnings)
    path.write_bytes(path.read_bytes() + b"what cameras append\xff\xda")
    path.with_name("1.jpg").write_bytes(path.read_bytes()[:9000])
    read = video.read(path.parent)
    assert len(read.array) == 3
    (line,) = (line for line in read.warnings if "cut short" in line)
    assert line.startswith("1 images") and "1.jpg" in line


def test_pictures_that_would_fill_the_memory_are_left_out(tmp_path: Path) -> None:
    """A header that declares 10 GB of pixels, and a sparse file of more bytes than any frame has."""
    place = numbered(tmp_path / "frames", media.moving_square(3, 48, 64))
    good = (place / "1.png").read_bytes()
    width = (60_000).to_bytes(4, "big")
    (place / "1.png").write_bytes(good[:16] + width + width + good[24:])
    with open(place / "2.png", "r+b") as file:
        file.truncate(1 << 40)
    tracemalloc.start()
    read = video.read(place)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read.array) == 1 and any("1.png, 2.png" in line for line in read.warnings)
    assert peak < 50e6


def test_a_picture_with_a_true_header_that_is_too_large(tmp_path: Path) -> None:
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(5001 * 100))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "1.png").write_bytes(bomb)
    with pytest.raises(InputError, match="larger than 134,217,728 pixels"):
        video.read(tmp_path / "frames")


def test_one_image_is_in_memory_at_a_time(tmp_path: Path) -> None:
    place = numbered(tmp_path / "frames", np.zeros((30, 200, 300, 3), np.uint8))
    tracemalloc.start()
    count = sum(1 for _ in video.iter_frames(place))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 30 and peak < 5 * 200 * 300 * 3
    with pytest.raises(InputError, match="too large for the memory"):
        video.read(place, max_bytes=1000)


def test_a_later_start(tmp_path: Path) -> None:
    frames = media.moving_square(8, 48, 64)
    with open_video(numbered(tmp_path / "frames", frames)) as reader:
        np.testing.assert_array_equal(list(reader.frames(max_frames=2, start=5 / 25)), frames[5:7])


def test_lists_of_readers_and_bad_numbers(tmp_path: Path) -> None:
    place = numbered(tmp_path / "frames", media.moving_square(2, 48, 64))
    with open_video(place) as reader, pytest.raises(InputError, match="at least 1"):
        next(reader.frames(max_frames=0))
    with pytest.raises(InputError, match="no such file"):
        open_video(tmp_path / "none")
