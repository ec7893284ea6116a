"""Files with odd sound: orders of channels, changes on the way, codecs that nobody knows."""

from __future__ import annotations

from pathlib import Path

from ..writing import Sound, joined_streams, tone, whole, write
from .registry import add


def _custom_channels(path: Path, tag: int) -> None:
    """A layout tag in the box `chan` under which FFmpeg gives the channels an order of their own."""
    write(path, whole(), Sound(tone(), "pcm_s16le", "7.1"))
    data = path.read_bytes()
    start = data.index(b"chan") + 8
    path.write_bytes(data[:start] + tag.to_bytes(4, "big") + bytes(4) + data[start + 8 :])


@add("sound whose channels have an order of their own", ".mov")
def eight_channels_in_an_order_of_their_own(path: Path) -> None:
    _custom_channels(path, 0x800008)


@add("sound whose channels have an order of their own", ".mov")
def eight_channels_without_positions(path: Path) -> None:
    _custom_channels(path, 0x930008)


@add("sound that changes on the way", ".ts", frames=40, seconds=4.0)
def stereo_then_surround(path: Path) -> None:
    joined_streams(path, Sound(tone(2.0), "ac3"), Sound(tone(2.0), "ac3", "5.1"))


@add("sound that changes on the way", ".ts", frames=40, seconds=4.0)
def mono_then_stereo(path: Path) -> None:
    joined_streams(path, Sound(tone(2.0), "mp2", "mono"), Sound(tone(2.0), "mp2"))


@add("sound that changes on the way", ".ts", frames=40, seconds=4.0)
def sample_rate_changes(path: Path) -> None:
    joined_streams(path, Sound(tone(2.0), "mp2"), Sound(tone(2.0, 44100), "mp2", rate=44100))


@add("sound that changes on the way", ".ts", frames=40, seconds=4.0)
def copied_sound_changes(path: Path) -> None:
    joined_streams(path, Sound(tone(2.0, 44100), rate=44100), Sound(tone(2.0), layout="5.1"))


def _renamed_codec(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    where = data.index(old, data.index(b"stsd"))
    while where >= 0 and data[where - 4 : where] == bytes(4):  # `hdlr` names and the like
        where = data.index(old, where + 4)
    path.write_bytes(data[:where] + new + data[where + 4 :])


@add("the best sound cannot be decoded", ".mov")
def unknown_sound_first(path: Path) -> None:
    write(path, whole(), Sound(tone(), "pcm_s16le", "4.0"), Sound(tone()))
    _renamed_codec(path, b"sowt", b"apac")


@add("the best sound cannot be decoded", ".mov", says="sound", silent=True)
def only_sound_unknown(path: Path) -> None:
    write(path, whole(), Sound(tone(), "pcm_s16le", "4.0"))
    _renamed_codec(path, b"sowt", b"zz9a")
