"""Files appear whole or not at all, and messages say what is wrong."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from disks import small_disk

from fiftyone_latent_inr.errors import InputError, StorageError
from fiftyone_latent_inr.files import atomic_target, check_target, fingerprint, require_file, shortened, writable_folder
from fiftyone_latent_inr.files import full_disk as full_disk_error


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


WRITING = """
import os, sys, time
from fiftyone_latent_inr.files import atomic_target
with atomic_target(sys.argv[1]) as path:
    path.write_bytes(b"half")
    print(flush=True)
    sys.stdin.read()
"""


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has written half of a file, and goes on when its input ends."""
    command = [sys.executable, "-c", WRITING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_what_a_killed_process_left_is_removed_at_once_and_nothing_of_a_living_one(tmp_path: Path) -> None:
    with writing(tmp_path / "living") as living:
        (of_the_living,) = tmp_path.iterdir()
        with writing(tmp_path / "killed") as killed:
            killed.kill()
            killed.wait()
            assert len(list(tmp_path.iterdir())) == 2
        with atomic_target(tmp_path / "mine") as mine:
            mine.write_bytes(b"still written")
            os.utime(mine, (0, 0))
            os.utime(of_the_living, (0, 0))
            names = ["notes", "0123456789a", "0123456789ab-", "01234567-89abcde", "01234567-89abcdef.tmp"]
            others = [tmp_path / f".linr-{name}.tmp" for name in names] + [tmp_path / "linr-0123456789ab.tmp"]
            for path in others:
                path.touch()
                os.utime(path, (0, 0))
            writable_folder(tmp_path)
            assert sorted(tmp_path.iterdir()) == sorted([of_the_living, mine, *others])
        living.communicate()
        assert (tmp_path / "living").read_bytes() == b"half" and not of_the_living.exists()


@pytest.mark.parametrize("name", [".linr-0123456789ab.tmp", ".linr-01234567-89abcdef.tmp"])
def test_what_another_machine_or_an_earlier_version_may_still_write_stays_for_a_day(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"half")
    for hours, left in ((0, True), (23, True), (25, False)):
        when = time.time() - 3600 * hours
        os.utime(tmp_path / name, (when, when))
        check_target(tmp_path / "x", tmp_path)
        assert (tmp_path / name).exists() == left


def test_a_temporary_file_that_is_a_link_a_pipe_or_a_folder_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    os.mkfifo(tmp_path / ".linr-01234567-00000000.tmp")
    (tmp_path / ".linr-01234567-00000001.tmp").symlink_to(tmp_path / "mine")
    (tmp_path / ".linr-01234567-00000002.tmp").mkdir()
    before = sorted(tmp_path.iterdir())
    for path in before:
        os.utime(path, (0, 0))
    writable_folder(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o755])
