"""Snippets of Python in documents: they compile, their names and arguments exist, and the README's run."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import shutil
import sys
import types
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, Block, blocks

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.resources import bundled_clips

SNIPPETS = blocks("python")


@dataclass(frozen=True)
class Instance:
    """A value that is known by its class alone."""

    of: type


def test_there_are_snippets() -> None:
    assert {"README.md", "docs/python.md", "docs/priors.md"} <= {block.page for block in SNIPPETS}


@pytest.mark.parametrize("block", SNIPPETS, ids=str)
def test_a_snippet_says_what_there_is(block: Block) -> None:
    assert problems(block.text) == []


def test_the_check_sees_what_is_wrong() -> None:
    begin = "import fiftyone_latent_inr as linr\n"
    assert problems(f"{begin}linr.fitt('a.mp4')") == ["linr.fitt: there is no such name"]
    assert problems(f"{begin}linr.fit('a.mp4', presett='fast')") == ["linr.fit has no argument presett"]
    assert problems(f"{begin}linr.fit('a.mp4', 'fast')") == ["linr.fit takes 1 arguments by place"]
    assert problems(f"{begin}v = linr.load('a.linr')\nv.draw()\nv.render(scale=2)") == [
        "v.draw: there is no such name",
        "v.render has no argument scale",
    ]
    assert problems("from fiftyone_latent_inr import nothing") == ["fiftyone_latent_inr.nothing: there is no such name"]
    assert problems("print(video)") == ["video is used before it is made"]


def problems(source: str) -> list[str]:
    """What a snippet says that is not so, in the order of its lines."""
    tree = ast.parse(source)
    known: dict[str, Any] = {}
    made = set(dir(builtins)) | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    found = []
    for node in ordered(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += take_imports(node, known)
        elif isinstance(node, ast.FunctionDef):
            made |= {node.name, *(argument.arg for argument in node.args.args)}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in made | set(known):
            found.append(f"{node.id} is used before it is made")
        elif isinstance(node, ast.Attribute):
            owner = value(node.value, known)
            if owner is not None and attribute(owner, node.attr) is AttributeError:
                found.append(f"{ast.unparse(node)}: there is no such name")
        elif isinstance(node, ast.Call):
            found += call_problems(node, value(node.func, known))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            known[node.targets[0].id] = value(node.value, known)
    return found


def ordered(tree: ast.AST) -> list[ast.AST]:
    """Nodes by line; in a line, what is assigned last."""
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    return sorted(nodes, key=lambda node: (node.lineno, isinstance(node, ast.Assign), node.col_offset))


def take_imports(node: ast.Import | ast.ImportFrom, known: dict[str, Any]) -> list[str]:
    found = []
    for alias in node.names:
        if isinstance(node, ast.Import):
            module = importlib.import_module(alias.name)
            first = alias.name.split(".")[0]
            known[alias.asname or first] = module if alias.asname else sys.modules[first]
        else:
            module = importlib.import_module(node.module or "")
            if not hasattr(module, alias.name):
                found.append(f"{node.module}.{alias.name}: there is no such name")
            known[alias.asname or alias.name] = getattr(module, alias.name, None)
    return found


def value(node: ast.expr, known: dict[str, Any]) -> Any:
    """What an expression is, as far as that can be told without running it; None where it cannot."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = value(node.value, known)
        found = None if owner is None else attribute(owner, node.attr)
        return None if found is AttributeError else found
    if isinstance(node, ast.Call):
        called = value(node.func, known)
        if isinstance(called, type):
            return Instance(called)
        wanted = getattr(called, "__annotations__", {}).get("return")
        known_class = getattr(linr, wanted, None) if isinstance(wanted, str) and wanted in linr.__all__ else None
        return Instance(known_class) if isinstance(known_class, type) else None
    return None


def attribute(owner: Any, name: str) -> Any:
    """An attribute of a module, a class or an instance; None if it is not known, AttributeError if there is none."""
    if isinstance(owner, Instance):
        if hasattr(owner.of, name):
            return getattr(owner.of, name) if callable(getattr(owner.of, name)) else None
        fields = any(name in getattr(base, "__annotations__", {}) for base in owner.of.__mro__)
        return None if fields or f"self.{name}" in inspect.getsource(owner.of) else AttributeError
    if isinstance(owner, types.ModuleType | type):
        return getattr(owner, name, AttributeError)
    return None


def call_problems(node: ast.Call, called: Any) -> list[str]:
    if called is None or not getattr(called, "__module__", "").startswith(linr.__name__):
        return []
    parameters = list(inspect.signature(called).parameters.values())
    if isinstance(node.func, ast.Attribute) and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return []
    names = {parameter.name for parameter in parameters}
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    name = ast.unparse(node.func)
    found = [f"{name} has no argument {one.arg}" for one in node.keywords if one.arg and one.arg not in names]
    if len(node.args) > len(places):
        found.append(f"{name} takes {len(places)} arguments by place")
    return found


@pytest.mark.parametrize("page", [ROOT / "docs" / "reference.md"])
def test_the_reference_has_every_public_name(page: Path) -> None:
    shown = re.findall(rf"^::: {linr.__name__}\.(\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(set(linr.__all__) - {"__version__"})


def test_modules_that_moved_are_where_the_page_says() -> None:
    text = (ROOT / "docs" / "moved.md").read_text(encoding="utf-8")
    rows = [re.findall(r"`([\w.]+)`", line) for line in text.splitlines() if line.startswith("| `")]
    package = ROOT / linr.__name__
    for _, now, *names in rows:
        path = reduce(Path.joinpath, now.split("."), package)
        source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
        assert all(re.search(rf"^(def |class )?{name}\b", source, re.MULTILINE) for name in names), (now, names)


def test_the_lines_of_the_readme_run(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import fiftyone as fo

    (tmp_path / "clips").mkdir()
    shutil.copy(bundled_clips()[0], tmp_path / "clip.mp4")
    shutil.copy(bundled_clips()[0], tmp_path / "clips")
    monkeypatch.chdir(tmp_path)
    short = {"config": tiny, "size": (36, 64), "max_frames": 4, "device": "cpu", "progress": False}
    monkeypatch.setattr(linr, "fit", partial(linr.fit, prior="none", **short))
    monkeypatch.setattr(linr, "fit_dataset", partial(linr.fit_dataset, prior="none", output_dir=tmp_path, **short))
    monkeypatch.setattr(linr, "super_resolve", partial(linr.super_resolve, progress=False))
    (block,) = (block for block in SNIPPETS if block.page == "README.md")
    names: dict[str, Any] = {}
    try:
        exec(compile(block.text, "README.md", "exec"), names)
        assert names["frames"].shape == (3, 360, 640, 3)
        assert names["dataset"].first()["latent_inr_x2"].endswith(".mp4")
        said = capsys.readouterr().out
        assert "1 fitted" in said and "bunny.mp4" in said and "1 drawn" in said
    finally:
        if "clips" in fo.list_datasets():
            fo.delete_dataset("clips")
