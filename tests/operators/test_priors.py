"""The operators about pretrained hypernetworks: their forms, what they do, and what they show."""

import re
import shutil
from dataclasses import replace

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.executor as foe
import priors
import pytest

from fiftyone_latent_inr import load_prior
from fiftyone_latent_inr.datasets.priors import hub_preview as hub_status
from fiftyone_latent_inr.datasets.priors.known_priors import fetched_priors, local_priors

URI = "@latent-inr/latent_inr/"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """Default folders of the test's own, and a Hub that is asked anew."""
    monkeypatch.setattr(fo.config, "default_dataset_dir", str(tmp_path / "data"))
    hub_status._asked.cache_clear()
    return tmp_path / "data" / "latent_inr" / "priors"


def context(name_, samples=None, results=None, **params):
    request = {"params": params, "results": results}
    if samples is not None:
        request |= {"dataset_name": samples._root_dataset.name, "view": samples.view()._serialize()}
    ctx = foe.ExecutionContext(
        operator_uri=URI + name_,
        executor=foe.Executor(),
        request_params=request,
        required_secrets=foo.get_operator(URI + name_)._plugin_secrets,
    )
    return ctx


def form(name_, samples=None, **params):
    return foo.get_operator(URI + name_).resolve_input(context(name_, samples, **params)).type.properties


def status(properties):
    return properties["status"].view.label


def run(name_, samples=None, **params):
    return foo.get_operator(URI + name_).execute(context(name_, samples, **params))


@pytest.fixture
def mine(home, prior_folder):
    return str(shutil.copytree(prior_folder, home / "mine"))


# --- pretrain


def test_pretrain_form(dataset, home, prior_folder):
    properties = form("pretrain", dataset, teacher="small", name="shapes")
    fields = {"preset", "steps", "teacher", "device", "name", "licence_field", "resume", "status", "view_target"}
    assert fields <= set(properties)
    assert re.fullmatch(r"3 videos · about .* · is stored as .*/priors/shapes", status(properties))
    shutil.copytree(prior_folder, home / "shapes")
    assert "replaces" in status(form("pretrain", dataset, teacher="small", name="shapes"))
    config = foo.get_operator(URI + "pretrain").config
    assert config.default_choice_to_delegated and config.allow_delegated_execution


@pytest.mark.parametrize(
    ("params", "where", "says"),
    [
        ({"teacher": "smal"}, "teacher", "smal"),
        ({"steps": 0}, "steps", "at least 1"),
        ({"steps": 1.5}, "steps", "whole number"),
        ({"licence_field": "licenze"}, "licence_field", "no field 'licenze'"),
    ],
)
def test_pretrain_form_marks_what_is_wrong(dataset, params, where, says):
    properties = form("pretrain", dataset, **{"teacher": "small", **params})
    assert properties[where].invalid and says in properties[where].error_message and "status" not in properties


def test_pretrain_form_refuses_images(make_dataset):
    properties = form("pretrain", make_dataset(["a.png"]), teacher="small")
    assert properties["samples"].invalid and "'image'" in properties["samples"].error_message


@pytest.fixture
def quick_training(monkeypatch):
    """Steps of a hundredth of the work."""
    from fiftyone_latent_inr.datasets.priors import preview as pretrain_status

    small = {"clips_per_step": 1, "window": 4, "frames_per_step": 2, "points_per_frame": 64, "sizes": ((16, 16),)}
    read = pretrain_status.read_steps
    monkeypatch.setattr(pretrain_status, "read_steps", lambda steps: replace(read(steps), **small))


def test_pretrain_runs_delegated(dataset, home, quick_training):
    from fiftyone.operators.delegated import DelegatedOperationService

    operator, service = foo.get_operator(URI + "pretrain"), DelegatedOperationService()
    queued = operator(dataset, delegate=True, steps=40, teacher="small", device="cpu", name="later")
    service.execute_queued_operations(operator=operator.uri)
    document = service.get(queued.result["id"])
    assert document.run_state == "completed", document.result
    assert document.status.progress == 1.0 and document.status.label.startswith("done in")
    assert document.result.result["summary"].startswith("pretrained on") and list(local_priors()) == ["later"]
    dataset.reload()
    assert dataset.list_runs() == ["latent_inr_prior_later"]


