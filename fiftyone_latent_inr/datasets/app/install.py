"""Makes an installed package into an App plugin: a stub folder that imports the installed operators.

FiftyOne finds plugins by walking its plugins directory for `fiftyone.yml`; packages have no other way to announce
themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...errors import InputError
from ...files import atomic_target, cannot_write
from ...resources import manifest_version, plugin_manifest
from ...version import __version__

FOLDER = "latent-inr"
_MARK = "Written by `latent-inr install-plugin`"
_STUB = f'''"""{_MARK}: shows FiftyOne the operators of the installed fiftyone-latent-inr."""

import logging
from pathlib import Path

try:
    from fiftyone_latent_inr.operators import register
except Exception as error:  # of which FiftyOne would say that it failed, and no more
    import fiftyone.operators as foo
    from fiftyone.operators import types

    PROBLEM = (
        f"the package fiftyone-latent-inr cannot be used where FiftyOne runs ({{type(error).__name__}}: {{error}}). "
        "Install it again, by `pip install .` in a checkout of the project, and start the App again; "
        f"or remove {{Path(__file__).parent}}"
    )

    class Missing(foo.Operator):
        """Stands for an operator of the package, and says why it is not there."""

        @property
        def config(self):
            return foo.OperatorConfig(
                name=type(self).__name__, label=f"Latent-INR: {{type(self).__name__}} (not installed)", dynamic=True
            )

        def resolve_input(self, ctx):
            inputs = types.Object()
            prop = inputs.view("package", types.Error(label="Latent-INR", description=PROBLEM))
            prop.invalid, prop.error_message = True, PROBLEM
            return types.Property(inputs, view=types.View(label="Latent-INR"))

        def execute(self, ctx):
            raise RuntimeError(PROBLEM)

        def __call__(self, *args, **kwargs):
            raise RuntimeError(PROBLEM)

    def register(plugin):
        logging.getLogger(__name__).warning("Latent-INR: %s", PROBLEM)
        for name in plugin.plugin_definition.operators:
            if name != "refresh":  # unseen
                plugin.register(type(name, (Missing,), {{}}))
'''


@dataclass(frozen=True)
class Installation:
    """What `install_plugin` did: the folder, and `created`, `updated` or `unchanged`."""

    folder: Path
    action: str


def install_plugin(plugins_dir: str | Path | None = None) -> Installation:
    """Writes (or brings up to date) the stub plugin.

    Args:
        plugins_dir: folder in which FiftyOne looks for plugins; None asks FiftyOne (`fo.config.plugins_dir`).

    Returns:
        the folder and what was done to it.

    Raises:
        InputError: the folder holds something else, the plugin is already there in another folder, the directory
            cannot be written to, or this package has no operators, as a checkout on the path that is not installed.
    """
    if find_spec("fiftyone_latent_inr.operators") is None:
        raise InputError(
            f"{Path(__file__).parents[2]} has no operators for the App: it is a checkout that is on the path, not "
            "installed; install it with `pip install .` there, and start this from another folder"
        )
    root = Path(plugins_dir) if plugins_dir is not None else _default_plugins_dir()
    manifest = plugin_manifest().read_text(encoding="utf-8")
    folder = root / FOLDER
    _refuse_foreign(folder)
    _refuse_second_copy(root, folder, manifest)

    # the file first by which the folder is known as ours, should the disk be full before the second
    wanted = {"__init__.py": _STUB, "fiftyone.yml": stub_manifest(manifest)}
    existed = folder.exists()
    if existed and all(_read(folder / name) == text for name, text in wanted.items()):
        return Installation(folder, "unchanged")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            with atomic_target(folder / name) as path:
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(folder, error, what=f"cannot write the plugin to {folder}") from error
    return Installation(folder, "updated" if existed else "created")


def stub_manifest(manifest: str) -> str:
    """The stub's `fiftyone.yml`: the package's own, with the stub's entry point and the package's version."""
    lines = [line for line in manifest.splitlines() if not re.match(r"(py_entry|js_bundle|version)\s*:", line)]
    return "\n".join([*lines, f"version: {__version__}", "py_entry: __init__.py"]) + "\n"


def _default_plugins_dir() -> Path:
    import fiftyone as fo

    if not fo.config.plugins_dir:
        raise InputError("FiftyOne has no plugins directory; set FIFTYONE_PLUGINS_DIR or give --plugins-dir")
    return Path(fo.config.plugins_dir)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _refuse_foreign(folder: Path) -> None:
    """Nothing that somebody else put there is overwritten."""
    if folder.is_symlink():
        raise InputError(f"{folder} is a link to {folder.resolve()}; remove it first, or keep using it as the plugin")
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and _MARK not in (_read(folder / "__init__.py") or "")):
        raise InputError(f"{folder} holds something else; move it away, or give another --plugins-dir")


def _refuse_second_copy(root: Path, folder: Path, manifest: str) -> None:
    """Two plugins of one name would shadow each other."""
    name = _plugin_name(manifest)
    for other in sorted([*root.glob("*/fiftyone.y*ml"), *root.glob("*/*/fiftyone.y*ml")]):
        if other.parent != folder and _plugin_name(_read(other) or "") == name:
            raise InputError(
                f"plugin {name} is already in {other.parent} (version {manifest_version(other)}); "
                "remove that one first, or keep using it"
            )


def _plugin_name(manifest: str) -> str | None:
    match = re.search(r"^name:\s*[\"']?([^\s\"']+)", manifest, re.MULTILINE)
    return match.group(1) if match else None
