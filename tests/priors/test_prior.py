"""Priors as objects and files: what is saved is what is loaded, and what is hostile is refused in one line."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import priors
import pytest
import torch
from safetensors.torch import save_file

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.model import Level
from fiftyone_latent_inr.priors import files, find
from fiftyone_latent_inr.priors.prior import Prior, bundled_priors, load_prior


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A prior in a directory."""
    priors.make().save_pretrained(tmp_path / "prior")
    return tmp_path / "prior"


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def refusal(path: Path | str, **options: Any) -> str:
    """The one line that a prior is refused with."""
    with pytest.raises(InputError) as caught:
        Prior.from_pretrained(path, **options)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 600
    return message


def test_round_trip(saved: Path) -> None:
    prior, again = priors.make(), linr.Prior.from_pretrained(saved)
    assert sorted(path.name for path in saved.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert {path.stat().st_mode & 0o777 for path in saved.iterdir()} == {0o666 & ~umask()}
    assert again.config == priors.CONFIG and again.notes == priors.NOTES
    assert again.id == prior.id and len(prior.id) == 12
    assert (again.name, again.revision) == (str(saved), None)
    own, other = prior.networks.state_dict(), again.networks.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in own)
    assert not again.training and prior.id in repr(again)


def test_the_identity_is_that_of_the_content(saved: Path, tmp_path: Path) -> None:
    prior = priors.make()
    assert priors.make(seed=1).id != prior.id
    assert priors.make(replace(priors.CONFIG, teacher_id="small@87654321")).id != prior.id
    renamed = saved.rename(tmp_path / "renamed")
    loaded = Prior.from_pretrained(renamed)
    loaded.notes["more"] = 1
    assert loaded.id == prior.id
    loaded.networks.field.biases[0].data[0] += 1
    assert loaded.id != prior.id


def test_rounded_weights_are_stored_in_half_the_space(saved: Path, tmp_path: Path) -> None:
    prior = priors.make()
    prior.round_weights()
    prior.save_pretrained(tmp_path / "half")
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (saved, tmp_path / "half")]
    assert sizes[1] < 0.65 * sizes[0]
    assert Prior.from_pretrained(tmp_path / "half").id == prior.id


def test_loading_leaves_random_numbers_alone(saved: Path) -> None:
    before = torch.random.get_rng_state()
    Prior.from_pretrained(saved)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_saving_again_keeps_a_card_that_somebody_wrote(saved: Path) -> None:
    readme = saved / "README.md"
    assert priors.make().id in readme.read_text()
    priors.make(seed=1).save_pretrained(saved)
    assert priors.make(seed=1).id in readme.read_text()
    readme.write_text("mine")
    priors.make().save_pretrained(saved)
    assert readme.read_text() == "mine"


def test_saving_goes_on_where_it_was_cut_off(saved: Path, tmp_path: Path) -> None:
    """The weights come first; those of another model stay, though they are named in part like a prior's."""
    (saved / "config.json").unlink()
    priors.make(seed=1).save_pretrained(saved)
    assert load_prior(saved).id == priors.make(seed=1).id
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    save_file({"field.weight": torch.zeros(2), "encoder.weight": torch.zeros(2)}, theirs / "model.safetensors")
    with pytest.raises(InputError, match="is there and is no Latent-INR prior's"):
        priors.make().save_pretrained(theirs)


def test_saving_leaves_links_that_lead_out(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "prior"
    outside.write_text("precious")
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).symlink_to(outside)
    with pytest.raises(InputError, match="is there and is no Latent-INR prior's"):
        priors.make().save_pretrained(folder)
    assert outside.read_text() == "precious"


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        priors.make().save_pretrained(tmp_path / "file")
    prior = priors.make()
    prior.notes["metrics"] = {"psnr": float("nan")}
    with pytest.raises(InputError, match="JSON"):
        prior.save_pretrained(tmp_path / "a")
    prior.notes = {"description": "x" * (1 << 21)}
    with pytest.raises(InputError, match="shorten"):
        prior.save_pretrained(tmp_path / "a")
    prior = priors.make()
    prior.networks.field.biases[0].data[0] = torch.inf
    with pytest.raises(InputError, match="not finite"):
        prior.save_pretrained(tmp_path / "a")
    with pytest.raises(InputError, match="another configuration"):
        Prior(replace(priors.CONFIG, hidden=9), networks=prior.networks)


def test_embeds_frames_in_batches() -> None:
    prior = priors.make()
    frames = np.random.default_rng(0).integers(0, 256, (7, 20, 31, 3), dtype=np.uint8)
    vectors = prior.embed_frames(frames, batch_size=3)
    assert vectors.shape == (7, 5) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors, prior.embed_frames(frames[:, :, ::-1][:, :, ::-1]), atol=1e-5)
    for bad in (frames[0], frames[:0], frames.astype(np.float32)):
        with pytest.raises(InputError, match="uint8"):
            prior.embed_frames(bad)
    plain = replace(priors.CONFIG, teacher=None, teacher_id=None, embedding_dim=0, semantic_dim=0)
    with pytest.raises(InputError, match="without a teacher"):
        priors.make(plain).embed_frames(frames)


