"""Pretraining on the videos of a dataset: what is made, recorded, and done only once."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import fiftyone as fo
import full_database
import numpy as np
import pytest
from fiftyone.core.odm import get_db_conn

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.datasets import journal, runs
from fiftyone_latent_inr.owners import Owner
from fiftyone_latent_inr.pretraining.trainer import PretrainConfig

TINY = PretrainConfig(
    steps=20, clips_per_step=1, window=4, frames_per_step=2, points_per_frame=64, sizes=((16, 16),), semantic_frames=4
)


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """Default folders of the test's own."""
    monkeypatch.setattr(fo.config, "default_dataset_dir", str(tmp_path / "data"))
    return tmp_path / "data" / "latent_inr" / "priors"


# Enough for every one of three videos to be read.
ALL = replace(TINY, steps=120)


def pretrain(samples, **options):
    defaults = {"config": TINY, "teacher": "small", "device": "cpu", "progress": False, "width": 4}
    return linr.pretrain(samples, **{**defaults, **options})


def record(dataset):
    (key,) = dataset.list_runs()
    return runs.read_config(dataset, key), runs.read_outcomes(dataset, key)


def test_a_prior_in_its_folder_and_a_record(dataset, home):
    dataset.set_values("licence", ["CC0", None, "CC BY 4.0"])
    dataset.add_sample(fo.Sample(filepath="gone.mp4"))
    seen = []
    options = {"licence_field": "licence", "name": "my prior", "config": ALL}
    prior = pretrain(dataset, progress=lambda *one: seen.append(one), **options)
    assert prior.name == str(home / "my-prior") and prior.config.teacher == "small"
    assert linr.load_prior(home / "my-prior").id == prior.id
    trained = {one["name"]: one.get("licence") for one in prior.notes["trained_on"]}
    assert trained == {"red_circle.mp4": "CC0", "blue_square.mp4": None, "green_star.mp4": "CC BY 4.0"}
    assert dataset.list_runs() == ["latent_inr_prior_my_prior"]
    config, outcomes = record(dataset)
    assert (config["status"], config["prior"], config["teacher"], config["steps"]) == ("done", prior.id, "small", 120)
    assert config["counts"] == {"used": 3, "unused": 0, "failed": 1}
    assert [outcomes[i]["status"] for i in dataset.values("id")] == ["used", "used", "used", "failed"]
    assert "gone" in outcomes[dataset.values("id")[3]]["reason"]
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert any(label.startswith("step 120/120") for _, label in seen) and seen[-1][1].startswith("done in")


def test_a_view_and_a_second_dataset_to_measure_on(dataset, home):
    ids = dataset.values("id")
    prior = pretrain(dataset.select(ids[:2]), validation=dataset.select(ids[2]), preset="fast")
    assert {one["name"] for one in prior.notes["trained_on"]} <= {"red_circle.mp4", "blue_square.mp4"}
    assert prior.notes["metrics"]["psnr"] > 0 and Path(prior.name).name.endswith("-fast")


def test_done_again_nothing_is_trained(dataset, monkeypatch):
    from fiftyone_latent_inr.datasets.priors import pretrain_dataset as module

    first = pretrain(dataset)

    def train(*_, **__):
        raise AssertionError("trained again")

    with monkeypatch.context() as patch:
        patch.setattr(module, "pretrain", train)
        seen = []
        assert pretrain(dataset, progress=lambda *one: seen.append(one)).id == first.id and seen[-1][0] == 1.0
        for other in ({"seed": 1}, {"config": replace(TINY, steps=21)}, {"teacher": None}, {"resume": False}):
            with pytest.raises(AssertionError):
                pretrain(dataset, **other)
    pretrain(dataset, seed=1)
    assert record(dataset)[0]["seed"] == 1


def test_a_record_that_was_cut_off_is_completed(dataset, monkeypatch, home):
    from fiftyone_latent_inr.datasets.priors import pretrain_dataset as module

    options = {"config": replace(TINY, steps=1), "teacher": None, "name": "cut"}
    with monkeypatch.context() as patch:  # what became of the videos is written, and the file of it is not
        full_database.fill(patch, journal.COLLECTION, "insert_many", 3)
        first = pretrain(dataset, **options)
    assert record(dataset)[0]["status"] == "running"
    (home / "cut" / "owner.json").write_text(json.dumps(asdict(replace(Owner.here(), process=2**30))))
    monkeypatch.setattr(module, "pretrain", pytest.fail)
    assert pretrain(dataset, **options).id == first.id
    config, outcomes = record(dataset)
    assert config["status"] == "done" and {one["status"] for one in outcomes.values()} <= {"used", "unused"}
    assert not get_db_conn()[journal.COLLECTION].count_documents({}) and not (home / "cut" / "owner.json").exists()


def test_a_stopped_run_is_recorded_and_goes_on(dataset, home):
    config = replace(TINY, steps=60)

    def stop(fraction, label):
        if fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(dataset, config=config, progress=stop, name="stopped")
    assert record(dataset)[0]["status"] == "interrupted" and not (home / "stopped" / "config.json").exists()
    prior = pretrain(dataset, config=config, name="stopped")
    assert record(dataset)[0]["status"] == "done"
    whole = pretrain(dataset, config=config, name="whole")
    assert prior.id == whole.id


def test_a_broken_video_is_left_out(dataset, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"this is not a video" * 100)
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "broken.mp4")))
    pretrain(dataset, config=ALL)
    outcomes = record(dataset)[1]
    assert [outcomes[i]["status"] for i in dataset.values("id")] == ["used"] * 3 + ["failed"]


def test_what_cannot_be_used_is_refused(dataset, make_dataset):
    with pytest.raises(InputError, match="no field 'licenze'"):
        pretrain(dataset, licence_field="licenze")
    with pytest.raises(InputError, match="none of the videos' files"):
        pretrain(make_dataset(["gone.mp4"]))
    with pytest.raises(InputError, match="'image'"):
        pretrain(make_dataset(["a.png"]))
    assert not dataset.list_runs()


def test_anything_else_goes_to_the_other_function(clips, tmp_path):
    prior = linr.pretrain(list(clips.values()), config=TINY, width=4, progress=False, device="cpu")
    assert prior.notes["trained_on"]
    frames = np.zeros((8, 32, 32, 3), np.uint8)
    assert linr.pretrain([frames], config=TINY, width=4, progress=False, device="cpu").config.teacher is None
