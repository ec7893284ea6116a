"""Where the command line writes: any terminal, none, or a full disk; status and one line are the same."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, status_of

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.cli import output
from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.fitting import PRESETS

NAME = "ole\udce9 動\nx.linr"
ENCODINGS = ["utf-8", "ascii", "latin-1", "cp1252"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / NAME
    frames = np.full((2, 16, 16, 3), 90, np.uint8)
    linr.fit(frames, config=replace(PRESETS["fast"], steps=2), prior="none", device="cpu", progress=False).save(path)
    return path


def info(redirected: str, *arguments: object, encoding: str = "utf-8:strict") -> subprocess.CompletedProcess[bytes]:
    command = ["sh", "-c", f'exec "$0" -m fiftyone_latent_inr info "$@" {redirected}', sys.executable]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    arguments = tuple(os.fsencode(str(one)) for one in arguments)
    return subprocess.run([*command, *arguments], capture_output=True, check=False, env=environment)


def on_terminal(encoding: str, *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr on a terminal of an encoding, which refuses what it cannot show."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        status = status_of(list(arguments))
        out.flush()
        err.flush()
    written = (stream.buffer.getvalue().decode(encoding) for stream in (out, err))  # type: ignore[attr-defined]
    return status, *written


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_name_is_written_to_any_terminal(stored: Path, encoding: str) -> None:
    status, out, _ = on_terminal(encoding, "info", str(stored), "--json")
    assert status == 0 and json.loads(out)["file"] == str(stored)
    status, out, _ = on_terminal(encoding, "info", str(stored))
    assert status == 0 and r"ole\udce9" in out and r"\nx.linr" in out


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_name_is_refused_in_one_line(stored: Path, encoding: str) -> None:
    for arguments in ([f"{stored}.gone"], [str(stored), "more\udce9\n"], ["https://a\udce9\n.org"]):
        status, out, err = on_terminal(encoding, "info", *arguments)
        assert status == 2 and out == ""
        assert err.startswith("latent-inr: error: ") and err.count("\n") == 1, err


def test_a_strict_terminal_of_its_own(stored: Path) -> None:
    done = info("", stored, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["file"] == str(stored), done.stderr


@pytest.mark.parametrize(
    ("redirected", "status", "words"),
    [
        ("<&- >&-", 0, b""),
        (">/dev/full", 2, b"latent-inr: error: "),
        ("| head -0", 0, b""),
    ],
)
def test_closed_and_full_outputs(stored: Path, redirected: str, status: int, words: bytes) -> None:
    if "full" in redirected and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    done = info(redirected, stored, "--json")
    assert (done.returncode, done.stderr.startswith(words), done.stderr.count(b"\n")) == (
        status,
        True,
        int(words != b""),
    )


def test_a_closed_stderr_costs_no_status(stored: Path) -> None:
    assert info("2>&-", f"{stored}.gone").returncode == 2


@pytest.mark.parametrize("command", ["encode", "info", "decode", "compare"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pipe.mp4", "named pipe"),
        ("nope.mp4", "no such file; check the spelling"),
        ("https://example.org/x.mp4", "https://example.org/x.mp4: it is an address"),
        ("-", "standard input"),
        ("/dev/zero", "a device"),
    ],
)
def test_what_is_no_file_is_refused(
    command: str,
    name: str,
    words: str,
    stored: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.mp4")
    more = {"encode": ["x.linr", "--quiet"], "info": [], "decode": ["x.mp4"], "compare": [stored]}[command]
    assert words in fails(capsys, command, name, *more)
    assert os.listdir() == ["pipe.mp4"]


@pytest.mark.parametrize("name", ["/dev/null", "s3://bucket/x.mp4", "-", "pipe.mp4", f"{'a' * 252}.mp4"])
def test_what_is_no_output_is_refused(
    name: str, stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.mp4")
    fails(capsys, "encode", stored, name, "--quiet")
    fails(capsys, "decode", stored, name, "--quiet")
    assert os.listdir() == ["pipe.mp4"]


def test_sound_is_not_taken_from_a_pipe(stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "named pipe" in fails(capsys, "decode", stored, tmp_path / "x.mp4", "--audio", tmp_path / "pipe.mp4")


def test_files_may_be_named_as_people_name_them(
    stored: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(stored.parent))
    assert main(["info", f"~/{NAME}"]) == 0 and main(["info", stored.as_uri()]) == 0
    assert "num_frames" in capsys.readouterr().out


def test_notes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("a\nb")
    assert capsys.readouterr().err == "latent-inr: a\\nb\n"
