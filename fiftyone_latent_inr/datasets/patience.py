"""A database that is away for a while, as a server is that is started anew: steps are done again once it answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from ..errors import InputError, StorageError
from .words import brief, duration

T = TypeVar("T")

# Seconds that a database may be away: long enough for a server to be started anew and to look through its journal
LIMIT = 600.0
# MongoDB's OutOfDiskSpace, and what systems say
_OUT_OF_DISK, _NO_ROOM = 14031, "no space left on device"
# Seconds between two tries, at first and at most
_FIRST, _MOST = 0.25, 5.0


class DatabaseAwayError(InputError):
    """FiftyOne's database has not answered for as long as anybody waits for it."""


def is_away(error: BaseException | None) -> bool:
    """Whether a step failed because the database did not answer, whatever the error was wrapped in."""
    while error is not None:
        if isinstance(error, ConnectionFailure):
            return True
        error = error.__cause__
    return False


def no_room(error: BaseException | None) -> str:
    """Says in a line that the database has no room for a document; empty if that is not why a step failed."""
    while error is not None:
        if isinstance(error, OperationFailure) and (error.code == _OUT_OF_DISK or _NO_ROOM in str(error).lower()):
            return f"the disk of FiftyOne's database is full ({brief(error)})"
        error = error.__cause__
    return ""


@contextmanager
def refusals_told() -> Iterator[None]:
    """Says in a line what the database does not take, such as a document for which its disk has no room.

    Raises:
        StorageError: instead of an error of the database's client.
    """
    try:
        yield
    except PyMongoError as error:
        raise StorageError(
            f"FiftyOne's database refuses what is to be stored ({brief(error)}); mend this, and run this again: what "
            "is finished is on disk, and taken up"
        ) from error


def patiently(step: Callable[[], T], note: Callable[[str, int], None], limit: float | None = None) -> T:
    """Does a step that may be done more than once, until the database answers.

    Args:
        step: what is to be done.
        note: receives a line for people, and its level of logging, when it begins to wait and when it goes on.
        limit: seconds to wait; None for `LIMIT`.

    Raises:
        DatabaseAwayError: it has not answered for so long.
        Exception: the step's own.
    """
    limit = LIMIT if limit is None else limit
    since, pause = None, _FIRST
    while True:
        try:
            result = step()
        except Exception as error:
            if not is_away(error):
                raise
            now = time.monotonic()
            if since is None:
                since = now
                note(f"FiftyOne's database does not answer; waiting for it, {duration(limit)} at most", logging.WARNING)
            if now - since >= limit:
                raise DatabaseAwayError(
                    f"FiftyOne's database has not answered for {duration(limit)}; start it, and run this again: what "
                    "is finished is on disk, and taken up"
                ) from error
            time.sleep(min(pause, limit))
            pause = min(2 * pause, _MOST)
        else:
            if since is not None:
                note("FiftyOne's database answers again", logging.INFO)
            return result
