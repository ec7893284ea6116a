"""Files with odd pictures: several streams, colour matrices, a fourth byte, pixels that are not square, subtitles."""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ..writing import X264, Pictures, Sound, ffmpeg, flashing, moving, tone, whole, write
from .clocks import av1
from .registry import PLAIN, REFUSED, add

_DEFAULT = 1  # FFmpeg's AV_DISPOSITION_DEFAULT
# The display matrix of a track header for each clockwise turn: a, b, c, d.
_TURNS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def _jpegs(frames: np.ndarray, rate: Fraction = Fraction(1)) -> Pictures:
    return Pictures(frames, rate, "mjpeg", "yuvj420p", {"qmin": "2"})


def _packed(frames: np.ndarray, codec: str, pix_fmt: str) -> Pictures:
    return Pictures(frames, codec=codec, pix_fmt=pix_fmt, options={}, source=pix_fmt)


def _six() -> np.ndarray:
    return moving(6)


# -- several streams of pictures --------------------------------------------------------------------------------------


@add("several streams of pictures", ".mp4", frames=10, seconds=1.0, has=PLAIN, says="streams")
def thumbnail_track_first(path: Path) -> None:
    write(path, _jpegs(moving(1, 24, 32)), Pictures(moving()), dispositions=(0, _DEFAULT))


@add("several streams of pictures", ".mkv", frames=30)
def small_stream_first(path: Path) -> None:
    small = Pictures(moving(30, 24, 32), options=X264)
    write(path, small, whole(), Sound(tone()), dispositions=(0, _DEFAULT, _DEFAULT))


@add("several streams of pictures", ".avif", frames=10, seconds=1.0, has=PLAIN)
def animated_avif(path: Path) -> None:
    write(path, av1(), kind="avif")


@add("several streams of pictures", ".mov", frames=10, seconds=1.0, has=PLAIN)
def first_stream_unknown(path: Path) -> None:
    small = Pictures(moving(10, 24, 32), codec="png", pix_fmt="rgb24", options={})
    write(path, small, Pictures(moving()))
    data = path.read_bytes()
    where = data.index(b"png ", data.index(b"stsd"))
    path.write_bytes(data[:where] + b"zz9v" + data[where + 4 :])


# -- colours ----------------------------------------------------------------------------------------------------------


def _matrix(path: Path, number: int, **attributes: int) -> None:
    """H.264 that says that its colours are of a matrix of H.273; the numbers are those of BT.601."""
    write(path, Pictures(moving(), attributes={"colorspace": number, **attributes}))


@add("colour matrices", ".mp4", frames=10, seconds=1.0, has=PLAIN)
def matrix_ycgco(path: Path) -> None:
    _matrix(path, 8)


@add("colour matrices", ".mp4", frames=10, seconds=1.0, has=PLAIN)
def matrix_bt2020_constant_luminance(path: Path) -> None:
    _matrix(path, 10, color_primaries=9, color_trc=14)


@add("colour matrices", ".mp4", frames=10, seconds=1.0, has=PLAIN)
def matrix_smpte_240m(path: Path) -> None:
    _matrix(path, 7)


@add("colour matrices", ".mp4", has=REFUSED, says="matrix")
def matrix_ictcp(path: Path) -> None:
    _matrix(path, 14, color_primaries=9, color_trc=16)


@add("colour matrices", ".mp4", frames=10, seconds=1.0, has=PLAIN)
def matrix_chromaticity_derived(path: Path) -> None:
    _matrix(path, 12)


def unused_fourth_byte(count: int = 6) -> np.ndarray:
    """RGBA frames of which every fourth byte is 0, since the program that wrote them did not use it."""
    frames = moving(count)
    return np.concatenate([frames, np.zeros_like(frames[..., :1])], axis=-1)


@add("an unused fourth byte", ".avi", frames=6, seconds=0.6, has=PLAIN, shows=_six)
def rgb32_avi(path: Path) -> None:
    # bottom-up rows and no mask of alpha, as Windows writes them
    write(path, _packed(unused_fourth_byte()[..., [2, 1, 0, 3]], "rawvideo", "bgra"))


@add("an unused fourth byte", ".avi", frames=6, seconds=0.6, has=PLAIN, shows=_six)
def utvideo_avi(path: Path) -> None:
    write(path, Pictures(unused_fourth_byte(), codec="utvideo", pix_fmt="gbrap", options={}, source="rgba"))


@add("an unused fourth byte", ".mov", frames=6, seconds=0.6, has=PLAIN, shows=_six)
def quicktime_animation_argb(path: Path) -> None:
    write(path, _packed(unused_fourth_byte()[..., [3, 0, 1, 2]], "qtrle", "argb"))


@add("transparency", ".mov", frames=6, seconds=0.6, has=PLAIN, says="black")
def half_transparent(path: Path) -> None:
    frames = unused_fourth_byte()
    frames[:, :, 48:, 3] = 255
    write(path, _packed(frames, "png", "rgba"))


