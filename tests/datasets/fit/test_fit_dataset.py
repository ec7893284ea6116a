"""The main job on a dataset: what is written, what is skipped, what survives."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest

from fiftyone_latent_inr import InputError, load
from fiftyone_latent_inr.datasets import runs
from fiftyone_latent_inr.datasets.fit import job as jobs

TEXTS = ("red circle", "blue square", "green star")


def names_of(view):
    return [Path(path).stem.replace("_", " ") for path in view.values("filepath")]


def test_fields_files_index_and_record(dataset, fit):
    summary = fit(dataset)
    assert len(summary.fitted) == 3 and not summary.failed and summary.brain_key == "latent_inr"
    sample = dataset.first()
    video = load(sample.latent_inr_path)
    assert sample.latent_inr.shape == video.embedding.shape
    assert np.linalg.norm(sample.latent_inr) == pytest.approx(1, abs=1e-5)
    assert np.allclose(sample.latent_inr, video.embedding, atol=1e-5)
    assert (
        sample.latent_inr_frames.shape == (6, len(sample.latent_inr)) and sample.latent_inr_frames.dtype == np.float16
    )
    assert sample.latent_inr_psnr == pytest.approx(video.metrics["psnr"])
    assert 0 < sample.latent_inr_ms_ssim <= 1
    size = os.path.getsize(sample.latent_inr_path)
    assert sample.latent_inr_bpp == pytest.approx(8 * size / (6 * 48 * 48), rel=0.05)
    source = os.path.getsize(sample.filepath)
    assert (sample.latent_inr_bytes, sample.latent_inr_ratio) == (size, pytest.approx(size / source))
    assert sample.latent_inr_error is None and not sample.tags
    sizes = sum(dataset.values("latent_inr_bytes")), sum(map(os.path.getsize, dataset.values("filepath")))
    assert (summary.stored_bytes, summary.source_bytes) == sizes and f"{sizes[1]:,} bytes" in str(summary)
    schema = dataset.get_field_schema()
    assert isinstance(schema["latent_inr"], fo.VectorField) and isinstance(schema["latent_inr_psnr"], fo.FloatField)
    config = runs.read_config(dataset, "latent_inr")
    assert config["status"] == "done" and config["teacher"] == "small" and config["seed"] == 0
    assert config["versions"]["fiftyone"] == fo.__version__
    outcomes = runs.read_outcomes(dataset, "latent_inr")
    assert {o["status"] for o in outcomes.values()} == {"fitted"} and set(outcomes) == set(dataset.values("id"))


def test_text_search_in_this_process_and_a_new_one(make_dataset, clips, fit):
    dataset = make_dataset(clips.values(), name="latent-inr-test-search")
    dataset.persistent = True
    fit(dataset)
    for text in TEXTS:
        assert names_of(dataset.sort_by_similarity(f"a {text}", k=2))[0] == text
    code = (
        "import sys, fiftyone as fo\n"
        "ds = fo.load_dataset('latent-inr-test-search')\n"
        "for text in sys.argv[1:]: print('found', ds.sort_by_similarity('a ' + text, k=1).first().filepath)\n"
        "assert not [m for m in sys.modules if m.startswith('fiftyone_latent_inr')]\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *TEXTS], capture_output=True, text=True, timeout=240, cwd=os.path.sep, check=False
    )
    assert found.returncode == 0, found.stderr
    lines = [line for line in found.stdout.splitlines() if line.startswith("found")]
    assert [Path(line).stem.replace("_", " ") for line in lines] == list(TEXTS)


def test_done_again_nothing_is_fitted(dataset, fit):
    fit(dataset)
    before = [os.stat(path).st_mtime_ns for path in dataset.values("latent_inr_path")]
    summary = fit(dataset)
    assert len(summary.skipped) == 3 and not summary.fitted and summary.brain_key == "latent_inr"
    assert [os.stat(path).st_mtime_ns for path in dataset.values("latent_inr_path")] == before


def test_overwrite_fits_again(dataset, fit):
    fit(dataset)
    path = dataset.first().latent_inr_path
    before = os.stat(path).st_mtime_ns
    assert len(fit(dataset, overwrite=True).fitted) == 3
    assert os.stat(path).st_mtime_ns > before


def test_other_settings_fit_again(dataset, fit):
    fit(dataset)
    old = dataset.values("latent_inr_path")
    assert len(fit(dataset, seed=1).fitted) == 3
    assert not set(old) & set(dataset.values("latent_inr_path"))


def test_changed_source_is_fitted_again_and_moved_one_is_not(make_dataset, clips, fit, tmp_path):
    path = tmp_path / "clip.mp4"
    shutil.copy(clips["red circle"], path)
    dataset = make_dataset([path])
    fit(dataset)
    moved = tmp_path / "moved" / "clip.mp4"
    moved.parent.mkdir()
    shutil.move(path, moved)
    os.utime(moved, (1, 1))
    sample = dataset.first()
    sample.filepath = str(moved)
    sample.save()
    assert len(fit(dataset).skipped) == 1
    shutil.copy(clips["blue square"], moved)
    assert len(fit(dataset).fitted) == 1
    assert dataset.count() == 1


def test_results_are_fresh_after_more_videos(make_dataset, clips, fit):
    dataset = make_dataset([clips["red circle"], clips["green star"]])
    fit(dataset)
    assert "blue square" not in names_of(dataset.sort_by_similarity("a blue square", k=1))
    dataset.add_sample(fo.Sample(filepath=clips["blue square"]))
    summary = fit(dataset)
    assert len(summary.fitted) == 1 and len(summary.skipped) == 2
    assert names_of(dataset.sort_by_similarity("a blue square", k=1)) == ["blue square"]


def test_views(dataset, fit):
    ids = dataset.values("id")
    assert fit(dataset.select(ids[0])).fitted == ids[:1]
    dataset.save_view("two", dataset.select(ids[:2]).select_fields("filepath"))
    summary = fit(dataset.load_saved_view("two"))
    assert summary.skipped == ids[:1] and summary.fitted == ids[1:2]
    assert dataset.count("latent_inr") == 2


def test_a_video_slice_of_a_grouped_dataset(make_dataset, clips, fit):
    dataset = make_dataset()
    dataset.add_group_field("group", default="left")
    for path in clips.values():
        group = fo.Group()
        dataset.add_samples([fo.Sample(filepath=path, group=group.element(side)) for side in ("left", "right")])
    with pytest.raises(InputError, match=r"select_group_slices\('left'\)"):
        fit(dataset)
    view = dataset.select_group_slices("right")
    assert len(fit(view).fitted) == 3
    assert names_of(view.sort_by_similarity("a green star", k=1)) == ["green star"]
    assert dataset.count("latent_inr") == 0, "the other slice must stay as it was"


def test_the_same_video_twice_is_fitted_once(make_dataset, clips, fit):
    dataset = make_dataset([clips["red circle"]] * 2)
    summary = fit(dataset)
    assert len(summary.fitted) == 1 and len(summary.adopted) == 1
    assert len(set(dataset.values("latent_inr_path"))) == 1 and dataset.count("latent_inr") == 2
    again = fit(dataset, overwrite=True)
    assert len(again.fitted) == 1 and len(again.adopted) == 1


def test_failures_are_recorded_and_do_not_stop_the_rest(make_dataset, clips, fit, tmp_path):
    broken, gone = tmp_path / "broken.mp4", tmp_path / "gone.mp4"
    broken.write_bytes(b"this is not a video" * 100)
    dataset = make_dataset([broken, gone, clips["red circle"]])
    summary = fit(dataset)
    assert len(summary.fitted) == 1 and {f.filepath for f in summary.failed} == {str(broken), str(gone)}
    assert "gone.mp4" in str(summary) and "broken.mp4" in str(summary)
    outcomes = runs.read_outcomes(dataset, "latent_inr")
    assert [outcomes[i]["status"] for i in dataset.values("id")] == ["failed", "failed", "fitted"]
    assert "gone" in outcomes[dataset.values("id")[1]]["reason"]
    assert names_of(dataset.sort_by_similarity("a red circle", k=1)) == ["red circle"]
    with pytest.raises(InputError, match=r"gone\.mp4"):
        fit(dataset, skip_failures=False)


def test_a_crash_loses_only_the_video_in_hand(dataset, fit, monkeypatch):
    """Dies as a killed process does: nothing of the run's end is done."""
    done = []

    def die(self, status):
        raise SystemExit

    def one(self, item):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(item)
        return original(self, item)

    original = jobs.FitJob._one
    with monkeypatch.context() as patch:
        patch.setattr(jobs.FitJob, "_one", one)
        patch.setattr(jobs.FitJob, "_finish", die)
        with pytest.raises(SystemExit):
            fit(dataset)
    assert dataset.count("latent_inr") == 2 and not dataset.list_brain_runs()
    summary = fit(dataset)
    assert len(summary.skipped) == 2 and len(summary.fitted) == 1
    assert names_of(dataset.sort_by_similarity("a red circle", k=1)) == ["red circle"]


