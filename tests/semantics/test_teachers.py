"""Teachers: the small one, a directory, tags of OpenCLIP; and everything that must be refused."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from benchmarks.shared import foreign_shapes
from fiftyone_latent_inr.errors import InputError, TeacherUnavailableError
from fiftyone_latent_inr.resources import hub_models_dir
from fiftyone_latent_inr.semantics.scores import pool, recall_at_k
from fiftyone_latent_inr.semantics.teachers import DEFAULT_TEACHER, load_teacher
from fiftyone_latent_inr.small_world.clips import captions
from fiftyone_latent_inr.small_world.drawing import render
from fiftyone_latent_inr.small_world.world import SHAPES, combinations, random_spec, random_specs

SMALL_DIR = hub_models_dir() / "small-teacher"


@pytest.fixture(scope="module")
def small():
    return load_teacher("small", device="cpu")


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(SMALL_DIR, tmp_path / "a teacher é")


def test_embeddings_have_unit_norm_and_are_deterministic(small):
    frames = render(random_specs(1)[0], 5, (90, 161))
    seen = []
    embedded = small.embed_frames(frames, batch_size=2, progress=lambda *done: seen.append(done))
    assert embedded.shape == (5, small.embedding_dim) and embedded.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-5)
    assert seen == [(2, 5), (4, 5), (5, 5)]
    np.testing.assert_array_equal(embedded, small.embed_frames(frames, batch_size=2))
    np.testing.assert_allclose(embedded, small.embed_frames(frames, batch_size=5), atol=1e-5)
    texts = small.embed_text(["a red circle", "a blue square " * 40, ""])
    assert texts.shape == (3, small.embedding_dim)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert small.embed_text([]).shape == (0, small.embedding_dim)


def test_embeddings_are_those_of_open_clip_itself(small):
    import open_clip

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{SMALL_DIR}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{SMALL_DIR}")
    frames = render(random_specs(1)[0], 3)
    with torch.no_grad():
        images = model.eval().encode_image(
            torch.stack([preprocess(Image.fromarray(f)) for f in frames]), normalize=True
        )
        texts = model.encode_text(tokenizer(["a red circle"]), normalize=True)
    np.testing.assert_allclose(small.embed_frames(frames), images.numpy(), atol=1e-6)
    np.testing.assert_allclose(small.embed_text(["a red circle"]), texts.numpy(), atol=1e-6)


def test_a_directory_is_the_same_teacher_under_another_name(small, copied):
    other = load_teacher(copied, device="cpu")
    np.testing.assert_array_equal(other.embed_text(["a red circle"]), small.embed_text(["a red circle"]))
    assert other.name == str(copied) and small.name == "small"
    assert other.id.partition("@")[2] == small.id.partition("@")[2]
    assert other.zoo() == ("latent-inr/teacher", {"directory": str(copied)})
    assert small.zoo() == ("latent-inr/small-teacher", {})


def test_the_id_changes_with_the_weights(small, copied):
    weights = load_file(copied / "open_clip_model.safetensors")
    weights["logit_scale"] += 1
    save_file(weights, copied / "open_clip_model.safetensors")
    assert load_teacher(copied).id.partition("@")[2] != small.id.partition("@")[2]


def test_unseen_combinations_are_found_by_their_captions(small):
    """The gate: 60 clips, none of whose combinations was in training."""
    specs = random_specs(60, seed=11, held_out=True)
    videos = np.stack([pool(small.embed_frames(render(spec, 8))) for spec in specs])
    texts = small.embed_text([captions(spec)[0] for spec in specs])
    assert recall_at_k(texts, videos, 1) >= 0.9


def test_unseen_combinations_drawn_by_other_code_are_found(small):
    held = [c for c in combinations(True) if c[0] in foreign_shapes.COLOURS and c[2] in foreign_shapes.COLOURS]
    chosen = [held[i] for i in np.random.default_rng(1).permutation(len(held))[:60]]
    drawn = foreign_shapes.clips(chosen)
    videos = np.stack([pool(small.embed_frames(video)) for video, _ in drawn])
    texts = small.embed_text([caption for _, caption in drawn])
    assert recall_at_k(texts, videos, 1) >= 0.85


def test_shapes_alone_are_told_apart(small):
    """Same colours throughout: only the shape tells the clips apart."""
    rng = np.random.default_rng(3)
    right = []
    for _ in range(8):
        specs = [random_spec(rng, ("red", kind, "white")) for kind in SHAPES]
        videos = np.stack([pool(small.embed_frames(render(spec, 4))) for spec in specs])
        right.append(recall_at_k(small.embed_text([f"a red {kind}" for kind in SHAPES]), videos))
    assert np.mean(right) >= 0.8


def test_the_shipped_files_are_small():
    assert sum(path.stat().st_size for path in SMALL_DIR.iterdir()) < 5_000_000


@pytest.mark.parametrize(
    "frames", [np.zeros((2, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)]
)
def test_frames_of_another_kind_are_refused(small, frames):
    with pytest.raises(InputError, match="uint8"):
        small.embed_frames(frames)


def test_one_string_is_no_list_of_texts(small):
    with pytest.raises(InputError, match="list of strings"):
        small.embed_text("a red circle")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("smal", "small"),
        ("ViT-B-32", "ViT-B-32/openai"),
        ("ViT-B-32/laion2b", "ViT-B-32/laion2b_s34b_b79k"),
        ("vit-b-32/laion2b_s34b_b79k", "ViT-B-32/laion2b_s34b_b79k"),
        ("no/such/thing", "A teacher is 'small'"),
        ("", "A teacher is 'small'"),
    ],
)
def test_unknown_names_come_with_the_closest(name, hint):
    with pytest.raises(InputError) as caught:
        load_teacher(name)
    assert hint in str(caught.value) and "\n" not in str(caught.value)
    assert not isinstance(caught.value, TeacherUnavailableError)


def offline(name, tmp_path, **environment):
    """What loading says in a process whose cache is empty and whose network is nobody's."""
    code = (
        "import sys, fiftyone_latent_inr as linr\n"
        f"try: print(linr.load_teacher({name!r}, device='cpu').zoo())\n"
        "except linr.TeacherUnavailableError as error: print('unavailable:', error)\n"
    )
    settings = {"HF_HOME": str(tmp_path / "hub"), "HF_ENDPOINT": "http://127.0.0.1:9", **environment}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_weights_that_cannot_be_had_are_said_in_one_line(tmp_path):
    said = offline(DEFAULT_TEACHER, tmp_path)
    assert said.startswith("unavailable:") and "\n" not in said
    for part in (DEFAULT_TEACHER, "605 MB", "local directory", "'small'", "plain coloured shapes"):
        assert part in said


