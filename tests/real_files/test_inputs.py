"""Odd files, each standing for a kind that people have: read, drawn again with their sound, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.real_files import reference
from benchmarks.real_files.drawn import Drawn, draw_all
from benchmarks.real_files.inputs import INPUTS, REFUSED, make
from benchmarks.real_files.judge import wrong
from benchmarks.real_files.writing import has_ffmpeg
from fiftyone_latent_inr import video

needs_ffmpeg = pytest.mark.skipif(not has_ffmpeg(), reason="compares with the programs ffmpeg and ffprobe")

# Why ffmpeg's own answer is not the one to have.
_NOT_AS_FFMPEG = {
    "first_stream_unknown": "ffmpeg insists on the first stream, and decodes nothing",
    "half_transparent": "ffmpeg forgets the transparency",
    "matrix_ycgco": "ffmpeg 5 converts as if it were BT.601",
    "matrix_chromaticity_derived": "ffmpeg 5 converts as if it were BT.601",
}


@pytest.fixture(scope="module")
def drawn(odd_files: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawn]:
    """What became of each, all read and drawn in one process: it has to survive them."""
    files = [make(name, odd_files) for name, one in INPUTS.items() if has_ffmpeg() or not one.needs_ffmpeg]
    return draw_all(files, tmp_path_factory.mktemp("drawings"))


@pytest.mark.parametrize("name", INPUTS)
def test_an_odd_file_is_drawn_with_its_sound_or_refused(
    name: str, odd_file: Callable[[str], Path], drawn: dict[str, Drawn]
) -> None:
    result = drawn[odd_file(name).name]
    assert wrong(INPUTS[name], result) == []


@needs_ffmpeg
@pytest.mark.parametrize("name", [n for n, one in INPUTS.items() if one.has != REFUSED and n not in _NOT_AS_FFMPEG])
def test_frames_are_those_that_ffmpeg_decodes(name: str, odd_file: Callable[[str], Path]) -> None:
    path = odd_file(name)
    ours, theirs = video.read(path).array, reference.frames(path)
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(np.int16) - theirs).mean() <= 2
