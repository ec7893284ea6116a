"""The state of a pretraining run in a file, so that the run goes on after a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import InputError
from ..files import atomic_target
from .trainer import Pretraining

STATE_FILE = "pretrain.safetensors"


def save_run(run: Pretraining, path: Path, more: dict[str, Any]) -> None:
    """Stores a run in one file, whole or not at all; `more` is JSON-able and given back by `load_run`."""
    tensors, facts = run.state_dict()
    with atomic_target(path) as temporary:
        # `save_file` makes a file of its own, that only its owner reads
        temporary.write_bytes(save(tensors, metadata={"run": json.dumps({**facts, "more": more})}))


def load_run(run: Pretraining, path: Path) -> dict[str, Any]:
    """Goes on with a stored run.

    Raises:
        InputError: it is of other settings, or the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a dict
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); begin anew (resume=False)") from error
    run.load_state_dict(tensors, facts)
    more: dict[str, Any] = facts["more"]
    return more
