"""What the benchmarks share: where clips and records lie, the machine in words, plain tables."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import fiftyone_latent_inr

RESULTS = Path(__file__).resolve().parents[1] / "results"
# Full-length clips are not part of the project; elsewhere name their directory.
CLIPS = Path(os.environ.get("LATENT_INR_CLIPS", Path(__file__).resolve().parents[3] / "shared" / "clips"))


# What figures of fitted files depend on: all that makes, stores and draws them.
FIT_CODE = (
    *("encoding", "latent_video", "fitting", "rendering", "video"),
    *("priors", "semantics", "frames", "codec", "model"),
)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "version": fiftyone_latent_inr.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def write_record(name: str, record: dict[str, Any]) -> Path:
    """Writes `results/<name>.json`: the record and the machine."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps({"machine": machine(), **record}, indent=1)
    # One row a line. A line break in JSON never stands inside a string, so that this changes white space alone.
    text = re.sub(r"\{[^{}]*\}", lambda row: re.sub(r"\n *", " ", row[0]), text)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"written: {path.relative_to(RESULTS.parents[1])}", flush=True)
    return path


def read_record(name: str) -> dict[str, Any]:
    """The record of that name as it was last written, or an empty one."""
    path = RESULTS / f"{name}.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return record


def code_digest(*parts: str) -> str:
    """Twelve hexadecimal digits of what packages define: a figure of the same digest need not be measured again.

    Code that only moves keeps its digest: neither where a definition stands counts, nor do imports, the names that a
    package's `__init__` lists, comments and docstrings.

    Args:
        parts: names of packages or modules in the package's folder, or paths from there.

    Raises:
        FileNotFoundError: a part is not there.
    """
    package = Path(fiftyone_latent_inr.__file__).parent
    definitions: set[str] = set()
    for part in parts:
        root = package / part
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            if path.name == "__init__.py":
                continue
            tree = _Bare().visit(ast.parse(path.read_text(encoding="utf-8")))
            definitions |= {ast.dump(statement) for statement in tree.body}
    return hashlib.sha256("\n".join(sorted(definitions)).encode()).hexdigest()[:12]


class _Bare(ast.NodeTransformer):
    """Leaves out docstrings, imports, and blocks of which nothing else is left."""

    def generic_visit(self, node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            return None
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        super().generic_visit(node)
        return None if isinstance(node, ast.If) and not node.body and not node.orelse else node


def keep(rows: list[dict[str, object]], row: dict[str, object], keys: Sequence[str]) -> None:
    """Puts a row in the place of the one with the same keys, or at the end, and prints it."""
    show_table([row])
    for k, old in enumerate(rows):
        if all(old.get(key) == row.get(key) for key in keys):
            rows[k] = row
            return
    rows.append(row)


def show_table(rows: Sequence[dict[str, object]]) -> None:
    """Prints rows as a table in columns; a row may lack some."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *([str(row.get(key, "")) for key in columns] for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(columns))]
    for line in cells if rows else []:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip(), flush=True)


def signed(value: float | None, unit: str, digits: int = 1) -> str:
    """+1.2 dB, -34 %, or a dash where there is no value."""
    return "–" if value is None else f"{value:+.{digits}f}{unit}"


def title(clip: str) -> str:
    """A clip's name as people read it: `dog_catch_720p` is `dog catch`."""
    words = [word for word in clip.split("_") if not any(letter.isdigit() for letter in word)]
    return " ".join(word for word in words if word not in ("cif", "qcif"))


def insert(document: str, table: str, begin: str, end: str) -> str:
    """A document with what stands between two marks replaced by the table."""
    before, rest = document.split(begin, 1)
    after = rest.split(end, 1)[1]
    return f"{before}{begin}\n{table}\n{end}{after}"
