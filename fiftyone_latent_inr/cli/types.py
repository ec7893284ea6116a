"""The values of options: each function reads one, and says what was expected if it cannot."""

from __future__ import annotations

import argparse
import re

# Python reads no number of thousands of digits, and nobody means one
_MOST_DIGITS = 19
_SIZE = re.compile(rf"(\d{{1,{_MOST_DIGITS}}})(?:x(\d{{1,{_MOST_DIGITS}}})|p)", re.ASCII | re.IGNORECASE)


def size(text: str) -> tuple[int, int | None]:
    """`180x320`: (H, W); or `180p`: (H, None), the width that keeps the shape."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is not HxW, height first, such as 180x320, nor a height such as 180p"
        )
    height, width = int(found[1]), None if found[2] is None else int(found[2])
    if 0 in (height, width):
        raise argparse.ArgumentTypeError(f"{_shown(text)}: both sides must be at least 1")
    return height, width


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a whole number of at least 1")
    return int(text)


def seed(text: str) -> int:
    """A whole number that torch takes as a seed."""
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a seed: a whole number from 0 to 2^63 - 1")
    return int(text)


def positive(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a number above 0")
    return value


def quality(text: str) -> float:
    """A number from 0 to 100."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a quality from 0 to 100")
    return value


def span(text: str) -> tuple[int | None, int | None]:
    """`A:B`, either end may be missing."""
    first, colon, last = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return (int(first) if first else None), (int(last) if last else None)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not A:B, such as 0:16, :16 or 16:") from None


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}…"
