"""Which runs are at work on a field of a dataset, and which sample each has in hand, for all processes to know.

A document a run and one for its sample in hand, in a collection of FiftyOne's database, each with its owner. They go at
the end of the run; those of a run that was killed are taken over by whoever meets them. What an owner is, and when one
is gone, is said in `owners`; the database's own clock says how old a sign of life is.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

import fiftyone as fo
from pymongo.errors import ConnectionFailure, DuplicateKeyError, OperationFailure, PyMongoError

from ..errors import InputError
from ..owners import GRACE, Heartbeat, Owner
from .patience import refusals_told
from .run_store import database
from .words import brief, video_count

COLLECTION = "latent_inr.owners"
IF_BUSY = ("share", "wait", "refuse")

# Seconds between two looks at what is waited for, and from which on that is said.
_LOOK, _SAID = 0.2, 3.0
# Runs of this process that have not ended, and steps that only one run takes at a time: the thread of each.
_live: dict[str, int] = {}
_steps: dict[str, int] = {}


class Claims:
    """One run's part in what is at work on a field: a context that registers the run, and in the end forgets it.

    Args:
        dataset: the samples' dataset.
        key: name of what the run writes: the embeddings field, or the media field.
        what: what it does, for people: "fit" or "drawing".
        if_busy: where another one is at work on the field: `share` the samples with it, `wait` for its end, `refuse`.
        note: takes a line for people, and its level of logging.
    """

    def __init__(
        self, dataset: fo.Dataset, key: str, what: str, if_busy: str, note: Callable[[str, int], None]
    ) -> None:
        self._dataset, self._key, self._what, self._if_busy, self._note = dataset, key, what, if_busy, note
        self._token, self._owner = secrets.token_hex(8), Owner.here()
        self._prefix = f"{dataset._doc.id}/{key}"
        self._off = False
        self.met: dict[str, Owner] = {}  # by sample, who had it when it was wanted last

    def __enter__(self) -> Claims:
        """Registers the run.

        Raises:
            InputError: another run is at work on the field, and is not to be shared with.
        """
        _live[self._token] = threading.get_ident()
        try:
            self._bury()
            self._register()
        except OperationFailure as error:
            # a database that lets this user write samples, and nothing else
            self._note(f"two runs at once cannot be told apart in this database: {brief(error)}", logging.WARNING)
            self._off = True
        except BaseException:
            self._leave()
            raise
        self._beat = Heartbeat(self._renew)
        return self

    def __exit__(self, *_: object) -> None:
        if self._leave():
            self._beat.stop()

    def settle(self, digest: str) -> None:
        """Says with which settings this run works; those that share a field work with the same.

        Raises:
            InputError: another run works there with other settings.
            StorageError: the database does not take it.
        """
        if self._off:
            return
        with refusals_told(), self.alone():
            for other in self._others():
                if other.get("digest") not in (None, digest):
                    raise InputError(
                        f"{self._busy(_owner(other))} with other settings, and a field holds what was made with one; "
                        f'wait for it (if_busy="wait"), or use another embeddings_field'
                    )
            self._claim(f"{self._prefix}/run/{self._token}", kind="run", digest=digest)

    def take(self, sample_id: str) -> bool:
        """Whether a sample is this run's to do from now on; if not, `met` says whose it is."""
        other = None if self._off else self._claim(f"{self._prefix}/sample/{sample_id}", kind="sample")
        if other is None:
            self.met.pop(sample_id, None)
            return True
        self.met[sample_id] = other
        return False

    def give_back(self, sample_id: str) -> None:
        """A sample is done, or not to be done; if the database is away, the end of the run gives it back."""
        self._drop(f"{self._prefix}/sample/{sample_id}")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A block that only one of the runs on this field is in at a time; the others wait.

        Raises:
            InputError: this very thread is in such a block, and would wait for itself.
        """
        name, since, said = f"{self._prefix}/step", time.monotonic(), False
        if _steps.get(name) == threading.get_ident():
            raise InputError(f"{self._busy(self._owner)}, and this call is made from within it; make it when that ends")
        while not self._off and (other := self._claim(name, kind="step")) is not None:
            if not said and time.monotonic() - since > _SAID:
                self._note(f"waiting for {other}, which is at work on the same field", logging.INFO)
                said = True
            time.sleep(_LOOK)
        _steps[name] = threading.get_ident()
        try:
            yield
        finally:
            del _steps[name]
            self._drop(name)

    def told(self) -> str:
        """Who has the samples that were wanted and not to be had; empty where there are none."""
        owners = list(dict.fromkeys(map(str, self.met.values())))
        return f"{video_count(len(self.met))} in the hands of {', '.join(owners)}, and left to it" if owners else ""

    def _register(self) -> None:
        said = False
        while True:
            with self.alone():
                others = self._others() if self._if_busy != "share" else []
                if not others:
                    self._claim(f"{self._prefix}/run/{self._token}", kind="run")
                    return
            line = self._busy(_owner(others[0]))
            if self._if_busy == "refuse":
                raise InputError(f'{line}; wait for it (if_busy="wait"), or share its samples (if_busy="share")')
            if any(_live.get(other["token"]) == threading.get_ident() for other in others):
                raise InputError(
                    f'{line}, and this call is made from within it, so it would wait for ever (if_busy="wait"); '
                    'make it when that ends, or share its samples (if_busy="share")'
                )
            if not said:
                self._note(f"{line}; waiting for its end", logging.INFO)
                said = True
            time.sleep(5 * _LOOK)

    def _others(self) -> list[dict[str, Any]]:
        """The other runs on the field that live, the earliest first."""
        query = {"dataset": str(self._dataset._doc.id), "key": self._key, "kind": "run", "token": {"$ne": self._token}}
        return [found for found in _find(query) if _is_alive(found)]

    def _busy(self, owner: Owner | None) -> str:
        return _running(self._what, self._dataset, owner)

    def _claim(self, name: str, **more: Any) -> Owner | None:
        """Makes a document this run's, unless it is that of another one that lives, which is given."""
        mine = {"dataset": str(self._dataset._doc.id), "key": self._key, "token": self._token, **more}
        change = {"$set": {**mine, "owner": asdict(self._owner)}, "$currentDate": {"beat": True}}
        while True:
            try:
                _collection().update_one({"_id": name, "token": self._token}, change, upsert=True)
            except DuplicateKeyError:
                pass
            else:
                return None
            for other in _find({"_id": name}):
                if _is_alive(other):
                    return _owner(other) or self._owner
                if _collection().update_one({"_id": name, "token": other["token"]}, change).modified_count:
                    if more["kind"] == "sample":
                        self._note(f"taken over from {_owner(other)}, which has ended without a word", logging.WARNING)
                    return None

    def _drop(self, name: str) -> None:
        if self._off:
            return
        with suppress(ConnectionFailure):
            _collection().delete_one({"_id": name, "token": self._token})

    def _bury(self) -> None:
        """Forgets the runs that were killed, whatever they were at work on; those on this field are told."""
        for found in _find({"kind": "run"}):
            if _is_alive(found):
                continue
            if (found["dataset"], found["key"]) == (str(self._dataset._doc.id), self._key):
                owner = _owner(found)
                began = "" if owner is None else f" that began at {owner.clock} ({owner})"
                self._note(f"a {self._what}{began} has ended without a word; this one takes over", logging.WARNING)
            _collection().delete_many({"token": found["token"]})

    def _renew(self) -> bool:
        """Gives a sign of life; once the run has ended, and the database was away, forgets it."""
        if self._token not in _live:
            return not self._leave()
        if not self._off:
            _collection().update_many({"token": self._token}, {"$currentDate": {"beat": True}})
        return True

    def _leave(self) -> bool:
        """Forgets the run; whether the database has taken note of it."""
        _live.pop(self._token, None)
        try:
            if not self._off:
                _collection().delete_many({"token": self._token})
        except PyMongoError:
            return False
        return True


