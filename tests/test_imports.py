"""Importing stays cheap, and brings along what it must alone; who may import whom is `test_house`'s matter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fiftyone_latent_inr

ROOT = Path(__file__).resolve().parents[1]


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_is_cheap() -> None:
    code = "import time; t = time.process_time(); import fiftyone_latent_inr; print(time.process_time() - t)"
    assert min(float(run(code)) for _ in range(3)) < 0.3


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("fiftyone_latent_inr", "torch numpy fiftyone open_clip av"),
        ("fiftyone_latent_inr.cli.main", "torch numpy fiftyone open_clip av"),
        ("fiftyone_latent_inr.codec", "torch fiftyone open_clip av"),
        ("fiftyone_latent_inr.model", "fiftyone open_clip av"),
        ("fiftyone_latent_inr.frames.cuts", "torch fiftyone cv2 open_clip av"),
        ("fiftyone_latent_inr.encoding.fit", "fiftyone cv2 open_clip av"),
        ("fiftyone_latent_inr.priors.prior", "fiftyone open_clip av"),
        ("fiftyone_latent_inr.pretraining.trainer", "fiftyone open_clip av"),
        ("fiftyone_latent_inr.pretraining.pretrain", "fiftyone cv2 open_clip av"),
        ("fiftyone_latent_inr.small_world.clips", "torch fiftyone open_clip av"),
    ],
)
def test_what_an_import_brings_along(module: str, forbidden: str) -> None:
    names = set(forbidden.split())
    assert run(f"import sys, {module}; print(sorted({names!r} & set(sys.modules)))") == "[]"


def test_each_public_name_resolves() -> None:
    out = run(
        "import fiftyone_latent_inr as linr\n"
        "names = [n for n in linr.__all__ if not linr._PUBLIC.get(n, '').startswith('datasets.')]\n"
        "print([n for n in names if getattr(linr, n) is None])"
    )
    assert out == "[]"


def test_type_checkers_are_told_the_same_names() -> None:
    tree = ast.parse((ROOT / "fiftyone_latent_inr" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {(node.module, node.names[0].asname) for node in block.body if isinstance(node, ast.ImportFrom)}
    assert told == {(module, name) for name, module in fiftyone_latent_inr._PUBLIC.items()}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = fiftyone_latent_inr.no_such_name
