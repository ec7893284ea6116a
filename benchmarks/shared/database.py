"""A folder in, a MongoDB of one's own in it while a block runs out."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_database(folder: Path) -> Iterator[dict[str, str]]:
    """Starts one, apart from whatever database another FiftyOne of this user has started.

    Args:
        folder: where it keeps its files, and FiftyOne its own.

    Yields:
        variables of the environment, for processes that import FiftyOne.

    Raises:
        FileNotFoundError: there is no MongoDB.
    """
    spec = importlib.util.find_spec("fiftyone")  # finds it without importing it
    bundled = Path(spec.origin).parent / "db" / "bin" / "mongod" if spec and spec.origin else Path("mongod")
    binary = str(bundled) if bundled.is_file() else shutil.which("mongod")
    if binary is None:
        raise FileNotFoundError("there is no MongoDB; `make setup` installs one")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "mongo").mkdir(parents=True, exist_ok=True)
    command = [binary, "--dbpath", str(folder / "mongo"), "--port", str(port), "--bind_ip", "127.0.0.1", "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield {
            **os.environ,
            "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{port}",
            "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "datasets"),
            "FIFTYONE_MODEL_ZOO_DIR": str(folder / "zoo"),
            "FIFTYONE_DATABASE_VALIDATION": "false",
            "FIFTYONE_DO_NOT_TRACK": "true",
            "FIFTYONE_SHOW_PROGRESS_BARS": "false",
            "OMP_NUM_THREADS": "1",
        }
    finally:
        server.terminate()
        server.wait(30)
