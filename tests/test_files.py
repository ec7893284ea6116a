"""Files appear whole or not at all, and messages say what is wrong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.files import atomic_target, require_file, writable_folder


def test_replaces_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with atomic_target(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert temporary.parent == path.parent  # a rename across disks would copy
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_target(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_names_as_long_as_allowed(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".bin")
    with atomic_target(path) as temporary:
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"new"


def test_rights_follow_the_umask(tmp_path: Path) -> None:
    with atomic_target(tmp_path / "x.bin") as temporary:
        temporary.write_bytes(b"new")
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "x.bin").stat().st_mode & 0o777 == 0o666 & ~umask


def test_folders_and_missing_folders(tmp_path: Path) -> None:
    for path, match in ((tmp_path, "it is a folder"), (tmp_path / "no" / "x", "does not exist")):
        with pytest.raises(InputError, match=match), atomic_target(path):
            pytest.fail("must not be entered")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB; only root may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("may not mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(full_disk: Path) -> None:
    path = full_disk / "x.bin"
    with pytest.raises(InputError, match="the disk is full"), atomic_target(path) as temporary:
        temporary.write_bytes(b"x" * 200_000)
    assert list(full_disk.iterdir()) == []


def test_require_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "file").write_bytes(b"x")
    os.symlink(tmp_path / "gone", tmp_path / "link")
    for name, match in (
        ("none", "no such file"),
        ("empty", "empty"),
        ("link", "no such file"),
        ("file/inside", "not a folder"),
        ("a\0b", "not a valid path"),
        ("x" * 300, "too long"),
        (".", "folder"),
    ):
        with pytest.raises(InputError, match=match):
            require_file(tmp_path / name, "video")
    with pytest.raises(InputError, match="named by a path"):
        require_file(3, "video")  # type: ignore[arg-type]
    assert require_file(tmp_path / "file", "video") == tmp_path / "file"


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = writable_folder(tmp_path / "a" / "b")
    assert folder.is_dir() and not list(folder.iterdir())
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        writable_folder(tmp_path / "file")