@pytest.fixture(scope="module")
def cached_tag(tmp_path_factory):
    """A tag of OpenCLIP, with random weights where the hub's client keeps its files; and that place."""
    import open_clip

    arch, tag, repository = "RN50", "cc12m", "timm/resnet50_clip.cc12m"
    assert open_clip.get_pretrained_cfg(arch, tag)["hf_hub"] == f"{repository}/"
    model = open_clip.create_model(arch, load_weights=False, precision="pure_fp16")
    home = tmp_path_factory.mktemp("hub") / "hub"
    folder = home / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    save_file(model.state_dict(), snapshot / "open_clip_model.safetensors")
    return f"{arch}/{tag}", home.parent


def test_a_tag_whose_weights_are_cached_loads_without_a_network(cached_tag):
    """The whole way of `ARCH/PRETRAINED`."""
    said = offline(*cached_tag)
    assert "open-clip-torch" in said and "'text_prompt': ''" in said and "'pretrained': 'cc12m'" in said


@pytest.mark.slow
def test_fiftyones_own_model_gives_a_tags_text_vectors(cached_tag, tmp_path):
    name, home = cached_tag
    code = (
        "import fiftyone.zoo as foz, numpy as np\n"
        "from fiftyone_latent_inr.semantics.teachers import load_teacher\n"
        f"teacher = load_teacher({name!r}, device='cpu')\n"
        "model, arguments = teacher.zoo()\n"
        "theirs = foz.load_zoo_model(model, device='cpu', **arguments).embed_prompts(['a red circle'])\n"
        "print(float((theirs / np.linalg.norm(theirs) * teacher.embed_text(['a red circle'])).sum()))\n"
    )
    settings = {"HF_HOME": str(home / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) == pytest.approx(1, abs=1e-4)


def test_a_directory_without_a_teacher_is_refused(tmp_path, copied):
    with pytest.raises(InputError, match=r"open_clip_config\.json is missing"):
        load_teacher(tmp_path)
    (copied / "open_clip_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"open_clip_model\.safetensors is missing"):
        load_teacher(copied)


def test_pickled_weights_are_never_opened(copied, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "went off"), "w"))

    (copied / "open_clip_model.safetensors").unlink()
    for name in ("open_clip_pytorch_model.bin", "model.pth", "open_clip_pytorch_model.safetensors.bin"):
        torch.save({"state_dict": Bomb()}, copied / name)
    with pytest.raises(InputError, match="pickled"):
        load_teacher(copied)
    # beside good weights they are passed over
    shutil.copy(SMALL_DIR / "open_clip_model.safetensors", copied)
    load_teacher(copied, device="cpu")
    assert not (tmp_path / "went off").exists()


def change(config, **text):
    config["model_cfg"]["text_cfg"].update(text)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda c: change(c, tokenizer_kwargs={"trust_remote_code": True}), "refused"),
        (lambda c: change(c, tokenizer_kwargs={"bpe_path": "/etc/passwd"}), "refused"),
        (lambda c: change(c, tokenizer_kwargs=["trust_remote_code"]), "refused"),
        (lambda c: c["model_cfg"].pop("vision_cfg"), "not an OpenCLIP configuration"),
        (lambda c: c["model_cfg"].update(embed_dim="64"), "whole number"),
        (lambda c: change(c, layers=7), "cannot load"),
        (lambda c: change(c, nonsense=7), "cannot load"),
    ],
)
def test_a_strange_configuration_is_refused(copied, damage, says):
    path = copied / "open_clip_config.json"
    config = json.loads(path.read_text())
    damage(config)
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match=says) as caught:
        load_teacher(copied)
    assert str(copied) in str(caught.value)


@pytest.mark.parametrize("keep", [0, 100, 1_000_000])
def test_truncated_weights_are_refused(copied, keep):
    path = copied / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="cannot load"):
        load_teacher(copied)


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"[" * 100_000])
def test_a_configuration_that_is_no_json_is_refused(copied, content):
    (copied / "open_clip_config.json").write_bytes(content)
    with pytest.raises(InputError, match="not an OpenCLIP configuration"):
        load_teacher(copied)
