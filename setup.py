"""What pyproject.toml cannot say: which packages there are, and that `fiftyone.yml` is wanted inside the package."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

MANIFEST = "fiftyone.yml"
PACKAGE = "fiftyone_latent_inr"
# Folders at the top level that are packages inside the package, see `package-dir` in pyproject.toml.
BESIDE = [f"{PACKAGE}.operators", f"{PACKAGE}.hub_models"]


class BuildWithManifest(build_py):
    """Copies the plugin manifest beside the package's modules; editable installs find it in place."""

    def run(self) -> None:
        """Builds the package, then copies."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / PACKAGE / MANIFEST
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(MANIFEST, target)


setup(packages=[*find_packages(include=[f"{PACKAGE}*"]), *BESIDE], cmdclass={"build_py": BuildWithManifest})
