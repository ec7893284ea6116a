"""Plugin and package of different versions: said, and stopped where they cannot go together."""

import importlib.util
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def package(repository):
    spec = importlib.util.spec_from_file_location("operators_package", repository / "operators" / "package.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_manifest_has_the_packages_version(repository):
    import fiftyone_latent_inr
    from fiftyone_latent_inr.resources import manifest_version

    assert manifest_version(repository / "fiftyone.yml") == fiftyone_latent_inr.__version__


@pytest.mark.parametrize(
    ("plugin", "installed", "stops"),
    [("0.1.0", "0.1.0", None), ("0.1.0", "0.1.3", False), ("0.2.0", "0.1.0", True), (None, "0.1.0", True)],
)
def test_skew(package, monkeypatch, plugin, installed, stops):
    import fiftyone_latent_inr

    monkeypatch.setattr(fiftyone_latent_inr, "__version__", installed)
    problem = package.problem(plugin)
    if stops is None:
        assert problem is None
    else:
        assert problem[0] is stops and installed in problem[1] and "update the older one" in problem[1]


def test_missing_package_says_how_to_install(package, monkeypatch):
    monkeypatch.setattr(package, "NAME", "fiftyone_latent_inr_that_is_missing")
    stops, text = package.problem("0.1.0")
    assert stops and "pip install fiftyone-latent-inr==0.1.0" in text


def test_broken_package_is_said(package, monkeypatch, tmp_path):
    (tmp_path / "latent_inr_broken.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(package, "NAME", "latent_inr_broken")
    stops, text = package.problem("0.1.0")
    assert stops and "nothing_of_this_name" in text


def test_downloaded_plugin_brings_its_package(repository, tmp_path):
    """Without `pip install`, the copy beside the operators is used, and nothing else becomes importable."""
    shutil.copytree(repository / "operators", tmp_path / "operators")
    (tmp_path / "fiftyone_latent_inr").mkdir()
    for name in ("__init__.py", "errors.py", "version.py"):
        shutil.copy(repository / "fiftyone_latent_inr" / name, tmp_path / "fiftyone_latent_inr")
    code = (
        "import sys, importlib.util as u\n"
        # As where the package is not installed: its finders and paths taken away
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *a: None if n == 'fiftyone_latent_inr' else real(n, *a)\n"
        f"spec = u.spec_from_file_location('p', {str(tmp_path / 'operators' / 'package.py')!r})\n"
        "p = u.module_from_spec(spec); spec.loader.exec_module(p)\n"
        "module = p.load()\n"
        "from fiftyone_latent_inr import InputError\n"
        "print(module.__file__)\n"
        "assert real('operators') is None\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path / "operators", check=False
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == str(tmp_path / "fiftyone_latent_inr" / "__init__.py")
