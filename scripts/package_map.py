"""Writes the map of packages into README.md and docs/architecture.md, from the packages' and modules' first lines.

    python scripts/package_map.py

A package's floor follows from what it imports: each stands above all that it imports from. Standard library alone.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "fiftyone_latent_inr"
MARKS = "<!-- packages: begin -->", "<!-- packages: end -->"


def first_words(path: Path) -> str:
    """What a module says first, or a dash: of a package the first paragraph, of another module a sentence."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "–"
    paragraph = " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")
    return paragraph if path.name == "__init__.py" else re.split(r"(?<=[.!?])\s", paragraph)[0]


def units(root: Path) -> dict[str, list[Path]]:
    """Package, or module of the ground floor -> its files."""
    found: dict[str, list[Path]] = {}
    for path in sorted((root / NAME).rglob("*.py")):
        unit = path.relative_to(root / NAME).parts[0].removesuffix(".py")
        if not unit.startswith("__"):
            found.setdefault(unit, []).append(path)
    return {**found, "operators": sorted((root / "operators").glob("*.py"))}


def imported(path: Path, root: Path) -> set[str]:
    """The units that a file imports, wherever in it the import stands."""
    inside = path.relative_to(root).parts[:-1]
    names: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else ()
            parts = (*base, *(node.module.split(".") if node.module else ()))
            names |= {(*parts, alias.name) for alias in node.names}
    return {parts[1] for parts in names if parts[0] == NAME and len(parts) > 1}


def floors(root: Path) -> list[list[str]]:
    """Packages and modules, the top floor first.

    Raises:
        SystemExit: some import each other in a circle.
    """
    files = units(root)
    needs = {unit: {n for p in paths for n in imported(p, root)} & set(files) - {unit} for unit, paths in files.items()}
    built: list[list[str]] = []
    while needs:
        ready = sorted(unit for unit, others in needs.items() if not others & set(needs))
        if not ready:
            raise SystemExit(f"these import each other in a circle, or stand above one: {', '.join(sorted(needs))}")
        built.append(ready)
        needs = {unit: others for unit, others in needs.items() if unit not in ready}
    return built[::-1]


def summary(root: Path, link: str) -> str:
    """A line a package, the top floor first.

    Args:
        root: the checkout.
        link: what stands before the anchor of a package's part of the whole map.
    """
    files, lines = units(root), ["| package | what comes in, what goes out |", "| --- | --- |"]
    ground = []
    for unit in (unit for floor in floors(root) for unit in floor):
        if files[unit][0].name == "__init__.py":
            lines.append(f"| [`{unit}/`]({link}#{unit}) | {first_words(files[unit][0])} |")
        else:
            ground.append(f"`{unit}`")
    return "\n".join([*lines, f"| [the ground]({link}#ground) | {', '.join(sorted(ground))} |"])


def whole(root: Path) -> str:
    """Each package with its modules, the top floor first."""
    files, parts = units(root), []
    table = ["", "| module | what it is |", "| --- | --- |"]
    ground = ["### Ground", "", "Modules that everything may import.", *table]
    for unit in (unit for floor in floors(root) for unit in floor):
        head, *modules = files[unit]
        if head.name != "__init__.py":
            ground.append(f"| `{unit}.py` | {first_words(head)} |")
            continue
        rows = [f"| `{path.relative_to(head.parent)}` | {first_words(path)} |" for path in modules if wanted(path)]
        title = f"### `{unit}/`"
        parts.append("\n".join([title, "", first_words(head), *table, *rows]))
    return "\n\n".join([*parts, "\n".join(ground)])


def wanted(path: Path) -> bool:
    """Whether a file is a module, or a package within a package that says something."""
    return path.name != "__init__.py" or first_words(path) != "–"


def documents(root: Path) -> dict[Path, str]:
    """Document -> what stands between its marks."""
    return {
        root / "README.md": summary(root, "docs/architecture.md"),
        root / "docs" / "architecture.md": whole(root),
    }


def insert(text: str, table: str, marks: tuple[str, str]) -> str:
    """A document with what stands between two marks replaced."""
    before, rest = text.split(marks[0], 1)
    return f"{before}{marks[0]}\n{table}\n{marks[1]}{rest.split(marks[1], 1)[1]}"


def main() -> None:
    for path, table in documents(ROOT).items():
        text = path.read_text(encoding="utf-8")
        renewed = insert(text, table, MARKS)
        if renewed != text:
            path.write_text(renewed, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: map of packages renewed")


if __name__ == "__main__":
    main()
