"""What the operators' tests share: the plugin, found by FiftyOne as a user's is."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def plugin(fiftyone_home, repository):
    """The checkout, linked into the plugins directory."""
    link = fiftyone_home / "plugins" / "latent-inr-link"
    link.symlink_to(repository, target_is_directory=True)
    yield link
    link.unlink()
