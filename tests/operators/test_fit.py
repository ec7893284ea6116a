"""The form of the operator that fits, and what it makes of what was filled in."""

import gc
import os
import re
import time
from types import SimpleNamespace

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from forms import URI, form, run, status

from fiftyone_latent_inr import InputError, reconstruct, to_grouped_dataset
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.datasets.claims import Claims
from fiftyone_latent_inr.datasets.fields import FieldNames, ensure_fields
from fiftyone_latent_inr.datasets.fit.last_run import in_words, last_run
from fiftyone_latent_inr.datasets.fit.settings import Settings


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


def test_form_counts_what_is_fitted(dataset, fit, short_fits):
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


@pytest.fixture
def recorded(tmp_path):
    """Leaves a dataset as a fit would, without one: a record, and paths of files that are not there."""

    def record(samples, *, teacher="small", key="latent_inr", **options):
        known = None if teacher is None else SimpleNamespace(name=teacher, id=f"{teacher}-id", embedding_dim=4)
        settings = Settings.of("fast", known, None, options)
        dataset = samples._root_dataset
        config = {**settings.record, "digest": settings.digest, "updated": runs.now(), "status": "done"}
        config |= {"embeddings_field": key, "brain_key": f"{key}_index", "output_dir": str(tmp_path / "linr")}
        dataset.register_run(key, dataset.init_run(method=runs.METHOD, **config))
        ensure_fields(dataset, FieldNames.of(key))
        ids = samples.values("id")
        dataset.set_values(f"{key}_path", {i: f"x-{settings.digest}.linr" for i in ids}, key_field="id")
        if teacher is not None:
            dataset.set_values(key, {i: [1.0, 0, 0, 0] for i in ids}, key_field="id")

    return record


@pytest.mark.parametrize(
    "odd",
    [
        {"size": 5, "bpp": "x", "fps": "x", "quality": "x", "max_frames": [1], "seed": {}, "output_dir": 7},
        {"size": [1], "bpp": float("nan"), "quality": True, "preset": 3, "teacher": [], "prior_name": 1, "device": 2},
        {"size": ["\x1b[2J", 1], "preset": "\x1b[2J", "teacher": "\u202e", "output_dir": "\x1b[2J"},
        {"embeddings_field": 5},
        {"brain_key": ["x"]},
    ],
)
def test_odd_records_count_as_none(dataset, odd):
    config = {"embeddings_field": "latent_inr", "brain_key": "latent_inr_index", "seed": 3, "digest": "d"} | odd
    dataset.register_run("latent_inr", dataset.init_run(method=runs.METHOD, **config))
    last = last_run(dataset)
    for line in (last.kept_text(), in_words(config)):
        assert line.isprintable() and "[1]" not in line and "nan" not in line and "x bits" not in line
    assert not {"size", "bpp", "fps", "max_frames"} & set(last.kept)
    assert "quality" not in last.options
    properties = form("fit", dataset)  # what cannot be used is named where it is asked for
    said = [getattr(one, "error_message", None) for one in properties.values() if getattr(one, "invalid", False)]
    assert "status" in properties or (said and "\x1b" not in "".join(map(str, said))), said


def test_form_starts_from_the_last_run_and_asks_before_it_replaces(dataset, recorded, tmp_path):
    recorded(dataset, quality=40, size=(24, 24), max_frames=4, seed=3, device="cpu", key="mine")
    properties = form("fit", dataset)
    wanted = {"preset": "fast", "quality": 40, "teacher": "small", "prior": "none", "device": "cpu"}
    wanted |= {"embeddings_field": "mine", "brain_key": "mine_index"}
    assert {name: properties[name].default for name in wanted} == wanted
    kept = properties["as_before"].view.description
    assert f"size 24x24 · first 4 frames · seed 3 · files in {tmp_path / 'linr'}" in kept
    assert status(properties) == "3 videos · 3 already fitted · nothing to do"
    assert not {"replace", "closing"} & set(properties)

    other = form("fit", dataset, quality=60)
    assert "3 fitted with other settings, to be fitted again" in status(other) and other["replace"].invalid
    assert "preset fast · quality 40 · teacher small" in other["replace"].view.description
    assert not form("fit", dataset, quality=60, replace=True)["replace"].invalid
    assert form("fit", dataset, as_before=False)["replace"].invalid
    with pytest.raises(Exception, match=r"[Vv]alidation.*replace"):
        foo.execute_operator(URI + "fit", {"view": dataset.view()}, params={"quality": 60})


