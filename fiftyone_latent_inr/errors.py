"""The exceptions that users see: one for bad input, one for a damaged file."""

from __future__ import annotations


class LatentINRError(Exception):
    """Base class of every error that this package raises on purpose."""


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
