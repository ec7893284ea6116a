"""The state of a pretraining run in a file, so that the run goes on after a stop."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import InputError
from ..files import atomic_target
from .trainer import Pretraining

STATE_FILE = "pretrain.safetensors"
# At most so much work is lost where a process is killed.
STORE_SECONDS = 60.0


class RunState:
    """Keeps a run's state: in memory from each event on, in the file once a minute and whenever it is asked for.

    A run may be stopped in the middle of a step, and what it is then is of no use; what it was at its last event is.

    Args:
        path: file to store it in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: tuple[int, dict[str, Tensor], str] | None = None
        self._stored_step = 0
        self._due = time.monotonic() + STORE_SECONDS

    def load(self, run: Pretraining) -> dict[str, Any]:
        """Goes on with the run in the file, as `load_run`."""
        more = load_run(run, self.path)
        self._stored_step = run.step
        return more

    def hold(self, run: Pretraining, more: dict[str, Any]) -> None:
        """Takes a copy of a run between two steps, and stores it where that is due or the run is over.

        Args:
            run: run to go on with later.
            more: JSON-able facts, given back by `load_run`.

        Raises:
            InputError: the file cannot be written.
        """
        tensors, facts = run.state_dict()
        copies = {name: value.clone() for name, value in tensors.items()}
        self._held = run.step, copies, json.dumps({**facts, "more": more})
        if time.monotonic() >= self._due or run.step == run.steps:
            self.store()

    def store(self) -> int:
        """Stores what is held in one file, whole or not at all, unless it is there already.

        Returns:
            the step that the file goes on after; 0 where there is none.

        Raises:
            InputError: the file cannot be written.
        """
        if self._held is not None and self._held[0] != self._stored_step:
            step, tensors, facts = self._held
            with atomic_target(self.path) as temporary:
                # `save_file` makes a file of its own, that only its owner reads
                temporary.write_bytes(save(tensors, metadata={"run": facts}))
            self._stored_step = step
            self._due = time.monotonic() + STORE_SECONDS
        return self._stored_step


def load_run(run: Pretraining, path: Path) -> dict[str, Any]:
    """Goes on with a stored run.

    Raises:
        InputError: it is of other settings, or the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a dict
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); begin anew (resume=False)") from error
    run.load_state_dict(tensors, facts)
    more: dict[str, Any] = facts["more"]
    return more
