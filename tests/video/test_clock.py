"""One clock for pictures and sound: files that begin between key frames, clocks that start again; the main stream."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import media
import numpy as np
import pytest

from fiftyone_latent_inr import video
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.video import reader as reader_module
from fiftyone_latent_inr.video.clock import Restarts, file_clock
from fiftyone_latent_inr.video.reader import own_times

ENDLESS = Fraction(1, 1000)


def copied(source: Path, target: Path, keep: Callable[[Any], bool], shift: float = 0.0) -> Path:
    """The packets that are to be kept, later by so many seconds."""
    with av.open(str(source)) as one, av.open(str(target), "w") as other:
        streams = {stream.index: other.add_stream_from_template(stream) for stream in one.streams}
        for packet in one.demux():
            if packet.dts is None or not keep(packet):
                continue
            packet.pts += round(shift / packet.time_base)
            packet.dts += round(shift / packet.time_base)
            packet.stream = streams[packet.stream_index]
            other.mux(packet)
    return target


def half(folder: Path, extension: str = "ts", codec: str = "aac") -> Path:
    """Two seconds at ten frames a second, with sound, key frames every second."""
    return media.sounding(folder / f"half.{extension}", media.moving_square(20, 32, 48), codec=codec)


def glued(target: Path, *parts: Path) -> Path:
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def sounds(path: Path) -> list[float]:
    """The sound's packets on the one clock, from the first picture on."""
    clock = file_clock(path)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        own, base = clock.of(stream.index), float(stream.time_base or 0)
        return [own.seconds(p.pts * base) - clock.first for p in container.demux(stream) if p.pts is not None]


# Where a file begins


