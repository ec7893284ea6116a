"""Odd files, made once for all tests here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.real_files.inputs import NoFFmpeg, make


@pytest.fixture(scope="session")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make` keeps them in."""
    return tmp_path_factory.mktemp("odd-files")


@pytest.fixture(scope="session")
def odd_file(odd_files: Path) -> Callable[[str], Path]:
    """Makes an odd file by its name, or skips the test where only ffmpeg can, and is missing."""

    def of(name: str) -> Path:
        try:
            return make(name, odd_files)
        except NoFFmpeg as error:
            pytest.skip(str(error))

    return of
