"""The house keeps its rules: floors, no circles, no private doors, short argument lists, few rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAME = "fiftyone_latent_inr"
PACKAGE = ROOT / NAME

# From the top: each imports only from those below it, and from the modules in the package's root, which are the ground.
FLOORS = (
    *("operators", "cli", "demo", "datasets", "encoding", "pretraining", "latent_video", "small_world"),
    *("fitting", "rendering", "video", "priors", "semantics", "frames", "codec", "model"),
)
MOST_LINES, MOST_ROOMS = 400, 30
MOST_ARGUMENTS, MOST_BY_FAR, MOST_LONG_LISTS = 8, 10, 12
# Public calls of the contract, whose arguments are keyword-only and said once, and kernels that a compiler reads.
# `linr.pretrain` and `linr.refine` stand for files and for datasets.
CONTRACT = {"fit", "fit_rates", "fit_many", "fit_dataset", "pretrain", "pretrain_dataset"}
CONTRACT |= {"refine_video", "refine_dataset"}
KERNELS = {"rendering.triton_kernel"}


@dataclass(frozen=True)
class Import:
    """One import statement's target: a module, and the name taken from it; `typing_only` is for annotations alone."""

    module: str
    name: str | None
    typing_only: bool


def modules() -> dict[str, Path]:
    """Every module by its dotted name inside the package, operators and the zoo source as its packages."""
    found = {}
    for root, prefix in ((PACKAGE, ""), (ROOT / "operators", "operators"), (ROOT / "hub_models", "hub_models")):
        for path in sorted(root.rglob("*.py")):
            parts = [*([prefix] if prefix else []), *path.relative_to(root).with_suffix("").parts]
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(name: str, path: Path) -> Iterator[Import]:
    """What a module imports from the package, wherever in it the import stands."""
    inside = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    inside = [part for part in inside if part]
    tree = tree_of(path)
    guarded = {
        node for block in ast.walk(tree) if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == NAME:
                    yield Import(alias.name[len(NAME) + 1 :], None, node in guarded)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = inside[: len(inside) - node.level + 1] + (node.module.split(".") if node.module else [])
            elif node.module and node.module.split(".")[0] == NAME:
                base = node.module.split(".")[1:]
            else:
                continue
            for alias in node.names:
                yield Import(".".join(base), alias.name, node in guarded)


def targets(name: str, path: Path) -> Iterator[tuple[str, bool]]:
    """The modules that a module imports."""
    known = modules()
    for one in imports(name, path):
        inner = f"{one.module}.{one.name}".strip(".")
        yield (inner if inner in known else one.module), one.typing_only


def room(name: str) -> str:
    """The package, or the module in the root, that a module is in."""
    return name.partition(".")[0]


def test_every_package_has_its_floor() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {"operators"}
    assert packages == set(FLOORS)


def test_imports_only_go_down() -> None:
    height = {name: len(FLOORS) - k for k, name in enumerate(FLOORS)}
    upward = [
        f"{name} imports {other}"
        for name, path in modules().items()
        for other, _ in targets(name, path)
        if room(name) not in ("", "__main__", "hub_models", room(other))
        # modules in the root are the ground: they stand on no package
        and height.get(room(other), 0) >= max(height.get(room(name), 0), 1)
    ]
    assert not upward, "\n".join(upward)


def test_there_is_no_circle_inside_a_package_either() -> None:
    graph = {
        name: {other for other, typing_only in targets(name, path) if other != name and not typing_only}
        for name, path in modules().items()
    }
    assert circle(graph) is None


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    """Modules that import each other in a ring, or None."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str] | None:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return None
        for other in sorted(graph.get(name, ())):
            found = visit(other, [*way, name])
            if found:
                return found
        done.add(name)
        return None

    return next((found for name in graph if (found := visit(name, []))), None)


def test_the_checks_see_what_they_look_for(tmp_path: Path) -> None:
    path = tmp_path / "container.py"
    path.write_text(
        "from ..datasets.fit import fit_dataset\nfrom .. import video\nfrom . import grids\n"
        "if TYPE_CHECKING:\n    from ..priors.prior import _Prior\ndef f():\n    from ..model.inr import LatentINR\n"
    )
    found = list(imports("codec.container", path))
    assert [(one.module, one.name, one.typing_only) for one in found] == [
        ("datasets.fit", "fit_dataset", False),
        ("", "video", False),
        ("codec", "grids", False),
        ("priors.prior", "_Prior", True),
        ("model.inr", "LatentINR", False),
    ]
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"] and circle({"a": {"b"}, "b": set()}) is None
    (call,) = argument_lists(ast.parse("class A:\n    def f(self, a, /, b, *c, d, **e): ..."))
    assert call == ("A.f", 5)


def test_no_private_name_is_imported_across_packages() -> None:
    known = modules()
    checked = {**known, **{f"benchmarks.{p.stem}": p for p in (ROOT / "benchmarks").rglob("*.py")}}
    found = [
        f"{name} imports {one.name} from {one.module}"
        for name, path in checked.items()
        for one in imports(name, path)
        if one.name and one.name.startswith("_") and not one.name.startswith("__") and room(one.module) != room(name)
    ]
    assert not found, "\n".join(found)


def argument_lists(tree: ast.Module, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Every function's name and number of arguments, its own object not counted."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                a = child.args
                names = [*a.posonlyargs, *a.args, *a.kwonlyargs]
                own = isinstance(node, ast.ClassDef) and bool(names) and names[0].arg in ("self", "cls")
                yield f"{prefix}{child.name}", len(names) - own + bool(a.vararg) + bool(a.kwarg)
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    return walk(tree, prefix)


def test_argument_lists_are_short() -> None:
    long = {
        f"{name}: {function}": count
        for name, path in modules().items()
        if name not in KERNELS
        for function, count in argument_lists(tree_of(path))
        if count > MOST_ARGUMENTS and function not in CONTRACT
    }
    assert not {name: count for name, count in long.items() if count > MOST_BY_FAR}
    assert len(long) <= MOST_LONG_LISTS, long


def test_public_calls_take_keywords() -> None:
    seen = set()
    for path in modules().values():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef) and node.name in CONTRACT and len(node.args.kwonlyargs) > 2:
                seen.add(node.name)
                assert len(node.args.args) == 1, (path.name, node.name)
    assert seen == CONTRACT


def test_rooms_are_few_and_modules_fit_a_sitting() -> None:
    names = modules()
    assert len({room(name) for name in names if room(name)} - {"operators", "hub_models"}) <= MOST_ROOMS
    code = [*names.values(), *(p for part in ("benchmarks", "training") for p in (ROOT / part).rglob("*.py"))]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in code}
    assert not {name: count for name, count in lengths.items() if count > MOST_LINES}


@pytest.mark.parametrize(
    ("library", "users"),
    [
        ("fiftyone", {"datasets", "demo", "operators", "hub_models"}),
        ("av", {"video"}),
        ("open_clip", {"semantics", "hub_models"}),
    ],
)
def test_a_library_has_its_rooms(library: str, users: set[str]) -> None:
    found = set()
    for name, path in modules().items():
        for node in ast.walk(tree_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(one.split(".")[0] == library for one in names):
                found.add(room(name))
    assert found <= users


def test_every_package_says_what_comes_in_and_what_goes_out() -> None:
    for name, path in modules().items():
        first = (ast.get_docstring(tree_of(path)) or "").split("\n")[0]
        assert first.endswith((".", ":")), f"{name}: {first!r}"
        if path.name == "__init__.py" and path.parent.parent == PACKAGE:
            assert " in" in first and " out" in first, f"{name}: {first!r}"
