"""Plugin and package of different versions, and what they need: said, and stopped where it cannot go together."""

import importlib.util
import os
import shutil
import subprocess
import sys

import fiftyone.operators as foo
import pytest
from forms import URI, form


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


def test_missing_package_says_how_to_install(package, monkeypatch, tmp_path):
    monkeypatch.setattr(package, "NAME", "fiftyone_latent_inr_that_is_missing")
    monkeypatch.setattr(package, "FOLDER", tmp_path)
    stops, text = package.problem("0.1.0")
    assert stops and "`pip install .` in a checkout" in text


@pytest.fixture
def requirements(package, monkeypatch, tmp_path):
    """A plugin's folder that needs what is given."""

    def write(*lines):
        (tmp_path / "requirements.txt").write_text("\n".join(["# as in pyproject.toml", "", *lines]))
        monkeypatch.setattr(package, "FOLDER", tmp_path)
        package.unmet.cache_clear()

    return write


def test_what_the_plugin_needs_is_checked_by_name_and_version(package, requirements, monkeypatch):
    there = package.metadata.version("numpy")
    requirements("numpy>=1.0", "no-such-thing>=2,<3", "NumPy>=999", "numpy<1; python_version < '3'", "numpy<0.5")
    assert package.unmet() == (
        "no-such-thing is missing",
        f"NumPy is {there}, not >=999",
        f"numpy is {there}, not <0.5",
    )
    stops, text = package.problem("0.1.0")
    assert stops and "no-such-thing is missing" in text and package.INSTALL_REQUIREMENTS in text
    requirements("numpy")
    assert package.problem("0.1.0") is None  # asked again, as it may have been installed meanwhile
    # another distribution brings the module, under its own name
    monkeypatch.setitem(package._MODULES, "no-such-thing", "numpy")
    requirements("no-such-thing>=2")
    assert package.unmet() == ()
    monkeypatch.setattr(package.metadata, "version", lambda name: "of my own")
    requirements("numpy>=3")
    assert package.unmet() == ()


def test_all_that_is_required_is_there_and_its_modules_have_these_names(package):
    assert package.unmet() == ()
    names = {line.split(">")[0] for line in package._requirements()}
    assert set(package._MODULES) <= names
    assert all(importlib.util.find_spec(package._MODULES.get(name, name)) for name in names)


def test_an_installed_package_says_what_it_needs_itself(package, monkeypatch, tmp_path):
    monkeypatch.setattr(package, "FOLDER", tmp_path)
    monkeypatch.setattr(package.metadata, "requires", lambda _: ["no-such-thing>=1", 'nor-this; extra == "dev"'])
    assert package.unmet() == ("no-such-thing is missing",)
    package.unmet.cache_clear()
    assert "`pip install .` in a checkout" in package.problem("0.1.0")[1]


@pytest.mark.parametrize(
    "name",
    ["fit", "refine", "reconstruct", "super_resolve", "interpolate", "pretrain", "get_prior", "publish_prior"],
)
def test_each_form_says_what_is_missing_and_how_to_install_it(dataset, monkeypatch, tmp_path, name):
    """As where a plugin was downloaded, and what it needs was not installed."""
    operator = foo.get_operator(URI + name)
    module = sys.modules[operator.require_package.__func__.__module__].package
    (tmp_path / "requirements.txt").write_text("no-such-thing>=1\n")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    module.unmet.cache_clear()
    try:
        shown = form(name, dataset)
        assert set(shown) == {"package"} and shown["package"].invalid
        assert "no-such-thing is missing" in shown["package"].error_message
        assert module.INSTALL_REQUIREMENTS in shown["package"].view.description
        with pytest.raises(RuntimeError, match="no-such-thing is missing"):
            operator.require_package()
    finally:
        module.unmet.cache_clear()


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
    for name in ("__init__.py", "errors.py", "text.py", "version.py"):
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
        "assert real('operators') is None, (real('operators'), sys.path, sys.meta_path)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path / "operators",
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == str(tmp_path / "fiftyone_latent_inr" / "__init__.py")
