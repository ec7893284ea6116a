"""Sources are files, folders and arrays, each with a name."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenes import scene

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.pretraining.sources import list_sources


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for name in ("a.mp4", "broken.mp4", "inner/b.mp4", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"named, not read")
    return tmp_path


def test_sources_are_files_folders_and_arrays(clips: Path) -> None:
    frames = scene(0, 4)
    found = list_sources([clips / "a.mp4", clips / "inner", frames])
    assert [name for name, _ in found] == ["a.mp4", "b.mp4", "array 2"]
    assert [name for name, _ in list_sources(str(clips))] == ["a.mp4", "broken.mp4", "b.mp4"]
    assert [name for name, _ in list_sources(frames)] == ["array 0"]
    for wrong, message in (([], "empty"), ([3], "path or frames"), (clips.parent / "none" / "x", "")):
        if message:
            with pytest.raises(InputError, match=message):
                list_sources(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no video in this folder"):
        empty = clips / "empty"
        empty.mkdir(exist_ok=True)
        list_sources(empty)
