"""Range coding of integers around predictions: one interface to encode, to decode and to measure.

    coder.code(mean, spread, shape, values) -> values

A traversal that predicts from what it has already coded is written once, and run with an `Encoder`, a `Decoder` (which
ignores the values and returns those it reads) or a `Meter` (which adds up what the tables say they cost).
"""

from __future__ import annotations

import functools
from typing import Any, Protocol

import constriction
import numpy as np
import numpy.typing as npt

from ..errors import BitstreamError
from .distributions import FIRST_WIDE, FRACTIONS, REACH, SYMBOLS, costs, level_of, tables
from .version import VERSION

IntArray = npt.NDArray[np.int32]

MAX_CODE = (1 << 15) - 1
_CHUNK = 1 << 15  # codes whose tables are laid out at a time: 2 MiB
_CLASSES = 20  # of what lies beyond the tables: class k holds 2 ** k values
_ESCAPE = SYMBOLS - 1
# What two words may hold, the last that a decoder takes in: 688 numbers of 0.093 bits, or 45,000 flags of 0.0014.
_MOST_BEYOND = 1 << 16
_SORTED = 4096  # from so many numbers on, symbols come in the order of their tables, each of which is set up once

_stream = constriction.stream
_TABLE = _stream.model.Categorical(perfect=False)
# halving with each class: 1/2, 1/4, ... exact as float32
_CLASS_MODEL = _stream.model.Categorical(
    np.array([2.0 ** -min(k + 1, _CLASSES - 1) for k in range(_CLASSES)], np.float32), perfect=False
)
# chances of a flag, of 2 ** 16: halved with every second
CHANCES = (
    *(32768, 23170, 16384, 11585, 8192, 5793, 4096, 2896, 2048, 1448),
    *(1024, 724, 512, 362, 256, 181, 128, 91, 64),
)


@functools.cache
def _models(shape: int) -> list[Any]:
    """A model for each of a shape's tables."""
    return [_stream.model.Categorical(row, perfect=False) for row in tables(shape)]


@functools.cache
def _flag_model(chance: int) -> Any:
    one = flag_chance(chance)
    return _stream.model.Categorical(np.array([1 - one, one], np.float32), perfect=False)


@functools.cache
def _raw_model(width: int) -> Any:
    return _stream.model.Uniform(1 << width)


def flag_chance(chance: int) -> float:
    """The probability of a flag: `CHANCES[chance]`, or one less that of a negative index."""
    return CHANCES[chance] / 65536 if chance >= 0 else 1 - CHANCES[-chance] / 65536


class Coder(Protocol):
    """What a traversal needs of a coder.

    Attributes:
        version: version of the format that is coded.
    """

    version: int

    def code(self, mean: IntArray, spread: IntArray, shape: int, values: IntArray | None) -> IntArray:
        """Codes integers.

        Args:
            mean: location at which each is expected, in 1/16.
            spread: expected distance from there, in 1/64, at least 1.
            shape: index of the shape of `distributions.tables`.
            values: the integers, within +-MAX_CODE; None when decoding.

        Returns:
            the integers, int32 of the same length.
        """
        ...

    def flags(self, chance: int, count: int, values: IntArray | None) -> IntArray:
        """Codes integers 0 or 1.

        Args:
            chance: chance of ones, see `flag_chance`; within +-18.
            count: number of integers.
            values: the integers; None when decoding.
        """
        ...