def test_a_finished_file_without_fields_is_adopted(dataset, fit):
    fit(dataset)
    sample = dataset.first()
    path, psnr = sample.latent_inr_path, sample.latent_inr_psnr
    for field in ("latent_inr", "latent_inr_frames", "latent_inr_path", "latent_inr_psnr"):
        sample[field] = None
    sample.save()
    summary = fit(dataset)
    assert summary.adopted == [sample.id] and not summary.fitted
    sample.reload()
    assert sample.latent_inr_path == path and sample.latent_inr_psnr == psnr and sample.latent_inr is not None


def test_a_damaged_file_is_fitted_again(dataset, fit):
    fit(dataset)
    sample = dataset.first()
    Path(sample.latent_inr_path).write_bytes(b"LINR and then nothing")
    sample["latent_inr"] = None
    sample.save()
    assert fit(dataset).fitted == [sample.id]
    load(sample.latent_inr_path)


def test_ctrl_c_keeps_what_is_done_and_indexes_it(dataset, fit):
    def stop(fraction, label):
        if label.startswith("video 3/3") and not stopped:
            stopped.append(label)
            raise KeyboardInterrupt

    stopped = []
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, progress=stop)
    assert dataset.count("latent_inr") == 2
    assert runs.read_config(dataset, "latent_inr")["status"] == "interrupted"
    assert names_of(dataset.sort_by_similarity("a red circle", k=1)) == ["red circle"]


