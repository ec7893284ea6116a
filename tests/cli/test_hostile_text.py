"""Text of strangers on every way to a terminal: all commands, and all fields of a file that hold text, at once."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import media
import pytest
from command_line import status_of
from linr_files import networks

from fiftyone_latent_inr import codec
from fiftyone_latent_inr.codec.byte_source import MemorySource
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.latent_video.write import to_bytes
from fiftyone_latent_inr.text import LONGEST, one_line

# What moves a cursor, rings, forges a line, sets a title, turns the direction of writing, is not seen, or is no text.
NASTY = (
    "A\x1b[2J\x07\nlatent-inr: forged\r\x9b31m\x1b]0;title\x07\u202e\u2066\u200b\ufeff\u2028\x7f\U000e0041\udce9 動 Z"
)
FIELDS = ("preset", "teacher", "teacher_id")


def stored(**header: Any) -> bytes:
    """A `.linr` file whose header says such things, with right checksums."""
    data = to_bytes(networks(2), fps=8.0, preset="fast")
    document, entries = codec.parse(MemorySource(data))
    sections = [
        codec.Section(one.kind, one.count, one.model, data[one.offset : one.offset + one.size], one.parent)
        for one in entries
    ]
    return codec.assemble({**document, **header}, sections)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(params=["terminal", "pipe"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs a command; gives its status and all that it wrote, which no terminal minds."""

    def running(*arguments: object) -> tuple[int, str]:
        kind = Terminal if request.param == "terminal" else io.StringIO
        out, err = kind(), kind()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", err)
            patched.setattr(sys, "stdin", Terminal("n\n") if request.param == "terminal" else io.StringIO())
            status = status_of(list(arguments))
        # the bar is the only one to move the cursor, and to begin a line anew
        written = out.getvalue() + err.getvalue().replace("\x1b[A", "").replace("\r", "")
        for line in written.split("\n"):
            assert line == one_line(line), repr(line)
            assert not line.startswith("latent-inr: forged")
            assert len(line) <= 2 * LONGEST or "--json" in arguments, "which has texts whole"
        return status, written

    yield running


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a nasty name with a film and a stored video of nasty names, in which a fit takes no time."""
    folder = tmp_path / NASTY.replace("/", "")
    folder.mkdir()
    media.encode(tmp_path / "film.mp4", media.moving_square(2, 24, 34))
    (tmp_path / "film.mp4").rename(folder / f"{NASTY}.mp4")
    header = {name: NASTY for name in FIELDS}
    metadata = {"source": NASTY, "warnings": [NASTY], NASTY: {NASTY: [NASTY]}, "long": "x\x1b" * 10_000}
    (folder / f"{NASTY}.linr").write_bytes(stored(**header, metadata=metadata, metrics={NASTY: 1.0, "psnr": 30.0}))

    def fit(*_: Any, progress: Any, **__: Any) -> Any:
        from fiftyone_latent_inr.progress import FitProgress, reporting

        with reporting(progress, 0.0) as report:
            report(FitProgress("decode", 1, 1, message=f"{NASTY}: odd"))
        raise InputError(f"{NASTY}: cannot be fitted: {'x' * 10**6}{NASTY}")

    monkeypatch.setattr("fiftyone_latent_inr.encoding.fit.fit", fit)
    return folder


def test_every_command_writes_names_that_a_terminal_can_show(
    place: Path, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    film, linr, gone = place / f"{NASTY}.mp4", place / f"{NASTY}.linr", place / f"gone{NASTY}"
    search = ModuleType("search")  # FiftyOne takes seconds to load

    def find(dataset: str, text: str, **options: Any) -> list[Any]:
        options["notify"](f"loading {NASTY}")
        return [type("Hit", (), {"filepath": NASTY, "similarity": 0.5, "teacher": NASTY})()]

    search.search = find  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fiftyone_latent_inr.datasets.search.search", search)
    shown = one_line(NASTY)
    commands: list[tuple[int, list[object]]] = [
        (2, ["encode", film, place / f"new{NASTY}.linr"]),
        (2, ["encode", film, place / f"new{NASTY}.linr", "--quiet"]),
        (2, ["encode", film, linr]),
        (2, ["encode", film, film]),
        (2, ["encode", gone, linr]),
        (2, ["encode", linr, linr]),
        (2, ["encode", film, place / "x.linr", "--size", NASTY]),
        (0, ["info", linr]),
        (2, ["info", gone]),
        (2, ["info", film]),
        (0, ["decode", linr, place / f"drawn{NASTY}.mp4", "--audio", film]),
        (2, ["decode", linr, film]),
        (2, ["decode", linr, place / NASTY / "x.mp4"]),
        (2, ["decode", gone, place / "x.mp4"]),
        (0, ["compare", film, linr]),
        (2, ["compare", gone, linr]),
        (2, ["pretrain", gone, "--out", place / "prior"]),
        (2, ["demo", "--output", place]),
        (0, ["search", NASTY, NASTY]),
        (2, ["search", NASTY, NASTY, "-k", NASTY]),
        (2, [NASTY]),
        (2, ["info", linr, NASTY]),
    ]
    for wanted, arguments in commands:
        status, written = run(*arguments)
        assert status == wanted, (arguments, written)
        assert shown in written or shown[:20] in written or repr(NASTY[:4])[1:-1] in written, (arguments, written)


def test_every_text_of_a_file_is_shown(place: Path, run: Callable[..., tuple[int, str]]) -> None:
    status, written = run("info", place / f"{NASTY}.linr")
    lines = {line.split(None, 1)[0]: line for line in written.splitlines()}
    shown = one_line(NASTY)
    for name in (*FIELDS, "metrics", "metadata", "warnings", "file"):
        assert shown in lines[name], name
    assert status == 0 and "動" in written and "…" in lines["metadata"]
    status, written = run("info", place / f"{NASTY}.linr", "--json")
    facts = json.loads(written)
    assert all(facts[name] == NASTY for name in FIELDS) and facts["metadata"][NASTY] == {NASTY: [NASTY]}
    assert facts["metadata"]["long"] == "x\x1b" * 10_000 and NASTY in facts["metrics"]
