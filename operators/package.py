"""Finds the package that the operators call; says what is missing, of it or of what it needs, and how to install it."""

from __future__ import annotations

import functools
import importlib.util
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import ModuleType

NAME = "fiftyone_latent_inr"
DISTRIBUTION = "fiftyone-latent-inr"
# Of this plugin, or of the installed package where a stub shows its operators
FOLDER = Path(__file__).resolve().parents[1]
# As `docs/getting_started.md` has them; a test holds the two together
INSTALL_REQUIREMENTS = "fiftyone plugins requirements @latent-inr/latent_inr --install"
INSTALL_PACKAGE = "pip install ."
# Names of modules, where they are not those of the distributions: what some other distribution brings is there as well
_MODULES = {
    "huggingface-hub": "huggingface_hub",
    "open-clip-torch": "open_clip",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
}


def load() -> ModuleType | None:
    """Imports the package: the installed one, else the one that came with a downloaded or linked plugin."""
    if NAME in sys.modules:
        return sys.modules[NAME]
    if importlib.util.find_spec(NAME) is not None:
        return importlib.import_module(NAME)
    folder = FOLDER / NAME
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
        return True, f"{NAME} cannot be imported ({type(error).__name__}: {error}); install it again: {_reinstall()}"
    if module is None:
        return True, f"The Python package is not installed where FiftyOne runs: {_reinstall()}"
    wrong = unmet()
    if wrong:
        unmet.cache_clear()  # it may be installed while the App runs
        command = f"`{INSTALL_REQUIREMENTS}`" if (FOLDER / "requirements.txt").is_file() else _reinstall()
        what = f"What it needs is not there where FiftyOne runs: {', '.join(wrong)}"
        return True, f"{what}. To install it: {command}, and start the App again"
    installed = getattr(module, "__version__", None)
    if installed == plugin_version:
        return None
    text = (
        f"The plugin is version {plugin_version or 'unknown'}, but the installed package {DISTRIBUTION} is "
        f"{installed or 'unknown'}: update the older one (latent-inr install-plugin, fiftyone plugins download ... "
        f"--overwrite, or {_reinstall()}) and start the App again"
    )
    return _series(installed) != _series(plugin_version), text


@functools.cache
def unmet() -> tuple[str, ...]:
    """Requirements that are not installed, or in another version than is asked for, each in a few words."""
    from packaging.requirements import Requirement
    from packaging.version import InvalidVersion, Version

    found = []
    for line in _requirements():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            if importlib.util.find_spec(_MODULES.get(wanted.name, wanted.name)) is None:
                found.append(f"{wanted.name} is missing")
            continue
        with suppress(InvalidVersion):  # somebody's own build
            if not wanted.specifier.contains(Version(version), prereleases=True):
                found.append(f"{wanted.name} is {version}, not {wanted.specifier}")
    return tuple(found)


def _requirements() -> list[str]:
    """Of the plugin's own list, or of the installed package."""
    path = FOLDER / "requirements.txt"
    if path.is_file():
        lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if line and not line.startswith("#")]
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []


def _reinstall() -> str:
    """The command that installs the package, and where to give it."""
    if (FOLDER / "pyproject.toml").is_file():
        return f"`{INSTALL_PACKAGE}` in {FOLDER}"
    return f"`{INSTALL_PACKAGE}` in a checkout of the project"


def _series(version: str | None) -> list[str]:
    return (version or "").split(".")[:2]