class _Base:
    def __init__(self, version: int) -> None:
        self.version = version

    def code(self, mean: IntArray, spread: IntArray, shape: int, values: IntArray | None) -> IntArray:
        if mean.size <= _CHUNK:
            return self._chunk(mean, spread, shape, values)
        parts = [slice(k, k + _CHUNK) for k in range(0, mean.size, _CHUNK)]
        return np.concatenate(
            [self._chunk(mean[p], spread[p], shape, None if values is None else values[p]) for p in parts]
        )

    def _chunk(self, mean: IntArray, spread: IntArray, shape: int, values: IntArray | None) -> IntArray:
        level = level_of(spread)
        wide = np.flatnonzero(level > FIRST_WIDE)
        shift = (level[wide] - (FIRST_WIDE - 3)) >> 2
        quotient = values
        if wide.size:
            # a unit of the quotient is 2 ** shift integers, whose middle lies half of them less one half above
            mean, level = mean.copy(), level.copy()
            mean[wide] = ((mean[wide] + 8) >> shift) - 8
            level[wide] -= 4 * shift
            if values is not None:
                quotient = values.copy()
                quotient[wide] >>= shift
        nearest = (mean + 9) >> 1  # eighths, and half a unit
        index = level * FRACTIONS
        index += nearest & (FRACTIONS - 1)
        nearest >>= 3
        symbols = None
        if quotient is not None:
            symbols = quotient - nearest
            far = np.abs(symbols) > REACH
            symbols = np.where(far, _ESCAPE, symbols + REACH).astype(np.int32)
        symbols = self._symbols(shape, index, symbols)
        found: IntArray = symbols + (nearest - REACH)
        escaped = np.flatnonzero(symbols == _ESCAPE)
        if escaped.size:
            far_values = None if quotient is None else (quotient - nearest)[escaped]
            found[escaped] = nearest[escaped] + self._far(escaped.size, far_values)
        if wide.size:
            low = None if values is None or quotient is None else values[wide] - (quotient[wide] << shift)
            found[wide] = (found[wide] << shift) + self._low(shift, low)
        if found.size and (int(found.max()) > MAX_CODE or int(found.min()) < -MAX_CODE):
            raise BitstreamError("a code is out of range")
        return found

    def _far(self, count: int, values: IntArray | None) -> IntArray:
        """Signed distances beyond REACH: a class of halving probability, then the class's raw bits and the sign."""
        if values is None:
            classes: IntArray = self._classes(count, None)
            bits = self._low(classes + 1, None)
        else:
            excess = np.abs(values) - REACH
            classes = np.frexp(excess.astype(np.float64))[1].astype(np.int32) - 1
            self._classes(count, classes)
            bits = self._low(classes + 1, ((excess - (1 << classes)) << 1) | (values < 0))
        return np.asarray(((1 << classes) + (bits >> 1) + REACH) * np.where(bits & 1, -1, 1), np.int32)

    def _low(self, widths: IntArray, values: IntArray | None) -> IntArray:
        """Raw bits, in order of their number."""
        result = np.zeros(widths.size, np.int32)
        counts = np.bincount(widths)
        for width in (np.flatnonzero(counts[1:]) + 1).tolist():
            places = np.flatnonzero(widths == width)
            result[places] = self._raw(width, places.size, None if values is None else values[places])
        return result

    def _sorted(self, index: IntArray) -> bool:
        return self.version > 2 and index.size >= _SORTED

    def _symbols(self, shape: int, index: IntArray, symbols: Any) -> Any:
        """Symbols given the rows of the shape's tables."""
        raise NotImplementedError

    def _classes(self, count: int, classes: IntArray | None) -> IntArray:
        raise NotImplementedError

    def _raw(self, width: int, count: int, values: Any) -> Any:
        raise NotImplementedError


class Encoder(_Base):
    """Integers to bytes."""

    def __init__(self, version: int = VERSION) -> None:
        super().__init__(version)
        self._coder = _stream.queue.RangeEncoder()

    def data(self) -> bytes:
        """What was coded so far."""
        return bytes(np.asarray(self._coder.get_compressed()).astype("<u4").tobytes())

    def flags(self, chance: int, count: int, values: Any) -> Any:
        """See `Coder`."""
        self._coder.encode(np.ascontiguousarray(values, np.int32), _flag_model(chance))
        return values

    def _symbols(self, shape: int, index: IntArray, symbols: Any) -> Any:
        if not self._sorted(index):
            self._coder.encode(symbols, _TABLE, tables(shape).take(index, axis=0))
            return symbols
        order, runs = _by_table(index)
        ordered, models = symbols[order], _models(shape)
        for table, start, stop in runs:
            self._coder.encode(ordered[start:stop], models[table])
        return symbols

    def _classes(self, count: int, classes: Any) -> Any:
        self._coder.encode(classes, _CLASS_MODEL)
        return classes

    def _raw(self, width: int, count: int, values: Any) -> Any:
        self._coder.encode(np.ascontiguousarray(values, np.int32), _raw_model(width))
        return values


