"""Sound decoded by another process: what ends that one, or holds it up, costs the sound at most."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import media
import pytest

from fiftyone_latent_inr import video
from fiftyone_latent_inr.video import sound_process
from fiftyone_latent_inr.video.sound_process import SoundLostError, SoundProcess

FRAMES = media.moving_square(15, 32, 48)


def source_of(folder: Path, name: str = "a.mkv") -> Path:
    return media.sounding(folder / name, FRAMES, codec="pcm_s16le")


def drawn(folder: Path, source: Path) -> tuple[str, ...]:
    """The notes; all pictures are there whatever becomes of the sound."""
    notes = video.write(folder / "out.mp4", FRAMES, 10, audio=source)
    assert len(video.read(folder / "out.mp4").array) == len(FRAMES)
    return notes


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("raise SystemExit(3)", "status 3"),
        ("raise RuntimeError('no such thing')", "no such thing"),
        ("import sys; sys.stdout.write('what native code prints' * 99)", "could not be"),
    ],
)
def test_a_process_that_ends_costs_only_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    monkeypatch.setattr(sound_process, "BOOT", f"{program} # {{module}}")
    (note,) = drawn(tmp_path, source_of(tmp_path))
    assert reason in note and "drawn without" in note and "\n" not in note
    assert not video.probe(tmp_path / "out.mp4").has_audio


def test_a_process_that_stands_still_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_process, "BOOT", "import time; time.sleep(10 ** 6) # {module}")
    monkeypatch.setattr(sound_process, "PATIENCE", 0.2)
    (note,) = drawn(tmp_path, source_of(tmp_path))
    assert "stood still" in note


def test_a_process_that_ends_on_the_way_leaves_the_rest_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import os, {module} as p; coded = p._coded; left = [8]\n"
        "def dies(*args):\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.abort()\n"
        "    return coded(*args)\n"
        "p._coded = dies; p.main()"
    )
    monkeypatch.setattr(sound_process, "BOOT", f"import sys; sys.path[:] = sys.argv[1:]\n{program}")
    (note,) = drawn(tmp_path, source_of(tmp_path))
    assert "the rest of its sound" in note and "silent" in note
    assert 0.05 < media.heard(tmp_path / "out.mp4")[2] < 0.5


def test_no_interpreter_no_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    (note,) = drawn(tmp_path, source_of(tmp_path))
    assert "no process could be started" in note


def test_the_current_folder_and_path_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "av", "numpy", "struct"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    assert drawn(tmp_path, source_of(tmp_path)) == ()
    assert media.heard(tmp_path / "out.mp4")[1] == pytest.approx(1, abs=0.005)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux alone")
@pytest.mark.parametrize("name", [b"\xff\xfe.mkv", "ü 'x'\n.mkv".encode(), b"-i.mkv"])
def test_any_name(tmp_path: Path, name: bytes) -> None:
    path = source_of(tmp_path).rename(tmp_path / os.fsdecode(name))
    assert drawn(tmp_path, path) == ()
    assert video.probe(tmp_path / "out.mp4").has_audio


def test_many_at_once(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda folder: drawn(folder, source), folders)) == {()}
    # not to the byte: how packets of pictures and sound alternate may differ
    codec, begin, end = media.heard(folders[0] / "out.mp4")
    assert codec == "aac"
    for folder in folders[1:]:
        assert media.heard(folder / "out.mp4") == (codec, pytest.approx(begin, abs=0.01), pytest.approx(end, abs=0.03))


def test_a_stream_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SoundLostError):
        SoundProcess(source_of(tmp_path), 7, 0.0, [])


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    source = media.sounding(tmp_path / "a.mkv", FRAMES, codec="pcm_s16le", seconds=60)
    program = (
        "import os, sys, time; from pathlib import Path\n"
        "from fiftyone_latent_inr.video.sound_process import SoundProcess\n"
        "sound = SoundProcess(Path(sys.argv[1]), 1, 0.0, [])\n"
        "print(sound._process.pid, flush=True); time.sleep(10 ** 6)"
    )
    root = Path(sound_process.__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", program, source], stdout=subprocess.PIPE, cwd=root)
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert running(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    while running(child):  # the test's own time limit ends this
        time.sleep(0.05)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_request_is_plain_json(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    notes: list[str] = []
    sound = SoundProcess(source, 1, 0.0, notes)
    packets = list(sound.packets())
    sound.close()
    assert (sound.rate, sound.channels, notes) == (48000, 2, [])
    assert [packet.pts for packet in packets[:3]] == [-1024, 0, 1024]
    assert json.loads(json.dumps({"file": os.fsencode(source).decode("latin-1")}))["file"].endswith("a.mkv")
