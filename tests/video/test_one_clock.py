"""Clocks of formats that have one: pieces joined, several edits, stamps of decoding alone, several programmes."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import media
import numpy as np
import pytest

from fiftyone_latent_inr import video
from fiftyone_latent_inr.video.clock import TS_DISCONT, Restarts, file_clock

FRAMES = media.moving_square(20, 32, 48)  # 2 s at ten frames a second, a tone at 1.0
FLV_HEADER = 13


def fragmented(path: Path) -> Path:
    """A part as MP4 in fragments."""
    part = media.sounding(path.with_suffix(".mov"), FRAMES)
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "500000"}
    with av.open(str(part)) as one, av.open(str(path), "w", options=options) as other:
        streams = {stream.index: other.add_stream_from_template(stream) for stream in one.streams}
        for packet in one.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                other.mux(packet)
    return path


def joined(folder: Path, extension: str, pieces: int = 2) -> Path:
    if extension == "mp4":
        part = fragmented(folder / "part.mp4")
    else:
        part = media.sounding(folder / f"part.{extension}", FRAMES)
    data = part.read_bytes()
    path = folder / f"joined.{extension}"
    path.write_bytes(data + (pieces - 1) * data[FLV_HEADER if extension == "flv" else 0 :])
    return path


def leaping(folder: Path, seconds: int) -> Path:
    """Two pieces of fragments, of which the second begins so many seconds after the first one began."""
    first = fragmented(folder / "part.mp4").read_bytes()
    with av.open(str(folder / "part.mp4")) as container:
        ticks = {stream.id: round(1 / (stream.time_base or 1)) for stream in container.streams}
    later = bytearray(first)
    for found in re.finditer(b"tfdt\x01\0\0\0", first):
        track = int.from_bytes(first[first.rindex(b"tfhd", 0, found.start()) + 8 :][:4], "big")
        begin = int.from_bytes(first[found.end() :][:8], "big") + seconds * ticks[track]
        later[found.end() : found.end() + 8] = begin.to_bytes(8, "big")
    (folder / "leaping.mp4").write_bytes(first + later)
    return folder / "leaping.mp4"


def tones(path: Path) -> list[float]:
    """When each tone of a drawing begins."""
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()).max(0) > 0.1)
            time = float(frame.time or 0) + (loud[0] / frame.sample_rate if len(loud) else 0)
            if len(loud) and (not found or time > found[-1] + 0.5):
                found.append(time)
    return found


@pytest.mark.parametrize(("extension", "pieces"), [("mkv", 2), ("flv", 2), ("flv", 3), ("mp4", 2), ("mp4", 3)])
def test_pieces_follow_each_other(tmp_path: Path, extension: str, pieces: int) -> None:
    path = joined(tmp_path, extension, pieces)
    read = video.read(path)
    # FFmpeg leaves out the first pictures of another piece of fragments, as an edit list would
    assert len(read.array) == 20 * pieces or (extension == "mp4" and len(read.array) >= 15 * pieces)
    assert len(read.array) / read.fps == pytest.approx(2 * pieces, abs=0.01)
    assert not any("damaged" in line for line in read.warnings)
    info = video.probe(path)
    assert (info.num_frames, info.duration) == (20 * pieces, pytest.approx(2 * pieces, abs=0.01))
    notes = video.write(tmp_path / "out.mp4", read.array, read.fps, audio=path, times=read.times)
    assert notes == ()
    assert tones(tmp_path / "out.mp4") == pytest.approx([1 + 2 * piece for piece in range(pieces)], abs=0.06)


def test_a_leap_of_an_hour_between_fragments_is_another_recording(tmp_path: Path) -> None:
    path = leaping(tmp_path, 3600)
    read = video.read(path)
    assert (len(read.array), read.fps, read.times, read.warnings) == (40, pytest.approx(10), None, ())
    video.write(tmp_path / "out.mp4", read.array, read.fps, audio=path)
    assert tones(tmp_path / "out.mp4") == pytest.approx([1.0, 3.0], abs=0.06)


def test_a_gap_of_seconds_between_fragments_stays(tmp_path: Path) -> None:
    path = leaping(tmp_path, 30)
    read = video.read(path)
    assert read.times is not None and read.times[-1] == pytest.approx(31.9, abs=0.25)
    assert file_clock(path).of(1).seconds(31.0) == 31.0


def stamps(name: str, times: list[float], flags: int = 0) -> list[float]:
    """What becomes of the stamps of pictures in a format, in decoding order; ten a second."""
    restarts = Restarts(0, SimpleNamespace(format=SimpleNamespace(name=name, flags=flags)))
    found = []
    for time in times:
        packet: Any = SimpleNamespace(
            stream_index=0, pts=round(time * 1000), dts=round(time * 1000), duration=100, time_base=1 / 1000
        )
        restarts.begins(packet)
        restarts.put_right(packet)
        found.append(packet.pts / 1000)
    return found


EVEN = [k / 10 for k in range(30)]


@pytest.mark.parametrize("name", ["matroska,webm", "flv"])
def test_one_damaged_stamp_is_no_other_clock(name: str) -> None:
    low, high = EVEN.copy(), EVEN.copy()
    low[20], high[20] = 0.3, 99.0
    assert stamps(name, low) == pytest.approx(EVEN)  # and it is mended
    assert stamps(name, high) == pytest.approx(high)


def test_falls_and_leaps_by_format() -> None:
    twice = EVEN + EVEN
    on = [k / 10 for k in range(60)]
    for name in ("matroska,webm", "flv", "mov,mp4,m4a,3gp,3g2,mj2", "nut", "mpegts"):
        assert stamps(name, twice, TS_DISCONT * (name == "mpegts")) == pytest.approx(on)
    later = EVEN + [3000 + time for time in EVEN]
    assert stamps("flv", later) == pytest.approx(on)  # as where its 32 bits of milliseconds end
    assert stamps("matroska,webm", later) == pytest.approx(later)
    small = [0.0, 0.1, 0.2, 1.0, 0.3, 0.4]  # as pictures of another order may lie
    assert stamps("flv", small) == pytest.approx(small)


def test_an_index_tells_of_one_clock(tmp_path: Path) -> None:
    path = media.sounding(tmp_path / "a.mp4", FRAMES)
    assert file_clock(path).runs == {}
    assert file_clock(media.sounding(tmp_path / "a.mkv", FRAMES)).runs == {}


# Several edits


def edited(path: Path, edits: list[tuple[float, float]]) -> Path:
    """An MP4 file that plays (seconds, from which second) one after the other, by an edit list of each stream."""

    def boxed(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", len(body) + 8, kind) + body

    def rebuilt(box: bytes, ticks: int) -> bytes:
        if box[4:8] == b"edts":
            begin = struct.unpack(">i", box[28:32])[0]
            entries = [(round(1000 * span), begin + round(start * ticks), 1 << 16) for span, start in edits]
            count = struct.pack(">II", 0, len(entries))
            return boxed(b"edts", boxed(b"elst", count + b"".join(struct.pack(">IiI", *entry) for entry in entries)))
        if box[4:8] not in (b"moov", b"trak"):
            return box
        if box[4:8] == b"trak":
            ticks = struct.unpack(">I", box[box.index(b"mdhd") + 16 :][:4])[0]
        body, at = b"", 8
        while at < len(box):
            size = struct.unpack(">I", box[at : at + 4])[0]
            body, at = body + rebuilt(box[at : at + size], ticks), at + size
        return boxed(box[4:8], body)

    data = path.read_bytes()
    index = data.rindex(b"moov") - 4  # behind the pictures, which stay where they are
    path.write_bytes(data[:index] + rebuilt(data[index:], 0))
    return path


def test_what_a_later_edit_only_decodes_is_not_missed(tmp_path: Path) -> None:
    part = media.sounding(tmp_path / "a.mp4", media.moving_square(40, 32, 48), click=2.5)
    path = edited(part, [(0.5, 0.0), (1.5, 2.0)])
    read = video.read(path)
    for name in ("out.mp4", "out.mkv"):
        assert video.write(tmp_path / name, read.array, read.fps, audio=path, times=read.times) == ()
        assert tones(tmp_path / name) == pytest.approx([1.0], abs=0.06)


# Stamps of decoding alone


@pytest.mark.parametrize("bframes", ["0", "2"])
def test_pictures_of_asf_are_in_step_with_their_sound(tmp_path: Path, bframes: str) -> None:
    """ASF has one stamp a packet, that of decoding; FFmpeg makes up another one, a picture later."""
    whole = media.sounding(tmp_path / "a.mov", FRAMES, click=1.0)
    path = tmp_path / "a.asf"
    with av.open(str(whole)) as one, av.open(str(path), "w") as other:
        sound = other.add_stream_from_template(one.streams.audio[0])
        options = {"bf": bframes, "crf": "10"}
        picture: Any = other.add_stream("libx264", rate=10, options=options)
        picture.height, picture.width, picture.pix_fmt = 32, 48, "yuv420p"
        packets = [packet for packet in one.demux(audio=0) if packet.dts is not None]
        frames = [np.full((32, 48, 3), 250 * (number >= 10), np.uint8) for number in range(20)]
        for frame in frames:
            packets += picture.encode(av.VideoFrame.from_ndarray(frame))
        packets += picture.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            if packet.stream.type == "audio":
                packet.stream = sound
            other.mux(packet)
    read = video.read(path)
    assert (len(read.array), read.fps, read.times) == (20, pytest.approx(10), None)
    assert int(np.argmax(read.array.mean((1, 2, 3)) > 125)) == 10
    assert video.write(tmp_path / "out.mp4", read.array, read.fps, audio=path) == ()
    assert tones(tmp_path / "out.mp4") == pytest.approx([1.0], abs=0.06)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg makes this file")
def test_gxf_has_its_own_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.gxf"
    source = ("-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=1", "-c:v", "mpeg2video")
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *source, str(path)], check=True)
    read = video.read(path)
    assert (len(read.array), read.fps, read.times) == (25, 25.0, None)


# Several programmes


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg makes this file")
def test_the_sound_is_that_of_the_pictures_programme(tmp_path: Path) -> None:
    """The other programme's sound has more channels and bits, and would be the best of all."""
    large = media.sounding(tmp_path / "1.mkv", media.moving_square(20, 64, 96), click=1.5)
    small = media.sounding(tmp_path / "2.mkv", FRAMES, click=0.5)
    streams = ("-map", "0:v", "-map", "0:a", "-map", "1:v", "-map", "1:a")
    coded = ("-c:v", "copy", "-c:a", "aac", "-ac:a:0", "1", "-b:a:0", "32k", "-b:a:1", "192k")
    programs = ("-program", "title=one:st=0:st=1", "-program", "title=two:st=2:st=3")
    path = tmp_path / "a.ts"
    inputs = ("-i", str(large), "-i", str(small))
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *inputs, *streams, *coded, *programs, str(path)], check=True)
    read = video.read(path)
    assert read.array.shape[1:3] == (64, 96)
    video.write(tmp_path / "out.mp4", read.array, read.fps, audio=path)
    assert tones(tmp_path / "out.mp4") == pytest.approx([1.5], abs=0.06)
