"""Drawn videos: what is written, registered, skipped, and drawn again."""

import logging
import os
import shutil
from fractions import Fraction
from pathlib import Path

import fiftyone as fo
import media
import numpy as np
import pytest

from fiftyone_latent_inr import InputError, codec, interpolate, load, reconstruct, super_resolve, video
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.datasets.drawings import job as draw_job
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.video import sound_process

QUIET = {"progress": False, "device": "cpu"}


def times_of(dataset, field):
    return [os.stat(path).st_mtime_ns for path in dataset.values(field)]


def test_reconstruct_writes_and_registers(fitted_dataset):
    summary = reconstruct(fitted_dataset, crf=0, **QUIET)
    assert summary.drawn == fitted_dataset.values("id") and str(summary).startswith("2 drawn in")
    assert fitted_dataset.app_config.media_fields == ["filepath", "latent_inr_recon"]
    assert isinstance(fitted_dataset.get_field("latent_inr_recon"), fo.StringField)
    sample = fitted_dataset.first()
    drawn, stored = video.read(sample.latent_inr_recon), load(sample.latent_inr_path)
    assert (
        drawn.fps == pytest.approx(10) and Path(sample.latent_inr_recon).parent == Path(sample.latent_inr_path).parent
    )
    assert psnr(drawn.array, stored.render(device="cpu")) > 33  # what halving the colours' resolution leaves
    record = runs.read_config(fitted_dataset, "latent_inr_recon")
    assert record["status"] == "done" and record["counts"]["drawn"] == 2 and record["crf"] == 0
    assert {o["status"] for o in runs.read_outcomes(fitted_dataset, "latent_inr_recon").values()} == {"drawn"}


@pytest.mark.parametrize(
    ("call", "options", "field", "size", "frames", "fps"),
    [
        (super_resolve, {}, "latent_inr_x2", (96, 128), 8, 10),
        (super_resolve, {"scale": 1.37}, "latent_inr_x1_37", (66, 88), 8, 10),
        (super_resolve, {"scale": 0.5}, "latent_inr_x0_5", (24, 32), 8, 10),
        (interpolate, {}, "latent_inr_fps2", (48, 64), 16, 20),
        (interpolate, {"factor": 2.5}, "latent_inr_fps2_5", (48, 64), 20, 25),
        (interpolate, {"factor": 3, "scale": 2}, "latent_inr_x2_fps3", (96, 128), 24, 30),
    ],
)
def test_sizes_rates_durations_and_sound(fitted_dataset, call, options, field, size, frames, fps):
    view = fitted_dataset.limit(1)
    assert call(view, **options, **QUIET).media_field == field
    path = view.first()[field]
    drawn = video.read(path)
    assert drawn.array.shape == (frames, *size, 3) and drawn.fps == pytest.approx(fps, rel=1e-3)
    info = video.probe(path)
    assert info.duration == pytest.approx(video.probe(view.first().filepath).duration, abs=0.001)
    codec, click, end = media.heard(Path(path))
    assert codec == "aac" and click == pytest.approx(0.5, abs=0.005) and end <= 0.83
    assert fitted_dataset.count(field) == 1 and field in fitted_dataset.app_config.media_fields


def test_pixels_that_are_not_square_are_drawn_so(fitted_dataset):
    view = fitted_dataset.limit(1)
    path = Path(view.first().latent_inr_path)
    source = codec.MemorySource(path.read_bytes())
    header, entries = codec.parse(source)
    parts = [codec.Section(e.kind, e.count, e.model, codec.read_section(source, e), e.parent) for e in entries]
    path.write_bytes(codec.assemble({**header, "pixel_aspect": [4, 3]}, parts))
    for call in (reconstruct, super_resolve, interpolate):
        field = call(view, **QUIET).media_field
        assert video.probe(view.first()[field]).pixel_aspect == Fraction(4, 3)


def test_which_frame_is_which(fitted_dataset):
    from fiftyone_latent_inr.rendering.timeline import drawn_frame_number

    view = fitted_dataset.limit(1)
    interpolate(view, 3, crf=0, **QUIET)
    drawn, stored = video.read(view.first().latent_inr_fps3).array, load(view.first().latent_inr_path)
    truth = stored.render(device="cpu")
    for number in (1, 2, 5, 8):
        place = drawn_frame_number(number, 3)
        scores = [psnr(drawn[place - 1 : place], frame[None]) for frame in truth]
        assert place == (number - 1) * 3 + 1 and np.argmax(scores) == number - 1
    # The last one holds for as long as it was shown before
    assert np.abs(drawn[-3:].astype(int) - drawn[-1]).max() <= 3


