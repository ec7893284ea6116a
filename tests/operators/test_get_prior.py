"""The operator that fetches priors: its form, and what it remembers."""

import re

import fiftyone.operators as foo
import priors
import pytest
from forms import URI, form, run, status

from fiftyone_latent_inr.datasets.priors import hub_preview
from fiftyone_latent_inr.datasets.priors.known_priors import fetched_priors

pytestmark = pytest.mark.usefixtures("home")


def test_get_form_says_what_a_download_is(hub, prior_folder):
    assert "status" not in form("get_prior") and "status" not in form("get_prior", repo="owner")
    commit = hub.add("owner/name", priors.files(prior_folder))
    said = status(form("get_prior", repo="owner/name"))
    assert re.fullmatch(rf"\d+ KB · commit {commit[:8]} · preset fast · teacher small · [\d,]+ parameters", said), said
    asked = len(hub.log)
    form("get_prior", repo="owner/name", revision="")
    assert len(hub.log) == asked, "the Hub is not asked at every key"
    assert not hub.bodies("model.safetensors")


def test_get_form_shows_what_is_wrong_as_messages(hub, prior_folder, monkeypatch):
    from huggingface_hub import constants

    hub.add("owner/name", priors.files(prior_folder))
    hub.add("owner/other", {"config.json": b"{}", "model.safetensors": b"12345678"})
    for params, field in (
        ({"repo": "not a repository"}, "repo"),
        ({"repo": "owner/none"}, "repo"),
        ({"repo": "owner/other"}, "repo"),
        ({"repo": "owner/name", "revision": "v9"}, "revision"),
    ):
        properties = form("get_prior", **params)
        assert properties[field].invalid and properties[field].error_message and "status" not in properties
    hub_preview._asked.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    properties = form("get_prior", repo="owner/name")
    assert properties["repo"].invalid and "HF_HUB_OFFLINE" in properties["repo"].error_message


def test_get_fetches_and_remembers(hub, prior_folder, dataset):
    commit = hub.add("owner/name", priors.files(prior_folder))
    result = run("get_prior", repo="owner/name")
    assert result["place"] == f"owner/name@{commit}" and "preset fast" in result["summary"]
    assert fetched_priors() == [f"owner/name@{commit}"]
    chosen = form("fit", dataset, preset="fast", teacher="small", prior=f"owner/name@{commit}")
    assert not chosen["prior"].invalid


def test_call_from_python(hub, prior_folder):
    commit = hub.add("owner/name", priors.files(prior_folder))
    assert foo.get_operator(URI + "get_prior")(repo="owner/name", progress=False).place == f"owner/name@{commit}"


def test_a_private_repository_with_the_secret_of_the_plugin(hub, prior_folder, monkeypatch):
    hub.add("owner/secret", priors.files(prior_folder), private=True)
    assert form("get_prior", repo="owner/secret")["repo"].invalid

    class Secret:
        key, value = "HF_TOKEN", "hf_good"

    monkeypatch.setattr("fiftyone.plugins.secrets.PluginSecretsResolver.get_secret_sync", lambda *_, **__: Secret)
    hub_preview._asked.cache_clear()
    assert "preset fast" in status(form("get_prior", repo="owner/secret"))
    assert run("get_prior", repo="owner/secret")["place"].startswith("owner/secret@")
    assert foo.get_operator(URI + "get_prior")._plugin_secrets == ["HF_TOKEN"]