def test_pretrain_runs_live_and_its_result_can_be_chosen(dataset, home, quick_training):
    messages = [
        message.to_json()["body"]
        for message in run("pretrain", dataset, steps=40, teacher="small", device="cpu", name="mine")
    ]
    bars = [m["params"] for m in messages if m["operator_uri"] == "set_progress"]
    assert bars[-1]["progress"] == 1.0 and bars[-1]["label"].startswith("pretrained on"), bars
    assert messages[-2]["params"]["variant"] == "success"
    assert local_priors() == {"mine": home / "mine"} and load_prior(home / "mine").config.teacher == "small"
    choices = form("fit", dataset, teacher="small")["prior"].view.choices
    assert [choice.value for choice in choices][:3] == ["default", "none", "fast-prior"]
    assert str(home / "mine") in [choice.value for choice in choices]


# --- fit: what it starts from


def test_fit_form_checks_the_prior(dataset, prior_folder):
    good = form("fit", dataset, preset="fast", teacher="small", prior=str(prior_folder))
    assert not good["prior"].invalid and "status" in good
    bad = form("fit", dataset, preset="best", teacher="small", prior=str(prior_folder))
    assert bad["prior"].invalid and "preset='fast'" in bad["prior"].error_message
    unknown = form("fit", dataset, preset="fast", teacher="small", prior="smal")
    assert unknown["prior"].invalid and "unknown prior" in unknown["prior"].error_message
    for chosen in ("default", "none"):
        assert not form("fit", dataset, preset="best", teacher="small", prior=chosen)["prior"].invalid


@pytest.mark.parametrize(
    ("params", "given"),
    [
        ({}, None),
        ({"prior": " "}, None),
        ({"prior": "default"}, None),
        ({"prior": "none"}, "none"),
        ({"prior": "fast-prior"}, "fast-prior"),
    ],
)
def test_fit_starts_from_what_was_chosen(dataset, monkeypatch, params, given):
    seen = []
    monkeypatch.setattr("fiftyone_latent_inr.fit_dataset", lambda samples, **options: seen.append(options["prior"]))
    list(run("fit", dataset, **{"preset": "fast", "teacher": "small", **params}))
    assert seen == [given]


# --- the Hub


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
    hub_status._asked.cache_clear()
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


def test_from_python(hub, prior_folder, mine, monkeypatch):
    commit = hub.add("owner/name", priors.files(prior_folder))
    assert foo.get_operator(URI + "get_prior")(repo="owner/name", progress=False).place == f"owner/name@{commit}"
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    done = foo.get_operator(URI + "publish_prior")(prior=mine, repo="owner/python", private=False, progress=False)
    assert "owner/python/commit/" in done.place and not hub.repos["owner/python"].private


def test_a_private_repository_with_the_secret_of_the_plugin(hub, prior_folder, monkeypatch):
    hub.add("owner/secret", priors.files(prior_folder), private=True)
    assert form("get_prior", repo="owner/secret")["repo"].invalid

    class Secret:
        key, value = "HF_TOKEN", "hf_good"

    monkeypatch.setattr("fiftyone.plugins.secrets.PluginSecretsResolver.get_secret_sync", lambda *_, **__: Secret)
    hub_status._asked.cache_clear()
    assert "preset fast" in status(form("get_prior", repo="owner/secret"))
    assert run("get_prior", repo="owner/secret")["place"].startswith("owner/secret@")
    assert foo.get_operator(URI + "get_prior")._plugin_secrets == ["HF_TOKEN"]


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


def test_publish_to_a_branch_and_what_the_hub_refuses(hub, mine, monkeypatch):
    with pytest.raises(Exception, match="log in"):
        run("publish_prior", prior=mine, repo="owner/published")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    run("publish_prior", prior=mine, repo="owner/published", branch="trial", private=False)
    repo = hub.repos["owner/published"]
    assert not repo.private and "model.safetensors" in repo.commits[repo.branches["trial"]]
    assert "model.safetensors" not in repo.commits[repo.branches["main"]]
    with pytest.raises(Exception, match="stranger/published"):
        run("publish_prior", prior=mine, repo="stranger/published")


def test_an_unconfirmed_publication_is_refused(hub, mine, dataset, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    with pytest.raises(Exception, match=r"[Vv]alidation"):
        foo.execute_operator(URI + "publish_prior", {}, params={"prior": mine, "repo": "owner/published"})
    assert "owner/published" not in hub.repos
