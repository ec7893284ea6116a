"""Video in and out: colours, orientation, odd and damaged files, refusals, files whole or absent."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import media
import numpy as np
import pytest
from PIL import Image

from fiftyone_latent_inr import video
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.frames.resize import area_resize
from fiftyone_latent_inr.video.reader import VideoReader

# Formats and odd files


def test_odd_size_is_kept_and_its_edges_are_right(tmp_path: Path) -> None:
    read = video.read(media.odd_size(tmp_path / "a.mp4"))
    original = media.moving_square(6, 143, 175)
    assert read.array.shape == original.shape
    assert np.abs(read.array[:, -1].astype(int) - original[:, -1]).max() <= 3
    assert np.abs(read.array[:, :, -1].astype(int) - original[:, :, -1]).max() <= 3


def test_variable_frame_rate_keeps_the_duration(tmp_path: Path) -> None:
    read = video.read(media.variable_rate(tmp_path / "a.mp4"))
    assert len(read.array) == 10
    assert read.fps == pytest.approx(9 / 0.680, rel=0.01)
    assert any("frame rate varies" in line for line in read.warnings)


def test_one_frame(tmp_path: Path) -> None:
    path = media.one_frame(tmp_path / "a.mp4")
    read = video.read(path)
    assert read.array.shape == (1, 64, 96, 3)
    assert 0 < read.fps <= 1000
    assert video.probe(path).num_frames == 1


@pytest.mark.parametrize(
    ("extension", "codec", "pix_fmt"),
    [
        ("gif", "gif", "rgb8"),
        ("webm", "libvpx-vp9", "yuv420p"),
        ("avi", "mpeg4", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),
    ],
)
def test_other_containers(tmp_path: Path, extension: str, codec: str, pix_fmt: str) -> None:
    path = media.encode(tmp_path / f"a.{extension}", media.moving_square(5), codec=codec, pix_fmt=pix_fmt)
    read = video.read(path)
    assert read.array.shape == (5, 64, 96, 3)
    assert psnr(read.array, media.moving_square(5)) > (15 if extension == "gif" else 26)


@pytest.mark.parametrize(
    "name", ["with space.mp4", "видео 東京 ü.mp4", "12:30 %03d [x].mp4", "-dash.mp4", "file:x.mp4"]
)
def test_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    video.write(name, media.moving_square(3), 25)
    assert video.read(name).array.shape == (3, 64, 96, 3)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_frames_that_change_size_become_the_first_ones(tmp_path: Path) -> None:
    parts = [media.encode(tmp_path / f"{n}.ts", media.moving_square(5, h, w)) for n, h, w in ((0, 64, 96), (1, 32, 48))]
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    read = video.read(path)
    assert read.array.shape == (10, 64, 96, 3)
    assert psnr(read.array[6:7], media.moving_square(5)[1:2]) > 20
    assert any("another size" in line for line in read.warnings)


# Damage


def test_damaged_halfway_keeps_what_decodes(tmp_path: Path) -> None:
    read = video.read(media.damaged_halfway(tmp_path / "a.mp4", num=24))
    assert len(read.array) == 12
    assert psnr(read.array, media.moving_square(24)[:12]) > 25
    assert any("only 12 of 24 frames" in line for line in read.warnings)


def test_cut_file_keeps_what_decodes(tmp_path: Path) -> None:
    read = video.read(media.cut_with_index(tmp_path / "a.mp4", num=24))
    assert 4 <= len(read.array) < 20
    assert any(f"only {len(read.array)} of 24 frames" in line for line in read.warnings)


def test_cut_matroska_keeps_what_decodes(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mkv", media.moving_square(24), options={"g": "6", "crf": "4"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read = video.read(path)
    assert 4 <= len(read.array) < 20
    assert any("of 0.96 seconds" in line for line in read.warnings)


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm", "avi", "ts"])
def test_random_damage_never_crashes(tmp_path: Path, extension: str) -> None:
    """Any flipped bytes: frames, or an InputError, and nothing else."""
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(extension, "libx264")
    sound = media.encode(tmp_path / f"s.{extension}", media.moving_square(6, 32, 48), codec=codec).read_bytes()
    rng = np.random.default_rng(0)
    decoded = 0
    for trial in range(40):
        data = bytearray(sound)
        for position in rng.integers(0, len(data), rng.integers(1, 60)):
            data[position] = rng.integers(256)
        if trial % 4 == 0:
            del data[rng.integers(1, len(data)) :]
        path = tmp_path / f"d.{extension}"
        path.write_bytes(data)
        try:
            decoded += len(video.read(path, size=(8, 8), max_bytes=1 << 24).array) > 0
        except InputError as error:
            assert str(path) in str(error)
    assert decoded > 0


def test_sound_files_have_no_warnings(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        video.write(tmp_path / name, media.moving_square(), 25)
        assert video.read(tmp_path / name).warnings == ()
        assert video.read(tmp_path / name, max_frames=3).warnings == ()


def test_bundled_clips_have_no_warnings(clips: Path) -> None:
    for path in sorted(clips.glob("*.mp4"))[:4]:
        assert video.read(path, size=(18, 32), max_frames=40).warnings == ()


@pytest.fixture
def clips() -> Path:
    folder = Path(__file__).parents[2] / "fiftyone_latent_inr" / "assets" / "clips"
    if not folder.is_dir():
        pytest.skip("the bundled clips are not here")
    return folder


# Refusals

REASONS = {
    "missing": "no such file",
    "empty": "empty",
    "cut_without_index": "moov",
    "audio_only": "no video stream",
    "text": "text file",
    "random_bytes": "not a video",
}


@pytest.mark.parametrize("kind", sorted(media.BAD))
@pytest.mark.parametrize("function", [video.read, video.probe, lambda path: next(video.iter_frames(path))])
def test_bad_files_are_refused_by_name(tmp_path: Path, kind: str, function: Callable[[Path], object]) -> None:
    path = media.BAD[kind](tmp_path / "clip x.mp4")
    with pytest.raises(InputError, match=REASONS[kind]) as caught:
        function(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        video.read(tmp_path)


def test_pipes_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="regular file"):
        video.read(tmp_path / "pipe.mp4")


def test_images_and_playlists_are_no_videos(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "picture.png"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))))
    for name in ("picture.png", "picture.mp4"):
        path = tmp_path / name
        path.write_bytes((tmp_path / "picture.png").read_bytes())
        with pytest.raises(InputError, match="image"):
            video.read(path)
    media.encode(tmp_path / "part.ts", media.moving_square(3))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npart.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError):
        video.read(tmp_path / "list.m3u8")


def test_cover_pictures_are_no_videos(tmp_path: Path) -> None:
    """A song whose only picture is its cover: the disposition is what tells."""
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = 0x400
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 16000
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8)).reformat(format="yuvj420p")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    with pytest.raises(InputError, match="cover picture"):
        video.read(path)


def test_permission_denied() -> None:
    with media.open_folder() as folder:
        path = media.one_frame(folder / "a.mp4")
        path.chmod(0)
        with media.ordinary_user(), pytest.raises(InputError, match="permission denied"):
            video.read(path)


# Sizes and memory


def test_size_is_area_averaged_frame_by_frame(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(5))
    full = video.read(path).array
    small = video.read(path, size=(17, 31))
    assert np.array_equal(small.array, area_resize(full, (17, 31)))
    assert small.source_size == (64, 96)


def test_max_frames(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(5))
    assert np.array_equal(video.read(path, max_frames=2).array, video.read(path).array[:2])
    assert len(video.read(path, max_frames=99).array) == 5
    with pytest.raises(InputError, match="at least 1"):
        video.read(path, max_frames=0)


@pytest.mark.parametrize("size", [(0, 10), (10, -1)])
def test_bad_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(2))
    with pytest.raises(InputError, match="two whole numbers from 1"):
        video.read(path, size=size)


def test_iter_frames_gives_what_read_gives(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(5))
    assert np.array_equal(np.stack(list(video.iter_frames(path, size=(9, 9)))), video.read(path, size=(9, 9)).array)


def test_too_large_for_the_memory(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(20))
    need = 20 * 64 * 96 * 3
    assert len(video.read(path, max_bytes=need).array) == 20
    with pytest.raises(InputError, match=r"20 frames of 64x96 .*--size HxW.*--frames N"):
        video.read(path, max_bytes=need - 1)
    assert len(video.read(path, max_bytes=need // 2, max_frames=10).array) == 10
    assert len(video.read(path, max_bytes=need // 4, size=(32, 48)).array) == 20


def test_too_large_for_the_memory_without_a_declared_length(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.h264", media.moving_square(20))
    with pytest.raises(InputError, match="too large"):
        video.read(path, max_bytes=10 * 64 * 96 * 3)


def test_the_full_size_video_is_never_held(tmp_path: Path) -> None:
    """200 frames of 480x640 are 184 MB; read small, the process may grow by a third of that at most."""
    path = tmp_path / "a.mp4"
    frame = media.moving_square(1, 480, 640)[0]
    video.write(path, (frame for _ in range(200)), 25, crf=40)
    script = (
        "import resource, sys\n"
        "from fiftyone_latent_inr import video\n"
        "video.read(sys.argv[1], size=(48, 64), max_frames=2)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "video.read(sys.argv[1], size=(48, 64))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 60_000  # kilobytes


def test_probe(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", media.moving_square(12), 24)
    info = video.probe(tmp_path / "a.mp4")
    assert (info.height, info.width, info.num_frames, info.fps) == (64, 96, 12, 24.0)
    assert info.duration == pytest.approx(0.5)
    assert not info.has_audio
    assert info.path == tmp_path / "a.mp4"


def test_frames_from_a_later_time(tmp_path: Path) -> None:
    frames = np.stack([np.full((32, 48, 3), 20 + k, np.uint8) for k in range(120)])
    path = tmp_path / "ramp.mp4"
    video.write(path, frames, 25)
    with VideoReader(path) as reader:
        found = list(reader.frames(max_frames=3, start=2.0))
    assert [round(float(frame.mean())) for frame in found] == pytest.approx([70, 71, 72], abs=1.5)
    with VideoReader(path) as reader, pytest.raises(InputError):
        list(reader.frames(start=60.0))


def test_a_decoder_goes_with_its_reader(tmp_path: Path) -> None:
    """Its threads are gone before a process is forked: there, freeing it would wait for them for ever."""
    path, kinds = tmp_path / "clip.mp4", ("VideoCodecContext", "VideoReader", "ImageReader")
    video.write(path, np.zeros((3, 16, 16, 3), np.uint8), 10.0)
    images = tmp_path / "images"
    images.mkdir()
    for k in range(3):
        Image.new("RGB", (16, 16)).save(images / f"{k}.png")
    gc.collect()
    gc.disable()
    try:
        for source in (path, images):
            assert len(list(video.iter_frames(source))) == 3
            video.probe(source)
        assert [type(one).__name__ for one in gc.get_objects() if type(one).__name__ in kinds] == []
    finally:
        gc.enable()
