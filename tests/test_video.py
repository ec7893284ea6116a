"""Video in and out: colours, orientation, odd and damaged files, refusals, files whole or absent."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import media
import numpy as np
import pytest

from fiftyone_latent_inr import video
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.metrics import psnr

COLOURS = [
    (200, 40, 40),
    (40, 180, 60),
    (50, 60, 200),
    (128, 128, 128),
    (220, 200, 50),
    (16, 16, 16),
    (240, 240, 240),
]
BT709, BT601 = 1, 6
LIMITED, FULL = 1, 2


def patch_error(frames: np.ndarray) -> float:
    return float(np.abs(media.patch_colours(frames[0]) - np.array(COLOURS)).max())


# Colour


@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_colour_matrix_and_range_are_honoured(tmp_path: Path, matrix: int, full: bool, pix_fmt: str) -> None:
    range_ = FULL if full else LIMITED
    path = media.encode(
        tmp_path / "a.mp4",
        media.patches(COLOURS),
        pix_fmt=pix_fmt,
        tags={"colorspace": matrix, "color_range": range_},
        convert={"dst_colorspace": {BT601: 5, BT709: 1}[matrix], "dst_color_range": range_},
    )
    assert patch_error(video.read(path).array) <= 3


def test_untagged_is_bt601_as_in_ffmpeg(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.patches(COLOURS), convert={"dst_colorspace": 5})
    assert patch_error(video.read(path).array) <= 3


def test_common_videos_decode_bit_for_bit_as_in_pyav(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(4))
    with av.open(str(path)) as container:
        plain = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert np.array_equal(video.read(path).array, plain)


def test_write_then_read_keeps_colours(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", media.patches(COLOURS), 25, crf=4)
    assert patch_error(video.read(tmp_path / "a.mp4").array) <= 3


def test_write_then_read_keeps_brightness(tmp_path: Path) -> None:
    """Five generations: a level lost in each would be five levels darker."""
    first = media.moving_square(6, 96, 128)
    frames = first
    for generation in range(5):
        video.write(tmp_path / f"{generation}.mp4", frames, 25, crf=4)
        frames = video.read(tmp_path / f"{generation}.mp4").array
    assert abs(float((frames.astype(float) - first).mean())) < 1


def test_written_files_say_their_colours(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", media.moving_square(2), 25)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (BT601, LIMITED)
        assert context.pix_fmt == "yuv420p"
        assert container.streams.video[0].codec_context.name == "h264"


def test_high_dynamic_range_is_mentioned(tmp_path: Path) -> None:
    tags = {"color_trc": 16, "color_primaries": 9, "colorspace": 9}
    path = media.encode(tmp_path / "a.mp4", media.moving_square(2), pix_fmt="yuv420p10le", tags=tags)
    assert any("PQ" in line for line in video.read(path).warnings)


# Formats and odd files


def test_gray_is_gray(tmp_path: Path) -> None:
    frames = video.read(media.gray(tmp_path / "a.mp4")).array
    assert np.array_equal(frames, np.repeat(media.moving_square()[..., :1], 3, axis=-1))


def test_ten_bit(tmp_path: Path) -> None:
    assert psnr(video.read(media.ten_bit(tmp_path / "a.mp4")).array, media.moving_square()) > 30


def test_alpha_lies_over_black(tmp_path: Path) -> None:
    frames = video.read(media.with_alpha(tmp_path / "a.mp4", alpha=128)).array
    expected = media.moving_square().astype(float)
    expected[:, 32:] *= 128 / 255
    assert np.abs(frames - expected).max() <= 0.51


def test_odd_size_is_kept_and_its_edges_are_right(tmp_path: Path) -> None:
    read = video.read(media.odd_size(tmp_path / "a.mp4"))
    original = media.moving_square(6, 143, 175)
    assert read.array.shape == original.shape
    assert np.abs(read.array[:, -1].astype(int) - original[:, -1]).max() <= 3
    assert np.abs(read.array[:, :, -1].astype(int) - original[:, :, -1]).max() <= 3


def test_odd_height_in_420(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mkv", media.moving_square(3, 143, 175), codec="ffv1")
    assert psnr(video.read(path).array, media.moving_square(3, 143, 175)) > 30


@pytest.mark.parametrize("clockwise", [90, 180, 270])
@pytest.mark.parametrize("size", [None, (24, 16)])
def test_rotation_is_honoured(tmp_path: Path, clockwise: int, size: tuple[int, int] | None) -> None:
    upright = media.moving_square(3, 48, 32)
    stored = np.rot90(
        upright, clockwise // 90, axes=(1, 2)
    )  # counter-clockwise, so that the player turns it back
    path = media.rotated(tmp_path / "a.mp4", stored, clockwise)
    read = video.read(path, size=size)
    assert read.source_size == (48, 32)
    assert psnr(read.array, upright if size is None else video.area_resize(upright, size)) > 28
    info = video.probe(path)
    assert (info.height, info.width) == (48, 32)


def test_mirrored(tmp_path: Path) -> None:
    """A selfie's display matrix: columns flipped, no rotation."""
    path = media.rotated(tmp_path / "a.mp4", media.moving_square(2), 180)
    data = path.read_bytes()
    flipped = (1 << 16).to_bytes(4, "big")
    at = data.index(b"tkhd") + 44 + 16  # the number d of the matrix
    path.write_bytes(data[:at] + flipped + data[at + 4 :])
    assert psnr(video.read(path).array, media.moving_square(2)[:, :, ::-1]) > 28


def test_variable_frame_rate_keeps_the_duration(tmp_path: Path) -> None:
    read = video.read(media.variable_rate(tmp_path / "a.mp4"))
    assert len(read.array) == 10
    assert read.fps == pytest.approx(9 / 0.680, rel=0.01)
    assert any("frame rate varies" in line for line in read.warnings)


