"""An exception of the user's own listener ends a run in an orderly way, wherever it is raised."""

import errno
from dataclasses import replace

import pytest

from fiftyone_latent_inr import InputError, pretrain, reconstruct
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.pretraining.config import PretrainConfig


def raising(raised, at):
    """A listener that raises at each event from the first on whose label holds a text, and the labels that it got."""
    labels = []

    def listen(fraction, label):
        labels.append(label)
        if raised_before or at in label:
            raised_before.append(label)
            raise raised

    raised_before = []
    return listen, raised_before


@pytest.fixture
def quick(fit, tiny):
    config = replace(tiny, steps=10, points_per_step=64)
    return lambda samples, **options: fit(samples, config=config, prior="none", **options)


@pytest.mark.parametrize(
    ("at", "raised", "stored"),
    [
        ("checking files", InputError("mine"), 0),
        pytest.param("video 2/3 · ", OSError(errno.ENOSPC, "mine"), 1, marks=pytest.mark.slow),
        ("video 1/3 · fitted", InputError("mine"), 1),
        pytest.param("indexing", ValueError("mine"), 3, marks=pytest.mark.slow),
        ("indexing", KeyboardInterrupt(), 3),
        (" dB · ", InputError("mine"), 0),
    ],
)
def test_of_a_fit(dataset, quick, at, raised, stored):
    """What is done is stored, the index and the record stand, no video failed, and the next run completes it."""
    listen, asked = raising(raised, at)
    with pytest.raises(type(raised)) as caught:
        quick(dataset, progress=listen)
    assert caught.value is raised and caught.value.__cause__ is None and caught.value.__context__ is None
    assert len(asked) == 1, "it is not asked again"
    assert (dataset.count("latent_inr_path") if dataset.has_field("latent_inr_path") else 0) == stored
    assert ("latent_inr" in dataset.list_brain_runs()) == bool(stored)
    if at != "checking files":  # nothing was begun
        assert dataset.get_run_info("latent_inr").config.status == "interrupted"
        outcomes = runs.read_outcomes(dataset, "latent_inr")
        assert {one["status"] for one in outcomes.values()} <= {"fitted"} and len(outcomes) == stored
    summary = quick(dataset)
    assert len(summary.fitted) == 3 - stored and len(summary.skipped) == stored and not summary.failed
    assert dataset.get_run_info("latent_inr").config.status == "done"


@pytest.mark.parametrize(
    "raised", [pytest.param(StopIteration("mine"), marks=pytest.mark.slow), OSError(errno.ENOENT, "mine")]
)
def test_of_drawings(dataset, quick, raised, tmp_path):
    """Also where frames are being written."""
    quick(dataset, teacher=None)
    listen, asked = raising(raised, "video 2/3 · frame ")
    with pytest.raises(type(raised)) as caught:
        reconstruct(dataset, progress=listen, device="cpu")
    assert caught.value is raised and len(asked) == 1
    assert dataset.count("latent_inr_recon") == 1
    assert dataset.get_run_info("latent_inr_recon").config.status == "interrupted"
    assert not list((tmp_path / "linr").glob("*.tmp"))
    assert len(reconstruct(dataset, progress=False, device="cpu").drawn) == 2


def test_of_a_pretraining(dataset, tmp_path):
    config = PretrainConfig(steps=2, clips_per_step=1, window=4, frames_per_step=2, points_per_frame=64)
    config = replace(config, sizes=((16, 16),), semantic_frames=4)
    options = {"config": config, "width": 4, "device": "cpu", "output_dir": tmp_path / "prior", "name": "mine"}
    raised = InputError("mine")
    listen, _ = raising(raised, "step ")
    with pytest.raises(InputError) as caught:
        pretrain(dataset, progress=listen, **options)
    assert caught.value is raised
    assert dataset.get_run_info("latent_inr_prior_mine").config.status == "interrupted"
    assert pretrain(dataset, progress=False, **options).id
