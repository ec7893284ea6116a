"""What the operators' tests share: the plugin, found by FiftyOne as a user's is."""

import shutil

import fiftyone as fo
import pytest


@pytest.fixture(scope="module", autouse=True)
def plugin(fiftyone_home, repository):
    """The checkout, linked into the plugins directory."""
    link = fiftyone_home / "plugins" / "latent-inr-link"
    link.symlink_to(repository, target_is_directory=True)
    yield link
    link.unlink()


@pytest.fixture
def home(monkeypatch, tmp_path):
    """Default folders of the test's own, and a Hub that is asked anew."""
    monkeypatch.setattr(fo.config, "default_dataset_dir", str(tmp_path / "data"))
    from fiftyone_latent_inr.datasets.priors import hub_preview

    hub_preview._asked.cache_clear()
    return tmp_path / "data" / "latent_inr" / "priors"


@pytest.fixture
def mine(home, prior_folder):
    """A finished prior among those that were pretrained here."""
    return str(shutil.copytree(prior_folder, home / "mine"))