def running(dataset: fo.Dataset, key: str, what: str = "fit") -> str | None:
    """Says that a run is at work on a field, since when and where; None where there is none.

    Args:
        dataset: the dataset.
        key: embeddings field of a fit, media field of a drawing.
        what: what such a run is called: "fit" or "drawing".
    """
    found = _find({"dataset": str(dataset._doc.id), "key": key, "kind": "run"})
    alive = [one for one in found if _is_alive(one)]
    return _running(what, dataset, _owner(alive[0])) if alive else None


def _running(what: str, dataset: fo.Dataset, owner: Owner | None) -> str:
    since = "" if owner is None else f" since {owner.clock} ({owner})"
    return f"a {what} of dataset {dataset.name!r} is running{since}"


def _collection() -> Any:
    return database()[COLLECTION]


def _find(query: dict[str, Any]) -> list[dict[str, Any]]:
    """Documents, the earliest run's first, each with its `age`, in milliseconds."""
    age = {"$addFields": {"age": {"$subtract": ["$$NOW", "$beat"]}}}
    return list(_collection().aggregate([{"$match": query}, age, {"$sort": {"owner.since": 1}}]))


def _owner(document: dict[str, Any]) -> Owner | None:
    return Owner.read(document.get("owner"))


def _is_alive(document: dict[str, Any]) -> bool:
    owner = _owner(document)
    gone = None if owner is None else owner.is_gone()
    if gone is False and owner is not None and owner.is_here:
        return document.get("token") in _live
    return bool((document.get("age") or 0) <= GRACE * 1000) if gone is None else not gone
