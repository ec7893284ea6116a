"""Names of `.linr` files and of what is drawn from them: they say what a file was made of, and fit any file system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fiftyone_latent_inr.datasets.drawings.drawing import Drawing
from fiftyone_latent_inr.datasets.file_names import file_name, is_current, output_folder, settings_suffix
from fiftyone_latent_inr.encoding.checkpoint import parts_of
from fiftyone_latent_inr.errors import InputError

SOURCE, SETTINGS = "f" * 12, "0123456789"
LONGEST = Drawing(scale=1.3702, factor=12.5001)


def test_a_name_says_whether_the_file_is_current(tmp_path: Path) -> None:
    name = file_name("clips/a b.mp4", SOURCE, SETTINGS)
    assert name == f"a_b-{SOURCE}-{SETTINGS}.linr" and name.endswith(settings_suffix(SETTINGS))
    path = tmp_path / name
    assert not is_current(str(path), SOURCE, SETTINGS), "it is not there"
    path.touch()
    assert is_current(str(path), SOURCE, SETTINGS)
    assert not is_current(str(path), "e" * 12, SETTINGS) and not is_current(str(path), SOURCE, "9876543210")
    assert not is_current(None, SOURCE, SETTINGS)


def test_any_source_has_a_name() -> None:
    assert file_name("/clips/....mp4", "f", "s").endswith("-f-s.linr")
    assert len(file_name("x" * 300 + ".mp4", "f", "s")) < 100 and file_name(".", "f", "s") == "video-f-s.linr"


@pytest.mark.parametrize(
    "stem",
    [
        "動" * 83,
        "é" * 125,
        "e\u0301" * 83,
        "𝒳" * 62,  # four bytes each, and a letter
        "\U0001f468\u200d\U0001f469" * 22,
        "a" * 251,
        "動" * 73 + "a" * 30,
        "ole\udce9",
        "a\nb\t'\"%*?\\",
        " . ",
        "-rf",
        "CON",
        "clip.linr.parts",
    ],
)
def test_names_that_follow_fit_a_file_system(tmp_path: Path, stem: str) -> None:
    source = tmp_path / f"{stem}.mp4"
    source.write_bytes(b"x")
    stored = tmp_path / file_name(str(source), SOURCE, SETTINGS)
    stored.write_bytes(b"x")
    assert is_current(str(stored), SOURCE, SETTINGS)
    parts_of(stored).mkdir()
    for drawing in (Drawing(), LONGEST):
        name = drawing.file_name(str(stored), "c" * 12, sound=False)
        (tmp_path / name).write_bytes(b"x")
        name.encode()
        assert name.endswith(".mp4") and drawing.suffix in name
        assert not name.startswith(".")


@pytest.mark.parametrize("stem", ["a" * 80, "é" * 80, "動" * 73, "a" * 90])
def test_names_that_fitted_before_are_what_they_were(stem: str) -> None:
    stored = file_name(f"{stem}.mp4", SOURCE, SETTINGS)
    assert stored == f"{stem[:80]}-{SOURCE}-{SETTINGS}.linr"
    assert parts_of(stored).name == f"{stored}.parts"
    if len(os.fsencode(stem)) < 200:
        assert LONGEST.file_name(stored, "c" * 12, sound=True).startswith(f"{Path(stored).stem}-{LONGEST.suffix}-")


def test_a_moved_file_of_the_longest_name_is_drawn(tmp_path: Path) -> None:
    names = {LONGEST.file_name("動" * 83 + ".linr", content, sound=False) for content in ("c" * 12, "d" * 12)}
    assert len(names) == 2, "what differs only beyond the cut is told apart"
    for name in names:
        (tmp_path / name).touch()


@pytest.mark.parametrize("name", ["a" * 250, "動" * 83, "a" * 255])
def test_parts_of_the_longest_names(tmp_path: Path, name: str) -> None:
    folder, other = parts_of(tmp_path / name), parts_of(tmp_path / f"{name[:-1]}b")
    folder.mkdir()
    assert folder != other and folder == parts_of(tmp_path / name)
    assert folder.suffix == ".parts" and folder.parent == tmp_path


def test_a_folder_that_a_database_cannot_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ole\\udce9: its name is not UTF-8"):
        output_folder(tmp_path / "ole\udce9")
    assert output_folder(tmp_path / "café") == tmp_path / "café"