def test_a_file_that_is_replaced_leaves_its_rights_to_the_new_one(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    path.chmod(mode)
    with atomic_target(path) as temporary:
        temporary.unlink()  # as libraries do that make files of their own
        temporary.write_bytes(b"new")
        temporary.chmod(0o444)
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == mode


def test_a_new_name_is_on_the_disk_before_the_block_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever removes what the file was made of must know that it cannot vanish any more."""
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def replaced(*names: Path) -> None:
        done.append("name")
        replace(*names)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    with atomic_target(tmp_path / "x") as temporary:
        temporary.write_bytes(b"new")
    assert done == ["file", "name", "folder"]


def test_folders_and_missing_folders(tmp_path: Path) -> None:
    for path, match in ((tmp_path, "it is a folder"), (tmp_path / "no" / "x", "does not exist")):
        with pytest.raises(InputError, match=match), atomic_target(path):
            pytest.fail("must not be entered")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    with small_disk(tmp_path / "small", "64k") as folder:
        yield folder


def test_a_full_disk(full_disk: Path) -> None:
    path = full_disk / "x.bin"
    with (
        pytest.raises(
            StorageError, match=r"is full; .* \(65,536 bytes of it were written, 65,536 are free in /.*/small"
        ),
        atomic_target(path) as temporary,
    ):
        temporary.write_bytes(b"x" * 200_000)
    assert list(full_disk.iterdir()) == []


def test_what_keeps_all_files_from_being_written_is_told_from_what_keeps_one(tmp_path: Path) -> None:
    for path, kind in (
        (tmp_path / "no" / "x", StorageError),
        (tmp_path, InputError),
        (tmp_path / ("x" * 300), InputError),
    ):
        with pytest.raises(InputError) as caught, atomic_target(path):
            pytest.fail("must not be entered")
        assert type(caught.value) is kind, path
    (tmp_path / "going").mkdir()
    with pytest.raises(StorageError, match="no such file or folder"), atomic_target(tmp_path / "going" / "x"):
        shutil.rmtree(tmp_path / "going")


def test_a_limit_of_the_size_of_files(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StorageError, match=r"larger than this system allows.*\(1,000 bytes of it were written\)"):
            with atomic_target(tmp_path / "x") as temporary:
                temporary.write_bytes(b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_the_disks_answer_is_found_behind_a_librarys() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/x")
        except OSError as error:
            raise RuntimeError("a library's") from error
    except RuntimeError as error:
        assert full_disk_error(error) is error.__cause__
    assert full_disk_error(RuntimeError()) is None and full_disk_error(PermissionError(errno.EACCES, "no")) is None


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


# --- what is no file


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, Path]:
    """Things of a file system that are no regular files."""
    os.mkfifo(tmp_path / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(tmp_path / "socket.mp4"))
    (tmp_path / "link.mp4").symlink_to(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    names = ("pipe.mp4", "socket.mp4", "link.mp4", "loop.mp4")
    return {**{name: tmp_path / name for name in names}, "zero": Path("/dev/zero")}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pipe.mp4", "a named pipe"),
        ("socket.mp4", "a socket"),
        ("link.mp4", "a named pipe"),
        ("loop.mp4", "links lead back"),
        ("zero", "a device"),
    ],
)
@pytest.mark.parametrize("look", [fingerprint, partial(require_file, what="video")])
def test_what_is_no_file_is_refused_before_it_is_opened(
    odd: dict[str, Path], name: str, words: str, look: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*arguments: object, **options: object) -> None:
        raise AssertionError("it would wait for ever")

    monkeypatch.setattr("builtins.open", opened)
    with pytest.raises(InputError, match=words):
        look(odd[name])


@pytest.mark.parametrize("name", ["pipe.mp4", "link.mp4", "zero"])
def test_what_is_no_file_is_not_replaced_by_one(odd: dict[str, Path], name: str, tmp_path: Path) -> None:
    before = os.stat(odd[name]).st_mode
    with pytest.raises(InputError, match="not a file"), atomic_target(odd[name]) as temporary:
        temporary.write_bytes(b"x")
    with pytest.raises(InputError, match="not a file"):
        check_target(odd[name], tmp_path)
    assert os.stat(odd[name]).st_mode == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("https://example.org/x.mp4", "https://example.org/x.mp4: it is an address"),
        (Path("s3://bucket/x.mp4"), "s3://bucket/x.mp4: it is an address"),
        ("rtsp://camera:554/1", "an address"),
        ("-", "standard input"),
        ("clips/*.mp4", "patterns are not expanded"),
        ("", "not a valid path"),
        ("a\0b", "not a valid path"),
        ("file:///no/such/clip.mp4", "/no/such/clip.mp4: there is no such file"),
    ],
)
def test_other_ways_to_name_something_are_known(name: str | Path, words: str) -> None:
    for look in (fingerprint, partial(require_file, what="video")):
        with pytest.raises(InputError, match=re.escape(words)):
            look(name)


@pytest.mark.parametrize("name", ["a b.mp4", "%41.mp4", "a?b#c.mp4", "ole\udce9.mp4", "-", "http:/x"])
def test_any_name_of_a_file_that_is_there_is_taken(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x")
    url = "file://" + quote(os.fsencode(file))
    assert require_file(name, "video") == require_file(url, "video") == require_file(os.fsencode(name), "video") == file
    monkeypatch.setenv("HOME", str(tmp_path))
    assert require_file(f"~/{name}", "video") == file
    assert fingerprint(url) == fingerprint(file)


def test_a_target_with_a_name_that_is_too_long_is_refused_at_once(tmp_path: Path) -> None:
    check_target(tmp_path / ("a" * 255), tmp_path)
    with pytest.raises(InputError, match="too long"):
        check_target(tmp_path / ("a" * 256), tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- names that are made of others


@pytest.mark.parametrize(
    ("name", "most", "wanted"),
    [
        ("clip", 4, "clip"),
        ("clip", 3, "cli"),
        ("動画像", 8, "動画"),
        ("動画像", 9, "動画像"),
        ("e\u0301e\u0301", 5, "e\u0301"),  # an accent goes with its letter
        ("a\U0001f468\u200d\U0001f469", 9, "a"),  # two people are one picture
        ("a\udce9b", 2, "a\udce9"),  # a byte that is no text is one byte
        ("abc", 0, ""),
    ],
)
def test_names_are_cut_by_bytes_between_characters(name: str, most: int, wanted: str) -> None:
    assert shortened(name, most) == wanted


def test_errors_are_one_line_whatever_the_name(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        require_file(tmp_path / "a\nb\x1b[2J\u202e\udce9 é動.mp4", "video")
    text = str(caught.value)
    assert r"a\nb\x1b[2J\u202e\udce9 é動.mp4" in text
    text.encode()
    assert text.isprintable()


# --- a folder that is gone


def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    for look in (fingerprint, partial(require_file, what="video"), writable_folder):
        with pytest.raises(InputError, match="the working folder is gone"):
            look("x.mp4")
    with pytest.raises(InputError, match="the working folder is gone"), atomic_target("x.mp4"):
        pytest.fail("must not be entered")
