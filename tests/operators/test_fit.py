"""The form of the operator that fits, and what it makes of what was filled in."""

import gc
import re
import time

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from forms import URI, form, run, status


def test_form_defaults_and_status(dataset):
    properties = form("fit", dataset, teacher="small")
    assert {"preset", "quality", "teacher", "prior", "device", "brain_key", "overwrite", "status"} <= set(properties)
    assert re.fullmatch(r"3 videos · about .* on this machine", status(properties)), status(properties)


@pytest.mark.parametrize("name", ["fit", "pretrain"])
def test_form_says_what_the_small_teacher_knows(dataset, name):
    line = form(name, dataset, teacher="small")["teacher_knows"].view.description
    assert "plain coloured shapes alone" in line and "circle" in line and "background" not in line
    for teacher in ("none", "default", "smal"):
        assert "teacher_knows" not in form(name, dataset, teacher=teacher)


def test_form_counts_what_is_fitted(dataset, fit):
    fit(dataset.limit(2), config=None, preset="fast", max_frames=None)
    assert "3 videos · 2 already fitted · about" in status(form("fit", dataset, preset="fast", teacher="small"))
    again = form("fit", dataset.limit(2), preset="fast", teacher="small")
    assert status(again) == "2 videos · 2 already fitted · nothing to do"
    other = status(form("fit", dataset, preset="best", teacher="small"))
    assert "2 fitted with other settings, to be fitted again" in other
    finer = status(form("fit", dataset, preset="fast", teacher="small", quality=70))
    assert "2 fitted with other settings, to be fitted again" in finer
    beyond = form("fit", dataset, preset="fast", teacher="small", quality=120)
    assert beyond["quality"].invalid and "0 to 100" in beyond["quality"].error_message
    everything = status(form("fit", dataset, preset="fast", teacher="small", overwrite=True))
    assert "to be fitted again" in everything


def test_form_offers_view_and_selection(dataset):
    ids = dataset.values("id")
    view = dataset.limit(2)
    assert status(form("fit", view, teacher="small")).startswith("2 videos")
    assert status(form("fit", view, target="DATASET", teacher="small")).startswith("3 videos")
    chosen = {"target": "SELECTED_SAMPLES", "selected": ids[:1], "teacher": "small"}
    assert status(form("fit", dataset, **chosen)).startswith("1 video ")


@pytest.mark.parametrize(
    ("params", "where", "says"),
    [
        ({"embeddings_field": "frames.x"}, "embeddings_field", "frame-level"),
        ({"embeddings_field": "filepath"}, "embeddings_field", "StringField"),
        ({"brain_key": "a b"}, "brain_key", "usable name"),
        ({"teacher": "smal"}, "teacher", "smal"),
    ],
)
def test_form_marks_what_is_wrong(dataset, params, where, says):
    properties = form("fit", dataset, **{"teacher": "small", **params})
    assert properties[where].invalid and says in properties[where].error_message
    assert "status" not in properties
    with pytest.raises(Exception, match=r"[Vv]alidation"):
        foo.execute_operator(URI + "fit", {"view": dataset.view()}, params={"teacher": "small", **params})


def test_form_refuses_images(make_dataset):
    properties = form("fit", make_dataset(["a.png"]))
    assert properties["samples"].invalid and "'image'" in properties["samples"].error_message


def test_grouped_dataset_fits_its_videos(make_dataset, clips):
    dataset = make_dataset()
    dataset.add_group_field("group", default="picture")
    group = fo.Group()
    dataset.add_samples(
        [
            fo.Sample(filepath="a.png", group=group.element("picture")),
            fo.Sample(filepath=clips["red circle"], group=group.element("film")),
        ]
    )
    assert status(form("fit", dataset, teacher="small")).startswith("1 video ")


def test_form_is_quick_on_5000_videos(make_dataset):
    dataset = make_dataset([f"clip-{k}.mp4" for k in range(5000)])
    dataset.set_values("latent_inr_path", [f"x-{k}-abc.linr" for k in range(5000)])
    gc.collect()  # FiftyOne reloads every sample that is still in memory, as none is where an operator runs
    spent = []
    for _ in range(4):  # the first one imports; the others may meet a busy machine
        start = time.monotonic()
        properties = form("fit", dataset, teacher="small")
        spent.append(time.monotonic() - start)
    assert min(spent) < 1.0
    assert "5000 fitted with other settings" in status(properties)


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
