"""Disks that are full, folders that are gone, in the middle of a run: one line, and the next run completes it."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import media
import numpy as np
import pytest
from disks import Ballast, small_disk

from fiftyone_latent_inr import InputError, load, reconstruct, video
from fiftyone_latent_inr.errors import StorageError
from fiftyone_latent_inr.pretraining.config import PretrainConfig
from fiftyone_latent_inr.pretraining.pretrain import pretrain


@pytest.fixture
def disk(tmp_path):
    """A disk of 12 MB, and what fills it."""
    with small_disk(tmp_path / "disk", "12m") as folder:
        yield folder, Ballast(folder)


@pytest.fixture
def plain(fit, tiny):
    """`fit_dataset` without a teacher and with few steps: the quickest."""
    quick = replace(tiny, steps=10, points_per_step=64, group_frames=4)
    return lambda samples, folder, **options: fit(
        samples, teacher=None, config=quick, output_dir=folder, prior="none", **options
    )


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """Three scenes of four frames: three groups."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    video.write(path, np.concatenate([media.moving_square(4, 32, 32, k) for k in range(3)]), 10.0)
    return path


def when(asked, act):
    """A listener that acts once, at the first event for which `asked(label)` holds."""
    done = []

    def listen(_, label):
        if not done and asked(label):
            done.append(act())

    return listen


def status(dataset, key="latent_inr"):
    return dataset.get_run_info(key).config.status


def test_full_at_the_second_file(make_dataset, clips, plain, disk):
    folder, ballast = disk
    dataset = make_dataset(clips.values())
    fill = when(lambda label: label.startswith("video 2/"), ballast.fill)
    with pytest.raises(StorageError, match=r"is full.* are free in .*what was fitted before is kept") as caught:
        plain(dataset, folder / "out", progress=fill)
    assert "\n" not in str(caught.value) and str(folder / "out") in str(caught.value)
    assert dataset.count("latent_inr_path") == 1 and status(dataset) == "failed"
    ballast.free()
    summary = plain(dataset, folder / "out")
    assert len(summary.skipped) == 1 and len(summary.fitted) == 2 and status(dataset) == "done"
    assert len(list((folder / "out").iterdir())) == 3


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "kept",
    [pytest.param(None, id="at the scan"), pytest.param(0, marks=SLOW, id="first group"), pytest.param(2, marks=SLOW)],
)
def test_full_at_a_checkpoint(make_dataset, clips, long_clip, plain, disk, kept):
    """The videos that come behind are not tried one by one, and finished groups are kept."""
    folder, ballast = disk
    parts = folder / "out"

    def reached(label):
        if kept is None:
            return label.startswith("video 1/")
        there = list(parts.glob("*.parts/*.part"))
        return len(there) == kept and list(parts.glob("*.parts/plan.json"))

    dataset = make_dataset([long_clip, *clips.values()])
    with pytest.raises(StorageError, match=r"is full.*what was fitted before is kept"):
        plain(dataset, parts, progress=when(reached, ballast.fill))
    assert not dataset.has_field("latent_inr_path") or not dataset.count("latent_inr_path")
    assert status(dataset) == "failed" and len(list(parts.glob("*.parts/*.part"))) == (kept or 0)
    ballast.free()
    assert len(plain(dataset, parts).fitted) == 4
    assert load(dataset.first().latent_inr_path).num_frames == 12 and len(list(parts.iterdir())) == 4


def test_full_at_a_drawing(make_dataset, sounding_clips, plain, disk):
    folder, ballast = disk
    dataset = make_dataset(sounding_clips)
    plain(dataset, folder / "out")
    options = {"output_dir": folder / "drawn", "device": "cpu"}
    fill = when(lambda label: label.startswith("video 2/"), ballast.fill)
    with pytest.raises(StorageError, match=r"is full.* are free in .*what was drawn before is kept"):
        reconstruct(dataset, progress=fill, **options)
    assert status(dataset, "latent_inr_recon") == "failed" and len(list((folder / "drawn").iterdir())) == 1
    ballast.free()
    summary = reconstruct(dataset, progress=False, **options)
    assert len(summary.skipped) == 1 and len(summary.drawn) == 1


@pytest.mark.parametrize("long", [pytest.param(False, marks=SLOW), True])
def test_a_folder_that_is_removed(make_dataset, clips, long_clip, plain, tmp_path, long):
    folder = tmp_path / "out"
    dataset = make_dataset([clips["red circle"], long_clip if long else clips["blue square"], clips["green star"]])
    gone = when(lambda label: label.startswith("video 1/") and "dB" in label, lambda: shutil.rmtree(folder))
    with pytest.raises(StorageError, match=r"the folder .* kept"):
        plain(dataset, folder, progress=gone)
    assert status(dataset) == "failed" and not folder.exists()
    assert len(plain(dataset, folder).fitted) == 3


def test_something_else_where_a_file_is_to_be_costs_one_video(make_dataset, clips, plain, tmp_path):
    """It is known before the fit, and the others are fitted."""
    dataset = make_dataset(list(clips.values())[:2])
    plain(dataset, tmp_path)
    first, second = dataset.values("latent_inr_path")
    Path(first).unlink()
    os.mkfifo(first)
    summary = plain(dataset, tmp_path, overwrite=True)
    assert len(summary.fitted) == 1 and "a named pipe, where the fitted file is" in summary.failed[0].reason
    Path(first).unlink()
    Path(first).symlink_to(tmp_path / "nowhere")
    assert len(plain(dataset, tmp_path).fitted) == 1 and not Path(first).is_symlink() and load(second)


def test_full_at_a_pretraining(clips, disk):
    folder, ballast = disk
    config = PretrainConfig(steps=4, clips_per_step=1, window=4, frames_per_step=2, points_per_frame=64)
    config = replace(config, sizes=((16, 16),), semantic_frames=4)
    options = {"config": config, "width": 4, "output_dir": folder / "prior", "device": "cpu"}
    sources = list(clips.values())

    def fill(event):
        if event.step and not ballast.path.exists():
            ballast.fill()

    with pytest.raises(StorageError, match=r"the disk is full.* are free in "):
        pretrain(sources, progress=fill, **options)
    ballast.free()
    assert pretrain(sources, progress=False, **options).id


def test_a_plugin_and_a_zoo_source_on_a_full_disk(tmp_path, monkeypatch):
    import fiftyone as fo

    from fiftyone_latent_inr.datasets.app.install import install_plugin
    from fiftyone_latent_inr.datasets.search.zoo_source import register_zoo_source

    with small_disk(tmp_path / "disk", "64k") as folder:
        ballast = Ballast(folder)
        ballast.fill(4096)
        with pytest.raises(InputError, match=r"the disk is full"):
            install_plugin(folder / "plugins")
        monkeypatch.setattr(fo.config, "model_zoo_dir", str(folder / "zoo"))
        with pytest.raises(StorageError, match=r"zoo folder cannot be written: the disk is full"):
            register_zoo_source()
        ballast.free()
        assert install_plugin(folder / "plugins").folder.is_dir()
