"""A database whose disk is full at one write."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import OperationFailure


def no_room() -> OperationFailure:
    """What MongoDB says then."""
    return OperationFailure("no space left on device", 14031)


def fill(patch: pytest.MonkeyPatch, collection: str, operation: str, before: int = 0) -> None:
    """From now on one write is refused.

    Args:
        patch: what undoes it.
        collection: the collection's name.
        operation: pymongo's name of the write, such as `update_one`.
        before: such writes that are still done before it.
    """
    original, count = getattr(Collection, operation), 0

    def write(self: Collection[Any], *args: Any, **options: Any) -> Any:
        nonlocal count
        if self.name == collection:
            count += 1
            if count == before + 1:
                raise no_room()
        return original(self, *args, **options)

    patch.setattr(Collection, operation, write)