def test_done_again_nothing_is_drawn(fitted_dataset):
    super_resolve(fitted_dataset, **QUIET)
    before = times_of(fitted_dataset, "latent_inr_x2")
    summary = super_resolve(fitted_dataset, scale=2, **QUIET)
    assert len(summary.skipped) == 2 and not summary.drawn
    assert fitted_dataset.app_config.media_fields == ["filepath", "latent_inr_x2"]
    assert times_of(fitted_dataset, "latent_inr_x2") == before
    assert len(super_resolve(fitted_dataset, overwrite=True, **QUIET).drawn) == 2
    assert times_of(fitted_dataset, "latent_inr_x2") != before


def test_media_fields_stay_in_order_and_once(fitted_dataset):
    for call in (reconstruct, super_resolve, interpolate, reconstruct):
        call(fitted_dataset, **QUIET)
    reloaded = fo.load_dataset(fitted_dataset.name)
    offered = ["filepath", "latent_inr_recon", "latent_inr_x2", "latent_inr_fps2"]
    assert reloaded.app_config.media_fields == offered


def test_other_settings_and_another_fit_draw_again(fitted_dataset, fitted_files):
    reconstruct(fitted_dataset, **QUIET)
    assert len(reconstruct(fitted_dataset, crf=30, **QUIET).drawn) == 2
    assert len(reconstruct(fitted_dataset, crf=30, **QUIET).skipped) == 2
    # As a fit that was done again leaves it: the same name, other content
    first, second = fitted_dataset
    shutil.copy(second.latent_inr_path, first.latent_inr_path)
    summary = reconstruct(fitted_dataset, crf=30, **QUIET)
    assert summary.drawn == [first.id] and summary.skipped == [second.id]


def test_a_video_that_is_damaged_or_gone_is_drawn_again(fitted_dataset):
    reconstruct(fitted_dataset, **QUIET)
    first, second = (Path(path) for path in fitted_dataset.values("latent_inr_recon"))
    first.write_bytes(first.read_bytes()[:-100])
    second.unlink()
    assert len(reconstruct(fitted_dataset, **QUIET).drawn) == 2
    assert len(video.read(first).array) == len(video.read(second).array) == 8


def test_a_finished_video_without_field_is_taken_up(fitted_dataset):
    reconstruct(fitted_dataset, **QUIET)
    paths = fitted_dataset.values("latent_inr_recon")
    fitted_dataset.set_values("latent_inr_recon", [None, None])
    summary = reconstruct(fitted_dataset, **QUIET)
    assert len(summary.adopted) == 2 and fitted_dataset.values("latent_inr_recon") == paths


def test_output_dir_and_own_names(fitted_dataset, tmp_path):
    fitted_dataset.rename_sample_field("latent_inr_path", "mine_path")
    reconstruct(fitted_dataset, embeddings_field="mine", output_dir=tmp_path / "new" / "place", **QUIET)
    assert {Path(path).parent for path in fitted_dataset.values("mine_recon")} == {tmp_path / "new" / "place"}
    assert len(reconstruct(fitted_dataset, embeddings_field="mine", **QUIET).skipped) == 2


def test_views_and_samples_that_are_not_fitted(fitted_dataset, clips, caplog):
    caplog.set_level(logging.INFO, "fiftyone_latent_inr")
    fitted_dataset.add_sample(fo.Sample(filepath=clips["red circle"]))
    view = fitted_dataset.skip(1).select_fields("filepath")
    summary = reconstruct(view, **QUIET)
    ids = fitted_dataset.values("id")
    assert summary.drawn == ids[1:2] and summary.unfitted == ids[2:] and "1 not fitted yet" in str(summary)
    assert fitted_dataset.values("latent_inr_recon")[0] is None
    assert f"Not fitted yet, and left out: {Path(clips['red circle']).name}; fit them first" in caplog.messages
    with pytest.raises(InputError, match="none of these 1 videos is fitted"):
        reconstruct(fitted_dataset.select(ids[2]), **QUIET)


