"""The operator that publishes priors: its form, what it stores, and the link that it shows."""

import re
import shutil
from pathlib import Path

import fiftyone.operators as foo
import pytest
from forms import URI, context, form, run, status

from fiftyone_latent_inr import load_prior

pytestmark = pytest.mark.usefixtures("home")


def test_publish_form(hub, home, prior_folder):
    nothing = form("publish_prior")
    assert nothing["prior"].invalid
    mine = str(shutil.copytree(prior_folder, home / "mine"))
    hub.add("owner/name", {"README.md": b"hello"})
    properties = form("publish_prior", prior=mine, repo="owner/name")
    assert re.search(r"\d+ KB · preset fast .* · replaces what owner/name holds at commit", status(properties))
    assert properties["confirm"].invalid
    ready = form("publish_prior", prior=mine, repo="owner/new", confirm=True)
    assert "owner/new is not there yet" in status(ready) and not [p for p in ready.values() if p.invalid]
    assert form("publish_prior", prior="/nowhere", repo="owner/new")["prior"].invalid
    assert foo.get_operator(URI + "publish_prior").config._risk_level.name == "HIGH"


def test_publish_stores_it_and_shows_the_link(hub, mine, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    params = {"prior": mine, "repo": "owner/published", "confirm": True}
    result = run("publish_prior", **params)
    assert result["place"].startswith(f"{hub.url}/owner/published/commit/")
    repo = hub.repos["owner/published"]
    assert repo.private and "model.safetensors" in repo.commits[repo.branches["main"]]
    operator = foo.get_operator(URI + "publish_prior")
    outputs = operator.resolve_output(context("publish_prior", results=result, **params)).type.properties
    assert outputs["place"].view.href == result["place"]
    assert load_prior("owner/published").id == load_prior(mine).id


def test_call_from_python(hub, mine, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    done = foo.get_operator(URI + "publish_prior")(prior=mine, repo="owner/python", private=False, progress=False)
    assert "owner/python/commit/" in done.place and not hub.repos["owner/python"].private


def test_publish_to_a_branch_and_what_the_hub_refuses(hub, mine, monkeypatch):
    assert "log in" in run("publish_prior", prior=mine, repo="owner/published")["error"]
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    run("publish_prior", prior=mine, repo="owner/published", branch="trial", private=False)
    repo = hub.repos["owner/published"]
    assert not repo.private and "model.safetensors" in repo.commits[repo.branches["trial"]]
    assert "model.safetensors" not in repo.commits[repo.branches["main"]]
    assert "stranger/published" in run("publish_prior", prior=mine, repo="stranger/published")["error"]


def test_an_unconfirmed_publication_is_refused(hub, mine, dataset, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    with pytest.raises(Exception, match=r"[Vv]alidation"):
        foo.execute_operator(URI + "publish_prior", {}, params={"prior": mine, "repo": "owner/published"})
    assert "owner/published" not in hub.repos


def test_a_hub_that_cannot_be_reached(home, mine, monkeypatch):
    from hub_server import set_endpoint

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    set_endpoint(monkeypatch, "http://127.0.0.1:9")  # where nobody listens
    properties = form("publish_prior", prior=mine, repo="owner/name", confirm=True)
    assert properties["repo"].invalid and "cannot be reached" in properties["repo"].error_message
    assert "status" not in properties
    said = run("publish_prior", prior=mine, repo="owner/name", confirm=True)["error"]
    assert "owner/name" in said and "cannot be reached" in said and "\n" not in said
    got = run("get_prior", repo="owner/name")["error"]
    assert "cannot be reached" in got and "\n" not in got


def test_a_prior_that_is_damaged_since(hub, mine):
    weights = Path(mine) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    assert "\n" not in run("publish_prior", prior=mine, repo="owner/name")["error"]
    weights.unlink()
    properties = form("publish_prior", prior=mine, repo="owner/name")
    assert any(prop.invalid for prop in properties.values())