class Meter(_Base):
    """What the tables say that integers cost.

    Attributes:
        bits: sum so far.
    """

    def __init__(self, version: int = VERSION) -> None:
        super().__init__(version)
        self.bits = 0.0

    def flags(self, chance: int, count: int, values: Any) -> Any:
        """See `Coder`."""
        ones = int(values.sum())
        one = flag_chance(chance)
        self.bits -= ones * float(np.log2(one)) + (count - ones) * float(np.log2(1 - one))
        return values

    def _symbols(self, shape: int, index: IntArray, symbols: Any) -> Any:
        self.bits += float(costs(shape).take(index * SYMBOLS + symbols).sum(dtype=np.float64))
        return symbols

    def _classes(self, count: int, classes: Any) -> Any:
        self.bits += float(np.minimum(classes + 1, _CLASSES - 1).sum())
        return classes

    def _raw(self, width: int, count: int, values: Any) -> Any:
        self.bits += float(width * count)
        return values


class Decoder(_Base):
    """Bytes to integers.

    Args:
        data: bytes that `Encoder.data` returned.
        version: version of the format that they are in.

    Raises:
        BitstreamError: the bytes are not whole words; and later, what `Encoder` cannot have written.
    """

    def __init__(self, data: bytes, version: int = VERSION) -> None:
        super().__init__(version)
        if len(data) % 4:
            raise BitstreamError("coded data of a broken length")
        self._coder = _stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))
        self._beyond = 0  # numbers that were asked for when all of the data had been taken in

    def flags(self, chance: int, count: int, values: Any) -> Any:
        """See `Coder`."""
        self._check_end(count)
        return self._decoded(_flag_model(chance), count)

    def _symbols(self, shape: int, index: IntArray, symbols: Any) -> Any:
        self._check_end(index.size)
        if not self._sorted(index):
            return self._decoded(_TABLE, tables(shape).take(index, axis=0))
        order, runs = _by_table(index)
        models, decode = _models(shape), self._coder.decode
        found = np.empty(index.size, np.int32)
        try:
            found[order] = np.concatenate([decode(models[table], stop - start) for table, start, stop in runs])
        except AssertionError as error:
            raise _foreign() from error
        return found

    def _classes(self, count: int, classes: Any) -> Any:
        return self._decoded(_CLASS_MODEL, count)

    def _raw(self, width: int, count: int, values: Any) -> Any:
        return self._decoded(_raw_model(width), count)

    def _check_end(self, count: int) -> None:
        """Behind its data a coder goes on for ever: what is decoded is to be in proportion to the bytes that say it."""
        if self._coder.maybe_exhausted():
            self._beyond += count
            if self._beyond > _MOST_BEYOND:
                raise BitstreamError("the coded data ends before its numbers do")

    def _decoded(self, model: Any, argument: Any) -> Any:
        try:
            return self._coder.decode(model, argument)
        except AssertionError as error:
            raise _foreign() from error


def _foreign() -> BitstreamError:
    return BitstreamError("the coded data is not what an encoder writes")


def _by_table(index: IntArray) -> tuple[Any, list[tuple[int, int, int]]]:
    """The order of the numbers by their tables, and which run of it is of which table."""
    order = np.argsort(index.astype(np.uint8), kind="stable")
    counts = np.bincount(index)
    used = np.flatnonzero(counts)
    stops = np.cumsum(counts[used])
    return order, list(zip(used.tolist(), (stops - counts[used]).tolist(), stops.tolist(), strict=True))
