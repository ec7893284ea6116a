"""The operators that draw: forms, estimates, live and delegated runs."""

import gc
import re
import time

import fiftyone as fo
import fiftyone.operators as foo
import forms
import pytest
from forms import URI, status

COST = r"about \d+ s · about \d+ KB"


def form(name, samples, **params):
    return forms.form(name, samples, **{"device": "cpu", **params})


def run(name, samples, **params):
    return forms.live(name, samples, **{"device": "cpu", **params})


@pytest.mark.parametrize(
    ("name", "fields", "into"),
    [
        ("reconstruct", set(), "latent_inr_recon"),
        ("super_resolve", {"scale"}, "latent_inr_x2"),
        ("interpolate", {"factor", "scale"}, "latent_inr_fps2"),
    ],
)
def test_forms(fitted_dataset, name, fields, into):
    properties = form(name, fitted_dataset)
    shared = {"crf", "audio", "device", "embeddings_field", "overwrite", "status"}
    assert {"scale", "factor"} & set(properties) == fields and shared <= set(properties)
    assert re.fullmatch(rf"2 videos · {COST} · into {into}", status(properties)), status(properties)


def test_form_counts_and_costs(fitted_dataset, clips):
    foo.get_operator(URI + "super_resolve")(fitted_dataset.limit(1), progress=False, device="cpu")
    fitted_dataset.add_sample(fo.Sample(filepath=clips["red circle"]))
    said = status(form("super_resolve", fitted_dataset))
    pattern = rf"3 videos · 1 not fitted yet, left out · 1 drawn already, kept if up to date · {COST} · into .*"
    assert re.fullmatch(pattern, said), said
    assert "1 drawn already, drawn again" in status(form("super_resolve", fitted_dataset, overwrite=True))
    assert "nothing new to draw" in status(form("super_resolve", fitted_dataset.limit(1)))

    def kilobytes(**params):
        return int(re.search(r"(\d+) KB", status(form("interpolate", fitted_dataset, **params)))[1])

    assert kilobytes(scale=4) > 3 * kilobytes() and kilobytes(factor=20) > 2 * kilobytes() > kilobytes(crf=30)
    assert status(form("interpolate", fitted_dataset, factor=2.5, scale=1.5)).endswith("into latent_inr_x1_5_fps2_5")


@pytest.mark.parametrize(
    ("name", "params", "where", "says"),
    [
        ("super_resolve", {"scale": 0}, "scale", "0.0625 to 16"),
        ("interpolate", {"factor": 0.5}, "factor", "1 to 64"),
        ("reconstruct", {"crf": 99}, "crf", "0 to 51"),
        ("reconstruct", {"embeddings_field": "frames.x"}, "embeddings_field", "frame-level"),
        ("reconstruct", {"embeddings_field": "other"}, "samples", "Fit Latent-INR"),
    ],
)
def test_forms_mark_what_is_wrong(fitted_dataset, name, params, where, says):
    properties = form(name, fitted_dataset, **params)
    assert properties[where].invalid and says in properties[where].error_message and "status" not in properties
    with pytest.raises(Exception, match=r"[Vv]alidation"):
        foo.execute_operator(URI + name, {"view": fitted_dataset.view()}, params=params)


def test_form_refuses_what_is_not_fitted_and_images(make_dataset, clips):
    assert form("reconstruct", make_dataset(clips.values()))["samples"].invalid
    assert "'image'" in form("reconstruct", make_dataset(["a.png"]))["samples"].error_message


def test_form_is_quick_on_5000_videos(make_dataset, fitted_files):
    dataset = make_dataset([f"clip-{k}.mp4" for k in range(5000)])
    dataset.set_values("latent_inr_path", [fitted_files[0]] * 5000)
    gc.collect()  # FiftyOne reloads every sample that is still in memory, as none is where an operator runs
    spent = []
    for _ in range(4):  # the first one imports; the others may meet a busy machine
        start = time.monotonic()
        said = status(form("interpolate", dataset))
        spent.append(time.monotonic() - start)
    assert min(spent) < 1.0 and said.startswith("5000 videos · about")


def test_live_run_yields_progress_and_reloads(fitted_dataset):
    messages = run("interpolate", fitted_dataset, factor=4, scale=4)
    bars = [m["params"]["label"] for m in messages if m["operator_uri"] == "set_progress"]
    assert any(re.fullmatch(r"video [12]/2 · frame \d+/29 · \d+ s left", bar) for bar in bars), bars
    assert bars[-1].startswith("2 drawn in") and bars[-1].endswith("media field latent_inr_x4_fps4")
    assert [m["operator_uri"] for m in messages][-2:] == ["notify", "reload_dataset"]
    fitted_dataset.reload()
    assert fitted_dataset.count("latent_inr_x4_fps4") == 2
    assert fitted_dataset.app_config.media_fields == ["filepath", "latent_inr_x4_fps4"]


def test_live_run_names_what_failed(fitted_dataset, tmp_path):
    (tmp_path / "0.linr").write_bytes(b"LINR and then nothing")
    (note,) = [m["params"] for m in run("reconstruct", fitted_dataset) if m["operator_uri"] == "notify"]
    assert note["variant"] == "error" and "0.linr" in note["message"]
    assert "tag latent_inr_recon_failed" in note["message"]
    assert "1 failed last time, such as: " in status(form("reconstruct", fitted_dataset))


def test_many_drawings_are_scheduled_by_default(fitted_dataset):
    operator = foo.get_operator(URI + "super_resolve")

    def default(**params):
        context = forms.context("super_resolve", fitted_dataset, device="cpu", **params)
        return operator.resolve_execution_options(context).default_choice_to_delegated

    assert not default() and "stops the drawing" in form("super_resolve", fitted_dataset)["closing"].view.label
    fitted_dataset.add_samples([fo.Sample(filepath=f"{k}.mp4") for k in range(3000)])
    fitted_dataset.set_values("latent_inr_path", [fitted_dataset.first().latent_inr_path] * 3002)
    assert default(scale=16)


def test_delegated_run(fitted_dataset):
    from fiftyone.operators.delegated import DelegatedOperationService

    fitted_dataset.persistent = True
    operator = foo.get_operator(URI + "super_resolve")
    result = operator(fitted_dataset, delegate=True, scale=1.5, device="cpu")
    service = DelegatedOperationService()
    service.execute_queued_operations(operator=URI + "super_resolve")
    document = service.get(result.result["id"])
    assert document.run_state == "completed" and document.label == "Latent-INR: super-resolve x1.5", document.result
    assert document.result.result["summary"].startswith("2 drawn in") and document.status.label
    fitted_dataset.reload()
    assert fitted_dataset.count("latent_inr_x1_5") == 2


def test_call_from_python(fitted_dataset):
    summary = foo.get_operator(URI + "interpolate")(fitted_dataset, factor=3, progress=False, device="cpu")
    assert len(summary.drawn) == 2 and summary.media_field == "latent_inr_fps3"
