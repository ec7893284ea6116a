"""The exceptions that users see, each one line: one for bad input, one for a damaged file."""

from __future__ import annotations

from typing import TypeVar

from .text import log_line

Error = TypeVar("Error", bound=Exception)


class LatentINRError(Exception):
    """Base class of every error that this package raises on purpose; its message is one line of bounded length."""

    def __init__(self, message: object = "") -> None:
        super().__init__(log_line(message))


class InputError(LatentINRError, ValueError):
    """A video, sample or argument that cannot be used; the message says which, why and what to do."""


class StorageError(InputError):
    """A place that cannot be written: a full or read-only disk, a folder that is gone; other files fail there, too."""


class TeacherUnavailableError(InputError):
    """A teacher is known but its weights cannot be had here; the message names the alternatives."""


class PriorUnavailableError(InputError):
    """A prior cannot be fetched from the Hub, or stored there, now or by this user; the message says what to do."""


class BitstreamError(LatentINRError, ValueError):
    """A `.linr` file that is damaged, foreign, or written by a newer version."""


class NewerFileError(BitstreamError):
    """A `.linr` file that a later release of this package has written: it is to be kept, and this package updated."""


def bare(error: Error) -> Error:
    """An error that is kept: without traceback and causes, which keep all that was in hand where it was raised."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
