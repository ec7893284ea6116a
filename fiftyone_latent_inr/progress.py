"""Progress events: what a fit says while it runs, and the bar that shows them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from . import arguments
from .text import log_line

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

# Seconds between two lines about the same stage, where there is no terminal for a bar.
_BETWEEN_LINES = 30.0


@dataclass(frozen=True)
class FitProgress:
    """One event of a running fit.

    Attributes:
        stage: what is being done, in this order: `decode`, `scan`, `embed`, `motion`, `fit`, `measure`; or `pretrain`.
        step: steps done in this stage, from 0 to `total_steps`.
        total_steps: steps of this stage; at least 1.
        psnr: running estimate of the reconstruction's PSNR in dB, None before there is one.
        seconds: wall seconds since the fit began.
        seconds_left: estimated wall seconds to the end of the fit, None before there is an estimate.
        message: a line for people (the device chosen, a warning), or None; what a terminal would not show is escaped.
    """

    stage: str
    step: int
    total_steps: int
    psnr: float | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        if self.message is not None:
            object.__setattr__(self, "message", log_line(self.message))


ProgressCallback = Callable[[FitProgress], None]


class ListenerError(BaseException):
    """What a function of the user's that listens to progress has raised, on its way out.

    It is the user's, and no fault of the video in hand: no `except Exception` on the way takes it for one.

    Attributes:
        listener: the function.
        raised: what it raised.
    """

    def __init__(self, listener: Callable[..., Any], raised: Exception) -> None:
        super().__init__(listener, raised)
        self.listener, self.raised = listener, raised


class Listener:
    """A function of the user's that listens to progress; what it returns does not matter.

    Once it has raised something it is not asked again: what is to be brought to an end, such as an index, is.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function: Callable[..., Any] | None = function

    def __call__(self, *arguments: Any) -> None:
        """Asks it.

        Raises:
            ListenerError: it has raised an exception. What is no `Exception`, as `KeyboardInterrupt`, goes on as it is.
        """
        function, self._function = self._function, None
        if function is None:
            return
        try:
            function(*arguments)
        except Exception as error:
            raise ListenerError(function, error) from error
        self._function = function


def lets_listener_raise(call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A public call: what the function given as its `progress` raises comes out of it as it was raised."""

    @wraps(call)
    def outer(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        try:
            return call(*arguments, **options)
        except ListenerError as error:
            if error.listener is not options.get("progress"):  # of a call that this one is made by
                raise
            raised = error.raised
        try:
            raise raised  # out here, where it gets no context that was not its own
        finally:
            del raised  # it holds this frame

    return outer


def silent(event: FitProgress) -> None:
    """Takes an event and tells nobody."""


def tell(report: ProgressCallback, lines: Iterable[str]) -> None:
    """Reports lines for people while a video is read."""
    for line in lines:
        report(FitProgress("decode", 1, 1, message=line))


def drive(running: Generator[FitProgress, None, Result], report: ProgressCallback) -> Result:
    """Runs a fit to its end, reporting each event."""
    while True:
        try:
            event = next(running)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        report(event)


@contextmanager
def reporting(progress: bool | ProgressCallback, start: float) -> Iterator[ProgressCallback]:
    """What `progress` asks for, as a callback; events get the wall seconds since `start`."""
    progress = arguments.listener(progress)
    if callable(progress):
        listener = Listener(progress)
        yield lambda event: listener(replace(event, seconds=time.monotonic() - start))
    elif progress and not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        yield _Lines()
    elif progress:
        from tqdm import tqdm

        with tqdm(total=1, unit="step", leave=True, dynamic_ncols=True) as bar:
            yield lambda event: _draw_bar(bar, event)
    else:
        yield silent


class _Lines:
    """A line now and then, where a bar would fill a file with its states."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, event: FitProgress) -> None:
        now = time.monotonic()
        if event.message:
            print(event.message, file=sys.stderr)
        elif event.step >= event.total_steps or now - self._last >= _BETWEEN_LINES:
            self._last = now
            quality = "" if event.psnr is None else f", {event.psnr:.2f} dB"
            print(f"{event.stage} {event.step}/{event.total_steps}{quality}", file=sys.stderr)


def _draw_bar(bar: Any, event: FitProgress) -> None:
    """Shows an event on a tqdm bar."""
    if event.message:
        bar.write(event.message, file=sys.stderr)
    if event.stage != bar.desc.removesuffix(": ") or event.total_steps != bar.total:
        bar.reset(total=event.total_steps)
        bar.set_description(event.stage, refresh=False)
    bar.n = event.step
    if event.psnr is not None:
        bar.set_postfix_str(f"{event.psnr:.2f} dB", refresh=False)
    bar.refresh()
