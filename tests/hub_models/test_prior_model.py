"""The zoo source's video models: a prior embeds videos and clips without a fit, and texts find them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fiftyone as fo
import fiftyone.brain as fob
import fiftyone.zoo as foz
import numpy as np
import priors
import pytest
import torch
from safetensors.torch import load_file, save_file

from fiftyone_latent_inr import video
from fiftyone_latent_inr.priors.prior import Prior
from fiftyone_latent_inr.resources import hub_models_dir
from fiftyone_latent_inr.semantics.scores import pool
from fiftyone_latent_inr.semantics.teachers import load_teacher

FFMPEG = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="FiftyOne reads videos with ffmpeg")
TEXTS = ("red circle", "blue square", "green star")


@pytest.fixture(scope="module")
def prior(clips):
    """A tiny prior of the small teacher's space, whose head was solved to tell the three clips apart."""
    teacher = load_teacher("small", device="cpu")
    config = replace(
        priors.CONFIG,
        teacher_id=teacher.id,
        embedding_dim=teacher.embedding_dim,
        semantic_dim=16,
        semantic_width=4,
    )
    made = priors.make(config)
    frames = {name: video.read(path).array for name, path in clips.items()}
    pictures = torch.from_numpy(np.concatenate(list(frames.values()))).permute(0, 3, 1, 2) / 255
    targets = teacher.embed_text([f"a {name}" for name in frames]).repeat([len(one) for one in frames.values()], 0)
    with torch.no_grad():
        seen = made.networks.semantic_encoder(pictures)
        solution = torch.linalg.lstsq(torch.cat([seen, torch.ones(len(seen), 1)], 1), torch.from_numpy(targets))
        made.networks.embedding_weight.copy_(solution.solution[:-1])
        made.networks.embedding_bias.copy_(solution.solution[-1])
    return made.eval()


@pytest.fixture(scope="module")
def source(prior, fiftyone_home):
    """The folder, and that folder alone, as FiftyOne copies it; with this prior as the bundled one."""
    target = Path(fo.config.model_zoo_dir) / "latent-inr"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(hub_models_dir(), target, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(target / "fast-prior", ignore_errors=True)
    prior.save_pretrained(target / "fast-prior")
    yield target
    shutil.rmtree(target)


@pytest.fixture(scope="module")
def model(source):
    return foz.load_zoo_model("latent-inr/fast-prior", device="cpu", cache=False)


@pytest.mark.parametrize("size", [(48, 48), (90, 160), (31, 77)])
def test_vectors_are_the_priors(model, prior, size):
    frames = np.random.default_rng(0).integers(0, 256, (20, *size, 3), np.uint8)
    np.testing.assert_allclose(model.embed_frames(frames), prior.embed_frames(frames), atol=2e-5)
    np.testing.assert_allclose(model.embed(frames[:9]), pool(prior.embed_frames(frames[:9])), atol=2e-5)
    assert model.media_type == "video" and model.has_embeddings and model.can_embed_prompts
    texts = ["a red circle", "a green star"]
    np.testing.assert_allclose(model.embed_prompts(texts), load_teacher("small").embed_text(texts), atol=1e-6)


def test_few_frames_of_a_long_video_are_looked_at(source, model):
    from importlib import import_module

    sampled = import_module(f"{type(model).__module__}").sampled
    assert sampled(3, 16) == [0, 1, 2] and sampled(16, 16) == list(range(16))
    assert sampled(100, 4) == [12, 37, 62, 87] and sampled(0, 4) == [0]
    few = foz.load_zoo_model("latent-inr/fast-prior", device="cpu", frames=2, cache=False)
    frames = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 3), np.uint8)
    np.testing.assert_allclose(few.embed(frames), model.embed(frames[[2, 6]]), atol=1e-6)


class Reader:
    """What FiftyOne's reader is for a file that has fewer frames than it says."""

    inpath, frames = "cut.mp4", "1-100"

    def __init__(self, frames):
        self.given = iter(frames)

    def __len__(self):
        return 100

    def __iter__(self):
        return self.given


