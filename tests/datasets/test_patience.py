"""A database that refuses is told in a line."""

from __future__ import annotations

import pytest
from pymongo.errors import OperationFailure

from fiftyone_latent_inr.datasets import run_store
from fiftyone_latent_inr.errors import InputError


def test_a_database_without_room_for_the_record(dataset, fit, monkeypatch):
    def refuse(*_):
        raise OperationFailure("no space left on device", 14031)

    with monkeypatch.context() as patched:
        patched.setattr(run_store, "set_config", refuse)
        with pytest.raises(InputError, match="no space left on device"):
            fit(dataset, teacher=None)
    assert len(fit(dataset, teacher=None).failed) == 0
