"""The stub plugin: what it shows where the package that it stands for is gone."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import fiftyone.operators as foo
import pytest
from forms import URI, form

from fiftyone_latent_inr.datasets.app.install import install_plugin
from fiftyone_latent_inr.errors import InputError


@pytest.fixture
def stub(fiftyone_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stub in FiftyOne's plugins directory, of a package that cannot be imported any more."""
    folder = install_plugin(fiftyone_home / "plugins").folder
    monkeypatch.setitem(sys.modules, "fiftyone_latent_inr.operators", None)
    yield folder
    shutil.rmtree(folder)


def test_a_stub_whose_package_is_gone_says_so(stub: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ours = [operator for operator in foo.list_operators() if operator.uri.startswith(URI)]
    drawing, priors = {"reconstruct", "super_resolve", "interpolate"}, {"pretrain", "get_prior", "publish_prior"}
    assert {operator.name for operator in ours} == {"fit", "refine"} | drawing | priors
    assert "`pip install .` in a checkout" in caplog.text and "Failed to register" not in caplog.text
    for operator in ours:
        shown = form(operator.name)["package"]
        assert "not installed" in operator.config.label and shown.invalid
        assert "fiftyone_latent_inr.operators" in shown.error_message and str(stub) in shown.error_message
        with pytest.raises(RuntimeError, match="pip install"):
            operator()


def test_a_checkout_that_is_not_installed_has_nothing_to_show(tmp_path, monkeypatch):
    monkeypatch.setattr("fiftyone_latent_inr.datasets.app.install.find_spec", lambda name: None)
    with pytest.raises(InputError, match="not installed; install it with"):
        install_plugin(tmp_path)
    assert not list(tmp_path.iterdir())
