"""Where bytes come from: files are read in parts, never held open, and may not change meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fiftyone_latent_inr.codec import FileSource, MemorySource
from fiftyone_latent_inr.errors import BitstreamError, InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "видео 1.linr").write_bytes(bytes(range(100)))
    return tmp_path / "видео 1.linr"


def test_parts(path: Path) -> None:
    for source in (FileSource(path), MemorySource(path.read_bytes()), MemorySource(bytearray(path.read_bytes()))):
        assert source.size == 100 and source.read(0, 100) == bytes(range(100))
        assert source.read(98, 10) == b"bc" and source.read(10, 2) == b"\n\x0b" and source.read(200, 5) == b""


def test_nothing_stays_open(path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    before = count()
    source = FileSource(path)
    source.read(0, 5)
    assert count() == before


def test_files_that_change(path: Path) -> None:
    source = FileSource(path)
    other = path.with_name("other")
    other.write_bytes(bytes(100))
    os.replace(other, path)
    with pytest.raises(BitstreamError, match="replaced"):
        source.read(0, 5)
    path.unlink()
    with pytest.raises(BitstreamError, match="gone"):
        source.read(0, 5)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.linr").touch()
    for name, match in (("none.linr", "no such file"), ("empty.linr", "empty"), (".", "folder")):
        with pytest.raises(InputError, match=match) as caught:
            FileSource(tmp_path / name)
        assert str(tmp_path) in str(caught.value)
