"""Arguments of public calls, checked before any work: each function takes one, and says what was expected.

What is refused is an `InputError` of one line: the argument's name, what is wanted, what was given.
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from .errors import InputError

MAX_SEED = 2**63 - 1
# What frames may be resized to, and drawn at.
MAX_SIDE = 16_384
# Of notes in a file, which has room for more: other things are in its header, too.
_MAX_NOTES, _MAX_DEPTH = 1 << 20, 24


def number(name: str, value: Any, low: float, high: float = math.inf, *, above: bool = False) -> float:
    """A finite number of any type (`Fraction`, numpy's) from `low` to `high`, as a float; if `above`, not `low`.

    Raises:
        InputError: it is none.
    """
    real = isinstance(value, Real | Decimal) and not isinstance(value, bool)
    try:
        given = float(value) if real else math.nan
    except OverflowError:
        given = math.inf
    if not math.isfinite(given) or not low <= given <= high or (above and given == low):
        start = f"above {low:g}" if above else f"of at least {low:g}" if high == math.inf else f"from {low:g}"
        end = "" if high == math.inf else f"{', at most' if above else ' to'} {high:g}"
        wanted = "that is finite" if low == -math.inf else start + end
        raise InputError(f"{name} must be a number {wanted}, not {shown(value)}")
    return given


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """A whole number of any type (numpy's, but no float) from `low` to `high`, as an int.

    Raises:
        InputError: it is none.
    """
    good = isinstance(value, Integral) and not isinstance(value, bool)
    if not good or int(value) < low or (high is not None and int(value) > high):
        wanted = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise InputError(f"{name} must be a whole number {wanted}, not {shown(value)}")
    return int(value)


@dataclass(frozen=True)
class Range:
    """What a number may be: see `number` and `whole`; None, too, if it is `optional`."""

    low: float
    high: float = math.inf
    whole: bool = False
    above: bool = False
    optional: bool = False


def check_fields(what: str, settings: Any, ranges: Mapping[str, Range]) -> None:
    """Checks numbers of a frozen dataclass, and makes Python's of those of other types, which JSON does not know.

    Raises:
        InputError: one is not in its range; says which field, of `what`.
    """
    for name, wanted in ranges.items():
        value = getattr(settings, name)
        if value is None and wanted.optional:
            continue
        if wanted.whole:
            given: float = whole(f"{what}: {name}", value, int(wanted.low), int(wanted.high))
        else:
            given = number(f"{what}: {name}", value, wanted.low, wanted.high, above=wanted.above)
        if not isinstance(value, int | float):  # 1 stays 1: digests are of what was given
            object.__setattr__(settings, name, given)


def side_lengths(name: str, value: Any) -> tuple[int, int]:
    """(height, width), two whole numbers from 1 to `MAX_SIDE`, from a list, tuple or array of two.

    Raises:
        InputError: it is none.
    """
    sides = list(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes) else []
    good = len(sides) == 2 and all(isinstance(one, Integral) and not isinstance(one, bool) for one in sides)
    if not good or not all(1 <= int(one) <= MAX_SIDE for one in sides):
        raise InputError(
            f"{name} must be (height, width) in pixels, two whole numbers from 1 to {MAX_SIDE}, not {shown(value)}"
        )
    return int(sides[0]), int(sides[1])


def flag(name: str, value: Any) -> bool:
    """True or False, numpy's, too; no text or number that might be meant so.

    Raises:
        InputError: it is neither.
    """
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def choice(name: str, value: Any, known: Iterable[str]) -> str:
    """One of several names; where it is none of them, the closest is told.

    Raises:
        InputError: it is none of them.
    """
    names = list(known)
    if not isinstance(value, str) or value not in names:
        close = difflib.get_close_matches(value.lower(), names, 1) if isinstance(value, str) else []
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(f"unknown {name} {shown(value)}; {hint}choose one of {', '.join(names)}")
    return value


def seed(value: Any) -> int:
    """A seed, 0 to `MAX_SEED`.

    Raises:
        InputError: it is none.
    """
    return whole("seed", value, 0, MAX_SEED)


def listener(value: Any) -> Any:
    """`progress`: True or False, or a function that is called; None is False.

    Raises:
        InputError: it is neither.
    """
    if value is None or callable(value):
        return value or False
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"progress must be True, False or a function to call, not {shown(value)}")
    return bool(value)


def notes(name: str, value: Any) -> dict[str, Any]:
    """Notes that JSON can hold, as plain objects: numpy's numbers and arrays become Python's.

    Raises:
        InputError: something in them is no text, finite number, truth value, list or mapping of such under names that
            are text; or there is too much of it. The message says where.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{name} must be a dict of notes, not {shown(value)}")
    room = _Room(name)
    plain: dict[str, Any] = _plain(name, value, 0, room)
    room.left = _MAX_NOTES
    room.take(len(json.dumps(plain)))
    return plain


class _Room:
    """What is left for notes, so that what holds itself many times over, or is huge, is refused before it is copied."""

    def __init__(self, name: str) -> None:
        self.name, self.left = name, _MAX_NOTES

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise InputError(f"{self.name} takes more than the {_MAX_NOTES:,} bytes of JSON allowed; keep it elsewhere")


def _plain(place: str, value: Any, depth: int, room: _Room) -> Any:
    room.take(len(value) + 2 if isinstance(value, str) else 2)  # the least that JSON needs for it
    if depth > _MAX_DEPTH:
        raise InputError(f"{place[:80]}… is nested more than {_MAX_DEPTH} deep; flatten it")
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return whole(place, value, -(2**63), 2**64)
    if isinstance(value, Real | Decimal):
        return number(place, value, -math.inf)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"{place} has the name {shown(key)}, where names must be text")
        return {str(key): _plain(f"{place}[{key[:40]!r}]", one, depth + 1, room) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        room.take(2 * value.size)
        room.left += 2 * value.size  # which its numbers take again
        value = value.tolist() if value.ndim else [value.item()]
    if isinstance(value, list | tuple):
        return [_plain(f"{place}[{k}]", one, depth + 1, room) for k, one in enumerate(value)]
    raise InputError(f"{place} is of type {type(value).__name__}, which JSON cannot hold; give text, numbers or lists")


def shown(value: Any) -> str:
    """What was given, in few words."""
    if isinstance(value, os.PathLike):
        return repr(os.fspath(value))
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number far out of range"
    return text if len(text) <= 60 and "\n" not in text else f"{type(value).__name__} {text.split(chr(10))[0][:40]}…"
