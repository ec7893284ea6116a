"""What a call has left: files by section, fields, index, record, and what belongs to nobody."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo
import numpy as np

from fiftyone_latent_inr import codec
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.video.decode import read

State = dict[str, Any]
# Of a record, what differs from run to run
_VOLATILE = {"updated", "seconds", "counts", "output_dir", "started", "cls"}
# Fields that hang on how many digits a file's seconds take
_ROUGH = ("_bpp", "_bytes", "_ratio")
# Where samples are; anything else in the database is looked after by FiftyOne or by us
_SAMPLES = ("samples.", "frames.", "clips.", "patches.")


def read_state(dataset: str, folder: Path, key: str) -> State:
    """Reads what is there after a call.

    Args:
        dataset: name of the dataset; empty for calls without one.
        folder: folder of the files that the call has made.
        key: key of the custom run that records it.
    """
    state: State = {"files": {_name(path, folder): _digest(path) for path in sorted(folder.rglob("*"))}}
    if dataset:
        samples = fo.load_dataset(dataset)
        state |= {"fields": _fields(samples, folder), "index": _index(samples), "record": _record(samples, key)}
        state["strays"] = strays()
    return state


def counts() -> dict[str, int]:
    """Documents by collection, samples and frames apart."""
    database = foo.get_db_conn()
    names = [name for name in database.list_collection_names() if not name.startswith((*_SAMPLES, "system."))]
    return {name: database[name].count_documents({}) for name in sorted(names)}


def strays() -> list[str]:
    """What of runs lies in the database and is of nobody."""
    return [f"{what} of nobody in {name}" for name, what, _ in _strays()]


def remove_strays() -> None:
    """Removes it, so that the next try does not find it."""
    for name, _, query in _strays():
        foo.get_db_conn()[name].delete_many(query)


def _strays() -> list[tuple[str, str, dict[str, Any]]]:
    """Collection, what it is, and a query for it."""
    database = foo.get_db_conn()
    owned: set[Any] = set()
    for document in database["datasets"].find({}):
        for field in ("runs", "brain_methods", "evaluations"):
            owned |= {getattr(one, "id", one) for one in (document.get(field) or {}).values()}
    found, results = [], set()
    for document in database["runs"].find({}):
        results.add(document.get("results"))
        if document["_id"] not in owned:
            found.append(("runs", f"run {document.get('key')}", {"_id": document["_id"]}))
    files = set(database["fs.files"].distinct("_id"))
    found += [("fs.files", "file", {"_id": file}) for file in files - results]
    chunks = set(database["fs.chunks"].distinct("files_id"))
    return found + [("fs.chunks", "chunks", {"files_id": file}) for file in chunks - files]


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder))


def _digest(path: Path) -> str:
    if path.is_dir():
        return "folder"
    if path.suffix == ".mp4":  # x264 makes other bytes of the same pictures
        frames = read(path).array
        return f"{frames.shape}, {round(float(frames.mean()))}"
    if path.suffix == ".linr":
        return linr_digest(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.suffix != ".json" else "text"


def linr_digest(path: Path) -> str:
    """Sixteen digits of all that a fitted file says, but for the seconds that it took."""
    source = codec.MemorySource(path.read_bytes())
    document, entries = codec.parse(source)
    document["metrics"].pop("seconds", None)
    found = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for entry in entries:
        found.update(f"{entry.kind} {entry.count} {entry.model} {entry.parent} ".encode())
        found.update(codec.read_section(source, entry))
    return found.hexdigest()[:16]


def _fields(dataset: fo.Dataset, folder: Path) -> State:
    names = sorted(name for name in dataset.get_field_schema() if name.startswith("latent_inr"))
    media = sorted(dataset.app_config.media_fields)
    found = {Path(s.filepath).name: {name: _value(s[name], folder) for name in names} for s in dataset}
    for values in found.values():
        values |= {name: "set" for name in values if name.endswith(_ROUGH) and values[name] is not None}
    return {**found, "media": {name: name for name in media}, "tags": {tag: tag for tag in dataset.distinct("tags")}}


def _value(value: Any, folder: Path) -> Any:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape} {hashlib.sha256(value.tobytes()).hexdigest()[:12]}"
    if isinstance(value, str) and value.startswith(f"{folder.parent}/"):
        return str(Path(value).relative_to(folder.parent))
    return value if value is None or isinstance(value, int | float | str) else repr(value)


def _index(dataset: fo.Dataset) -> dict[str, list[str]]:
    found = {}
    for key in dataset.list_brain_runs():
        query = dataset.first()["latent_inr"]
        names = dataset.sort_by_similarity(query, brain_key=key).values("filepath") if query is not None else []
        found[key] = [Path(name).name for name in names]
    return found


def _record(dataset: fo.Dataset, key: str) -> State:
    if key not in dataset.list_runs():
        return {"runs": dataset.list_runs()}
    config = runs.read_config(dataset, key) or {}
    names = dict(zip(*dataset.values(["id", "filepath"]), strict=True))
    outcomes = {
        Path(names.get(sample, sample)).name: "failed" if one["status"] == "failed" else "done"
        for sample, one in runs.read_outcomes(dataset, key).items()
    }
    numbers = config.get("counts") or {}
    kept = {name: _plain(value) for name, value in config.items() if name not in _VOLATILE}
    return {
        "runs": dataset.list_runs(),
        "outcomes": outcomes,
        "counted": sum(numbers.values()),
        "failed": numbers.get("failed"),
        **kept,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if name not in _VOLATILE}
    return value if value is None or isinstance(value, int | float | str | list) else repr(value)