def test_a_file_with_fewer_frames_than_it_says(model):
    frames = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), np.uint8)
    np.testing.assert_allclose(model.embed(Reader(frames)), model.embed(frames[1:]), atol=1e-6)
    with pytest.raises(ValueError, match=r"cut\.mp4: no frame could be read \(of 1-100\)"):
        model.embed(Reader([]))


@FFMPEG
def test_embeddings_of_a_dataset_and_of_clips(model, prior, dataset, clips):
    vectors = dataset.compute_embeddings(model)
    assert vectors.dtype == np.float32 and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for vector, path in zip(vectors, clips.values(), strict=True):
        # the two readers differ in rounding
        assert vector @ pool(prior.embed_frames(video.read(path).array)) > 0.999
    dataset.compute_embeddings(model, embeddings_field="vector")
    np.testing.assert_allclose(dataset.first().vector, vectors[0], atol=1e-6)
    first = dataset.first()
    first["events"] = fo.TemporalDetections(
        detections=[fo.TemporalDetection(label="a", support=support) for support in ([1, 2], [3, 6])]
    )
    first.save()
    parts = dataset.to_clips("events").compute_embeddings(model)
    frames = video.read(first.filepath).array
    for vector, part in zip(parts, (frames[:2], frames[2:]), strict=True):
        assert vector @ pool(prior.embed_frames(part)) > 0.999


@pytest.mark.slow
@FFMPEG
def test_a_new_process_that_imports_only_fiftyone_finds_by_text(source, make_dataset, clips, tmp_path):
    dataset = make_dataset(clips.values(), name="found without a fit")
    dataset.persistent = True
    fob.compute_similarity(dataset, model="latent-inr/fast-prior", brain_key="found", metric="cosine")
    code = (
        "import os, sys, fiftyone as fo\n"
        "dataset = fo.load_dataset('found without a fit')\n"
        "for text in sys.argv[1:]:\n"
        "    print('found', dataset.sort_by_similarity('a ' + text, k=1).first().filepath)\n"
        "assert not any(m.split('.')[0] == 'fiftyone_latent_inr' for m in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *TEXTS], capture_output=True, text=True, cwd=tmp_path, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("found")]
    assert [Path(line).stem.replace("_", " ") for line in lines] == list(TEXTS)


def test_a_directory_and_a_repository(source, prior, tmp_path, hub):
    prior.save_pretrained(tmp_path / "prior")
    frames = np.random.default_rng(0).integers(0, 256, (3, 60, 40, 3), np.uint8)
    expected = pool(prior.embed_frames(frames))
    here = foz.load_zoo_model("latent-inr/prior", directory=str(tmp_path / "prior"), device="cpu", cache=False)
    np.testing.assert_allclose(here.embed(frames), expected, atol=2e-5)
    commit = hub.add("owner/prior", priors.files(tmp_path / "prior"))
    for revision in (None, "main", commit):
        options = {"repo": "owner/prior", "revision": revision, "device": "cpu", "cache": False}
        model = foz.load_zoo_model("latent-inr/prior", **options)
        np.testing.assert_allclose(model.embed(frames), expected, atol=2e-5)
    with pytest.raises(ValueError, match="owner/other"):
        foz.load_zoo_model("latent-inr/prior", repo="owner/other", cache=False)
    hub.add("owner/huge", priors.files(tmp_path / "prior"))
    hub.faults.claim_size["model.safetensors"] = 1 << 40
    with pytest.raises(ValueError, match="more than that of any prior; not downloaded"):
        foz.load_zoo_model("latent-inr/prior", repo="owner/huge", cache=False)
    for arguments in ({}, {"repo": "owner/prior", "directory": "x"}):
        with pytest.raises(ValueError, match="directory= or repo="):
            foz.load_zoo_model("latent-inr/prior", cache=False, **arguments)


def damaged(change, folder):
    """A prior's folder after `change(config, tensors)`."""
    config, tensors = json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")
    change(config, tensors)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c, t: c.update(library="other"), "not a Latent-INR prior"),
        (lambda c, t: c.update(format=3), "format is '3'"),
        (lambda c, t: c["prior"].update(teacher=None), "without a teacher"),
        (lambda c, t: c["prior"].update(semantic_width=10**9), "semantic_width"),
        (lambda c, t: c["prior"].update(embedding_dim=True), "embedding_dim"),
        (lambda c, t: c["prior"].update(semantic_dim=17), r"out\.weight must be"),
        (lambda c, t: t.pop("embedding_bias"), "lacks embedding_bias"),
        (lambda c, t: t.update(embedding_bias=t["embedding_bias"] * float("nan")), "not finite"),
        (lambda c, t: t.update(embedding_bias=t["embedding_bias"].int()), "must be floats"),
    ],
)
def test_what_is_damaged_is_refused(source, prior, tmp_path, change, says):
    prior.save_pretrained(tmp_path)
    damaged(change, tmp_path)
    with pytest.raises(ValueError, match=says):
        foz.load_zoo_model("latent-inr/prior", directory=str(tmp_path), cache=False)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_both_readers_have_one_rule_for_files(source, model, prior, tmp_path, name):
    """Links that lead out of the folder are not followed, a pipe keeps nobody waiting, long names are names."""
    folder, elsewhere = tmp_path / "prior", tmp_path / "elsewhere"
    prior.save_pretrained(folder)
    (folder / name).rename(elsewhere)
    model_of = type(model)

    def refused(words):
        with pytest.raises(ValueError, match=f"{name}.*{words}"):
            model_of(folder, device="cpu")
        with pytest.raises(ValueError, match=name):
            Prior.from_pretrained(folder)

    (folder / name).symlink_to(elsewhere)
    refused("leads out")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refused("no regular file")
    (folder / name).unlink()
    (folder / "inner").mkdir()
    elsewhere.rename(folder / "inner" / name)
    (folder / name).symlink_to(Path("inner") / name)
    assert model_of(folder, device="cpu").embedding_dim == Prior.from_pretrained(folder).config.embedding_dim
    for long in ("x" * 5000, "~nobody-of-this-name"):
        with pytest.raises(ValueError, match="no prior"):
            model_of(long, device="cpu")