def test_progress_labels(dataset, fit):
    seen = []
    fit(dataset, progress=lambda fraction, label: seen.append((fraction, label)))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    labels = [label for _, label in seen]
    import re

    pattern = re.compile(r"video [123]/3 · \d+\.\d dB · (\d+ s|\d+ min) left")
    assert any(pattern.fullmatch(label) for label in labels), labels


def test_no_teacher_stores_without_embeddings(dataset, fit):
    summary = fit(dataset, teacher=None)
    assert summary.brain_key is None and len(summary.fitted) == 3
    assert dataset.count("latent_inr_psnr") == 3 and dataset.count("latent_inr") == 0
    assert not dataset.list_brain_runs()
    assert len(fit(dataset, teacher=None).skipped) == 3


def test_own_names_live_beside_the_default(dataset, fit):
    fit(dataset)
    fit(dataset, embeddings_field="second", brain_key="zweiter")
    assert dataset.count("second_psnr") == 3 and set(dataset.list_brain_runs()) == {"latent_inr", "zweiter"}
    assert set(dataset.list_runs()) == {"latent_inr", "second"}


def test_unavailable_teacher_is_known_before_anything_is_fitted(dataset, fit, tmp_path):
    from fiftyone_latent_inr import TeacherUnavailableError

    with pytest.raises(TeacherUnavailableError):
        fit(dataset, teacher="ViT-B-32/laion2b_s34b_b79k")
    assert not list((tmp_path / "linr").glob("*.linr")) and not dataset.list_runs()


def test_another_output_directory_is_no_reason_to_fit_again(dataset, fit, tmp_path):
    fit(dataset)
    assert len(fit(dataset, output_dir=tmp_path / "elsewhere").skipped) == 3


def test_clone_needs_no_fit(dataset, fit):
    fit(dataset)
    clone = dataset.clone()
    try:
        assert len(fit(clone).skipped) == 3
        assert names_of(clone.sort_by_similarity("a red circle", k=1)) == ["red circle"]
    finally:
        clone.delete()


def untouched(dataset):
    return not dataset.list_runs() and not [name for name in dataset.get_field_schema() if "latent" in name]


def test_unknown_preset_teacher_and_option(dataset, fit):
    with pytest.raises(InputError, match="unknown preset 'fats'"):
        fit(dataset, preset="fats")
    with pytest.raises(InputError, match="quality must be a number from 0 to 100"):
        fit(dataset, config=None, preset="fast", quality=400)
    with pytest.raises(InputError, match="not both"):
        fit(dataset, config=None, preset="fast", quality=40, bpp=1.0)
    with pytest.raises(InputError, match="smal"):
        fit(dataset, teacher="smal")
    with pytest.raises(InputError, match=r"does not know frames; .*max_frames"):
        fit(dataset, frames=3)
    assert untouched(dataset)


def test_output_directory_that_is_a_file(dataset, fit, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="output directory"):
        fit(dataset, output_dir=tmp_path / "file")
    assert untouched(dataset)


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.isdir("/proc/1"), reason="needs a read-only place")
def test_read_only_output_directory(dataset, fit):
    # Root may write anywhere, but not in /proc
    with pytest.raises(InputError, match="cannot be written"):
        fit(dataset, output_dir="/proc/latent-inr")
    assert untouched(dataset)
