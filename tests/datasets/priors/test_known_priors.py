"""Priors of a dataset's fits: how they are named, what they are checked for, what is recorded."""

import functools
from dataclasses import replace

import fiftyone as fo
import priors
import pytest

from fiftyone_latent_inr import InputError, PriorUnavailableError, load, load_prior
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.datasets.fit import preview as status
from fiftyone_latent_inr.datasets.fit.fit_dataset import _load_prior
from fiftyone_latent_inr.datasets.fit.settings import Settings
from fiftyone_latent_inr.datasets.priors.known_priors import check_prior, fetch_prior, known_priors
from fiftyone_latent_inr.encoding.choose_prior import resolve_prior
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.pretraining.pretrain import prior_config
from fiftyone_latent_inr.priors.prior import Prior


@pytest.fixture
def fits(monkeypatch):
    """The priors that the fits were given."""
    from fiftyone_latent_inr.encoding import fit as encode

    given, original = [], encode.fit

    @functools.wraps(original)  # its arguments are looked at
    def fit(source, **options):
        given.append(options["prior"])
        return original(source, **options)

    monkeypatch.setattr(encode, "fit", fit)
    return given


def test_names(prior_folder, hub):
    assert resolve_prior(None) is None and resolve_prior("none") is None
    prior = resolve_prior(prior_folder)
    assert resolve_prior(prior) is prior and resolve_prior(str(prior_folder)).id == prior.id
    commit = hub.add("owner/name", priors.files(prior_folder))
    for name in ("owner/name", "owner/name@main", f"owner/name@{commit}"):
        fetched = resolve_prior(name)
        assert (fetched.name, fetched.revision, fetched.id) == ("owner/name", commit, prior.id)
    with pytest.raises(PriorUnavailableError, match="v2"):
        resolve_prior("owner/name@v2")


def test_a_run_loads_its_prior_once_and_records_it(dataset, fit, fits, prior_folder):
    fit(dataset, prior=str(prior_folder))
    assert len(fits) == 3 and len({id(prior) for prior in fits}) == 1
    record = runs.read_config(dataset, "latent_inr")
    assert record["prior"] == fits[0].id and record["prior_name"] == str(prior_folder)
    assert record["prior_revision"] is None
    assert load(dataset.first().latent_inr_path).metadata["started_from"] == fits[0].id
    with pytest.raises(InputError, match="can be found again"):
        fit(dataset, prior=prior_folder, residual=True)
    assert Settings.of("fast", None, None, {}).digest != Settings.of("fast", None, None, {"residual": True}).digest


def test_a_preset_has_a_prior_of_its_own(dataset, fit, fits):
    view = dataset.limit(1)
    config = replace(PRESETS["fast"], steps=2, steps_growth=0.0)
    options = {"preset": "fast", "teacher": "small", "embeddings_field": "latent_inr", "brain_key": "latent_inr"}
    fit(view, config=config)
    assert runs.read_config(dataset, "latent_inr")["prior"] == load_prior("fast-prior").id
    assert len(fit(view, config=config).skipped) == 1
    fit(view, config=config, prior="none")
    assert fits == [None, "none"]
    record = {**runs.read_config(dataset, "latent_inr"), "config": PRESETS["fast"].digest(), "quality": None}
    assert record["prior"] is record["prior_name"] is None
    assert status._same_settings(record, {**options, "prior": "none"})
    assert not status._same_settings(record, {**options, "prior": None})
    record["prior_name"] = "fast-prior"
    assert status._same_settings(record, {**options, "prior": None})
    assert not status._same_settings(record, {**options, "prior": "none"})
    assert not status._same_settings({**record, "config": PRESETS["best"].digest()}, {**options, "preset": "best"})


def test_samples_fitted_with_another_prior_are_not_up_to_date(dataset, fit, fits, prior_folder, tmp_path):
    view = dataset.limit(1)
    fit(view)
    assert len(fit(view, prior=prior_folder).fitted) == 1
    assert len(fit(view, prior=prior_folder).skipped) == 1
    copy = tmp_path / "copy"
    resolve_prior(prior_folder).save_pretrained(copy)
    assert len(fit(view, prior=copy).skipped) == 1, "the same weights at another place"
    other = resolve_prior(prior_folder)
    other.networks.embedding_bias.data += 1
    assert len(fit(view, prior=other).fitted) == 1
    assert len(fit(view).adopted) == 1, "the file of the fit without a prior is still there"