@pytest.mark.parametrize("extension", ["ts", "mp4", "mkv"])
def test_the_clock_begins_with_the_first_picture_that_decodes(tmp_path: Path, extension: str) -> None:
    frames = media.moving_square(30, 32, 48)
    with av.open(str(tmp_path / f"whole.{extension}"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10, options={"g": "10", "bf": "0", "sc_threshold": "0"})
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    whole = tmp_path / f"whole.{extension}"
    begin = file_clock(whole).first
    late = copied(whole, tmp_path / f"late.{extension}", lambda packet: packet.pts * packet.time_base >= begin + 0.35)
    with av.open(str(late)) as container:
        declared = float((container.streams.video[0].start_time or 0) * container.streams.video[0].time_base)
    count = len(video.read(late).array)
    assert count == 20
    assert file_clock(late).first - declared == pytest.approx(0.6, abs=0.002)


def test_sound_alone_begins_where_it_does(tmp_path: Path) -> None:
    assert file_clock(media.audio_only(tmp_path / "a.mp4")).first == pytest.approx(0, abs=0.1)
    with pytest.raises(InputError, match="no such file"):
        file_clock(tmp_path / "nothing.mp4")


def test_pictures_that_are_lost_at_the_start_are_not_the_first(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(24), fps=10, options={"crf": "10", "g": "6", "bf": "0"})
    with av.open(str(path)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][:6]
    data = bytearray(path.read_bytes())
    for position, size in spans:
        data[position : position + size] = b"\xff" * size
    path.write_bytes(data)
    assert file_clock(path).first == pytest.approx(0.6)
    assert len(video.read(path).array) == 18


# Clocks that start again


def test_a_clock_that_starts_again_goes_on(tmp_path: Path) -> None:
    part = half(tmp_path)
    path = glued(tmp_path / "two.ts", part, part)
    read = video.read(path)
    assert (len(read.array), read.fps, read.times, read.warnings) == (40, 10.0, None, ())
    info = video.probe(path)
    assert (info.num_frames, info.fps, info.duration) == (40, 10.0, pytest.approx(4.0, abs=0.05))
    heard = sounds(path)
    assert heard[-1] == pytest.approx(4, abs=0.1)
    gaps = [after - before for before, after in pairwise(heard)]
    assert max(gaps) < 0.15 and min(gaps) > -0.15  # no hole, nothing twice


def test_a_clock_that_leaps_goes_on(tmp_path: Path) -> None:
    part = half(tmp_path)
    later = copied(part, tmp_path / "later.ts", lambda packet: True, shift=3600)
    for name, order in (("on", (part, later)), ("back", (later, part)), ("three", (part, later, part))):
        path = glued(tmp_path / f"{name}.ts", *order)
        read = video.read(path)
        assert (len(read.array), read.fps, read.times) == (20 * len(order), 10.0, None)
        assert sounds(path)[-1] == pytest.approx(2 * len(order), abs=0.1)
        assert video.probe(path).num_frames == 20 * len(order)


def test_recordings_that_are_joined_are_not_damaged(tmp_path: Path) -> None:
    part = half(tmp_path)
    path = glued(tmp_path / "two.ts", part, copied(part, tmp_path / "next.ts", lambda packet: True, shift=2))
    read = video.read(path)
    assert (len(read.array), read.warnings) == (40, ())


def test_other_formats_are_not_read_to_their_end(tmp_path: Path) -> None:
    clock = file_clock(half(tmp_path, "mp4"))
    assert not clock.runs
    assert clock.of(1).seconds(5.0) == 5.0


def packet(stream: int, seconds: float, length: float = 0.1) -> Any:
    pts = round(seconds * 1000)
    return SimpleNamespace(stream_index=stream, pts=pts, dts=pts, duration=round(length * 1000), time_base=ENDLESS)


@pytest.mark.parametrize(
    ("packets", "offset"),
    [
        ([packet(0, 0), packet(0, 0.1), packet(0, 0.2), packet(0, 0)], 0.3),  # starts again
        ([packet(0, 0), packet(0, 0.1), packet(0, 60)], -59.8),  # leaps
        ([packet(0, 0), packet(0, 0.1), packet(1, 20), packet(1, 40), packet(0, 60)], 0),  # a hole in the pictures
        ([packet(0, 0), packet(0, 0.1), packet(1, 60), packet(0, 60)], -59.8),  # the sound leaps with them
        ([packet(0, 0), packet(0, 0.1), packet(0, 8)], 0),  # a gap
        ([packet(0, 0), packet(0, 0.1), packet(0, 0.05)], 0),  # not in order
        ([packet(0, 0, 30), packet(0, 30, 30), packet(0, 60, 30)], 0),  # slow pictures
        ([packet(0, 5), packet(1, 0), packet(0, 5.1)], 0),
    ],
)
def test_what_is_another_clock(packets: list[Any], offset: float) -> None:
    restarts = Restarts(0)
    begun = sum(restarts.begins(one) for one in packets)
    assert restarts.offset == pytest.approx(offset)
    assert begun == 1 + (offset != 0)


def test_a_clock_that_always_starts_again_costs_little(tmp_path: Path) -> None:
    """Each run of the sound is compared with a bounded number of the pictures'."""
    part = media.sounding(tmp_path / "a.ts", media.moving_square(3, 32, 48), click=0.1)
    path = glued(tmp_path / "many.ts", *[part] * 40)
    assert len(sounds(path)) > 40
    assert len(video.read(path).array) == 120


# Which stream


def two_streams(path: Path, first: str, second: str, default: int) -> Path:
    """A picture of 16x16, then ten of 32x48."""
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for number, (codec, side) in enumerate(((first, (16, 16)), (second, (32, 48)))):
            stream: Any = container.add_stream(codec, rate=10)
            stream.height, stream.width = side
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = int(number == default)
            streams.append(stream)
        for stream, count in zip(streams, (1, 10), strict=True):
            for frame in media.moving_square(count, stream.height, stream.width):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame).reformat(format=stream.pix_fmt)))
            container.mux(stream.encode(None))
    return path


def test_the_main_stream_is_read_and_others_are_mentioned(tmp_path: Path) -> None:
    path = two_streams(tmp_path / "a.mp4", "mjpeg", "libx264", default=1)
    read = video.read(path)
    assert read.array.shape == (10, 32, 48, 3)
    assert any("2 streams of pictures" in line for line in read.warnings)
    assert (video.probe(path).height, video.probe(path).num_frames) == (32, 10)
    assert file_clock(path).first == 0


def test_a_stream_without_a_decoder_is_passed_over(tmp_path: Path) -> None:
    path = two_streams(tmp_path / "a.mov", "mjpeg", "libx264", default=0)
    path.write_bytes(path.read_bytes().replace(b"jpeg", b"zz9v", 1))
    read = video.read(path)
    assert read.array.shape == (10, 32, 48, 3)
    assert any("streams of pictures" in line for line in read.warnings)