@add("transparency", ".webm", frames=10, seconds=1.0, has=PLAIN, needs_ffmpeg=True)
def vp9_alpha(path: Path) -> None:
    lines = "format=yuva420p,geq=lum='p(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='if(gt(X,48),0,255)'"
    source = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1", "-vf", lines)
    ffmpeg(*source, "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", path)


# -- signs of damage that are none ------------------------------------------------------------------------------------


@add("sound files that look damaged", ".mkv", frames=10, seconds=1.0, has=PLAIN)
def subtitles_outlast_pictures(path: Path) -> None:
    lines = path.with_suffix(".srt")
    lines.write_text("1\n00:00:00,100 --> 00:00:00,500\nhello\n\n2\n00:00:09,000 --> 00:00:10,000\nend\n")
    with av.open(str(lines)) as text:
        source = text.streams.subtitles[0]
        write(path, Pictures(moving()), copied=(source, [p for p in text.demux(source) if p.dts is not None]))
    lines.unlink()


@add("sound files that look damaged", ".mkv")
def sound_outlasts_pictures(path: Path) -> None:
    write(path, whole(), Sound(tone(9.0)))


@add("sound files that look damaged", ".ogv", frames=11, seconds=2.0, has=PLAIN, needs_ffmpeg=True)
def theora_repeats(path: Path) -> None:
    still = ("-f", "lavfi", "-i", "color=c=red:s=96x64:r=10:d=1")
    moves = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1")
    ffmpeg(*still, *moves, "-filter_complex", "[0][1]concat=n=2", "-c:v", "libtheora", "-q:v", "8", path)


@add("animations", ".webp", has=REFUSED, says="WebP")
def animated_webp(path: Path) -> None:
    write(path, Pictures(moving(), codec="libwebp_anim", pix_fmt="yuv420p", options={}))


@add("animations", ".gif", frames=10, seconds=1.0, has=PLAIN)
def animated_gif(path: Path) -> None:
    write(path, Pictures(moving(), codec="gif", pix_fmt="rgb8", options={}))


@add("protected files", ".mp4", has=REFUSED, says="encrypted")
def encrypted(path: Path) -> None:
    key = {"encryption_key": "0123456789abcdef" * 2, "encryption_kid": "00112233445566778899aabbccddeeff"}
    write(path, Pictures(moving()), options={"encryption_scheme": "cenc-aes-ctr", **key})


# -- shapes -----------------------------------------------------------------------------------------------------------


@add("pixels that are not square", ".mp4", aspect=Fraction(4, 3))
def wide_pixels(path: Path) -> None:
    write(path, Pictures(flashing(), attributes={"sample_aspect_ratio": Fraction(4, 3)}), Sound(tone()))


@add("pixels that are not square", ".mkv", frames=10, seconds=1.0, has=PLAIN, aspect=Fraction(10, 11))
def narrow_pixels(path: Path) -> None:
    write(path, Pictures(moving(), attributes={"sample_aspect_ratio": Fraction(10, 11)}))


@add("pixels that are not square", ".mp4", frames=10, seconds=1.0, size=(72, 64), has=PLAIN, aspect=Fraction(3, 4))
def turned_and_wide_pixels(path: Path) -> None:
    write(path, Pictures(moving(10, 64, 72), attributes={"sample_aspect_ratio": Fraction(4, 3)}))
    turn(path, 90)


def turn(path: Path, clockwise: int) -> Path:
    """Asks players of an MP4 of one track to turn it clockwise, by its track header."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4
    a, b, c, d = _TURNS[clockwise]
    numbers = [n << 16 for n in (a, b)] + [0] + [n << 16 for n in (c, d)] + [0]
    matrix = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    data[start + 40 : start + 40 + len(matrix)] = matrix
    path.write_bytes(data)
    return path


# -- files that are none ----------------------------------------------------------------------------------------------


@add("no video", ".mp4", has=REFUSED, size=None, says="empty")
def empty_file(path: Path) -> None:
    path.write_bytes(b"")


@add("no video", ".mp4", has=REFUSED, size=None, says="text")
def text_file(path: Path) -> None:
    path.write_text("This is no video.\n" * 40)


@add("no video", ".mp4", has=REFUSED, size=None)
def noise(path: Path) -> None:
    path.write_bytes(zlib.compress(bytes(range(256)) * 99)[:400] + np.random.default_rng(1).bytes(4000))


@add("no video", ".mp4", has=REFUSED, size=None, says="moov")
def cut_before_its_index(path: Path) -> None:
    data = write(path, Pictures(moving())).read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 100])


@add("no video", ".mp4", has=REFUSED, size=None, says="no video stream")
def sound_alone(path: Path) -> None:
    write(path, Sound(tone(1.0)))


@add("ordinary", ".mp4")
def ordinary(path: Path) -> None:
    write(path, whole(), Sound(tone()))
