"""The operator that pretrains: its form, live and delegated runs."""

import re
import shutil
from dataclasses import replace

import fiftyone.operators as foo
import pytest
from forms import URI, form, live, status

from fiftyone_latent_inr import load_prior
from fiftyone_latent_inr.datasets.priors.known_priors import local_priors

pytestmark = pytest.mark.usefixtures("home")


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
        ({"steps": 0}, "steps", "from 1 to"),
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
    from fiftyone_latent_inr.datasets.priors import preview

    small = {"clips_per_step": 1, "window": 4, "frames_per_step": 2, "points_per_frame": 64, "sizes": ((16, 16),)}
    read = preview.read_steps
    monkeypatch.setattr(preview, "read_steps", lambda steps: replace(read(steps), **small))


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
    messages = live("pretrain", dataset, steps=40, teacher="small", device="cpu", name="mine")
    bars = [m["params"] for m in messages if m["operator_uri"] == "set_progress"]
    assert bars[-1]["progress"] == 1.0 and bars[-1]["label"].startswith("pretrained on"), bars
    assert messages[-2]["params"]["variant"] == "success"
    assert local_priors() == {"mine": home / "mine"} and load_prior(home / "mine").config.teacher == "small"
    choices = form("fit", dataset, teacher="small")["prior"].view.choices
    assert [choice.value for choice in choices][:3] == ["default", "none", "fast-prior"]
    assert str(home / "mine") in [choice.value for choice in choices]
