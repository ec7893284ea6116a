"""Small disks for tests: real ones, where they may be mounted, and what fills them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own in a folder, which is made; only root may mount one, and the test is skipped for others."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("may not mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Ballast:
    """A file that fills a disk up to a number of free bytes, and is taken away again."""

    def __init__(self, disk: Path) -> None:
        self.path = disk / "ballast"

    def fill(self, left: int = 0) -> None:
        """Leaves `left` bytes; pages of 4 KiB are what is given out."""
        with open(self.path, "ab") as file:
            free = shutil.disk_usage(self.path.parent).free - left
            os.posix_fallocate(file.fileno(), file.tell(), max(free // 4096 * 4096, 4096))

    def free(self) -> None:
        """Gives the room back."""
        self.path.unlink()