def test_form_asks_before_another_teacher_replaces_the_index(dataset, recorded):
    recorded(dataset)
    asked = form("fit", dataset, teacher="default")["replace"]
    assert asked.invalid and "teacher small" in asked.view.description
    # as `fit_dataset` refuses it
    assert "would drop" in form("fit", dataset, teacher="none")["teacher"].error_message
    part = form("fit", dataset.limit(1), teacher="default")["teacher"]
    assert part.invalid and "2 samples outside this view" in part.error_message


def test_what_was_filled_in_and_what_was_kept_is_fitted(dataset, recorded, monkeypatch, tmp_path):
    recorded(dataset, teacher=None, bpp=0.5, seed=3, max_frames=2)
    seen = []
    monkeypatch.setattr("fiftyone_latent_inr.fit_dataset", lambda samples, **options: seen.append(options))
    list(run("fit", dataset))
    kept = {"seed": 3, "bpp": 0.5, "quality": None, "max_frames": 2, "output_dir": str(tmp_path / "linr")}
    assert seen[0].items() >= {**kept, "preset": "fast", "teacher": None, "prior": "none"}.items()
    assert "quality" not in form("fit", dataset)
    list(run("fit", dataset, as_before=False, preset="best", teacher="small"))
    assert not {"seed", "bpp", "output_dir"} & set(seen[1]) and (seen[1]["preset"], seen[1]["quality"]) == ("best", 50)
    given = foo.get_operator(URI + "fit").parameters({"preset": "fast"})
    assert given.items() >= {"as_before": False, "replace": True, "teacher": "default", "preset": "fast"}.items()


def test_form_says_what_failed_last_time(make_dataset, clips, fit, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 99)
    dataset = make_dataset([tmp_path / "broken.mp4", tmp_path / "gone.mp4", clips["red circle"]])
    fit(dataset.limit(2), teacher=None, config=None, preset="fast")
    ensure_fields(dataset, FieldNames.of("latent_inr"))
    path = f"x-{runs.read_config(dataset, 'latent_inr')['digest']}.linr"
    dataset.set_values("latent_inr_path", {dataset.last().id: path}, key_field="id")
    said = status(form("fit", dataset, teacher="none"))
    assert re.fullmatch(r"3 videos · 1 already fitted · 2 failed last time, such as: .*\.mp4.* · about .*", said), said


def test_drawings_are_no_videos_to_fit(fitted_dataset, fit, no_fit):
    reconstruct(fitted_dataset, progress=False, device="cpu")
    grouped, loose = to_grouped_dataset(fitted_dataset, "latent-inr-test-grouped"), fo.Dataset()
    try:
        assert status(form("fit", grouped)).startswith("2 videos · 2 drawn from fitted ones, left out · 2 fitted with")
        assert status(form("reconstruct", grouped)).startswith("2 videos · 2 drawn already")
        drawn = form("fit", grouped.select_group_slices("recon"))
        assert drawn["samples"].invalid and "drawn from fitted ones" in drawn["samples"].error_message
        with pytest.raises(InputError, match="drawings=True"):
            fit(grouped.select_group_slices("recon"), teacher=None)
        loose.add_samples([fo.Sample(filepath=path) for path in fitted_dataset.values("latent_inr_recon")])
        assert form("pretrain", loose)["samples"].invalid
        assert len(fit(loose, teacher=None, drawings=True).failed) == 2  # as here nothing is fitted
    finally:
        grouped.delete()
        loose.delete()


def test_form_says_who_is_at_work(dataset, fitted_dataset):
    for samples, name, key, what in (
        (dataset, "fit", "latent_inr", "fit"),
        (fitted_dataset, "super_resolve", "latent_inr_x2", "drawing"),
    ):
        with Claims(samples, key, what, "share", print):
            said = form(name, samples, device="cpu")["running"].view.label
        assert f"a {what} of dataset" in said and str(os.getpid()) in said
        assert "running" not in form(name, samples, device="cpu")


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
