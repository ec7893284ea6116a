"""Sound taken along: copied or encoded anew, in step with the pictures, and no longer than they are."""

from __future__ import annotations

from pathlib import Path

import av
import media
import numpy as np
import pytest

from fiftyone_latent_inr import video
from fiftyone_latent_inr.errors import InputError

FRAMES = media.moving_square(20, 32, 48)  # 2 s at 10 fps


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize(
    ("name", "codec", "written"),
    [
        ("a.mp4", "aac", "aac"),
        ("a.ts", "aac", "aac"),
        ("a.mkv", "libmp3lame", "mp3"),
        ("a.mkv", "libopus", "opus"),
        ("a.mkv", "flac", "flac"),
        ("a.mov", "pcm_s16le", "aac"),
        ("a.mkv", "ac3", "aac"),
        ("a.mkv", "mp2", "aac"),
    ],
)
def test_sound_is_kept_in_step(tmp_path: Path, name: str, codec: str, written: str) -> None:
    source = media.sounding(tmp_path / name, FRAMES, codec=codec)
    path = tmp_path / "out.mp4"
    assert video.write(path, FRAMES, 10, audio=source) == ()
    found, click, end = media.heard(path)
    assert found == written
    assert click == pytest.approx(media.heard(source)[1], abs=0.005)
    assert 1.85 < end <= 2.03
    with av.open(str(path)) as container:
        assert container.duration / av.time_base == pytest.approx(2, abs=0.03)
        assert container.streams.video[0].frames == 20


def test_a_copy_is_bit_for_bit(tmp_path: Path) -> None:
    source = media.sounding(tmp_path / "a.mp4", FRAMES)
    video.write(tmp_path / "out.mp4", FRAMES, 10, audio=source)
    before, after = packets(source), packets(tmp_path / "out.mp4")
    assert len(after) >= len(before) - 2 and after == before[: len(after)]


def test_the_cut_follows_the_frames(tmp_path: Path) -> None:
    source = media.sounding(tmp_path / "a.mp4", FRAMES, seconds=3)
    video.write(tmp_path / "short.mp4", FRAMES[:12], 10, audio=source)
    assert media.heard(tmp_path / "short.mp4")[2] == pytest.approx(1.2, abs=0.03)
    video.write(tmp_path / "later.mp4", FRAMES[5:], 10, audio=source, audio_start=0.5)
    _, click, end = media.heard(tmp_path / "later.mp4")
    assert click == pytest.approx(0.5, abs=0.005) and end == pytest.approx(1.5, abs=0.03)


def test_encoded_anew_it_is_cut_the_same(tmp_path: Path) -> None:
    source = media.sounding(tmp_path / "a.mov", FRAMES, codec="pcm_s16le", seconds=3, rate=37000)
    video.write(tmp_path / "later.mp4", FRAMES[5:], 10, audio=source, audio_start=0.5)
    _, click, end = media.heard(tmp_path / "later.mp4")
    assert click == pytest.approx(0.5, abs=0.005) and end == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize("extension", ["mov", "mkv"])
def test_other_containers(tmp_path: Path, extension: str) -> None:
    source = media.sounding(tmp_path / "a.mkv", FRAMES, codec="libopus")
    path = tmp_path / f"out.{extension}"
    video.write(path, FRAMES, 10, audio=source)
    name, click, _ = media.heard(path)
    assert name == {"mov": "aac", "mkv": "opus"}[extension] and click == pytest.approx(1, abs=0.02)


def test_the_index_stays_at_the_front(tmp_path: Path) -> None:
    source = media.sounding(tmp_path / "a.mp4", FRAMES)
    video.write(tmp_path / "out.mp4", FRAMES, 10, audio=source)
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_silent_source_gives_no_sound(tmp_path: Path) -> None:
    media.encode(tmp_path / "a.mp4", FRAMES)
    assert video.write(tmp_path / "out.mp4", FRAMES, 10, audio=tmp_path / "a.mp4") == ()
    assert not video.probe(tmp_path / "out.mp4").has_audio


def test_sound_alone_is_a_source(tmp_path: Path) -> None:
    media.audio_only(tmp_path / "a.mp4")
    video.write(tmp_path / "out.mp4", FRAMES[:5], 10, audio=tmp_path / "a.mp4")
    assert media.heard(tmp_path / "out.mp4")[2] == pytest.approx(0.5, abs=0.07)


def test_a_damaged_source_costs_only_sound(tmp_path: Path) -> None:
    source = media.sounding(tmp_path / "a.mkv", media.moving_square(100, 32, 48), codec="ac3")
    data = bytearray(source.read_bytes())
    for k in range(len(data) // 2, len(data) * 3 // 4):
        data[k] = 255 - data[k]
    source.write_bytes(data)
    video.write(tmp_path / "out.mp4", np.repeat(FRAMES, 5, axis=0), 10, audio=source)
    assert len(video.read(tmp_path / "out.mp4").array) == 100


@pytest.mark.parametrize("kind", ["missing", "empty", "text"])
def test_what_has_no_sound_to_give_is_refused(tmp_path: Path, kind: str) -> None:
    source = media.BAD[kind](tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r"a\.mp4"):
        video.write(tmp_path / "out.mp4", FRAMES, 10, audio=source)
    assert not (tmp_path / "out.mp4").exists()
