"""Importing stays cheap, and imports only go down the house's floors."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fiftyone_latent_inr"

# From the ground up: each imports only from those before it. A new module takes its place here.
FLOORS = [
    *("errors", "progress", "files", "resources", "rendering"),
    *("devices", "model", "metrics", "pixels", "resize", "cuts", "groups", "motion", "drawing"),
    *("hub", "prior_files", "prior_source", "prior_card", "prior", "prior_reference"),
    *("video_reader", "video_audio", "video_writer", "video"),
    *("codec", "shape_geometry", "shapes", "sections", "stored", "latent_video"),
    *("fitting", "semantics", "footage", "scan", "checkpoint", "fit_parts", "long_fit", "encode"),
    *("many_videos", "many_fit", "compare", "window_pool", "prior_training"),
    *("datasets", "demo", "cli_arguments", "cli_encode", "cli_pretrain", "cli", "__main__", "operators"),
]


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


def test_an_unknown_name_is_an_attribute_error() -> None:
    import fiftyone_latent_inr

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = fiftyone_latent_inr.no_such_name


def sources() -> list[tuple[str, Path]]:
    """(unit, file) of every module; a unit is a module or a subpackage of the package, or `operators`."""
    found = [(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path) for path in sorted(PACKAGE.rglob("*.py"))]
    found += [("operators", path) for path in sorted((ROOT / "operators").glob("*.py"))]
    return [(unit, path) for unit, path in found if unit != "__init__"]


def imported_units(unit: str, path: Path) -> set[str]:
    """The units of the package that a module imports, wherever in it the import stands."""
    units: set[str] = set()
    inside = path.relative_to(PACKAGE).parts[:-1] if unit != "operators" else ()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            units |= {parts[1] for parts in names if parts[0] == "fiftyone_latent_inr" and len(parts) > 1}
        elif isinstance(node, ast.ImportFrom):
            if node.level and unit == "operators":
                continue  # among themselves
            base = list(inside[: len(inside) - node.level + 1]) if node.level else []
            parts = base + (node.module.split(".") if node.module else [])
            if not node.level:
                if parts[0] != "fiftyone_latent_inr":
                    continue
                parts = parts[1:]
            names_here = [parts[0]] if parts else [alias.name for alias in node.names]
            units |= {name for name in names_here if name in FLOORS or (PACKAGE / name).exists()}
    return units - {unit}


def test_every_module_has_its_floor() -> None:
    units = {unit for unit, _ in sources()}
    assert units <= set(FLOORS), f"give them a floor: {sorted(units - set(FLOORS))}"


def test_imports_only_go_down() -> None:
    height = {unit: k for k, unit in enumerate(FLOORS)}
    upward = [
        f"{path.relative_to(ROOT)} imports {other}"
        for unit, path in sources()
        for other in sorted(imported_units(unit, path))
        if height.get(other, len(FLOORS)) >= height.get(unit, -1)
    ]
    assert not upward, "\n".join(upward)


def test_the_check_of_floors_sees_an_upward_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / "codec" / "container.py"
    path.parent.mkdir()
    path.write_text("from ..datasets.fit import fit_dataset\nfrom .. import video\nfrom . import entropy\n")
    assert imported_units("codec", path) == {"datasets", "video"}


def test_only_datasets_and_operators_import_fiftyone() -> None:
    users = set()
    for unit, path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(name.split(".")[0] == "fiftyone" for name in names):
                users.add(unit)
    assert users <= {"datasets", "operators"}