# Streams without stamps


def test_raw_streams_have_their_own_rate(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.h264", media.moving_square(12), fps=10)
    read = video.read(path)
    assert (len(read.array), read.fps, read.warnings) == (12, 10.0, ())
    assert video.probe(path).fps == 10


def images(path: Path, codec: str, shapes: list[tuple[int, int]], pix_fmt: str) -> Path:
    """Images one after the other, as some cameras send them."""
    data = b""
    for height, width in shapes:
        context: Any = av.CodecContext.create(codec, "w")
        context.height, context.width, context.pix_fmt, context.time_base = height, width, pix_fmt, Fraction(1, 25)
        frame = av.VideoFrame.from_ndarray(media.moving_square(1, height, width)[0]).reformat(format=pix_fmt)
        data += b"".join(bytes(part) for part in [*context.encode(frame), *context.encode(None)])
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("codec", "pix_fmt"), [("mjpeg", "yuvj420p"), ("png", "rgb24"), ("bmp", "bgr24")])
def test_images_that_follow_each_other_are_a_video(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    read = video.read(images(tmp_path / "a.stream", codec, [(32, 48)] * 5, pix_fmt))
    assert (read.array.shape, read.fps) == ((5, 32, 48, 3), 25)
    assert any("does not say its frame rate: 25" in line for line in read.warnings)


@pytest.mark.parametrize("shapes", [[(32, 48)], [(32, 48), (16, 16)]])
def test_an_image_and_its_preview_are_an_image(tmp_path: Path, shapes: list[tuple[int, int]]) -> None:
    with pytest.raises(InputError, match="an image"):
        video.read(images(tmp_path / "a.stream", "mjpeg", shapes, "yuvj420p"))


# Rates


@pytest.mark.parametrize("fps", [1e-4, 0.005, 1500.0, 2000.0, 100_000.0])
def test_rates_far_from_the_usual_survive(tmp_path: Path, fps: float) -> None:
    path = tmp_path / "a.mp4"
    video.write(path, media.moving_square(8, 32, 48), fps)
    read = video.read(path)
    assert (len(read.array), read.fps) == (8, pytest.approx(fps))
    assert video.probe(path).fps == pytest.approx(fps)
    assert video.probe(path).duration == pytest.approx(8 / fps)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "avi", "ts", "flv", "nut"])
@pytest.mark.parametrize("bframes", ["0", "2"])
def test_frames_over_rate_are_the_seconds(tmp_path: Path, extension: str, bframes: str) -> None:
    path = tmp_path / f"a.{extension}"
    media.encode(path, media.moving_square(25, 32, 48), fps=10, options={"bf": bframes})
    read = video.read(path)
    assert (len(read.array), read.fps, read.times) == (25, pytest.approx(10.0), None)


