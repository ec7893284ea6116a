"""The operator that refines: its form, a live run."""

from dataclasses import replace

import forms
import pytest
from forms import status

from fiftyone_latent_inr.encoding import refine


def form(samples, **params):
    return forms.form("refine", samples, **{"device": "cpu", **params})


def test_the_form_says_how_much_and_how_long(fitted_dataset, make_dataset, clips):
    properties = form(fitted_dataset)
    assert {"preset", "minutes", "quality", "order", "device", "embeddings_field", "again"} <= set(properties)
    assert status(properties).startswith("2 videos · about ")
    assert "about 6 min on this machine" in status(form(fitted_dataset, minutes=3))
    assert form(make_dataset(clips.values()))["samples"].invalid


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("minutes", -1, "minutes"),
        ("quality", 101, "0 to 100"),
        ("order", "nothing", "no such field or tag"),
        ("embeddings_field", "frames.x", "frame-level"),
    ],
)
def test_the_form_marks_what_is_wrong(fitted_dataset, name, value, says):
    properties = form(fitted_dataset, **{name: value})
    assert properties[name].invalid and says in properties[name].error_message and "status" not in properties


def test_a_live_run_refines(fitted_dataset, tiny, monkeypatch):
    monkeypatch.setitem(refine.PRESETS, "fast", replace(tiny, steps=20))
    messages = forms.live("refine", fitted_dataset, device="cpu", preset="fast", order="view")
    said = [m["params"].get("message", "") for m in messages if "params" in m]
    assert any("2 of" in line or "better" in line or "as good as" in line for line in said), said
    fitted_dataset.reload()
    assert fitted_dataset.count("latent_inr_psnr") == 2
