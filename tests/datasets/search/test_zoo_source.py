"""The zoo source as it is put into FiftyOne's model zoo: whole, once, and never over a newer one."""

import json
import shutil

import fiftyone as fo
import pytest

from fiftyone_latent_inr.datasets.search import zoo_source


@pytest.fixture(autouse=True)
def zoo(monkeypatch, tmp_path):
    """A zoo of the test's own, and a source without weights."""
    source = tmp_path / "hub_models"
    shutil.copytree(zoo_source.hub_models_dir(), source, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))
    monkeypatch.setattr(zoo_source, "hub_models_dir", lambda: source)
    monkeypatch.setattr(fo.config, "model_zoo_dir", str(tmp_path / "zoo"))
    return tmp_path / "zoo"


def test_it_is_copied_once_and_mended(zoo):
    target = zoo_source.register_zoo_source()
    assert (target / "manifest.json").is_file() and target.is_relative_to(zoo)
    before = (target / "manifest.json").stat().st_ino
    assert zoo_source.register_zoo_source() == target and (target / "manifest.json").stat().st_ino == before
    (target / "__init__.py").write_text("damaged")
    zoo_source.register_zoo_source()
    assert (target / "__init__.py").read_text() == (zoo_source.hub_models_dir() / "__init__.py").read_text()
    assert [path.name for path in target.parent.iterdir()] == [target.name], "nothing is left beside it"


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000])
def test_one_whose_mark_cannot_be_read_is_replaced(zoo, content):
    target = zoo_source.register_zoo_source()
    mark = target / zoo_source._MARK
    mark.write_text(content)
    zoo_source.register_zoo_source()
    assert json.loads(mark.read_text())["content"]


def test_a_newer_one_is_left(zoo):
    target = zoo_source.register_zoo_source()
    mark = target / zoo_source._MARK
    mark.write_text(json.dumps({"version": "99.0", "content": "other"}))
    (target / "__init__.py").write_text("newer")
    zoo_source.register_zoo_source()
    assert (target / "__init__.py").read_text() == "newer"