def test_what_does_not_go_together_is_known_before_anything_is_fitted(dataset, fit, fits, prior_folder, tmp_path):
    priors.make().save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match="small@12345678"):
        fit(dataset, prior=tmp_path / "other")
    with pytest.raises(InputError, match=r"another architecture"):
        fit(dataset, prior=tmp_path / "other", teacher=None)
    with pytest.raises(InputError, match="unknown prior"):
        fit(dataset, prior=tmp_path / "nothing")
    assert not fits and not dataset.list_runs()


def test_forms_check_without_loading(dataset, fit, fits, prior_folder, hub, short_fits):
    fast, best = PRESETS["fast"].architecture, PRESETS["best"].architecture
    check_prior(str(prior_folder), fast, "small")
    check_prior(str(prior_folder), fast, None)
    check_prior("owner/name", fast, "small")  # known when the fit runs
    with pytest.raises(InputError, match=r"another architecture .* give preset='fast'"):
        check_prior(str(prior_folder), best, "small")
    with pytest.raises(InputError, match=r"teacher small@.*, the fit has ViT"):
        check_prior(str(prior_folder), fast, "ViT-B-32/laion2b_s34b_b79k")
    with pytest.raises(InputError, match="unknown prior"):
        check_prior("smal", fast, "small")
    fit(dataset, config=None, preset="fast", prior=prior_folder, max_frames=None, quality=50)
    options = {"preset": "fast", "teacher": "small", "quality": 50, "embeddings_field": "latent_inr"}
    options |= {"brain_key": "latent_inr", "overwrite": False, "prior": str(prior_folder)}
    assert status.problems(dataset, options) == {}
    assert status.fit_status(dataset, options).current == 3
    assert status.fit_status(dataset, {**options, "prior": None}).current == 0


def test_a_prior_without_a_teacher_may_start_any_fit_of_its_architecture(dataset, prior_folder, tmp_path):
    """The form says what `Prior` says; a preset's name decides nothing."""
    made = prior_config("fast", 4, None)
    Prior(replace(made, preset="mine")).save_pretrained(tmp_path / "prior")
    for teacher in (None, "small", "default"):
        options = {"preset": "fast", "teacher": teacher, "quality": 50, "embeddings_field": "latent_inr"}
        options |= {"brain_key": "latent_inr", "overwrite": False, "prior": str(tmp_path / "prior")}
        assert status.problems(dataset, options) == {}
        assert "prior" in status.problems(dataset, {**options, "preset": "best"})


def test_what_was_fetched_can_be_chosen_later_without_a_network(prior_folder, hub, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(fo.config, "default_dataset_dir", str(tmp_path / "data"))
    commit = hub.add("owner/name", priors.files(prior_folder))
    summary = fetch_prior("owner/name", progress=False)
    assert summary.place == f"owner/name@{commit}" and "preset fast · teacher small" in str(summary)
    fetch_prior("owner/name", "main", progress=False)
    assert [name for name in known_priors() if name.startswith("owner/")] == [f"owner/name@{commit}"]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    prior = resolve_prior(f"owner/name@{commit}")
    assert (prior.name, prior.revision) == ("owner/name", commit)
    with pytest.raises(PriorUnavailableError):
        resolve_prior("owner/other")
    (listed,) = (tmp_path / "data").rglob("fetched.json")
    listed.write_text("[" * 100_000)
    assert not [name for name in known_priors() if name.startswith("owner/")]


@pytest.mark.parametrize(("prior", "preset"), [("none", "fast"), ("none", "balanced"), (None, "balanced")])
def test_a_residual_without_a_prior_is_refused_once(prior, preset):
    with pytest.raises(InputError, match="difference from a prior; give one"):
        _load_prior(prior, preset, None, {"residual": True})
