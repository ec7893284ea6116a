"""The operator without a browser: how FiftyOne finds it, its form, a live run, a delegated run."""

import ast
import gc
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.executor as foe
import pytest

URI = "@latent-inr/latent_inr/fit"
LABEL = re.compile(r"video \d+/\d+ · \d+\.\d dB · (\d+ s|\d+ min) left")


@pytest.fixture
def operator():
    return foo.get_operator(URI)


def context(samples, target=None, selected=(), **params):
    request = {
        "dataset_name": samples._root_dataset.name,
        "view": samples.view()._serialize(),
        "params": params,
        "selected": list(selected),
    }
    if target:
        request["view_target"] = target
        request["params"]["view_target"] = target
    return foe.ExecutionContext(operator_uri=URI, executor=foe.Executor(), request_params=request)


def form(operator, ctx):
    return operator.resolve_input(ctx).type.properties


def status(properties):
    return properties["status"].view.label


def test_the_link_registers_exactly_the_listed_operators(operator):
    assert operator.config.label == "Fit Latent-INR"
    ours = [op for op in foo.list_operators() if op.uri.startswith("@latent-inr/")]
    drawing, priors = {"reconstruct", "super_resolve", "interpolate"}, {"pretrain", "get_prior", "publish_prior"}
    assert {op.name for op in ours if not op.config.unlisted} == {"fit"} | drawing | priors
    assert {op.name for op in ours if op.config.unlisted} == {"refresh"} and URI in {op.uri for op in ours}


