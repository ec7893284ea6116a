"""The exceptions that users see, each one line: one for bad input, one for a damaged file."""

from __future__ import annotations

import re
from typing import TypeVar

Error = TypeVar("Error", bound=Exception)

# Line breaks, what moves a terminal's cursor, what turns the direction of writing, and bytes of names that are no text.
_NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: object) -> str:
    r"""The text on one line that any terminal and any log can show: what is not shown is escaped, as in `\n`.

    Names of files may hold line breaks, control characters, and bytes that are not UTF-8.
    """
    return _NOT_SHOWN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), str(text))


class LatentINRError(Exception):
    """Base class of every error that this package raises on purpose."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class InputError(LatentINRError, ValueError):
    """A video, sample or argument that cannot be used; the message says which, why and what to do."""


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
