"""Odd files by name: what is in each, and what is to come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..writing import has_ffmpeg

FLASH_AND_TONE, PLAIN, REFUSED = "flash and tone", "plain", "refused"
_SIZE = (64, 96)


class NoFFmpeg(RuntimeError):  # noqa: N818 - says what there is not
    """An input that only the program ffmpeg can write, which is not installed."""


@dataclass(frozen=True)
class Input:
    """One odd file, and what is to come of it.

    Attributes:
        name: what is odd in it.
        kind: the kind of oddity that it stands for.
        suffix: of the file.
        make: writes the file to a path.
        frames: number of frames that are in it.
        seconds: that they are shown for.
        size: (H, W), upright; None where nothing is decoded.
        has: FLASH_AND_TONE, PLAIN (no tone), or REFUSED.
        needs_ffmpeg: whether only the program can write it.
        says: a part of the note, warning or error that it must bring; empty for none in particular.
        silent: whether no sound of it can be drawn, which `says` is then about.
        aspect: width by height of a pixel of the drawing.
        shows: gives frames that are close to what is to be read, None where only numbers are known.
    """

    name: str
    kind: str
    suffix: str
    make: Callable[[Path], object]
    frames: int = 30
    seconds: float = 3.0
    size: tuple[int, int] | None = _SIZE
    has: str = FLASH_AND_TONE
    needs_ffmpeg: bool = False
    says: str = ""
    silent: bool = False
    aspect: Fraction = Fraction(1)
    shows: Callable[[], np.ndarray] | None = None


INPUTS: dict[str, Input] = {}


def add(kind: str, suffix: str, **about: Any) -> Callable[[Callable[[Path], object]], Callable[[Path], object]]:
    """Registers a maker under its own name; `about` are attributes of `Input`."""

    def register(make: Callable[[Path], object]) -> Callable[[Path], object]:
        INPUTS[make.__name__] = Input(make.__name__, kind, suffix, make, **about)
        return make

    return register


def make(name: str, folder: Path) -> Path:
    """Makes an input, or finds it where it was made before.

    Args:
        name: a key of `INPUTS`.
        folder: where to; files there are named after their inputs.

    Raises:
        NoFFmpeg: only the program ffmpeg can write it, and there is none.
    """
    one = INPUTS[name]
    path = folder / (name + one.suffix)
    if not path.exists():
        if one.needs_ffmpeg and not has_ffmpeg():
            raise NoFFmpeg(f"only ffmpeg can write {path.name}, and it is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name("part-" + path.name)
        one.make(part)
        part.rename(path)
    return path