def test_listing_operators_imports_nothing_heavy(repository, fiftyone_home):
    code = (
        "import sys, types, importlib.util as u\n"
        "import fiftyone.operators\n"
        "before = set(sys.modules)\n"
        f"spec = u.spec_from_file_location('ops', {str(repository / 'operators' / '__init__.py')!r})\n"
        "module = u.module_from_spec(spec); sys.modules['ops'] = module; spec.loader.exec_module(module)\n"
        "new = set(sys.modules) - before\n"
        "new = {m.split('.')[0] for m in new} | {m for m in new if 'zoo' in m}\n"
        "print('new', sorted(new))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    new = ast.literal_eval(next(line for line in out.stdout.splitlines() if line.startswith("new"))[4:])
    assert not {"torch", "open_clip", "fiftyone_latent_inr"} & set(new)
    assert not [name for name in new if "zoo" in name]


def test_form_defaults_and_status(operator, dataset):
    properties = form(operator, context(dataset, teacher="small"))
    assert {"preset", "quality", "teacher", "prior", "device", "brain_key", "overwrite", "status"} <= set(properties)
    assert re.fullmatch(r"3 videos · about .* on this machine", status(properties)), status(properties)


def test_form_counts_what_is_fitted(operator, dataset, fit, monkeypatch):
    from fiftyone_latent_inr.fitting import config

    fit(dataset.limit(2), config=None, preset="fast", max_frames=None)
    assert "3 videos · 2 already fitted · about" in status(
        form(operator, context(dataset, preset="fast", teacher="small"))
    )
    again = form(operator, context(dataset.limit(2), preset="fast", teacher="small"))
    assert status(again) == "2 videos · 2 already fitted · nothing to do"
    other = status(form(operator, context(dataset, preset="best", teacher="small")))
    assert "2 fitted with other settings, to be fitted again" in other
    finer = status(form(operator, context(dataset, preset="fast", teacher="small", quality=70)))
    assert "2 fitted with other settings, to be fitted again" in finer
    beyond = form(operator, context(dataset, preset="fast", teacher="small", quality=120))
    assert beyond["quality"].invalid and "0 to 100" in beyond["quality"].error_message
    everything = status(form(operator, context(dataset, preset="fast", teacher="small", overwrite=True)))
    assert "to be fitted again" in everything and config.PRESETS


def test_form_offers_view_and_selection(operator, dataset):
    ids = dataset.values("id")
    view = dataset.limit(2)
    assert status(form(operator, context(view, teacher="small"))).startswith("2 videos")
    assert status(form(operator, context(view, target="DATASET", teacher="small"))).startswith("3 videos")
    chosen = context(dataset, target="SELECTED_SAMPLES", selected=ids[:1], teacher="small")
    assert status(form(operator, chosen)).startswith("1 video ")


@pytest.mark.parametrize(
    ("params", "where", "says"),
    [
        ({"embeddings_field": "frames.x"}, "embeddings_field", "frame-level"),
        ({"embeddings_field": "filepath"}, "embeddings_field", "StringField"),
        ({"brain_key": "a b"}, "brain_key", "usable name"),
        ({"teacher": "smal"}, "teacher", "smal"),
    ],
)
def test_form_marks_what_is_wrong(operator, dataset, params, where, says):
    properties = form(operator, context(dataset, **{"teacher": "small", **params}))
    assert properties[where].invalid and says in properties[where].error_message
    assert "status" not in properties
    with pytest.raises(Exception, match=r"[Vv]alidation"):
        foo.execute_operator(URI, {"view": dataset.view()}, params={"teacher": "small", **params})


def test_form_refuses_images(operator, make_dataset):
    properties = form(operator, context(make_dataset(["a.png"])))
    assert properties["samples"].invalid and "'image'" in properties["samples"].error_message


def test_grouped_dataset_fits_its_videos(operator, make_dataset, clips):
    dataset = make_dataset()
    dataset.add_group_field("group", default="picture")
    group = fo.Group()
    dataset.add_samples(
        [
            fo.Sample(filepath="a.png", group=group.element("picture")),
            fo.Sample(filepath=clips["red circle"], group=group.element("film")),
        ]
    )
    assert status(form(operator, context(dataset, teacher="small"))).startswith("1 video ")


def test_form_is_quick_on_5000_videos(operator, make_dataset):
    dataset = make_dataset([f"clip-{k}.mp4" for k in range(5000)])
    dataset.set_values("latent_inr_path", [f"x-{k}-abc.linr" for k in range(5000)])
    gc.collect()  # FiftyOne reloads every sample that is still in memory, as none is where an operator runs
    spent = []
    for _ in range(4):  # the first one imports; the others may meet a busy machine
        start = time.monotonic()
        properties = form(operator, context(dataset, teacher="small"))
        spent.append(time.monotonic() - start)
    assert min(spent) < 1.0
    assert "5000 fitted with other settings" in status(properties)


@pytest.fixture
def quick_presets(monkeypatch, tiny):
    """A preset of about a second a video, for runs through the form, which names presets only."""
    from fiftyone_latent_inr.fitting import config

    monkeypatch.setitem(config.PRESETS, "fast", replace(tiny, steps=1500))


def test_live_run_yields_progress_and_reloads(operator, dataset, quick_presets):
    messages = [m.to_json()["body"] for m in operator.execute(context(dataset, preset="fast", teacher="small"))]
    names = [m["operator_uri"] for m in messages]
    bars = [m["params"] for m in messages if m["operator_uri"] == "set_progress"]
    assert any(LABEL.fullmatch(bar["label"]) for bar in bars), bars
    assert bars[-1]["progress"] == 1.0 and "3 fitted" in bars[-1]["label"]
    assert names[-2:] == ["notify", "reload_dataset"] and "3 fitted" in messages[-2]["params"]["message"]
    assert dataset.count("latent_inr") == 3 and dataset.list_brain_runs() == ["latent_inr"]


def test_live_run_says_errors_in_the_app(operator, make_dataset, clips, tmp_path, quick_presets):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 99)
    dataset = make_dataset([tmp_path / "broken.mp4", clips["red circle"]])
    messages = [
        m.to_json()["body"]["params"] for m in operator.execute(context(dataset, preset="fast", teacher="small"))
    ]
    notes = [m for m in messages if m and "variant" in m]
    assert [n["variant"] for n in notes] == ["success", "warning"] and "broken.mp4" in notes[1]["message"]
    bad = operator.execute(context(dataset, preset="fast", teacher="ViT-B-32/laion2b_s34b_b79k"))
    last = [m.to_json()["body"]["params"] for m in bad][-2]
    assert last["variant"] == "error" and "ViT-B-32" in last["message"]


def test_closing_the_app_stops_the_fit(operator, dataset, quick_presets):
    from fiftyone_latent_inr.datasets import runs

    running = operator.execute(context(dataset, preset="fast", teacher="small"))
    next(running)
    running.close()
    deadline = time.monotonic() + 60
    while (runs.read_config(dataset, "latent_inr") or {}).get("status") not in ("interrupted", "done"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
        dataset.reload()


def test_call_from_python(operator, dataset, tiny, tmp_path):
    summary = operator(dataset, config=tiny, teacher="small", output_dir=tmp_path, progress=False)
    assert len(summary.fitted) == 3


def test_delegated_run_in_a_real_worker(operator, make_dataset, clips):
    """Scheduled here, run by `fiftyone delegated launch` in its own process, read back from the database."""
    from fiftyone.operators.delegated import DelegatedOperationService

    dataset = make_dataset(list(clips.values())[:2], name="latent-inr-test-delegated")
    dataset.persistent = True
    result = operator(dataset, delegate=True, preset="fast", teacher="small")
    operation = result.result["id"]
    service = DelegatedOperationService()
    worker = subprocess.Popen(
        [os.path.join(os.path.dirname(sys.executable), "fiftyone"), "delegated", "launch", "-t", "local"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
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
