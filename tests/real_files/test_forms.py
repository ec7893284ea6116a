"""A container of each family as the program ffmpeg writes it, read as ffmpeg reads it.

`python -m benchmarks.real_files.compare` does the same over all forms.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.real_files.compare import REASONS, compare, measure
from benchmarks.real_files.forms import forms
from benchmarks.real_files.writing import has_ffmpeg

FORMS = {form.name: form for form in forms()}
CHOSEN = [
    *("mp4, h264 open GOP", "mp4, h264 10 bit", "mov, prores", "mov, png 16 bit", "mkv, ffv1 RGB", "mkv, xvid"),
    *("mkv, mpeg2 interlaced", "webm, vp9 4:4:4", "avi, h264 B frames", "avi, mpeg1", "avi, raw palette", "ts, hevc"),
    *("vob, mpeg2", "flv, flv1", "ogg, theora", "gif, gif", "apng, apng", "mxf, mpeg2 4:2:2", "nut, mpeg4 B frames"),
    *("asf, wmv2", "y4m, wrapped 4:4:4", "3gp, h263", "rm, rv20", "avif, av1", "h264, h264 B frames", "m4v, mpeg4"),
    *("mjpeg, mjpeg", "mpjpeg, mjpeg", "dirac, vc-2", "gxf, mpeg2 IMX", "mov, tiff"),
]
needs_ffmpeg = pytest.mark.skipif(not has_ffmpeg(), reason="only ffmpeg can write these, and it is not installed")


def test_there_are_forms_of_each_family_and_reasons_are_of_forms() -> None:
    assert len(FORMS) >= 200 and set(CHOSEN) | set(REASONS) <= set(FORMS)


@needs_ffmpeg
@pytest.mark.parametrize("name", CHOSEN)
def test_a_form_is_read_as_ffmpeg_reads_it(name: str, tmp_path: Path) -> None:
    row = compare(FORMS[name], tmp_path)
    if row["verdict"] == "not written":
        pytest.skip(f"this ffmpeg cannot write it: {row['why']}")
    assert (row["verdict"], row["why"]) == ("equal", "")


@needs_ffmpeg
def test_the_comparison_sees_frames_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.real_files import compare as module
    from benchmarks.real_files.forms import write_form

    path = write_form(FORMS["mp4, h264"], tmp_path)
    assert measure(path)["verdict"] == "equal"
    whole = module.read(path)
    monkeypatch.setattr(module, "read", lambda file: type(whole)(255 - whole.array[1:], whole.fps, (), (64, 96)))
    row = measure(path)
    assert row["verdict"] == "differs" and "19 frames, not 20" in str(row["why"]) and "levels apart" in str(row["why"])


def test_the_table_in_the_document_is_that_of_the_record() -> None:
    from benchmarks.real_files.compare import DOCUMENT, MARKS, document
    from benchmarks.shared.records import insert, read_record

    text, record = DOCUMENT.read_text(encoding="utf-8"), read_record("real_files")
    assert insert(text, document(record), *MARKS) == text
    assert {row["verdict"] for row in record["rows"]} <= {"equal", "explained"}
