"""Whether a similarity backend can be used: known before the first fit, as an index is built after the last."""

from __future__ import annotations

import difflib
import importlib
import inspect
import socket
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np

from ...errors import InputError
from ..words import brief

# What an index is of, which configurations of backends take, too
_OURS = ("embeddings_field", "supports_prompts")
# Seconds that a server has to answer
_PATIENCE = 3.0
_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379, "postgres": 5432, "postgresql": 5432}


def check_backend(dataset: fo.Dataset, key: str, backend: str | None, options: dict[str, Any] | None) -> None:
    """Refuses a backend that FiftyOne does not know, whose package is missing or whose server does not answer.

    Args:
        dataset: the dataset.
        key: brain key of the index, whose backend is kept where none is named.
        backend: name of the backend, or None.
        options: keyword arguments of the backend, or None.

    Raises:
        InputError: says what is wrong with it, and which there are or what to install.
    """
    config = _named(backend, options or {}) if backend is not None or options not in (None, {}) else None
    if config is None:
        if key not in dataset.list_brain_runs():
            return
        config = dataset.get_brain_info(key).config
    try:
        config.build().ensure_requirements()
        config.load_credentials()
        if config.method == "sklearn":  # which learns of a metric that there is not when it is searched
            distances = importlib.import_module("sklearn.metrics").pairwise_distances
            distances(np.random.default_rng(0).random((8, 2)), metric=config.metric)
    except Exception as error:
        raise InputError(f"backend {config.method!r} cannot be used here: {brief(error)}") from error
    for host, port in _servers(config):
        _try(config.method, host, port)


def _named(backend: str | None, options: dict[str, Any]) -> Any:
    known = fob.brain_config.similarity_backends
    if not isinstance(options, Mapping):
        raise InputError(f"backend_options must be a dict of the backend's options, not {type(options).__name__}")
    taken = sorted({*inspect.signature(fob.compute_similarity).parameters, *_OURS}.intersection(options) - {"progress"})
    if taken:
        raise InputError(f"backend_options {taken}: fit_dataset itself says what is indexed, and how; leave them out")
    name = "sklearn" if backend is None else backend
    if not isinstance(name, str) or name not in known:
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(f"unknown backend {name!r}: {hint}FiftyOne knows {', '.join(sorted(known))}")
    settings = {"metric": "cosine", **known[name], **options}
    try:
        kind = settings.pop("config_cls")
        if isinstance(kind, str):
            module, _, kind = kind.rpartition(".")
            kind = getattr(importlib.import_module(module), kind)
        return kind(**settings)
    except Exception as error:
        # the names alone: values may be passwords
        raise InputError(f"backend {name!r} does not take backend_options {sorted(options)}: {brief(error)}") from error


def _servers(config: Any) -> Iterator[tuple[str, int]]:
    """Addresses that a configuration names; of a file in place of a server, none."""
    found = [getattr(config, name, None) for name in ("url", "uri", "connection_string", "hosts")]
    for address in [part for one in found for part in (one if isinstance(one, list | tuple) else [one])]:
        try:
            parts = urlsplit(address if isinstance(address, str) else "")
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            continue
        if parts.hostname and port:
            yield parts.hostname, port
    host, port = getattr(config, "host", None), getattr(config, "port", None)
    if isinstance(host, str) and isinstance(port, int):
        yield host, port


def _try(backend: str, host: str, port: int) -> None:
    if urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return  # its client may reach it where a plain connection cannot
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except OSError as error:
        raise InputError(
            f"backend {backend!r}: its server at {host}:{port} does not answer ({brief(error)}); start it, or give "
            "the right address in backend_options"
        ) from error
