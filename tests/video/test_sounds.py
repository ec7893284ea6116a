"""Sounds of many kinds: each is drawn in step with the pictures or left out with a note, and nothing else is lost."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import media
import numpy as np
import pytest

from benchmarks.real_files.sound_cases import CASES
from benchmarks.real_files.sounds import measure
from fiftyone_latent_inr import video
from fiftyone_latent_inr.video import audio as audio_module
from fiftyone_latent_inr.video import sound_process
from fiftyone_latent_inr.video.clock import FileClock
from fiftyone_latent_inr.video.sound_packets import on_clock

FRAMES = media.moving_square(20, 32, 48)  # 2 s at 10 fps
# One of each kind is tried always, the rest by `make test-all`
QUICK = {"s16_8.mov", "s24_24.mov", "ac3_to_51.ts", "aac_to_44k.ts", "aac_restarts.ts", "encrypted.mp4", "aac.avi"}
# TrueHD as one version of FFmpeg writes it another one cannot decode
UNSURE = {"truehd.mkv"}


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg makes these files")
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name, marks=() if case.name in QUICK else pytest.mark.slow) for case in CASES],
)
def test_a_sound_is_drawn_or_noted(case: Any, tmp_path: Path) -> None:
    row = measure(case, tmp_path)
    if row["verdict"] == "not made":
        pytest.skip(f"this ffmpeg cannot write it: {row['why']}")
    wanted = {"silent, noted"} if case.silent or case.name in UNSURE else set()
    assert row["verdict"] in (wanted if case.silent else wanted | {"drawn"}), row


def sounding(path: Path, *layouts: str, codec: str = "pcm_s16le", rate: int = 48000, click: float = 1.0) -> Path:
    """A video of 2 s with one sound of each layout: silence, but for a tone from `click` on."""
    wave = np.zeros(2 * rate, np.int16)
    first = round(click * rate)
    wave[first : first + rate // 10] = 16000 * np.sin(np.arange(rate // 10) * 0.3)
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream("libx264", rate=10)
        pictures.height, pictures.width, pictures.pix_fmt = *FRAMES.shape[1:3], "yuv420p"
        streams: list[Any] = [container.add_stream(codec, rate=rate, layout=layout) for layout in layouts]
        for frame in FRAMES:
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(pictures.encode(None))
        for begin in range(0, len(wave), 1024):
            part = wave[begin : begin + 1024]
            for stream in streams:
                layout = stream.codec_context.layout
                samples = np.repeat(part, layout.nb_channels)[None]
                made = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="s16", layout=layout.name)
                made.sample_rate, made.pts, made.time_base = rate, begin, Fraction(1, rate)
                container.mux(stream.encode(made))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def drawn(path: Path, source: Path, **options: Any) -> tuple[tuple[str, ...], float | None, float]:
    """Notes, when the tone is heard, and how long the sound is; all pictures are there."""
    notes = video.write(path, FRAMES, 10, audio=source, **options)
    assert len(video.read(path).array) == len(FRAMES)
    if not video.probe(path).has_audio:
        return notes, None, 0.0
    return notes, *media.heard(path)[1:]


@pytest.mark.parametrize("layout", ["7.1", "7.1(wide)", "mono", "22.2"])
def test_orders_of_channels_do_not_end_the_process(tmp_path: Path, layout: str) -> None:
    """QuickTime tells orders that FFmpeg has none for: PyAV frees what says so twice."""
    source = sounding(tmp_path / "a.mov", layout)
    notes, tone, end = drawn(tmp_path / "out.mp4", source)
    assert notes == () and tone == pytest.approx(1, abs=0.005) and end == pytest.approx(2, abs=0.03)


def test_eight_planes_are_read(tmp_path: Path) -> None:
    """Of planar samples PyAV looks for planes behind the eighth."""
    source = sounding(tmp_path / "a.mkv", "7.1", codec="wavpack")
    assert drawn(tmp_path / "out.mp4", source)[1] == pytest.approx(1, abs=0.005)


def unknown(path: Path, count: int = 1) -> Path:
    """The first `count` PCM sounds of a QuickTime file become ones that nobody can decode."""
    path.write_bytes(path.read_bytes().replace(b"sowt", b"zz9a", count))
    return path


def test_the_best_sound_that_can_be_decoded(tmp_path: Path) -> None:
    source = unknown(sounding(tmp_path / "a.mov", "stereo", "mono"))
    notes, tone, _ = drawn(tmp_path / "out.mp4", source)
    assert tone == pytest.approx(1, abs=0.005)
    assert notes in ((), ("its sound has no decoder here: drawn with another of its sounds",))


def test_only_sounds_that_nobody_can_decode(tmp_path: Path) -> None:
    source = unknown(sounding(tmp_path / "a.mov", "stereo", "mono"), 2)
    assert drawn(tmp_path / "out.mp4", source) == (("its sound has no decoder here: drawn without",), None, 0.0)


def test_a_sound_that_turns_out_empty_gives_way_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = sounding(tmp_path / "a.mkv", "stereo", "stereo", codec="ac3")
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packets = [(packet.pos, bytes(packet)) for packet in container.demux(audio=0) if packet.size]
    for position, packet in packets:
        begin = data.index(packet, position)
        data[begin : begin + len(packet)] = b"\x55" * len(packet)
    source.write_bytes(data)
    monkeypatch.setattr(audio_module, "sounds", lambda container: list(container.streams.audio))
    notes, tone, _ = drawn(tmp_path / "out.mp4", source)
    assert tone == pytest.approx(1, abs=0.01) and "drawn with another one" in notes[0]


@pytest.mark.parametrize(
    ("codec", "layout", "rate"), [("aac", "mono", 48000), ("aac", "stereo", 32000), ("ac3", "5.1", 44100)]
)
def test_form_that_changes_on_the_way(tmp_path: Path, codec: str, layout: str, rate: int) -> None:
    """Transport streams one behind the other: the second's sound is of another form."""
    one = sounding(tmp_path / "1.ts", "stereo", codec=codec)
    two = sounding(tmp_path / "2.ts", layout, codec=codec, rate=rate)
    (tmp_path / "a.ts").write_bytes(one.read_bytes() + two.read_bytes())
    frames = np.concatenate([FRAMES, FRAMES])
    notes = video.write(tmp_path / "out.mp4", frames, 10, audio=tmp_path / "a.ts")
    assert notes == () and len(video.read(tmp_path / "out.mp4").array) == 40
    found, tone, end = media.heard(tmp_path / "out.mp4")
    assert found == "aac" and tone == pytest.approx(1, abs=0.03) and end == pytest.approx(4, abs=0.1)
    with av.open(str(tmp_path / "out.mp4")) as container:  # the second tone, too
        levels = [(frame.time, np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0)]
    assert next(time for time, level in levels if level > 0.1 and time > 2) == pytest.approx(3, abs=0.06)