def test_a_slice_of_a_grouped_dataset(make_dataset, sounding_clips, fitted_files, tmp_path):
    dataset = make_dataset()
    dataset.add_group_field("group", default="left")
    group = fo.Group()
    for side in ("left", "right"):
        stored = shutil.copy(fitted_files[0], tmp_path / f"{side}.linr")
        element = group.element(side)
        dataset.add_sample(fo.Sample(filepath=sounding_clips[0], group=element, latent_inr_path=str(stored)))
    with pytest.raises(InputError, match=r"reconstruct\(dataset\.select_group_slices\('left'\)\)"):
        reconstruct(dataset, **QUIET)
    assert len(reconstruct(dataset.select_group_slices("right"), **QUIET).drawn) == 1
    assert dataset.count("latent_inr_recon") == 0


def test_sound_follows_the_original(fitted_dataset, tmp_path):
    sample = fitted_dataset.first()
    moved = str(tmp_path / "moved.mp4")
    shutil.copy(sample.filepath, moved)
    sample.filepath = moved
    sample.save()
    view = fitted_dataset.limit(1)
    reconstruct(view, **QUIET)
    with_sound = sample.reload() or sample.latent_inr_recon
    assert video.probe(with_sound).has_audio
    os.rename(moved, moved + ".away")
    assert len(reconstruct(view, **QUIET).skipped) == 1, "what has sound is kept when the original is gone"
    assert len(super_resolve(view, **QUIET).drawn) == 1, "the stored file suffices to draw"
    sample.reload()
    silent = sample.latent_inr_x2
    assert not video.probe(silent).has_audio
    os.rename(moved + ".away", moved)
    assert len(super_resolve(view, **QUIET).drawn) == 1, "the sound is back"
    sample.reload()
    assert video.probe(sample.latent_inr_x2).has_audio
    assert len(super_resolve(view, audio=False, **QUIET).adopted) == 1
    sample.reload()
    assert sample.latent_inr_x2 == silent


