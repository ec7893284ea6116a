"""Finds the package that the operators call, and says so when it is missing or of another version."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

NAME = "fiftyone_latent_inr"


def load() -> ModuleType | None:
    """Imports the package: the installed one, else the one that came with a downloaded or linked plugin."""
    if NAME in sys.modules:
        return sys.modules[NAME]
    if importlib.util.find_spec(NAME) is not None:
        return importlib.import_module(NAME)
    folder = Path(__file__).resolve().parents[1] / NAME
    # Loaded by its place: with the plugin's folder on sys.path, its other folders would become importable, too
    spec = importlib.util.spec_from_file_location(
        NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None or not (folder / "__init__.py").is_file():
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


def problem(plugin_version: str | None) -> tuple[bool, str] | None:
    """Compares the plugin with the package that is installed.

    Args:
        plugin_version: `version` of the plugin's `fiftyone.yml`.

    Returns:
        None when they go together, else whether this must stop the operator, and a line for people. Versions
        that differ in the last number only are let through with a notice.
    """
    try:
        module = load()
    except Exception as error:
        return True, f"{NAME} cannot be imported ({type(error).__name__}: {error}); install it again"
    if module is None:
        wanted = "fiftyone-latent-inr" + (f"=={plugin_version}" if plugin_version else "")
        return True, f"The Python package is not installed where FiftyOne runs: pip install {wanted}"
    installed = getattr(module, "__version__", None)
    if installed == plugin_version:
        return None
    text = (
        f"The plugin is version {plugin_version or 'unknown'}, but the installed package fiftyone-latent-inr is "
        f"{installed or 'unknown'}: update the older one (latent-inr install-plugin, fiftyone plugins download ... "
        "--overwrite, or pip install -U fiftyone-latent-inr) and start the App again"
    )
    return _series(installed) != _series(plugin_version), text


def _series(version: str | None) -> list[str]:
    return (version or "").split(".")[:2]
