"""An odd input and what became of it in; what is wrong with that, in words, out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from . import reference
from .drawn import Drawn
from .inputs import FLASH_AND_TONE, REFUSED, Input
from .writing import has_ffmpeg

MOST_APART = 0.025  # seconds between flash and tone, more than a frame
MOST_FRAMES = 1.5  # between frames / fps and the seconds that they are shown
MOST_LEVELS = 8.0  # on average, between what is shown and what is drawn again as 4:2:0

# Kinds of which some pictures are lost: to say so is right.
_HARMED = {"the first pictures cannot be decoded"}


def in_words(one: Input, drawn: Drawn) -> str:
    """What became of it, in one line of a table."""
    if drawn.failed:
        return drawn.failed.splitlines()[0]
    if drawn.refused:
        return "refused: " + drawn.refused.partition(": ")[2].replace(str(Path(drawn.file).parent) + "/", "")
    parts = [f"{drawn.frames} frames, {drawn.frames / drawn.fps:.4g} s"]
    if one.has == FLASH_AND_TONE and has_ffmpeg():
        apart = _apart(drawn)
        parts.append("silent" if apart is None else f"tone {1000 * apart:+.0f} ms from the flash")
    if one.aspect != 1 and has_ffmpeg():
        parts.append(f"pixels {_aspect(drawn)}")
    return ", ".join(parts) + "".join(f"; {line}" for line in drawn.said)


def wrong(one: Input, drawn: Drawn) -> list[str]:
    """What is not as it should be; empty where all is. Sound and shapes are only looked at where ffmpeg is."""
    return list(_wrong(one, drawn))


def _wrong(one: Input, drawn: Drawn) -> Iterator[str]:
    said = " ".join([*drawn.said, drawn.refused])
    if drawn.failed:
        yield drawn.failed
        return
    if one.says not in said:
        yield f"nothing of {one.says!r} is said: {said!r}"
    if one.has == REFUSED:
        if not drawn.refused:
            yield "it is not refused"
        elif Path(drawn.file).name not in drawn.refused or "\n" in drawn.refused:
            yield f"the error is not one line that names the file: {drawn.refused!r}"
        return
    if drawn.refused:
        yield f"refused: {drawn.refused}"
        return
    if drawn.frames != one.frames:
        yield f"{drawn.frames} frames, not {one.frames}"
    if abs(drawn.frames / drawn.fps - one.seconds) > MOST_FRAMES * one.seconds / one.frames:
        yield f"{drawn.frames / drawn.fps:.3f} s, not {one.seconds:.3f}"
    if one.size is not None and tuple(drawn.size) != one.size:
        yield f"{drawn.size} pixels, not {one.size}"
    if "damaged" in said and "damaged" not in one.says and one.kind not in _HARMED:
        yield f"a sound file is called damaged: {said!r}"
    if has_ffmpeg():
        yield from _wrong_drawing(one, drawn)


def _wrong_drawing(one: Input, drawn: Drawn) -> Iterator[str]:
    if one.has == FLASH_AND_TONE and not one.silent:
        apart = _apart(drawn)
        if apart is None:
            yield f"no flash or no tone in the drawing: {drawn.said}"
        elif abs(apart) > 1 / drawn.fps + MOST_APART:
            yield f"the tone is {1000 * apart:.0f} ms from the flash"
    if _aspect(drawn) != one.aspect:
        yield f"its pixels are {_aspect(drawn)}, not {one.aspect}"
    if one.shows:
        expected, got = one.shows(), reference.frames(Path(drawn.output))
        levels = np.abs(expected.astype(np.int16) - got).mean() if got.shape == expected.shape else 255.0
        if levels > MOST_LEVELS:
            yield f"its pictures are {levels:.0f} levels from what they should be"


def _apart(drawn: Drawn) -> float | None:
    flash, tone = reference.flash_and_tone(Path(drawn.output))
    return None if flash is None or tone is None else tone - flash


def _aspect(drawn: Drawn) -> Fraction:
    streams = reference.probe(Path(drawn.output)).get("streams", [])
    said = next((one.get("sample_aspect_ratio", "1:1") for one in streams if one["codec_type"] == "video"), "1:1")
    above, below = said.split(":")
    return Fraction(int(above), int(below)) if int(above) and int(below) else Fraction(1)
