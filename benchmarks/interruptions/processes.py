"""Calls in processes of their own, which begin at once: they are forked from one that has imported everything.

That one has used neither torch nor MongoDB, so that no thread and no connection is shared.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_PRELOADED = "benchmarks.interruptions.calls"
_PATIENCE = 300.0  # seconds: many times what a call takes on a busy machine


@dataclass
class Running:
    """A call in a process.

    Attributes:
        process: the process.
        log: what it says.
        result: where its result goes.
    """

    process: Any
    log: Path
    result: Path

    @property
    def pid(self) -> int:
        """The number of the process."""
        number: int = self.process.pid
        return number

    def wait(self, seconds: float = _PATIENCE) -> Ended:
        """Waits for its end; a process that does not end is killed, and that is told as its error."""
        self.process.join(seconds)
        stuck = self.process.is_alive()
        if stuck:
            os.kill(self.pid, signal.SIGKILL)
            self.process.join()
        found = json.loads(self.result.read_text(encoding="utf-8")) if self.result.exists() else {}
        error = f"still running after {seconds:.0f} s" if stuck else found.get("error")
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return Ended(self.process.exitcode, found.get("value"), error, text)


@dataclass(frozen=True)
class Ended:
    """What became of a call.

    Attributes:
        status: exit status of the process, or minus the number of the signal that ended it.
        value: what the call gave.
        error: its exception as `type: text`, or None.
        said: everything that it wrote to its streams.
    """

    status: int | None
    value: Any
    error: str | None
    said: str


def context() -> ForkServerContext:
    """Processes for `start`; the environment is that of the first one's time."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # it looks for the module to load where it is started, and starts in silence without it
    paths = [str(_ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([_PRELOADED])
    return found


def start(function: str, *args: Any, folder: Path, name: str) -> Running:
    """Calls a function of `calls` in a new process.

    Args:
        function: its name; what it gives must be JSON-able.
        *args: its arguments.
        folder: folder for what the process says and gives.
        name: what both files are called.
    """
    log, result = folder / f"{name}.log", folder / f"{name}.json"
    process = context().Process(target=_enter, args=(function, args, log, result), daemon=True)
    process.start()
    return Running(process, log, result)


def _enter(function: str, args: tuple[Any, ...], log: Path, result: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    found: dict[str, Any] = {}
    status = 0
    try:
        found["value"] = getattr(importlib.import_module(_PRELOADED), function)(*args)
    except BaseException as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        traceback.print_exc()
        found["error"], status = f"{type(error).__name__}: {error}", 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    temporary = result.with_suffix(".tmp")
    temporary.write_text(json.dumps(found), encoding="utf-8")
    temporary.rename(result)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
