"""Side information: small integers whose spread both sides know, or that is sent along."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BitstreamError
from .distributions import LEVELS
from .range_coder import Coder, IntArray

MAX_LEVEL = 76  # the expected distance of the largest codes; even, as all levels that are sent


def check(sound: bool) -> None:
    """Refuses side information that no encoder writes."""
    if not sound:
        raise BitstreamError("its coding parameters are out of range")


def code_fixed(coder: Coder, count: int, spread: int, values: IntArray | None) -> IntArray:
    """Codes integers around zero whose expected magnitude, in 1/64, both sides know."""
    return coder.code(np.zeros(count, np.int32), np.full(count, spread, np.int32), 0, values)


def code_numbers(coder: Coder, count: int, values: IntArray | None) -> IntArray:
    """Codes integers around zero, and before them their level; nothing for no integers."""
    if not count:
        return np.zeros(0, np.int32)
    wanted = None if values is None else np.array([even_level(np.abs(values)) >> 1], np.int32)
    level = int(code_fixed(coder, 1, 8 * 64, wanted)[0]) << 1
    check(0 <= level <= MAX_LEVEL)
    return code_fixed(coder, count, int(LEVELS[level]), values)


def even_level(distances: npt.NDArray[Any]) -> int:
    """The even index of the level nearest to the mean of some distances."""
    mean = 16 * float(distances.mean()) if distances.size else 0.0
    return 2 * int(np.clip(np.rint(2 * np.log2(max(mean, 1.0))), 0, MAX_LEVEL // 2))
