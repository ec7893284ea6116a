"""The zoo source in `hub_models/`: it works where FiftyOne copied it, in a process without this package."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from fiftyone_latent_inr.resources import hub_models_dir
from fiftyone_latent_inr.semantics.scores import pool
from fiftyone_latent_inr.semantics.teachers import load_teacher
from fiftyone_latent_inr.small_world.drawing import render
from fiftyone_latent_inr.small_world.world import random_spec, random_specs


@pytest.fixture(scope="module")
def source(fiftyone_home, tmp_path_factory):
    """The folder, and that folder alone, the way `foz.register_zoo_model_source` leaves it."""
    import fiftyone as fo

    target = os.path.join(fo.config.model_zoo_dir, "latent-inr")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(hub_models_dir(), target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def test_fiftyone_registers_an_archive_of_it(fiftyone_home, tmp_path):
    """What a user without the package does, from a local archive in place of an address."""
    import functools
    import http.server
    import threading

    import fiftyone as fo
    import fiftyone.zoo as foz

    shutil.copytree(hub_models_dir(), tmp_path / "tree" / "project" / "hub_models")
    shutil.make_archive(str(tmp_path / "source"), "zip", tmp_path / "tree")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/source.zip"
        shutil.rmtree(os.path.join(fo.config.model_zoo_dir, "latent-inr"), ignore_errors=True)
        foz.register_zoo_model_source(url)
        server.shutdown()
    model = foz.load_zoo_model("latent-inr/small-teacher", cache=False)
    assert model.embed_prompt("a red circle").shape == (64,)
    foz.delete_zoo_model_source(url)
    assert "latent-inr/small-teacher" not in foz.list_zoo_models()


def test_vectors_are_the_teachers(source):
    import fiftyone.zoo as foz

    teacher, model = (
        load_teacher("small", device="cpu"),
        foz.load_zoo_model("latent-inr/small-teacher", device="cpu"),
    )
    texts = ["a red circle", "a blue star moving left on a white background"]
    np.testing.assert_array_equal(model.embed_prompts(texts), teacher.embed_text(texts))
    np.testing.assert_allclose(model.embed_prompt(texts[0]), teacher.embed_text(texts)[0], atol=1e-6)
    frames = render(random_specs(1)[0], 3, (50, 70))
    np.testing.assert_array_equal(model.embed_all(list(frames)), teacher.embed_frames(frames))
    np.testing.assert_allclose(model.embed(frames[1]), teacher.embed_frames(frames)[1], atol=1e-6)
    assert model.can_embed_prompts and model.has_embeddings


def test_a_directory_by_name(source, tmp_path):
    import fiftyone.zoo as foz

    directory = shutil.copytree(hub_models_dir() / "small-teacher", tmp_path / "elsewhere")
    name, arguments = load_teacher(directory, device="cpu").zoo()
    model = foz.load_zoo_model(name, **arguments)
    expected = load_teacher("small", device="cpu").embed_text(["a red circle"])
    np.testing.assert_allclose(model.embed_prompts(["a red circle"]), expected, atol=1e-6)
    with pytest.raises(ValueError, match="directory="):
        foz.load_zoo_model("latent-inr/teacher", cache=False)
    (directory / "open_clip_model.safetensors").rename(directory / "open_clip_pytorch_model.bin")
    with pytest.raises(ValueError, match="only safetensors"):
        foz.load_zoo_model("latent-inr/teacher", directory=str(directory), cache=False)
    (directory / "open_clip_config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="holds no OpenCLIP model"):
        foz.load_zoo_model("latent-inr/teacher", directory=str(directory), cache=False)


def test_it_embeds_the_images_of_a_dataset(source, tmp_path, make_dataset):
    import fiftyone.zoo as foz
    from PIL import Image

    frame = render(random_specs(1)[0], 1)[0]
    Image.fromarray(frame).save(tmp_path / "frame.png")
    dataset = make_dataset([tmp_path / "frame.png"])
    model = foz.load_zoo_model("latent-inr/small-teacher", device="cpu")
    embedded = dataset.compute_embeddings(model)
    np.testing.assert_allclose(embedded, load_teacher("small", device="cpu").embed_frames(frame[None]), atol=1e-6)


@pytest.mark.parametrize("model", ["latent-inr/small-teacher", "latent-inr/teacher"])
def test_its_form_is_built(source, model):
    import fiftyone.zoo as foz

    fields = foz.get_zoo_model(model).resolve_input(None).type.properties
    assert ("directory" in fields) == (model == "latent-inr/teacher") and "device" in fields


def test_a_new_process_that_imports_only_fiftyone_finds_by_text(source, tmp_path, make_dataset):
    import fiftyone.brain as fob

    teacher = load_teacher("small", device="cpu")
    wanted = [("red", "circle", "white"), ("blue", "square", "yellow"), ("green", "star", "black")]
    dataset = make_dataset([tmp_path / f"{colour}.mp4" for colour, _, _ in wanted], name="found by text")
    dataset.persistent = True
    rng = np.random.default_rng(0)
    for sample, combination in zip(dataset, wanted, strict=True):
        frames = render(random_spec(rng, combination, motion="still"), 2)
        sample["vector"] = pool(teacher.embed_frames(frames))
        sample.save()
    name, arguments = teacher.zoo()
    fob.compute_similarity(
        dataset, embeddings="vector", model=name, model_kwargs=arguments, brain_key="found", metric="cosine"
    )
    code = (
        "import os, sys, fiftyone as fo\n"
        "dataset = fo.load_dataset('found by text')\n"
        "for text in ('a blue square on a yellow background', 'green star', 'red circle'):\n"
        "    print(os.path.basename(dataset.sort_by_similarity(text, k=1).first().filepath))\n"
        "assert not any(m.split('.')[0] == 'fiftyone_latent_inr' for m in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-3:] == ["blue.mp4", "green.mp4", "red.mp4"]