@pytest.mark.parametrize("progress", [False, lambda fraction, label: None])
def test_lost_sound_is_said_whatever_progress_is(fitted_dataset, caplog, progress, tmp_path):
    sample = fitted_dataset.first()
    sample.filepath = str(tmp_path / "gone.mp4")
    sample.save()
    summary = reconstruct(fitted_dataset, progress=progress, device="cpu")
    assert str(summary).startswith("2 drawn (1 without sound) in") and summary.silent == [sample.id]
    (said,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "gone.mp4: drawn without sound" in said.getMessage()


def test_sound_of_another_video_is_not_taken(fitted_dataset, sounding_clips, capsys):
    sample = fitted_dataset.first()
    sample.filepath = sounding_clips[1]
    sample.save()
    reconstruct(fitted_dataset.limit(1), device="cpu")
    sample.reload()
    assert not video.probe(sample.latent_inr_recon).has_audio
    assert "it has changed since; fit it again" in capsys.readouterr().err
    notes = runs.read_outcomes(fitted_dataset, "latent_inr_recon")[sample.id]["notes"]
    assert len(notes) == 1 and "without sound" in notes[0]


def test_a_sound_that_ends_its_process_costs_only_sound(fitted_dataset, tmp_path, monkeypatch):
    path = media.sounding(tmp_path / "a.mkv", media.moving_square(8, 48, 64), codec="ac3")
    sample = fitted_dataset.first()
    monkeypatch.setattr(draw_job.DrawJob, "_sound", lambda *_: (str(path), False, ""))
    monkeypatch.setattr(sound_process, "BOOT", "import os; os.abort() # {module}")
    assert len(reconstruct(fitted_dataset.limit(1), **QUIET).drawn) == 1
    sample.reload()
    assert len(video.read(sample.latent_inr_recon).array) == 8
    (note,) = runs.read_outcomes(fitted_dataset, "latent_inr_recon")[sample.id]["notes"]
    assert "SIGABRT" in note and "drawn without" in note


def test_failures_are_recorded_and_do_not_stop_the_rest(fitted_dataset):
    first, second = fitted_dataset
    path = Path(first.latent_inr_path)
    path.write_bytes(path.read_bytes()[:-200] + bytes(200))
    summary = reconstruct(fitted_dataset, **QUIET)
    assert summary.drawn == [second.id] and [f.sample_id for f in summary.failed] == [first.id]
    outcomes = runs.read_outcomes(fitted_dataset, "latent_inr_recon")
    assert outcomes[first.id]["status"] == "failed" and "0.linr" in outcomes[first.id]["reason"]
    path.unlink()
    summary = reconstruct(fitted_dataset, **QUIET)
    assert "fit this sample again" in summary.failed[0].reason and summary.skipped == [second.id]
    with pytest.raises(InputError, match=r"0\.linr"):
        reconstruct(fitted_dataset, skip_failures=False, **QUIET)
    assert not list(path.parent.glob("*.tmp"))


def test_ctrl_c_keeps_what_is_done(fitted_dataset):
    def stop(fraction, label):
        if "video 2/2 · frame" in label:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconstruct(fitted_dataset, progress=stop, device="cpu")
    assert fitted_dataset.count("latent_inr_recon") == 1
    assert runs.read_config(fitted_dataset, "latent_inr_recon")["status"] == "interrupted"
    folder = Path(fitted_dataset.first().latent_inr_path).parent
    assert not list(folder.glob("*.tmp")) and len(list(folder.glob("*.mp4"))) == 1
    summary = reconstruct(fitted_dataset, **QUIET)
    assert len(summary.skipped) == 1 and len(summary.drawn) == 1


def test_progress_and_estimate(fitted_dataset, capsys):
    seen = []
    interpolate(fitted_dataset, 2, progress=lambda fraction, label: seen.append((fraction, label)), device="cpu")
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert any(label.startswith("video 2/2 · frame 15/15") for _, label in seen), seen
    reconstruct(fitted_dataset, device="cpu")
    said = capsys.readouterr().err
    assert "To be drawn: 2 videos · about 1 s · about " in said and "2 drawn in" in said
    reconstruct(fitted_dataset, device="cpu")
    assert "To be drawn" not in capsys.readouterr().err


def test_estimates_add_up(fitted_dataset):
    from fiftyone_latent_inr.datasets.drawings.cost import Workload, estimate
    from fiftyone_latent_inr.datasets.drawings.drawing import Drawing

    for drawing in (Drawing(), Drawing(scale=2), Drawing(factor=2), Drawing(crf=24)):
        loads = [Workload.of(load(path), drawing) for path in fitted_dataset.values("latent_inr_path")]
        cost = estimate(loads, drawing, 1e-6, videos=20)
        assert cost.videos == 20 and cost.seconds == pytest.approx(10 * sum(x.pixels for x in loads) * 1.08e-6)
        assert cost.size == pytest.approx(10 * estimate(loads, drawing, None).size)
    assert estimate([], Drawing(), 1e-6).text() == "0 videos"


@pytest.mark.parametrize(
    ("call", "options", "match"),
    [
        (super_resolve, {"scale": 0}, "scale must be a number from"),
        (super_resolve, {"scale": float("nan")}, "scale must be"),
        (super_resolve, {"scale": "2"}, "scale must be"),
        (super_resolve, {"scale": 17}, "scale must be"),
        (interpolate, {"factor": 0.5}, "factor must be a number from 1 to 64"),
        (interpolate, {"factor": None}, "factor must be"),
        (reconstruct, {"crf": 60}, "crf must be"),
        (reconstruct, {"device": "abacus"}, "abacus"),
        (reconstruct, {"embeddings_field": "frames.x"}, "frame-level"),
        (reconstruct, {"embeddings_field": "other"}, "none of these 2 videos is fitted"),
        (reconstruct, {"output_dir": "/proc/latent-inr"}, "cannot be written"),
    ],
)
def test_bad_arguments(fitted_dataset, call, options, match):
    with pytest.raises(InputError, match=match):
        call(fitted_dataset, **{**QUIET, **options})
    assert not fitted_dataset.list_runs() and fitted_dataset.app_config.media_fields == ["filepath"]


def test_bad_collections_and_fields(fitted_dataset, make_dataset):
    with pytest.raises(InputError, match="expected a FiftyOne dataset or view"):
        reconstruct("my-dataset")
    with pytest.raises(InputError, match="'image'"):
        reconstruct(make_dataset(["a.png"]), **QUIET)
    fitted_dataset.add_sample_field("latent_inr_x2", fo.IntField)
    with pytest.raises(InputError, match="'latent_inr_x2' of type IntField"):
        super_resolve(fitted_dataset, **QUIET)


def test_clones_share_what_is_drawn(fitted_dataset):
    reconstruct(fitted_dataset, **QUIET)
    clone = fitted_dataset.clone()
    try:
        assert len(reconstruct(clone, **QUIET).skipped) == 2
        assert clone.app_config.media_fields == ["filepath", "latent_inr_recon"]
    finally:
        clone.delete()