@pytest.mark.parametrize(("rate", "extension"), [(8000, "mp4"), (37000, "mkv"), (96000, "mov"), (192000, "mp4")])
def test_rates(tmp_path: Path, rate: int, extension: str) -> None:
    source = sounding(tmp_path / "a.mov", "stereo", rate=rate)
    notes, tone, end = drawn(tmp_path / f"out.{extension}", source)
    assert notes == () and tone == pytest.approx(1, abs=0.03) and end == pytest.approx(2, abs=0.15)


def test_mp3_that_mp4_does_not_take_is_encoded_anew(tmp_path: Path) -> None:
    source = media.sounding(tmp_path / "a.mkv", FRAMES, codec="libmp3lame", rate=11025)
    notes, tone, _ = drawn(tmp_path / "out.mp4", source)
    assert notes == () and tone == pytest.approx(1, abs=0.03)
    assert media.heard(tmp_path / "out.mp4")[0] == "aac"


class _Stamped:
    """Stands for a file: packets of 0.1 s with these stamps."""

    def __init__(self, stamps: list[float | None]) -> None:
        self.index, self.streams = 1, ()
        self._stamps = stamps

    def demux(self, stream: Any) -> Any:
        for stamp in self._stamps:
            packet = av.Packet(b"sound")
            packet.time_base, packet.duration = Fraction(1, 1000), 100
            packet.pts = packet.dts = None if stamp is None else round(stamp * 1000)
            yield packet


