"""A folder in, a MongoDB of one's own in it while a block runs out."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Server:
    """A MongoDB, apart from whatever database another FiftyOne of this user has started.

    Args:
        folder: where it keeps its files, and FiftyOne its own.

    Raises:
        FileNotFoundError: there is no MongoDB.
    """

    def __init__(self, folder: Path) -> None:
        spec = importlib.util.find_spec("fiftyone")  # finds it without importing it
        bundled = Path(spec.origin).parent / "db" / "bin" / "mongod" if spec and spec.origin else Path("mongod")
        binary = str(bundled) if bundled.is_file() else shutil.which("mongod")
        if binary is None:
            raise FileNotFoundError("there is no MongoDB; `make setup` installs one")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._folder = folder
        self._command = [binary, "--dbpath", str(folder / "mongo"), "--port", str(port), "--bind_ip", "127.0.0.1"]
        self.address = f"mongodb://127.0.0.1:{port}"
        (folder / "mongo").mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Starts it, again after `kill`; it is not waited for: clients do."""
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([*self._command, "--quiet"], stdout=quiet, stderr=quiet)

    def pause(self) -> None:
        """From now on it does not answer."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """From now on it answers again."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(30)

    def environment(self) -> dict[str, str]:
        """Variables of the environment, for processes that import FiftyOne."""
        return {
            **os.environ,
            "FIFTYONE_DATABASE_URI": self.address,
            "FIFTYONE_DEFAULT_DATASET_DIR": str(self._folder / "datasets"),
            "FIFTYONE_MODEL_ZOO_DIR": str(self._folder / "zoo"),
            "FIFTYONE_DATABASE_VALIDATION": "false",
            "FIFTYONE_DO_NOT_TRACK": "true",
            "FIFTYONE_SHOW_PROGRESS_BARS": "false",
            "OMP_NUM_THREADS": "1",
        }


@contextmanager
def own_server(folder: Path) -> Iterator[Server]:
    """Starts one, see `Server`, and ends it."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def own_database(folder: Path) -> Iterator[dict[str, str]]:
    """Starts one, see `Server`, and ends it; yields its `environment`."""
    with own_server(folder) as server:
        yield server.environment()
