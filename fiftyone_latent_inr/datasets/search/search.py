"""Search by text from Python or a shell: what `sort_by_similarity` finds, with the similarities."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from fiftyone.core.collections import SampleCollection

from ... import arguments
from ...errors import InputError
from ...semantics.known_words import LOGGER
from ...semantics.teacher_files import SMALL
from ..fields import FIT_NAME
from ..samples import check_alive
from ..words import brief
from .index import ZOO_PREFIX, why_unreadable
from .zoo_source import register_zoo_source


@dataclass(frozen=True)
class SearchResult:
    """One video found.

    Attributes:
        sample_id: id of its sample.
        filepath: its file.
        similarity: cosine similarity with the text, -1 to 1.
        teacher: name of the teacher whose space that is in; what it does not know, it cannot find.
    """

    sample_id: str
    filepath: str
    similarity: float
    teacher: str = ""


def search(
    samples: SampleCollection | str,
    text: str,
    *,
    k: int = 5,
    brain_key: str = FIT_NAME,
    notify: Callable[[str], None] | None = None,
) -> list[SearchResult]:
    """Finds the videos that a text describes best.

    A teacher of few words, such as `small`, says which words of the text it does not know: there always are videos
    that come first, and of such a text they mean nothing.

    Args:
        samples: a fitted dataset, a view of one, or a dataset's name.
        text: description of what to look for.
        k: number of videos at most.
        brain_key: key of the index.
        notify: takes lines for people: which teacher is loaded, which takes seconds, or a download, and which words it
            does not know. Without it the second goes to the log, as it does from FiftyOne's `sort_by_similarity`.

    Returns:
        the best first.

    Raises:
        InputError: no such dataset, no index, no text or an empty one, `k` that is no whole number of at least 1, or
            a database that does not start.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"the text to search for must be text that is not empty, not {arguments.shown(text)}")
    k = arguments.whole("k", k, 1)
    if isinstance(samples, str):
        samples = _load(samples)
    if not isinstance(samples, SampleCollection):
        raise InputError(f"samples must be a FiftyOne dataset, a view of one or a name, not {arguments.shown(samples)}")
    check_alive(samples)
    results = _load_index(samples, brain_key)
    teacher = teacher_of(results.config)
    if notify is not None:
        notify(f"loading the teacher that embeds the text: {teacher}")
    if str(results.config.model).startswith(ZOO_PREFIX):
        with suppress(InputError):  # the zoo's copy may be of an earlier version, which does not say what it knows
            register_zoo_source()
    model = results.get_model()
    with model, _listening(notify):
        query = np.asarray(model.embed_prompts([text]), np.float32).reshape(-1)
    vectors, ids, _ = results.get_embeddings()
    here = set(samples.values("id"))
    keep = [i for i, sample_id in enumerate(ids) if str(sample_id) in here]
    if not keep:
        return []
    matrix = np.asarray(vectors, np.float32)[keep]
    finite = np.flatnonzero(np.isfinite(matrix).all(1))  # what others may have written is found by no text
    matrix, keep = matrix[finite], [keep[i] for i in finite]
    if matrix.shape[1] != query.shape[0]:
        raise InputError(
            f"index {brain_key!r} holds vectors of {matrix.shape[1]} dimensions but its text model gives "
            f"{query.shape[0]}: the model was exchanged; fit the dataset again"
        )
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    similarity = matrix @ (query / max(float(np.linalg.norm(query)), 1e-12))
    best = np.argsort(-similarity, kind="stable")[:k]
    found = [(str(ids[keep[i]]), float(similarity[i])) for i in best]
    paths = dict(zip(*samples.select([i for i, _ in found]).values(["id", "filepath"]), strict=True))
    return [SearchResult(i, paths[i], s, teacher) for i, s in found]


def teacher_of(config: Any) -> str:
    """The name of the teacher that an index's zoo model is."""
    model, named = str(config.model), config.model_kwargs or {}
    if model == "open-clip-torch" and named.get("clip_model"):
        return f"{named['clip_model']}/{named.get('pretrained')}"
    return {f"{ZOO_PREFIX}small-teacher": SMALL}.get(model) or str(named.get("directory") or model)


@contextmanager
def _listening(notify: Callable[[str], None] | None) -> Iterator[None]:
    """Gives `notify` what a teacher would write into the log."""
    if notify is None:
        yield
        return
    tell, logger = notify, logging.getLogger(LOGGER)

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell(record.getMessage())

    listener, propagate = Listener(), logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate


def _load(name: str) -> fo.Dataset:
    try:
        known = fo.list_datasets()
    except Exception as error:  # of FiftyOne's starter, or of MongoDB's client
        raise InputError(
            f"FiftyOne's database did not start (is another FiftyOne using its folder?): {brief(error)}; stop it, "
            "or set FIFTYONE_DATABASE_URI"
        ) from error
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {', '.join(map(repr, close))}?" if close else "see `fiftyone datasets list`"
        raise InputError(f"there is no dataset {name!r}; {hint}")
    return fo.load_dataset(name)


def _load_index(samples: SampleCollection, brain_key: str) -> Any:
    keys = samples.list_brain_runs()
    try:
        results = samples.load_brain_results(brain_key) if brain_key in keys else None
        if results is not None:
            results.reload()
            field = results.config.embeddings_field
            if field is not None and not samples._root_dataset.has_field(field):
                raise InputError(f"the field {field!r} is gone")
    except Exception as error:  # a field that is gone, vectors of two teachers, a server that is down
        dataset, why = samples._root_dataset, brief(error)
        with suppress(Exception):  # the server may be down
            why = why_unreadable(dataset, dataset.get_brain_info(brain_key).config.embeddings_field, error)
        raise InputError(
            f"dataset {dataset.name!r}: the index {brain_key!r} cannot be read ({why}); fit the dataset again, which "
            "fits nothing twice"
        ) from error
    if results is None or not getattr(results, "supports_prompts", False):
        prompts = samples.list_brain_runs(type="similarity", supports_prompts=True)
        hint = f"; indexes that understand text: {', '.join(prompts)}" if prompts else ""
        raise InputError(
            f"dataset {samples._root_dataset.name!r} has no text index {brain_key!r}: fit it first, with "
            f'fiftyone_latent_inr.fit_dataset or the operator "Fit Latent-INR" and with a teacher{hint}'
        )
    return results
