"""The command line: what it writes, and that bad input ends with status 2 and one line."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import media
import numpy as np
import pytest
from command_line import FPS, H, T, W, fails, write_clip
from linr_files import networks

from fiftyone_latent_inr import __version__, load
from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.frames import metrics
from fiftyone_latent_inr.held_folder import held
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.latent_video.write import to_bytes
from fiftyone_latent_inr.video.decode import read, write


@pytest.fixture(scope="module", autouse=True)
def short_fits() -> Iterator[None]:
    """Presets of fewer steps, in this process: pictures good enough to tell them from noise."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(PRESETS, "fast", replace(PRESETS["fast"], steps=800))
        yield


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def stored(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / "clip.linr"
    assert main(["encode", str(clip), str(path), "--preset", "fast", "--quiet", "--device", "cpu"]) == 0
    return path


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fiftyone_latent_inr", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


# --- what the commands do


def test_encode_is_measured_as_it_says(clip: Path, stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, original = load(stored), read(clip).array
    assert (video.num_frames, video.size, video.preset, video.fps) == (T, (H, W), "fast", pytest.approx(FPS))
    assert main(["compare", str(clip), str(stored), "--json", "--device", "cpu"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["psnr"] == pytest.approx(metrics.psnr(original, video.render()), abs=1e-6)
    assert measured["psnr"] > 25
    assert measured["bytes"] == stored.stat().st_size
    assert measured["bpp"] == pytest.approx(8 * stored.stat().st_size / (T * H * W))
    assert measured["resized"] is False


def test_encode_resizes_and_takes_the_first_frames(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.linr"
    options = [
        "--preset",
        "fast",
        "--size",
        "16x24",
        "--frames",
        "2",
        "--seed",
        "7",
        "--quiet",
        "--device",
        "cpu",
    ]
    assert main(["encode", str(clip), str(path), *options]) == 0
    assert f"{path.stat().st_size:,} bytes, 2 frames of 24x16" in capsys.readouterr().out
    assert (load(path).num_frames, load(path).size) == (2, (16, 24))
    assert main(["compare", str(clip), str(path), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    wanted = read(clip, size=(16, 24), max_frames=2).array
    assert measured["resized"] is True
    assert measured["psnr"] == pytest.approx(metrics.psnr(wanted, load(path).render()), abs=1e-6)


def test_encode_takes_a_quality_or_a_rate(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--preset", "fast", "--frames", "2", "--quiet", "--device", "cpu"]
    for name, options in {"low": ["--quality", "0"], "high": ["--quality", "90"], "rate": ["--bpp", "4"]}.items():
        assert main(["encode", str(clip), str(tmp_path / f"{name}.linr"), *common, *options]) == 0
    low, high, rate = (load(tmp_path / f"{name}.linr").metrics for name in ("low", "high", "rate"))
    assert low["bytes"] < high["bytes"] and low["psnr"] < high["psnr"]
    # 3,072 pixels: the file's fixed parts are a third of it
    assert low["bpp"] < rate["bpp"] < high["bpp"] and rate["bpp"] == pytest.approx(4, rel=0.2)


def test_info(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(stored), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["bytes"] == stored.stat().st_size
    assert (facts["num_frames"], facts["height"], facts["width"], facts["preset"]) == (T, H, W, "fast")
    assert facts["teacher"] is None and facts["embedding_dim"] is None
    assert facts["metrics"]["psnr"] > 25 and facts["num_parameters"] == load(stored).num_parameters
    assert main(["info", str(stored)]) == 0
    text = capsys.readouterr().out
    assert "num_frames  4" in text and "teacher  -" in text


def test_info_gives_warnings_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, odd = tmp_path / "a.linr", ["it was cut, at its end", "its sound is not read"]
    from_bytes(to_bytes(networks(), fps=FPS, preset="fast", metadata={"seed": 0, "warnings": odd})).save(path)
    assert main(["info", str(path)]) == 0
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    assert lines[-3:] == [["metadata", "seed=0"], ["warnings", odd[0]], ["warnings", odd[1]]]
    assert main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"]["warnings"] == odd


@pytest.mark.parametrize(
    ("options", "frames", "size", "fps"),
    [
        ([], T, (H, W), FPS),
        (["--scale", "1.5"], T, (48, 72), FPS),
        (["--fps-factor", "2"], 2 * T, (H, W), 2 * FPS),
        (["--fps-factor", "2", "--motion"], 2 * T, (H, W), 2 * FPS),
        (["--fps-factor", "0.5"], T / 2, (H, W), FPS / 2),
        (["--fps-factor", "2", "--frames", "1:3"], 4, (H, W), 2 * FPS),
        (["--frames", "1:3"], 2, (H, W), FPS),
        (["--frames=-1:", "--scale", "0.5"], 1, (16, 24), FPS),
    ],
)
def test_decode(
    stored: Path, tmp_path: Path, options: list[str], frames: int, size: tuple[int, int], fps: float
) -> None:
    path = tmp_path / "out.mp4"
    assert main(["decode", str(stored), str(path), "--quiet", *options]) == 0
    decoded = read(path)
    assert decoded.array.shape == (frames, *size, 3)
    # a single frame says nothing about its rate
    assert frames == 1 or video_seconds(path) == pytest.approx(frames / fps, abs=1e-3)
    assert frames == 1 or decoded.fps == pytest.approx(fps, rel=0.02)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")


def video_seconds(path: Path) -> float:
    """How long the pictures of a file are shown."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.duration is not None and stream.time_base is not None
        return float(stream.duration * stream.time_base)


@pytest.mark.parametrize("even", [True, False])
def test_decode_with_frames_in_between_takes_as_long_as_in_the_app(
    even: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = None if even else np.cumsum([0, *[0.1, 0.2] * 8][:8])
    path, out, sound = tmp_path / "a.linr", tmp_path / "a.mp4", tmp_path / "sound.mp4"
    from_bytes(to_bytes(networks(8), fps=8.0, preset="fast", times=times)).save(path)
    media.sounding(sound, media.moving_square(8, H, W), fps=8, click=0.9)
    for span, seconds in ((":", 1.0), ("4:", 0.5)) if even else ():
        options = ["--fps-factor", "2", "--frames", span, "--audio", str(sound), "--quiet"]
        assert main(["decode", str(path), str(out), *options]) == 0
        assert f"{16 * seconds:.0f} frames" in capsys.readouterr().out
        _, click, end = media.heard(out)
        assert video_seconds(out) == pytest.approx(seconds, abs=1e-3)
        assert click == pytest.approx(0.9 - (1 - seconds), abs=0.01) and end == pytest.approx(seconds, abs=0.05)
    if not even:
        assert main(["decode", str(path), str(out), "--fps-factor", "2", "--quiet"]) == 0
        assert "16 frames" in capsys.readouterr().out
        assert video_seconds(out) == pytest.approx(8 / 8, abs=0.02)


def test_decode_draws_what_render_draws(stored: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    assert main(["decode", str(stored), str(path), "--quiet", "--frames", "2:"]) == 0
    assert metrics.psnr(read(path).array, load(stored).render([2, 3])) > 28  # H.264 stands in between


def test_decode_takes_sound_along(stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = media.sounding(tmp_path / "a.mp4", media.moving_square(2 * T, H, W), fps=FPS, click=2 / FPS)
    path = tmp_path / "out.mp4"
    options = ["--quiet", "--audio", str(source)]
    assert main(["decode", str(stored), str(path), "--frames", "1:", *options]) == 0
    _, click, end = media.heard(path)
    assert click == pytest.approx(1 / FPS, abs=0.01) and end <= (T - 1) / FPS + 0.03
    assert "the input itself" in fails(capsys, "decode", stored, source, *options)
    assert "missing.mp4" in fails(capsys, "decode", stored, path, "--quiet", "--audio", tmp_path / "missing.mp4")


def test_images_have_no_sound_to_take_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, folder = tmp_path / "a.linr", tmp_path / "frames"
    from_bytes(to_bytes(networks(), fps=FPS, preset="fast")).save(path)
    folder.mkdir()
    (folder / "1.png").touch()
    assert main(["decode", str(path), str(tmp_path / "a.mp4"), "--quiet", "--audio", str(folder)]) == 0
    assert "frames: images have no sound" in capsys.readouterr().err


def test_help_and_version_load_nothing_heavy() -> None:
    code = (
        "import sys\nfrom fiftyone_latent_inr.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numpy', 'fiftyone', 'open_clip', 'av', 'tqdm'} & set(sys.modules)))"
    )
    for argument in ("--help", "--version"):
        done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=True)
        assert done.stdout.endswith("[]\n")
    assert __version__ in done.stdout


def test_progress_goes_to_stderr_and_the_result_to_stdout(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["encode", str(clip), str(tmp_path / "x.linr"), "--preset", "fast", "--size", "8x8", "--frames", "1"]) == 0
    )
    written = capfd.readouterr()
    assert written.out.count("\n") == 1 and "dB" in written.out
    assert "fit" in written.err and "dB" in written.err


# --- bad input


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, clip: Path, stored: Path) -> dict[str, Path]:
    """Files that are not what they seem."""
    folder = tmp_path_factory.mktemp("bad")
    files = {name: folder / name for name in ("empty.mp4", "text.mp4", "cut.mp4", "audio.mp4", "cut.linr")}
    files |= {"missing": folder / "missing.mp4", "folder": folder}
    files["empty.mp4"].touch()
    files["text.mp4"].write_text("This is no video.\n" * 50)
    files["cut.mp4"].write_bytes(clip.read_bytes()[:200])
    files["cut.linr"].write_bytes(stored.read_bytes()[:-20])
    with av.open(str(files["audio.mp4"]), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame) + stream.encode())
    return files


@pytest.mark.parametrize("name", ["missing", "folder", "empty.mp4", "text.mp4", "cut.mp4", "audio.mp4"])
def test_encode_refuses_what_is_not_a_video(
    bad: dict[str, Path], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = fails(capsys, "encode", bad[name], tmp_path / "x.linr", "--preset", "fast", "--quiet")
    assert bad[name].name in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["info", "decode", "compare"])
@pytest.mark.parametrize("name", ["missing", "folder", "empty.mp4", "text.mp4", "cut.linr"])
def test_a_damaged_or_foreign_file_is_refused(
    bad: dict[str, Path],
    clip: Path,
    command: str,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = {"info": [bad[name]], "decode": [bad[name], tmp_path / "x.mp4"], "compare": [clip, bad[name]]}
    assert bad[name].name in fails(capsys, command, *arguments[command])
    assert list(tmp_path.iterdir()) == []


def test_compare_with_another_video_is_refused(
    stored: Path, bad: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short.mp4"
    write(short, np.zeros((T - 1, H, W, 3), np.uint8), FPS)
    assert "is it the original" in fails(capsys, "compare", short, stored)
    assert "missing.mp4" in fails(capsys, "compare", bad["missing"], stored)
    assert "text.mp4" in fails(capsys, "compare", bad["text.mp4"], stored)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--preset", "slow"], "fast, balanced, best"),
        (["--teacher", "smal"], "small"),
        (["--device", "abacus"], "abacus"),
        (["--size", "180"], "HxW"),
        (["--size", "0x10"], "at least 1"),
        (["--size", "9x9x9"], "HxW"),
        (["--frames", "0"], "at least 1"),
        (["--frames", "-3"], "--frames"),
        (["--frames", "many"], "whole number"),
        (["--seed", "x"], "seed"),
        (["--quality", "101"], "0 to 100"),
        (["--quality", "nan"], "0 to 100"),
        (["--bpp", "0"], "above 0"),
        (["--quality", "60", "--bpp", "1"], "not allowed with"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_encode_refuses_bad_options(
    clip: Path, tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in fails(capsys, "encode", clip, tmp_path / "x.linr", "--quiet", *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scale", "0"], "above 0"),
        (["--scale", "nan"], "above 0"),
        (["--scale", "inf"], "above 0"),
        (["--scale", "100000"], "pixels"),
        (["--fps-factor", "-1"], "--fps-factor"),
        (["--frames", "3"], "A:B"),
        (["--frames", "a:b"], "A:B"),
        (["--frames", "2:2"], "frames 0:4"),
        (["--frames", "0:99"], "frames 0:4"),
    ],
)
def test_decode_refuses_bad_options(
    stored: Path, tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in fails(capsys, "decode", stored, tmp_path / "x.mp4", "--quiet", *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["fly"], ["encode"], ["search", "x"], ["search", "x", "y", "-k", "0"]])
def test_incomplete_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "--help" in fails(capsys, *arguments)


def test_an_output_that_cannot_be_written_is_refused_before_the_fit(
    clip: Path, stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o500)
    places = [tmp_path / "nowhere" / "x.linr", tmp_path / "file" / "x.linr", tmp_path]
    if os.geteuid() != 0:
        places.append(tmp_path / "locked" / "x.linr")
    elif Path("/proc/self").is_dir():  # nobody can make files there
        places.append(Path("/proc/x.linr"))
    for place in places:
        start = time.monotonic()
        assert str(place) in fails(capsys, "encode", clip, place, "--preset", "best")
        assert time.monotonic() - start < 2
        fails(capsys, "decode", stored, place)
    assert "the input itself" in fails(capsys, "encode", clip, clip)
    assert read(clip).array.shape[0] == T


def test_a_full_disk_keeps_the_old_file(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.linr"
    path.write_bytes(b"old")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

    options = ["--preset", "fast", "--size", "16x16", "--frames", "1", "--quiet"]
    done = run("encode", clip, path, *options, preexec_fn=limit)
    assert done.returncode == 2 and str(path) in done.stderr and done.stderr.count("\n") == 1
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["x.linr"]


def test_an_interrupted_encode_leaves_nothing_behind(clip: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "fiftyone_latent_inr",
        "encode",
        clip,
        tmp_path / "x.linr",
        "--preset",
        "best",
    ]

    def listen() -> None:
        # a shell's background jobs ignore interrupts, and hand that on to what they start
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, preexec_fn=listen, **pipes) as process:  # noqa: PLW1509 - no threads here
        assert process.stderr is not None
        seen = b""
        while b"motion" not in seen:  # the last line before the first half minute of the fit itself
            piece = process.stderr.read1(200)  # type: ignore[attr-defined]
            assert piece, seen
            seen += piece
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in rest and b"Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_another_run_fits_is_refused_or_waited_for(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = from_bytes(to_bytes(networks(), fps=8.0, preset="fast"))
    monkeypatch.setattr("fiftyone_latent_inr.encoding.fit.fit", lambda *_, **__: small)
    command = ("encode", clip, tmp_path / "x.linr", "--quiet")
    with ExitStack() as other:
        other.enter_context(held(tmp_path / "x.linr.parts"))
        line = fails(capsys, *command)
        assert f"x.linr.parts: a fit is going on here (process {os.getpid()} on " in line
        assert " since " in line and "wait for it with --if-busy wait" in line
        threading.Timer(1.0, other.close).start()
        assert main([*map(str, command), "--if-busy", "wait"]) == 0
    assert capsys.readouterr().err.endswith("; waiting\n")
    assert [path.name for path in tmp_path.iterdir()] == ["x.linr"]


def test_search_names_the_dataset_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no-such-dataset" in fails(capsys, "search", "no-such-dataset", "a red circle")


def test_search_without_a_database(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import fiftyone as fo
    from fiftyone.core.service import ServiceListenTimeout

    def list_datasets() -> list[str]:
        raise ServiceListenTimeout("MongoDB")

    monkeypatch.setattr(fo, "list_datasets", list_datasets)
    said = fails(capsys, "search", "clips", "a red circle")
    assert "FiftyOne's database did not start (is another FiftyOne using its folder?)" in said


def test_install_plugin_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install-plugin", "--plugins-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "plugin created" in out
    zoo = Path(out.splitlines()[-1].removeprefix("zoo models latent-inr/...: "))
    assert (zoo / "prior_model.py").is_file()
    (tmp_path / "latent-inr" / "__init__.py").write_text("# mine")
    assert "something else" in fails(capsys, "install-plugin", "--plugins-dir", tmp_path)