@pytest.mark.parametrize(
    "rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25), Fraction(15, 2)]
)
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_frame_rates_survive(tmp_path: Path, rate: Fraction, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    video.write(path, media.moving_square(8, 32, 32), float(rate))
    assert video.read(path).fps == pytest.approx(float(rate), rel=1e-4)
    assert video.read(path, max_frames=3).fps == pytest.approx(float(rate), rel=1e-4)
    assert video.probe(path).fps == pytest.approx(float(rate), rel=1e-4)


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
    parts = [
        media.encode(tmp_path / f"{n}.ts", media.moving_square(5, h, w))
        for n, h, w in ((0, 64, 96), (1, 32, 48))
    ]
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
    sound = media.encode(
        tmp_path / f"s.{extension}", media.moving_square(6, 32, 48), codec=codec
    ).read_bytes()
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
    folder = Path(__file__).parents[1] / "fiftyone_latent_inr" / "assets" / "clips"
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
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npart.ts\n#EXT-X-ENDLIST\n"
    )
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


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder, with the rights of an ordinary user: root may read and write everything."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)


def test_permission_denied(as_nobody: Path) -> None:
    path = as_nobody / "a.mp4"
    if os.getuid() == 0:
        os.seteuid(0)
        path.write_bytes(b"x")
        path.chmod(0)
        os.seteuid(65534)
    else:
        path.write_bytes(b"x")
        path.chmod(0)
    with pytest.raises(InputError, match="permission denied"):
        video.read(path)


# Sizes and memory


def test_size_is_area_averaged_frame_by_frame(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(5))
    full = video.read(path).array
    small = video.read(path, size=(17, 31))
    assert np.array_equal(small.array, video.area_resize(full, (17, 31)))
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
    with pytest.raises(InputError, match="at least 1"):
        video.read(path, size=size)


def test_iter_frames_gives_what_read_gives(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp4", media.moving_square(5))
    assert np.array_equal(
        np.stack(list(video.iter_frames(path, size=(9, 9)))), video.read(path, size=(9, 9)).array
    )


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
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 60_000  # kilobytes


def test_probe(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", media.moving_square(12), 24)
    info = video.probe(tmp_path / "a.mp4")
    assert (info.height, info.width, info.num_frames, info.fps) == (64, 96, 12, 24.0)
    assert info.duration == pytest.approx(0.5)
    assert not info.has_audio
    assert info.path == tmp_path / "a.mp4"


# Writing


@pytest.mark.parametrize("shape", [(143, 175), (1, 1), (2, 5), (37, 64)])
def test_odd_sizes_are_padded(tmp_path: Path, shape: tuple[int, int]) -> None:
    # Gray, so that halving the colour's resolution costs nothing.
    frames = np.repeat(media.moving_square(3, *shape)[..., :1], 3, axis=-1)
    video.write(tmp_path / "a.mp4", frames, 25, crf=0)
    back = video.read(tmp_path / "a.mp4").array
    height, width = shape
    assert back.shape[1:3] == (height + height % 2, width + width % 2)
    assert psnr(back[:, :height, :width], frames) > 40


def test_default_quality_is_visually_lossless(tmp_path: Path) -> None:
    frames = media.moving_square(8, 96, 160)
    video.write(tmp_path / "a.mp4", frames, 25)
    assert psnr(video.read(tmp_path / "a.mp4").array, frames) > 36  # the square's edges lose to 4:2:0


def test_the_index_is_at_the_front(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", media.moving_square(3), 25)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_any_iterable_of_frames(tmp_path: Path) -> None:
    video.write(tmp_path / "a.mp4", (frame for frame in media.moving_square(4)), Fraction(25))
    assert len(video.read(tmp_path / "a.mp4").array) == 4


@pytest.mark.parametrize(
    ("frames", "fps", "name", "match"),
    [
        ([], 25, "a.mp4", "no frames"),
        ([np.zeros((4, 4, 3))], 25, "a.mp4", "uint8"),
        ([np.zeros((4, 4), np.uint8)], 25, "a.mp4", "uint8"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)], 25, "a.mp4", "shape"),
        ([np.zeros((4, 4, 3), np.uint8)], 0, "a.mp4", "frame rate"),
        ([np.zeros((4, 4, 3), np.uint8)], float("nan"), "a.mp4", "frame rate"),
        ([np.zeros((4, 4, 3), np.uint8)], 25, "a.webm", "mp4"),
        ([np.zeros((4, 4, 3), np.uint8)], 25, "a", "mp4"),
        ([np.zeros((4, 4, 3), np.uint8)], 25, "nowhere/a.mp4", "folder"),
        ([np.zeros((4, 4, 3), np.uint8)], 25, "folder.mp4", "folder"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, frames: list[np.ndarray], fps: float, name: str, match: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match=match):
        video.write(tmp_path / name, frames, fps)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.mp4"]


def test_a_failure_midway_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    video.write(path, media.moving_square(2), 25)
    before = path.read_bytes()

    def frames() -> Iterator[np.ndarray]:
        yield from media.moving_square(2)
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError, match="the source failed"):
        video.write(path, frames(), 25)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("limit", [0, 2000, 20_000])
def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path: Path, limit: int) -> None:
    """A limit on the file size stands in for a full disk: the same failed writes, without one."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3)).astype(np.uint8)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .*a\.mp4"):
            video.write(tmp_path / "a.mp4", noise, 25, crf=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder(as_nobody: Path) -> None:
    if os.getuid() != 0:
        as_nobody.chmod(0o555)
    with pytest.raises(InputError, match="permission denied"):
        video.write(as_nobody / "a.mp4", media.moving_square(2), 25)
