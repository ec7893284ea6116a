"""What a `.linr` file may make its reader do: bounds that are checked before what they bound is made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from numbers import Real

from .. import arguments
from ..devices import is_memory_full
from ..errors import BitstreamError, InputError, LatentINRError
from ..text import one_line


@dataclass(frozen=True)
class Limits:
    """Bounds on what a stored video asks for, far above what videos need: a few bytes may declare any number.

    What a file asks for beyond them is a `BitstreamError`, which says how to raise the one that is in the way. Any of
    them may be `math.inf`; `Limits.none()` is no bound at all.

    Attributes:
        frames: T, of all groups of frames together; by default those of 92 hours at 30 a second.
        array_bytes: of one array of numbers that is handed out, `latents` or `embeddings`; by default the embeddings
            of 4 hours at 30 frames a second and 1,024 numbers.
        render_bytes: of the frames that `render` gives when it is not told which; `iter_render` gives them one by one.
        multiply_adds: to draw one frame, on whatever device; by default a few seconds of one core. Of a frame that
            takes more than half of it to be drawn as it was fitted, smaller pictures are drawn at fewer points, and are
            no longer exactly its averages.
        multiply_adds_per_byte: that the file's bytes allow on top of it. Networks that take more have more weights, and
            finer grids, which take bytes.

    Raises:
        InputError: a bound is no number above 0.

    Example:
        >>> Limits(frames=100).frames, Limits.none().array_bytes
        (100.0, inf)
    """

    frames: float = 10_000_000
    array_bytes: float = 1 << 31
    render_bytes: float = 1 << 34
    multiply_adds: float = 120e9
    multiply_adds_per_byte: float = 50_000

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not (isinstance(value, Real) and value == math.inf):
                value = arguments.number(f"Limits: {one.name}", value, 0, above=True)
            object.__setattr__(self, one.name, float(value))

    @classmethod
    def settle(cls, given: Limits | None) -> Limits:
        """The limits that are meant; None is the usual ones.

        Raises:
            InputError: it is neither None nor a `Limits`.
        """
        if given is None:
            return cls()
        if not isinstance(given, cls):
            raise InputError(
                f"limits must be a Limits or None, not {arguments.shown(given)}; Limits.none() is no bound"
            )
        return given

    @classmethod
    def none(cls) -> Limits:
        """No bounds: for files whose maker is trusted."""
        return cls(**{one.name: math.inf for one in fields(cls)})

    def check(self, name: str, asked: float, what: str, allowed: float | None = None) -> None:
        """Refuses what is more than a bound.

        Args:
            name: of the bound.
            asked: how much is asked for.
            what: in words, with `asked` in it, "it asks for ...".
            allowed: the bound where it is more than the attribute of that name.

        Raises:
            BitstreamError: it is more; says how much there may be, and how to raise it.
        """
        allowed = getattr(self, name) if allowed is None else allowed
        if asked > allowed:
            raise BitstreamError(
                f"it asks for {what}, where {_short(allowed)} are allowed; if you trust it, raise the bound: "
                f"load(path, limits=Limits({name}={_above(asked)})), or --no-limits"
            )


@contextmanager
def guarded(name: str, what: str) -> Iterator[None]:
    """Whatever a file makes fail is one of two errors that name it: its own fault, or memory that is not there.

    Args:
        name: path of the file; empty for bytes in memory.
        what: is made here, in words.

    Raises:
        BitstreamError: as it was raised, with the file's name.
        InputError: memory is too small, or an array would be larger than any.
    """
    try:
        yield
    except BitstreamError as error:
        shown, text = one_line(name), str(error)
        raise type(error)(text if text.startswith(shown) else f"{shown}: {text}") from error
    except (MemoryError, OverflowError, RuntimeError, ValueError) as error:
        if isinstance(error, LatentINRError) or not _is_too_large(error):
            raise
        raise InputError(f"{name or 'the video'}: there is not enough memory for {what}; ask for less") from error


def _is_too_large(error: BaseException) -> bool:
    text = str(error)
    of_torch = isinstance(error, RuntimeError) and ("can't allocate memory" in text or "DefaultCPUAllocator" in text)
    of_numpy = isinstance(error, ValueError) and ("array is too big" in text or "Maximum allowed dimension" in text)
    return isinstance(error, MemoryError | OverflowError) or of_torch or of_numpy or is_memory_full(error)


def _short(number: float) -> str:
    return f"{number:.3g}" if number < 100 else f"{number:,.0f}" if number < 1e15 else f"{number:.3g}"


def _above(number: float) -> str:
    """Two digits, rounded up, as Python reads them."""
    power = 10.0 ** (math.floor(math.log10(number)) - 1)
    return f"{math.ceil(number / power) * power:.2g}"
