"""What pyproject.toml cannot say: `fiftyone.yml` lives at the top level and is wanted inside the package."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

MANIFEST = "fiftyone.yml"


class BuildWithManifest(build_py):
    """Copies the plugin manifest beside the package's modules; editable installs find it in place."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "fiftyone_latent_inr" / MANIFEST
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(MANIFEST, target)


setup(cmdclass={"build_py": BuildWithManifest})