def test_pickled_weights_are_not_read(source, prior, tmp_path):
    prior.save_pretrained(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        foz.load_zoo_model("latent-inr/prior", directory=str(tmp_path), cache=False)


def test_texts_of_another_teacher_are_refused(source, prior, tmp_path):
    other = Prior(replace(prior.config, teacher_id="small@00000000"), networks=None)
    other.save_pretrained(tmp_path / "id")
    model = foz.load_zoo_model("latent-inr/prior", directory=str(tmp_path / "id"), device="cpu", cache=False)
    with pytest.raises(ValueError, match="small@00000000"):
        model.embed_prompt("a red circle")
    foreign = Prior(replace(prior.config, teacher="hf-hub:some/model", teacher_id="x@1"))
    foreign.save_pretrained(tmp_path / "foreign")
    model = foz.load_zoo_model("latent-inr/prior", directory=str(tmp_path / "foreign"), device="cpu", cache=False)
    with pytest.raises(ValueError, match="OpenCLIP has no model"):
        model.embed_prompt("a red circle")


def test_a_teacher_in_a_directory(source, prior, tmp_path):
    directory = shutil.copytree(hub_models_dir() / "small-teacher", tmp_path / "teacher")
    teacher = load_teacher(directory, device="cpu")
    named = Prior(replace(prior.config, teacher=teacher.name, teacher_id=teacher.id))
    named.save_pretrained(tmp_path / "prior")
    model = foz.load_zoo_model("latent-inr/prior", directory=str(tmp_path / "prior"), device="cpu", cache=False)
    np.testing.assert_allclose(model.embed_prompts(["a star"]), teacher.embed_text(["a star"]), atol=1e-6)
    (directory / "open_clip_config.json").write_text((directory / "open_clip_config.json").read_text() + " ")
    model = foz.load_zoo_model("latent-inr/prior", directory=str(tmp_path / "prior"), device="cpu", cache=False)
    with pytest.raises(ValueError, match="is another"):
        model.embed_prompt("a star")


@pytest.mark.parametrize("name", ["latent-inr/fast-prior", "latent-inr/prior"])
def test_its_form_is_built(source, name):
    fields = foz.get_zoo_model(name).resolve_input(None).type.properties
    assert ("repo" in fields) == (name == "latent-inr/prior") and "frames" in fields and os.path.isdir(source)
