"""Files that travel with the package: plugin manifest, zoo source, bundled clips.

In a wheel they are inside the package; in a checkout (editable install, symlink, downloaded plugin) the
manifest and `hub_models/` are its neighbours.
"""

from __future__ import annotations

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _locate(name: str) -> Path:
    """The packaged copy of `name` if there is one, else the checkout's."""
    for parent in (_PACKAGE, _PACKAGE.parent):
        if (parent / name).exists():
            return parent / name
    raise FileNotFoundError(f"{name} is missing from the installation at {_PACKAGE}; install the package again")


def plugin_manifest() -> Path:
    """The `fiftyone.yml` that belongs to this package."""
    return _locate("fiftyone.yml")


def hub_models_dir() -> Path:
    """The FiftyOne zoo source: the folder with `manifest.json` and the small teacher."""
    return _locate("hub_models")


def bundled_clips() -> list[Path]:
    """The real clips of the demo (24 frames, 160x90), sorted by name; credits: `LICENSES.md` beside them."""
    return sorted((_PACKAGE / "assets" / "clips").glob("*.mp4"))


def manifest_version(manifest: Path) -> str | None:
    """The `version` that a `fiftyone.yml` states, or None."""
    match = re.search(r"^version:\s*[\"']?([^\s\"'#]+)", manifest.read_text(encoding="utf-8"), re.MULTILINE)
    return match.group(1) if match else None
