"""Files with odd clocks: they start again, leap, repeat, begin late, say nothing, or run at unusual rates."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from ..writing import (
    X264,
    Pictures,
    Sound,
    flashing,
    glue,
    joined_streams,
    moving,
    overwrite_packets,
    tone,
    whole,
    without_first,
    write,
)
from .registry import PLAIN, REFUSED, add


@add("a clock that starts again or leaps", ".vob", frames=100, seconds=4.0)
def glued_program_streams(path: Path) -> None:
    part = path.with_name(path.stem + "-1.vob")
    pictures = Pictures(flashing(2.0, 25), Fraction(25), "mpeg2video", options={"qmin": "2", "qmax": "2", "g": "12"})
    write(part, pictures, Sound(tone(2.0), "mp2"), kind="vob")
    glue(path, part, part)


@add("a clock that starts again or leaps", ".ts", frames=40, seconds=4.0)
def glued_transport_streams(path: Path) -> None:
    joined_streams(path, Sound(tone(2.0)), Sound(tone(2.0)), shift=0.0)


@add("a clock that starts again or leaps", ".ts", frames=40, seconds=4.0)
def clock_leaps_an_hour(path: Path) -> None:
    joined_streams(path, Sound(tone(2.0)), Sound(tone(2.0)), shift=3600.0)


@add("a clock that starts again or leaps", ".ts", frames=40, seconds=4.0)
def clock_leaps_half_a_minute(path: Path) -> None:
    joined_streams(path, Sound(tone(2.0)), Sound(tone(2.0)), shift=30.0)


@add("a clock that starts again or leaps", ".ts")
def clock_wraps(path: Path) -> None:
    write(path, whole(), Sound(tone()), shift=2**33 / 90000 - 3.0)


@add("the first pictures cannot be decoded", ".ts", frames=20, seconds=2.0)
def begins_between_key_frames_ts(path: Path) -> None:
    _begins_late(path, "mpegts", 0.4)


@add("the first pictures cannot be decoded", ".mp4", frames=20, seconds=2.0)
def begins_between_key_frames_mp4(path: Path) -> None:
    _begins_late(path, "mp4", 0.4)


@add("the first pictures cannot be decoded", ".mkv", frames=20, seconds=2.0)
def begins_between_key_frames_mkv(path: Path) -> None:
    _begins_late(path, "matroska", 0.4)


def _begins_late(path: Path, kind: str, seconds: float) -> None:
    recording = write(path.with_name("whole-" + path.name), whole(), Sound(tone()), kind=kind)
    without_first(recording, path, seconds, kind)
    recording.unlink()


@add("the first pictures cannot be decoded", ".ts", frames=48, seconds=1.92)
def begins_between_key_frames_mpeg2(path: Path) -> None:
    options = {"qmin": "2", "qmax": "2", "g": "25", "bf": "2", "sc_threshold": "1000000000"}
    pictures = Pictures(flashing(3.0, 25), Fraction(25), "mpeg2video", options=options)
    recording = write(path.with_name("whole-" + path.name), pictures, Sound(tone(), "mp2"), kind="mpegts")
    without_first(recording, path, 0.4, "mpegts")
    recording.unlink()


@add("the first pictures cannot be decoded", ".mp4", frames=24, seconds=2.4, says="damaged")
def first_pictures_overwritten(path: Path) -> None:
    options = {**X264, "g": "6", "x264-params": X264["x264-params"] + ":keyint=6:min-keyint=6"}
    write(path, Pictures(flashing(), options=options), Sound(tone()))
    overwrite_packets(path, 0, 6)


@add("the first pictures cannot be decoded", ".mp4", frames=27, seconds=3.0, says="damaged")
def pictures_lost_before_the_flash(path: Path) -> None:
    options = {**X264, "g": "3", "x264-params": X264["x264-params"] + ":keyint=3:min-keyint=3"}
    write(path, Pictures(flashing(), options=options), Sound(tone()))
    overwrite_packets(path, 3, 6)


@add("stamps that repeat or are not in order", ".avi")
def h264_b_frames_in_avi(path: Path) -> None:
    write(path, whole(bf="3"), Sound(tone(), "mp3"))


@add("stamps that repeat or are not in order", ".avi")
def mpeg4_b_frames_in_avi(path: Path) -> None:
    pictures = Pictures(flashing(), codec="mpeg4", options={"qmin": "2", "qmax": "2", "bf": "2"})
    write(path, pictures, Sound(tone(), "mp3"))


def _stamped(path: Path, count: int, stamp: Callable[[int], int]) -> None:
    """Pictures that need no others, with stamps of any order."""
    write(path, Pictures(moving(count), codec="mjpeg", pix_fmt="yuvj420p", options={"qmin": "2"}, stamps=stamp))


@add("stamps that repeat or are not in order", ".mkv", frames=12, seconds=1.2, has=PLAIN)
def each_stamp_twice(path: Path) -> None:
    _stamped(path, 12, lambda index: index // 2 * 200)


@add("stamps that repeat or are not in order", ".mkv", frames=20, seconds=0.8, has=PLAIN)
def every_fourth_stamp_twice(path: Path) -> None:
    _stamped(path, 20, lambda index: (index - (index % 4 == 3)) * 40)


@add("stamps that repeat or are not in order", ".mkv", frames=12, seconds=1.2, has=PLAIN)
def pairs_of_stamps_swapped(path: Path) -> None:
    _stamped(path, 12, lambda index: (index ^ 1) * 100)


@add("a rate that varies", ".mp4", frames=22, seconds=3.0)
def variable_rate_with_sound(path: Path) -> None:
    kept = [0, 5, *range(10, 30)]
    pictures = Pictures(flashing()[kept], stamps=lambda index: 100 * kept[index])
    write(path, pictures, Sound(tone()))


def _at_rate(path: Path, rate: Fraction, count: int, kind: str | None = None) -> None:
    write(path, Pictures(moving(count), rate, options={**X264, "bf": "0"}), kind=kind)


@add("rates beyond the usual", ".mp4", frames=12, seconds=12 / 2000, has=PLAIN)
def rate_of_2000(path: Path) -> None:
    _at_rate(path, Fraction(2000), 12)


@add("rates beyond the usual", ".mp4", frames=15, seconds=15 / 1500, has=PLAIN)
def rate_of_1500(path: Path) -> None:
    _at_rate(path, Fraction(1500), 15)


@add("rates beyond the usual", ".mp4", frames=8, seconds=1600, has=PLAIN)
def a_picture_every_200_seconds(path: Path) -> None:
    _at_rate(path, Fraction(1, 200), 8)


@add("raw streams without stamps", ".h264", frames=10, seconds=1.0, has=PLAIN)
def raw_h264(path: Path) -> None:
    write(path, Pictures(moving(), options={**X264, "bf": "2"}), kind="h264")


@add("raw streams without stamps", ".hevc", frames=10, seconds=1.0, has=PLAIN)
def raw_hevc(path: Path) -> None:
    options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1", "crf": "8"}
    write(path, Pictures(moving(), codec="libx265", options=options), kind="hevc")


@add("raw streams without stamps", ".m2v", frames=10, seconds=10 / 24, has=PLAIN)
def raw_mpeg2(path: Path) -> None:
    write(path, Pictures(moving(), Fraction(24), "mpeg2video", options={"qmin": "2", "qmax": "2"}), kind="mpeg2video")


@add("raw streams without stamps", ".obu", frames=10, seconds=10 / 25, has=PLAIN, says="frame rate")
def raw_av1(path: Path) -> None:
    write(path, av1(), kind="obu")


def av1() -> Pictures:
    os.environ.setdefault("SVT_LOG", "1")  # of itself it tells a screen of settings
    return Pictures(moving(), codec="libsvtav1", options={"preset": "10", "crf": "10", "svtav1-params": "lp=1"})


@add("motion JPEG without a container", ".mjpeg", frames=20, seconds=20 / 25, has=PLAIN, says="frame rate")
def raw_motion_jpeg(path: Path) -> None:
    write(path, Pictures(moving(20), codec="mjpeg", pix_fmt="yuvj420p", options={"qmin": "2"}), kind="mjpeg")


@add("motion JPEG without a container", ".jpg", has=REFUSED, says="an image")
def a_single_jpeg(path: Path) -> None:
    write(path, Pictures(moving(1), codec="mjpeg", pix_fmt="yuvj420p", options={"qmin": "2"}), kind="mjpeg")
