"""What judges odd files sees what is wrong, and goes on where a process dies."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.real_files import drawn as module
from benchmarks.real_files.drawn import Drawn, draw_all
from benchmarks.real_files.inputs import INPUTS
from benchmarks.real_files.judge import in_words, wrong
from benchmarks.real_files.uses import is_right
from benchmarks.real_files.writing import FLASH, Sound, flashing, has_ffmpeg, tone, whole, write

ORDINARY, REFUSED = INPUTS["ordinary"], INPUTS["text_file"]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    path = write(tmp_path_factory.mktemp("judged") / "ordinary.mp4", whole(), Sound(tone()))
    return Drawn(str(path), frames=30, size=(64, 96), fps=10.0, output=str(path))


def test_what_is_right_is_not_called_wrong(good: Drawn) -> None:
    assert wrong(ORDINARY, good) == []
    assert in_words(ORDINARY, good).startswith("30 frames, 3 s")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": 29}, "29 frames, not 30"),
        ({"fps": 12.0}, "2.500 s, not 3.000"),
        ({"size": (96, 64)}, "pixels, not"),
        ({"said": ["the file is damaged or cut short"]}, "called damaged"),
        ({"failed": "ValueError: no"}, "ValueError: no"),
        ({"refused": "cannot read ordinary.mp4: no"}, "refused"),
    ],
)
def test_what_is_wrong_is_seen(good: Drawn, changes: dict[str, object], words: str) -> None:
    assert words in "; ".join(wrong(ORDINARY, replace(good, **changes)))


@pytest.mark.parametrize("message", ["", "cannot read x.mp4: it is a text file", "text_file.mp4: a text\nof two lines"])
def test_a_refusal_is_one_line_that_names_the_file(message: str) -> None:
    assert wrong(REFUSED, Drawn("/somewhere/text_file.mp4", frames=1, fps=1.0, refused=message))


@pytest.mark.skipif(not has_ffmpeg(), reason="measures with the program ffmpeg")
def test_sound_that_is_late_lost_or_of_other_pixels_is_seen(good: Drawn, tmp_path: Path) -> None:
    late = write(tmp_path / "late.mp4", whole(), Sound(tone(flash=FLASH + 0.2)))
    silent = write(tmp_path / "silent.mp4", whole())
    assert "200 ms from the flash" in wrong(ORDINARY, replace(good, output=str(late)))[0]
    assert "no tone" in wrong(ORDINARY, replace(good, output=str(silent)))[0]
    assert "its pixels are 1, not 4/3" in wrong(INPUTS["wide_pixels"], good)
    assert "levels from" in wrong(replace(ORDINARY, shows=lambda: 255 - flashing()), good)[0]


def test_a_process_that_dies_costs_its_own_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deadly = tmp_path / "python"
    deadly.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "for file in sys.argv[4:]:\n"
        "    'kills' in file and os.abort()\n"
        "    print(json.dumps({'file': file, 'frames': 1, 'fps': 1.0}), flush=True)\n"
    )
    deadly.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(deadly))
    found = draw_all([tmp_path / name for name in ("a.mp4", "kills.mp4", "b.mp4")], tmp_path / "out")
    assert [one.failed for one in found.values()] == ["", "the process died (-6)", ""] and list(found)[2] == "b.mp4"


def test_a_use_is_right_only_as_expected() -> None:
    assert is_right("missing_file", "exit 2: cannot read nope.mp4: there is no such file; check the spelling")
    assert not is_right("missing_file", "exit 1: there is no such file")
    assert not is_right("rate_as_text", "TypeError: must be real number, not str")