@pytest.mark.parametrize(
    ("stamps", "heard"),
    [
        ([0, 0.1, 0.2], [0, 0.1, 0.2]),
        ([0, None, 0.2], [0, 0.1, 0.2]),
        ([0, 3600, 0.2, 0.3], [0, 0.1, 0.2, 0.3]),  # one wrong stamp
        ([0, 3600, 3600.1, 9, 0.4, 0.5], [0, 0.1, 0.2, 0.3, 0.4, 0.5]),  # and several
        ([5, 5.1, 0.2, 5.3, 5.4], [5, 5.1, 5.2, 5.3, 5.4]),
        ([0, 0.1, 3600], [0, 0.1, 0.2]),
        ([0, 0.1, 5, 5.1], [0, 0.1, 5, 5.1]),  # a gap stays one
        ([None, None], [0, 0.1]),
    ],
)
def test_stamps_that_those_around_contradict(stamps: list[float | None], heard: list[float]) -> None:
    file: Any = _Stamped(stamps)
    assert [time for time, _ in on_clock(file, file, FileClock(), 0.0)] == pytest.approx(heard)


def test_a_clock_that_goes_back_is_said() -> None:
    file: Any = _Stamped([*np.arange(5, 9, 0.1), *np.arange(0, 4, 0.1)])
    notes: list[str] = []
    assert len(list(on_clock(file, file, FileClock(), 0.0, notes))) == 80
    assert len(notes) == 1 and "goes back" in notes[0]


def test_damage_is_said_even_if_the_end_is_not_heard(tmp_path: Path) -> None:
    source = media.sounding(tmp_path / "a.mkv", FRAMES, codec="ac3", seconds=60)
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        packet = [packet for packet in container.demux(audio=0) if packet.size][10]
        begin = data.index(bytes(packet), packet.pos)
    data[begin : begin + packet.size] = bytes(packet.size)
    source.write_bytes(data)
    notes, tone, end = drawn(tmp_path / "out.mp4", source)
    assert notes == ("pieces of its sound are damaged and were left out",)
    assert tone == pytest.approx(1, abs=0.005) and end == pytest.approx(2, abs=0.03)


@pytest.mark.parametrize(("codec", "extension"), [("aac", "mp4"), ("pcm_s16le", "mkv")])
def test_errors_of_reading_leave_the_rest_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, extension: str
) -> None:
    source = media.sounding(tmp_path / "a.mkv", FRAMES, codec=codec)
    passes = []

    def broken(*args: Any) -> Any:
        passes.append(0)
        for number, one in enumerate(on_clock(*args)):
            if number == 20 and len(passes) > 2:  # after what looks the file through
                raise RuntimeError("no more of it")
            yield one

    monkeypatch.setattr(audio_module, "on_clock", broken)
    if codec != "aac":
        give = sound_process.SoundProcess.packets

        def packets(self: Any) -> Any:
            for number, one in enumerate(give(self)):
                if number == 20:
                    raise RuntimeError("no more of it")
                yield one

        monkeypatch.setattr(sound_process.SoundProcess, "packets", packets)
    notes, _, end = drawn(tmp_path / f"out.{extension}", source)
    assert notes == ("the rest of its sound could not be read (no more of it) and is silent",)
    assert 0.2 < end < 0.6


def test_packets_that_cannot_be_written_leave_the_rest_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = media.sounding(tmp_path / "a.mkv", FRAMES)
    moved = audio_module._moved

    def falling(packets: Any, target: Any, earliest: float) -> Any:
        for number, (end, packet) in enumerate(moved(packets, target, earliest)):
            if number == 70:
                packet.pts = packet.dts = 0
            yield end, packet

    monkeypatch.setattr(audio_module, "_moved", falling)
    notes, _, end = drawn(tmp_path / "out.mp4", source)
    assert len(notes) == 1 and "could not be written" in notes[0] and 1 < end < 1.6


def test_a_full_disk_is_no_trouble_of_the_sound() -> None:
    class Full:
        def mux(self, packet: Any) -> None:
            raise OSError(28, "No space left on device")

    sound = audio_module.Sound(Path("a.mp4"), 0.0)
    sound._pieces = iter([(0.0, object())])
    with pytest.raises(OSError, match="No space"):
        sound.mux(Full(), 1.0)