def test_teachers_must_agree() -> None:
    prior = priors.make()
    prior.check_teacher("small@12345678")
    prior.check_teacher(None)
    with pytest.raises(InputError, match=r"small@12345678.*ViT-B-32/openai@0.*teacher='small'"):
        prior.check_teacher("ViT-B-32/openai@0")
    plain = priors.make(replace(priors.CONFIG, teacher=None, teacher_id=None, embedding_dim=0, semantic_dim=0))
    plain.check_teacher(None)
    plain.check_teacher("small@1")  # it draws; the alignment is the fit's own


def test_architectures_must_agree() -> None:
    prior, own = priors.make(), priors.ARCHITECTURE
    prior.check_architecture(own)
    prior.check_architecture(replace(own, semantic_dim=9))
    with pytest.raises(InputError, match=r"hidden 6 against 40.*preset='tiny'"):
        prior.check_architecture(replace(own, hidden=40))
    with pytest.raises(InputError, match=r"planes 2 against 1, channels of level 2 2 against 5"):
        prior.check_architecture(replace(own, planes=1, levels=(own.levels[0], Level(3, 5))))
    with pytest.raises(InputError, match=r"levels 2 against 1"):
        prior.check_architecture(replace(own, levels=own.levels[:1]))


def test_bundled_ones_have_names(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "small-teacher" not in bundled_priors()
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    saved.rename(shelf / "tiny-prior")
    (shelf / "other").mkdir()
    (shelf / "other" / "config.json").write_text("{}")
    (shelf / "file.md").write_text("x")
    monkeypatch.setattr(find, "hub_models_dir", lambda: shelf)
    assert bundled_priors() == ["tiny-prior"]
    prior = load_prior("tiny-prior")
    assert prior.name == "tiny-prior" and prior.id == priors.make().id
    with pytest.raises(InputError, match="no revisions"):
        load_prior("tiny-prior", "main")
    with pytest.raises(InputError, match=r"unknown prior 'tiny'.*tiny-prior.*OWNER/NAME"):
        load_prior("tiny")
    with pytest.raises(InputError, match="unknown prior 'tiny-prior'"):
        Prior.from_pretrained("tiny-prior")

    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(find, "hub_models_dir", gone)
    assert bundled_priors() == []


@pytest.mark.parametrize("name", ["", "nothing", "/no/such/folder", "./no", "a/b/c", Path("owner/name"), "~nobody/x"])
def test_unknown_names_ask_nobody(name: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fiftyone_latent_inr.priors.hub.look_up", None)
    assert "unknown prior" in refusal(name)


def test_a_directory_has_no_revision(saved: Path) -> None:
    assert "no revisions" in refusal(saved, revision="main")


# ---- hostile directories ---------------------------------------------------------------------------------------


def edited_config(saved: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = saved / "config.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"format": NaN}', "NaN"),
        (b"[]", "not a Latent-INR prior"),
        (b'{"model_type": "bert"}', "not a Latent-INR prior"),
        (b'{"format": 2, "library": "fiftyone-latent-inr", "prior": {}}', "missing or unknown"),
        (b'{"format": 1, "library": "fiftyone-latent-inr", "prior": {}}', "'1', not 2: it is of an earlier version"),
        (b'{"format": 3, "library": "fiftyone-latent-inr", "prior": {}}', "'3', not 2: update the package"),
        (b'{"format": 2, "library": "fiftyone-latent-inr", "prior": {}, "notes": 3}', "notes"),
        (b" " * (1 << 20) + b"{}", "too large"),
        (b'{"format": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_strange_configurations(saved: Path, content: bytes, message: str) -> None:
    (saved / "config.json").write_bytes(content)
    assert message in refusal(saved)


def test_absurd_sizes_are_refused_before_anything_is_made(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PriorNetworks", None)
    edited_config(saved, lambda c: c["prior"].update(hidden=10**12))
    assert "hidden" in refusal(saved)
    level = {"spacing": 8, "channels": 65_536, "copies": 400}
    edited_config(saved, lambda c: c["prior"].update(hidden=8) or c["prior"]["architecture"].update(levels=[level]))
    assert "parameters" in refusal(saved)


def changed_header(edit: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def change(weights: bytes) -> bytes:
        header, numbers = priors.split(weights)
        edit(header)
        return priors.join(header, numbers)

    return change


def twice(weights: bytes) -> bytes:
    header, numbers = priors.split(weights)
    text = json.dumps(header)
    return priors.join((text[:-1] + "," + text[1:]).encode(), numbers)


def with_nan(weights: bytes) -> bytes:
    header, numbers = priors.split(weights)
    start = header["latent_encoder.out.bias"]["data_offsets"][0]
    return priors.join(header, numbers[:start] + np.float32("nan").tobytes() + numbers[start + 4 :])


def overlapping(header: dict[str, Any]) -> None:
    """A tensor that reads another one's numbers: every size is right, the file's, too."""
    names = [name for name in header if name.startswith("grid_encoder.levels.0.second.bias")]
    header[names[0]]["data_offsets"] = header["grid_encoder.levels.1.second.bias"]["data_offsets"]


TRUNK = "hypernetwork.trunk"
HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "pickled": (lambda _: pickle.dumps({TRUNK: [1.0] * 1000}), "not a safetensors file"),
    "empty": (lambda _: b"", "not a safetensors file"),
    "cut": (lambda data: data[:-100], "asks for"),
    "longer": (lambda data: data + b"x" * 100, "asks for"),
    "cut header": (lambda data: data[:50], "not a safetensors file"),
    "header that is no JSON": (lambda data: data[:8] + b"x" * (len(data) - 8), "damaged"),
    "header that is a list": (lambda _: priors.join(b"[]", b""), "header is malformed"),
    "endless header": (lambda data: (1 << 60).to_bytes(8, "little") + data[8:], "not a safetensors file"),
    "name twice": (twice, "twice"),
    "tensor more": (changed_header(lambda h: h.update(evil=h[TRUNK])), "'evil'"),
    "tensor less": (changed_header(lambda h: h.pop(TRUNK)), TRUNK),
    "tensor renamed": (changed_header(lambda h: h.update(x=h.pop(TRUNK))), "'x'"),
    "entry that is none": (changed_header(lambda h: h.update({TRUNK: 3})), TRUNK),
    "wrong shape": (changed_header(lambda h: h[TRUNK].update(shape=[2, 8])), TRUNK),
    "absurd shape": (changed_header(lambda h: h[TRUNK].update(shape=[10**18, 10**18])), TRUNK),
    "wrong type": (changed_header(lambda h: h[TRUNK].update(dtype="I32")), "F32"),
    "type that is none": (changed_header(lambda h: h[TRUNK].update(dtype=["F32"])), TRUNK),
    "smaller type": (changed_header(lambda h: h[TRUNK.replace("trunk", "heads")].update(dtype="F16")), "asks for"),
    "overlap": (changed_header(overlapping), "damaged"),
    "outside": (changed_header(lambda h: h[TRUNK].update(data_offsets=[0, 10**15])), "damaged"),
    "not finite": (with_nan, "not finite"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_weights(saved: Path, case: str) -> None:
    change, message = HOSTILE[case]
    path = saved / "model.safetensors"
    path.write_bytes(change(path.read_bytes()))
    assert message in refusal(saved)


def test_pickled_weights_are_never_read(saved: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "run").touch, ())

    (saved / "model.safetensors").unlink()
    assert "model.safetensors is missing" in refusal(saved)
    for name in ("pytorch_model.bin", "model.pt"):
        (saved / name).write_bytes(pickle.dumps(Evil()))
    assert "never read" in refusal(saved)
    with pytest.raises(InputError, match="never read"):
        Prior._load_as_pickle(priors.make(), str(saved / "model.pt"), "cpu", True)
    with pytest.raises(InputError, match="never read"):
        Prior._from_pretrained(model_id=str(saved))
    assert not (tmp_path / "run").exists()


def test_links_out_of_the_directory_are_refused(saved: Path, tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json"):
        (saved / name).rename(tmp_path / name)
        (saved / name).symlink_to(Path("..") / name)
        assert "leads out" in refusal(saved)
    (saved / "config.json").unlink()
    (saved / "config.json").symlink_to("/dev/zero")
    assert "config.json is missing" in refusal(saved)
    (saved / "config.json").unlink()
    os.mkfifo(saved / "config.json")  # reading it would wait for ever
    assert "config.json is missing" in refusal(saved)


def test_the_name_is_public_and_lazy() -> None:
    code = (
        "import sys, fiftyone_latent_inr as linr\n"
        "assert not {'torch', 'huggingface_hub', 'safetensors'} & set(sys.modules)\n"
        "print(linr.Prior.__name__, linr.load_prior.__name__, 'fiftyone' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Prior", "load_prior", "False"]


@pytest.mark.parametrize(
    "name", ["x" * 5000, "a/" + "x" * 5000, "/" + "y" * 300, "~nobody-of-this-name", "a\0b", "a@" + "b" * 5000]
)
def test_names_that_no_folder_can_have(name: str) -> None:
    with pytest.raises(linr.InputError):
        linr.load_prior(name)
    with pytest.raises(linr.InputError):
        linr.load_teacher(name)