def by_ffmpeg(path: Path, *arguments: object) -> Path:
    """What PyAV cannot write is made by the ffmpeg program."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("there is no ffmpeg program here to make the file")
    subprocess.run([program, "-v", "error", "-nostdin", *map(str, arguments), str(path)], check=True)
    return path


def test_repeated_pictures_of_theora_are_no_damage(tmp_path: Path) -> None:
    """Packets without content mean the same picture again: fewer frames, in the same time."""
    still, moving = (
        ("-f", "lavfi", "-i", "color=c=red:s=96x64:r=10:d=1"),
        ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1"),
    )
    joined = ("-filter_complex", "[0][1]concat=n=2", "-c:v", "libtheora", "-q:v", "8")
    read = video.read(by_ffmpeg(tmp_path / "a.ogv", *still, *moving, *joined))
    assert len(read.array) < 20
    assert len(read.array) / read.fps == pytest.approx(2.0)
    assert read.times is not None and read.times[1] == pytest.approx(1.0)
    assert not any("damaged" in line for line in read.warnings)


def test_what_outlasts_the_pictures_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(
        "1\n00:00:00,100 --> 00:00:00,500\nhello\n\n2\n00:00:09,000 --> 00:00:10,000\nend\n"
    )
    pictures = (
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=96x64:r=10:d=1",
        "-i",
        tmp_path / "a.srt",
        "-c:v",
        "libx264",
        "-c:s",
        "srt",
    )
    path = by_ffmpeg(tmp_path / "a.mkv", *pictures)
    read = video.read(path)
    assert (len(read.array), read.fps, read.warnings) == (10, 10.0, ())
    assert video.probe(path).num_frames == 10


# Uneven times


UNEVEN = [0, 500, 1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700, 1800, 1900]


def test_times_are_read_and_written(tmp_path: Path) -> None:
    frames, times = media.moving_square(12, 32, 48), np.array(UNEVEN) / 1000
    for name in ("a.mp4", "a.mkv"):
        path = tmp_path / name
        video.write(path, frames, 6, times=times)
        read = video.read(path)
        assert read.fps == pytest.approx(6, rel=0.05)  # Matroska does not say when the last frame ends
        assert read.times is not None and np.abs(read.times - times).max() < 0.002
        assert any("drawn at their own times" in line for line in read.warnings)
        again = own_times(path, read.fps)
        assert again is not None and np.abs(again - times).max() < 0.002
        assert own_times(path, 25.0) is None
    even = tmp_path / "even.mp4"
    video.write(even, frames, 6, times=np.arange(12) / 6)
    assert video.read(even).times is None
    assert own_times(even, 6.0) is None


@pytest.mark.parametrize("times", [[0, 1], [0, 1, 2, 3], [0, 2, 1], [0, 1, float("nan")], "abc", [0, 0, 1]])
def test_times_that_do_not_fit_are_refused(tmp_path: Path, times: Any) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(InputError, match="times") as caught:
        video.write(path, media.moving_square(3, 32, 48), 6, times=times)
    assert str(path) in str(caught.value) and not path.exists()


def test_a_drawing_beside_its_source_has_the_source_times(tmp_path: Path) -> None:
    """Frames that carry no times of their own are shown with the pictures whose sound they take along."""
    source = media.sounding(tmp_path / "s.mp4", media.moving_square(20, 32, 48))
    kept = [k for k in range(20) if k >= 10 or k % 5 == 0]
    with av.open(str(source)) as one, av.open(str(tmp_path / "v.mp4"), "w") as other:
        sound = other.add_stream_from_template(one.streams.audio[0])
        picture: Any = other.add_stream("libx264", rate=10, options={"crf": "4"})
        picture.height, picture.width, picture.pix_fmt = 32, 48, "yuv420p"
        for found in one.demux(one.streams.audio[0]):
            if found.dts is not None:
                found.stream = sound
                other.mux(found)
        for k in kept:
            frame = av.VideoFrame.from_ndarray(media.moving_square(20, 32, 48)[k])
            frame.pts, frame.time_base = k, Fraction(1, 10)
            other.mux(picture.encode(frame))
        other.mux(picture.encode(None))
    read = video.read(tmp_path / "v.mp4")
    assert len(read.array) == 12 and read.times is not None
    video.write(tmp_path / "out.mp4", read.array, read.fps, audio=tmp_path / "v.mp4")
    drawn = video.read(tmp_path / "out.mp4")
    assert drawn.times is not None and np.abs(drawn.times - np.array(kept) / 10).max() < 0.01


# FFmpeg's errors


def test_an_error_while_frames_are_read_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(3))

    def fails(*_: Any) -> Any:
        raise av.error.InvalidDataError(1, "no such thing")

    monkeypatch.setattr(reader_module, "orientation", fails)
    for call in (video.read, video.probe):
        with pytest.raises(InputError, match="no such thing") as caught:
            call(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_few_pictures_that_stand_for_long(tmp_path: Path) -> None:
    """Neither damaged nor too large for the memory: what lasts is not what is held."""
    path = tmp_path / "slides.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        stream.codec_context.time_base = ENDLESS
        for k, frame in enumerate(media.moving_square(3)):
            picture = av.VideoFrame.from_ndarray(frame).reformat(format="yuvj420p")
            picture.pts, picture.time_base = 60_000 * k, ENDLESS
            for packet in stream.encode(picture):
                packet.duration = 60_000
                container.mux(packet)
    found = video.read(path, max_bytes=10 * 96 * 64 * 3)
    assert len(found.array) == 3 and found.fps == pytest.approx(1 / 60, rel=0.01)
    assert not any("damaged" in line for line in found.warnings)
