"""The shape of pixels: which ratios are taken for one, and what becomes of it when frames are turned or resized."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..arguments import shown

SQUARE = Fraction(1)

# Beyond, a ratio is damage: the widest in use are about 8:3, of anamorphic video stored at half its width.
_MOST = 10
# What H.264 and the boxes of MP4 hold.
_MOST_DIGITS = 0xFFFF


def as_pixel_aspect(value: Any) -> Fraction:
    """A pixel's width over its height, as a fraction that files can hold.

    Args:
        value: a `Fraction`, or another number.

    Raises:
        ValueError: it is none, or beyond 1:10 and 10:1.

    Example:
        >>> as_pixel_aspect(Fraction(64, 45)), as_pixel_aspect(1)
        (Fraction(64, 45), Fraction(1, 1))
    """
    try:
        aspect = Fraction(value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"a pixel's width over its height must be a number, not {shown(value)}") from error
    if not Fraction(1, _MOST) <= aspect <= _MOST:
        raise ValueError(f"a pixel's width over its height must be from 1:{_MOST} to {_MOST}:1, not {ratio(aspect)}")
    if max(aspect.numerator, aspect.denominator) > _MOST_DIGITS:
        aspect = aspect.limit_denominator(_MOST_DIGITS // _MOST)
    return aspect


def resized(aspect: Fraction, old: tuple[int, int], new: tuple[int, int]) -> Fraction:
    """The pixels' shape after a resize: pictures keep the shape in which they are shown.

    Square pixels stay square: whoever resizes them to another shape wants that shape.

    Args:
        aspect: width over height of a pixel before.
        old: (H, W) before.
        new: (h, w) after.

    Returns:
        the simplest fraction within 0.2 %; 1 within 1 %; the old one where the new one would be beyond 1:10 and 10:1.

    Example:
        >>> resized(Fraction(16, 15), (576, 720), (576, 768))  # 4:3, now with square pixels
        Fraction(1, 1)
        >>> resized(Fraction(4, 3), (64, 72), (32, 36)), resized(Fraction(4, 3), (64, 72), (32, 72))
        (Fraction(4, 3), Fraction(2, 3))
    """
    exact = aspect * Fraction(old[1] * new[0], old[0] * new[1])
    if aspect in (SQUARE, exact) or not Fraction(1, _MOST) <= exact <= _MOST:
        return aspect
    if abs(exact - 1) <= Fraction(1, 100):
        return SQUARE
    return next(simple for simple in map(exact.limit_denominator, range(1, 1001)) if abs(simple / exact - 1) <= 0.002)


def stretch(aspect: Fraction, old: tuple[int, int], new: tuple[int, int]) -> float:
    """How much wider pictures are shown, in proportion to their height, after a resize; 1 if only by rounding.

    Args:
        aspect: width over height of a pixel before; `resized` makes up for a resize where it is not 1.
        old: (H, W) before.
        new: (h, w) after.

    Example:
        >>> stretch(SQUARE, (1080, 1920), (90, 160)), stretch(SQUARE, (1080, 1920), (90, 90))
        (1.0, 0.5625)
    """
    rounding = min(abs(new[1] - new[0] * old[1] / old[0]), abs(new[0] - new[1] * old[0] / old[1])) < 1
    return 1.0 if aspect != SQUARE or rounding else old[0] * new[1] / (old[1] * new[0])


def to_header(aspect: Fraction) -> dict[str, list[int]]:
    """The entry of a `.linr` file's header: none for square pixels."""
    return {} if aspect == SQUARE else {"pixel_aspect": [aspect.numerator, aspect.denominator]}


def from_header(header: Mapping[str, Any]) -> Fraction:
    """The way back.

    Raises:
        ValueError: the entry is not two whole numbers in range.
    """
    numbers = header.get("pixel_aspect", [1, 1])
    whole = isinstance(numbers, list) and [type(number) for number in numbers] == [int, int]
    if not whole or not all(0 < number <= _MOST_DIGITS for number in numbers):
        raise ValueError("the pixel aspect is not two whole numbers in range")
    return as_pixel_aspect(Fraction(*numbers))


def ratio(aspect: Fraction) -> str:
    """`4:3`, as people write it."""
    return f"{aspect.numerator}:{aspect.denominator}"
