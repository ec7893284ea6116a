"""What operators share, tried on a fit: live runs in the App, runs from Python, delegated runs in a worker."""

import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import fiftyone as fo
import fiftyone.operators as foo
import httpx
import pytest
from forms import URI, context, form, live, run
from pymongo.errors import OperationFailure

from fiftyone_latent_inr import InputError, TeacherUnavailableError

LABEL = re.compile(r"video \d+/\d+ · \d+\.\d dB · (\d+ s|\d+ min) left")


@pytest.fixture
def quick_presets(monkeypatch, tiny):
    """A preset of about a second a video, for runs through the form, which names presets only."""
    from fiftyone_latent_inr.fitting import presets

    monkeypatch.setitem(presets.PRESETS, "fast", replace(tiny, steps=1500))


def test_live_run_yields_progress_and_reloads(dataset, quick_presets):
    messages = live("fit", dataset, preset="fast", teacher="small")
    names = [m["operator_uri"] for m in messages]
    bars = [m["params"] for m in messages if m["operator_uri"] == "set_progress"]
    assert any(LABEL.fullmatch(bar["label"]) for bar in bars), bars
    assert bars[-1]["progress"] == 1.0 and "3 fitted" in bars[-1]["label"]
    assert names[-2:] == ["notify", "reload_dataset"] and "3 fitted" in messages[-2]["params"]["message"]
    assert dataset.count("latent_inr") == 3 and dataset.list_brain_runs() == ["latent_inr"]


def test_live_run_says_errors_in_the_app(make_dataset, clips, tmp_path, quick_presets):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 99)
    dataset = make_dataset([tmp_path / "broken.mp4", clips["red circle"]])
    messages = live("fit", dataset, preset="fast", teacher="small")
    (note,) = [m["params"] for m in messages if m["operator_uri"] == "notify"]
    assert note["variant"] == "error" and "1 fitted, 1 failed" in note["message"]
    assert "broken.mp4" in note["message"] and "latent_inr_failed" in note["message"]
    assert "1 fitted, 1 failed" in red(messages)["label"] and "broken.mp4" in red(messages)["description"]
    messages = live("fit", dataset, preset="fast", teacher="ViT-B-32/laion2b_s34b_b79k")
    last = messages[-2]["params"]
    assert last["variant"] == "error" and "ViT-B-32" in last["message"] and "ViT-B-32" in red(messages)["description"]


def red(messages):
    """The red notice that stands in the bar's place at the end."""
    shown = [m["params"]["outputs"] for m in messages if m["operator_uri"] == "show_output"]
    view = shown[-1]["type"]["properties"]["trouble"]["view"]
    assert view["name"] == "Error"
    return view


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InputError("no such thing"), "no such thing"),
        (PermissionError(13, "Permission denied", "/data"), "PermissionError: [Errno 13] Permission denied: '/data'"),
        (MemoryError(), "MemoryError"),
        (httpx.ConnectError("no route\x1b[31m\nto host"), "ConnectError: no route"),
        (OperationFailure("not authorized on fiftyone"), "OperationFailure: not authorized"),
        (TeacherUnavailableError("weights"), "weights"),
    ],
)
def test_every_error_is_one_line(dataset, monkeypatch, error, says):
    """In the form, at the end of a live run, in a scheduled run, and of those that talk to the Hub."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("fiftyone_latent_inr.fit_dataset", fail)
    monkeypatch.setattr("fiftyone_latent_inr.datasets.fit.preview.problems", fail)
    monkeypatch.setattr("fiftyone_latent_inr.datasets.priors.known_priors.publish_prior", fail)
    told = [form("fit", dataset)["trouble"].error_message, red(live("fit", dataset))["description"]]
    ctx = context("fit", dataset)
    ctx.request_params["delegated"] = True
    with pytest.raises(RuntimeError) as raised:
        foo.get_operator(URI + "fit").execute(ctx)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
    told += [str(raised.value), run("publish_prior", prior="x", repo="a/b")["error"]]
    assert len(set(told)) == 1 and told[0].startswith(says) and "\n" not in told[0] and "\x1b" not in told[0]
    outputs = foo.get_operator(URI + "publish_prior").resolve_output(
        context("publish_prior", results={"error": told[0]})
    )
    assert outputs.type.properties["trouble"].view.description == told[0]


@pytest.mark.parametrize(("name", "what"), [("fit", "the fit"), ("pretrain", "the pretraining")])
def test_long_work_is_scheduled_by_default(dataset, monkeypatch, name, what):
    operator, several = foo.get_operator(URI + name), {"teacher": "small", "device": "cpu"}

    def scheduled():
        return operator.resolve_execution_options(context(name, dataset, **several)).default_choice_to_delegated

    def closing():
        return form(name, dataset, **several)["closing"].view

    sizes = fo.VideoMetadata(total_frame_count=20, frame_width=64, frame_height=64)
    dataset.set_values("metadata", [sizes] * 3)
    if name == "fit":
        assert not scheduled() and f"stops {what}" in closing().label and "run it again" in closing().label
        sizes.total_frame_count = 200_000
        dataset.set_values("metadata", [sizes] * 3)
    assert scheduled() and "fiftyone delegated launch" in closing().label
    assert f"stops {what}" in closing().description
    monkeypatch.setattr(fo.config, "allow_legacy_orchestrators", False)
    assert "FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS=true" in closing().label
    if name == "fit":  # what is wrong is for the form to say
        monkeypatch.setattr("fiftyone_latent_inr.datasets.fit.preview.fit_status", lambda *_: 1 / 0)
        assert not scheduled()


def test_closing_the_app_stops_the_fit(dataset, quick_presets):
    from fiftyone_latent_inr.datasets import runs

    running = run("fit", dataset, preset="fast", teacher="small")
    next(running)
    running.close()
    deadline = time.monotonic() + 60
    while (runs.read_config(dataset, "latent_inr") or {}).get("status") not in ("interrupted", "done"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
        dataset.reload()


def test_call_from_python(dataset, tiny, tmp_path):
    summary = foo.get_operator(URI + "fit")(dataset, config=tiny, teacher="small", output_dir=tmp_path, progress=False)
    assert len(summary.fitted) == 3


def test_delegated_run_in_a_real_worker(make_dataset, clips):
    """Scheduled here, run by `fiftyone delegated launch` in its own process, read back from the database."""
    from fiftyone.operators.delegated import DelegatedOperationService

    dataset = make_dataset(list(clips.values())[:2], name="latent-inr-test-delegated")
    dataset.persistent = True
    result = foo.get_operator(URI + "fit")(dataset, delegate=True, preset="fast", teacher="small")
    operation = result.result["id"]
    service = DelegatedOperationService()
    worker = subprocess.Popen(
        [os.path.join(os.path.dirname(sys.executable), "fiftyone"), "delegated", "launch", "-t", "local"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    labels, state = set(), None
    try:
        deadline = time.monotonic() + 400
        while state not in ("completed", "failed"):
            assert time.monotonic() < deadline, f"still {state}; labels: {labels}"
            document = service.get(operation)
            state = document.run_state
            if document.status is not None and document.status.label:
                labels.add(document.status.label)
            time.sleep(0.25)
    finally:
        worker.terminate()
        output = worker.communicate(timeout=60)[0]
    assert state == "completed", output
    assert any(LABEL.fullmatch(label) for label in labels), labels
    assert service.get(operation).result.result["summary"].startswith("2 fitted")
    dataset.reload()
    assert dataset.count("latent_inr") == 2
    found = dataset.sort_by_similarity("a blue square", k=1).first()
    assert "blue_square" in found.filepath
