"""What operators share, tried on a fit: live runs in the App, runs from Python, delegated runs in a worker."""

import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import fiftyone.operators as foo
import pytest
from forms import URI, live, run

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
    messages = [m["params"] for m in live("fit", dataset, preset="fast", teacher="small")]
    notes = [m for m in messages if m and "variant" in m]
    assert [n["variant"] for n in notes] == ["success", "warning"] and "broken.mp4" in notes[1]["message"]
    last = live("fit", dataset, preset="fast", teacher="ViT-B-32/laion2b_s34b_b79k")[-2]["params"]
    assert last["variant"] == "error" and "ViT-B-32" in last["message"]


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
