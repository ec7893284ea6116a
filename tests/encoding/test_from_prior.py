"""Fits from a prior, and files that are stored as the difference from one."""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import priors
import pytest
import torch
from huggingface_hub import constants
from scenes import scene, scenes

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import PretrainConfig, codec
from fiftyone_latent_inr.codec.byte_source import MemorySource
from fiftyone_latent_inr.errors import BitstreamError, InputError
from fiftyone_latent_inr.fitting import PRESETS, FitConfig, prior_start
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.model import Architecture, Level
from fiftyone_latent_inr.pretraining.augment import Augmentation
from fiftyone_latent_inr.pretraining.pretrain import TrainingData, as_prior, train_networks
from fiftyone_latent_inr.pretraining.reels import named_reels
from fiftyone_latent_inr.priors.networks import PriorConfig
from fiftyone_latent_inr.priors.prior import Prior
from fiftyone_latent_inr.priors.reference import PriorReference

ARCHITECTURE = Architecture(
    levels=(Level(8, 4, 2), Level(4, 4), Level(2, 2)),
    latent_dim=6,
    bottleneck=6,
    hidden=16,
    warp_rows=3,
    warp_cols=4,
)
QUICK = replace(PRESETS["fast"], architecture=ARCHITECTURE, steps=60, steps_growth=0.0, between=0.0)
TRAINING = PretrainConfig(
    steps=100,
    clips_per_step=2,
    window=8,
    frames_per_step=4,
    points_per_frame=256,
    sizes=((24, 32),),
    warmup=10,
    augmentation=Augmentation(most_zoom=1.0, camera=0.0, cut=0.0, colours=False),
)


@pytest.fixture(scope="module")
def prior() -> Prior:
    """Pretrained for a moment on pictures like those that are fitted."""
    clips = [(str(k), scene(k, 12, 0.4)) for k in range(12)]
    config = PriorConfig("tiny", ARCHITECTURE, latent_dim=64, width=8, hidden=8)
    return as_prior(*train_networks(TrainingData(named_reels(clips)), config, TRAINING))


def fit(frames: np.ndarray, config: FitConfig = QUICK, **options: object) -> linr.LatentVideo:
    return linr.fit(frames, config=config, device="cpu", progress=False, **options)  # type: ignore[arg-type]


def test_few_steps_go_further_from_a_prior(prior: Prior) -> None:
    """Very few: after 60 steps of one start, rounding alone decides between 29 and 36 dB (cold 30 to 31.5)."""
    frames = scene(77, 8, 0.4)
    few = replace(QUICK, steps=5)
    cold, warm = fit(frames, few), fit(frames, few, prior=prior)
    residual = fit(frames, few, prior=prior, residual=True)
    # 2.2 to 3.1 dB of both, of four perturbed priors with three perturbed fits each
    assert min(warm.metrics["psnr"], residual.metrics["psnr"]) > cold.metrics["psnr"] + 1.2
    assert warm.config == cold.config  # the file is one like any other
    assert warm.prior is None and warm.metadata["started_from"] == prior.id
    np.testing.assert_array_equal(from_bytes(warm.data).render(), warm.render())


def test_the_difference_is_smaller_and_draws_the_same(prior: Prior, tmp_path: Path) -> None:
    prior.save_pretrained(tmp_path / "prior")
    frames = scene(77, 8, 0.4)
    whole, residual = fit(frames, prior=prior), fit(frames, prior=str(tmp_path / "prior"), residual=True)
    assert residual.metrics["bytes"] < 0.98 * whole.metrics["bytes"]  # .90 to .94 in 18 perturbed runs
    residual.save(tmp_path / "clip.linr")
    again = linr.load(tmp_path / "clip.linr", prior=linr.load_prior(tmp_path / "prior"))
    np.testing.assert_array_equal(again.render(), residual.render())
    assert again.prior == PriorReference(prior.id)  # the folder's path is nobody's business
    assert str(tmp_path).encode() not in header_of(residual.data)


def of_weights(prior: Prior, weight: float) -> Prior:
    huge = priors.make(prior.config)
    huge.name = "someone/huge"
    with torch.no_grad():
        for parameter in huge.networks.parameters():
            parameter.fill_(weight)
    return huge


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("weight", [65504.0, 30.0])
def test_priors_of_huge_weights_are_named(prior: Prior, residual: bool, weight: float) -> None:
    huge = of_weights(prior, weight)
    with pytest.raises(InputError, match=r"prior someone/huge: its weights are too large.*prior='none'") as refused:
        fit(scene(77, 8, 0.4), prior=huge, residual=residual)
    assert "\n" not in str(refused.value)


def test_fits_that_leave_finite_numbers_say_so(prior: Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the look at the start does not see."""
    monkeypatch.setattr(prior_start, "_check_colours", lambda model: None)
    with pytest.raises(InputError, match=r"no longer finite: the prior.*learning_rate"):
        fit(scene(77, 8, 0.4), prior=of_weights(prior, 30.0))


def header_of(data: bytes) -> bytes:
    return json.dumps(codec.parse(MemorySource(data))[0]).encode()


def test_without_the_prior_one_clear_line(prior: Prior, tmp_path: Path) -> None:
    fit(scene(77, 8, 0.4), prior=prior, residual=True).save(tmp_path / "clip.linr")
    video = linr.load(tmp_path / "clip.linr")
    assert (video.num_frames, video.embeddings) == (8, None)
    video.check()
    with pytest.raises(InputError, match=rf"clip.linr: it is stored as the difference .*{prior.id}.*prior="):
        video.render([0])
    other = priors.make(prior.config, seed=9)
    with pytest.raises(InputError, match=rf"{prior.id}.*not from {other.id}"):
        linr.load(tmp_path / "clip.linr", prior=other)


def test_a_prior_of_the_hub_is_looked_for_here_only(
    prior: Prior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a stranger makes nothing be downloaded; what to do is said."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    named = priors.make(prior.config)
    named.name, named.revision = "someone/their-prior", "a" * 40
    fit(scene(77, 8, 0.4), prior=named, residual=True).save(tmp_path / "clip.linr")
    video = linr.load(tmp_path / "clip.linr")
    assert video.prior == PriorReference(named.id, named.name, named.revision)
    with pytest.raises(
        InputError, match=r"not on this machine.*Prior.from_pretrained\('someone/their-prior', revision='aaa"
    ):
        video.render([0])


def test_another_prior_of_the_same_name_is_not_taken(
    prior: Prior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, other = priors.make(prior.config), priors.make(prior.config, seed=9)
    named.name, named.revision = "someone/their-prior", "a" * 40
    fit(scene(77, 8, 0.4), prior=named, residual=True).save(tmp_path / "clip.linr")
    monkeypatch.setattr("fiftyone_latent_inr.priors.prior.load_named_prior", lambda *_: other)
    with pytest.raises(InputError, match=rf"clip.linr: .*{named.id}.* is {other.id} here"):
        linr.load(tmp_path / "clip.linr").render([0])


def test_long_videos_start_their_groups_from_it(prior: Prior, tmp_path: Path) -> None:
    frames = scenes((1, 14, 0.3), (2, 14, 0.3), (1, 14, 0.3))
    config = replace(QUICK, steps=30, group_frames=8)
    whole = fit(frames, config, prior=prior)
    residual = fit(frames, config, prior=prior, residual=True)
    cold = fit(frames, config)
    assert whole.num_groups == residual.num_groups == cold.num_groups > 2
    assert min(whole.metrics["psnr"], residual.metrics["psnr"]) > cold.metrics["psnr"]
    assert residual.metrics["bytes"] < whole.metrics["bytes"]
    again = from_bytes(residual.data, prior)
    np.testing.assert_array_equal(again.render(), residual.render())


def test_a_preset_starts_from_its_own_prior() -> None:
    frames = scene(77, 6, 0.4)
    own, bundled = replace(PRESETS["fast"], steps=4, steps_growth=0.0, between=0.0), linr.load_prior("fast-prior")
    default, named, cold = fit(frames, own), fit(frames, own, prior="fast-prior"), fit(frames, own, prior="none")
    assert default.metadata["started_from"] == named.metadata["started_from"] == bundled.id
    np.testing.assert_array_equal(default.render(), named.render())
    assert "started_from" not in cold.metadata and default.metrics["psnr"] > cold.metrics["psnr"] + 3
    assert fit(frames, own, residual=True).prior == PriorReference(bundled.id, "fast-prior", None)
    # a teacher of others is no reason not to draw with it
    aligned = fit(frames, own, teacher=Teacher())
    assert aligned.metadata["started_from"] == bundled.id and aligned.embeddings is not None


def test_no_prior_where_the_preset_was_made_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, few = scene(77, 6, 0.4), replace(PRESETS["fast"], steps=2)
    assert "started_from" not in fit(frames, replace(few, architecture=ARCHITECTURE)).metadata
    assert "started_from" not in fit(frames, replace(few, prior="not-there")).metadata
    assert "started_from" not in fit(frames, replace(PRESETS["balanced"], steps=1)).metadata
    assert replace(few, prior=None).digest() == few.digest()  # where a fit began is on record by the prior's id


class Teacher:
    """Of another space than any prior's."""

    name, id, embedding_dim = "other", "other@1", 3

    def embed_frames(self, frames: np.ndarray) -> np.ndarray:
        means = frames.mean((1, 2)) + np.arange(len(frames))[:, None]
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def test_checkpoints_of_another_prior_are_not_taken_up(prior: Prior, tmp_path: Path) -> None:
    frames = scenes((1, 14, 0.3), (2, 14, 0.3))
    config = replace(QUICK, steps=10, group_frames=8)
    first = fit(frames, config, prior=prior, checkpoint=tmp_path)
    assert fit(frames, config, prior=prior, checkpoint=tmp_path).data == first.data
    assert fit(frames, config, checkpoint=tmp_path).data != first.data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"residual": True}, "give one, prior="),
        ({"prior": "no-such-prior"}, "no-such-prior"),
        ({"prior": "made", "config": PRESETS["fast"]}, "another architecture"),
    ],
)
def test_what_cannot_be_is_refused(prior: Prior, options: dict[str, object], message: str) -> None:
    if options.get("prior") == "made":
        options = {**options, "prior": prior}
    with pytest.raises(InputError, match=message):
        linr.fit(scene(1, 4), device="cpu", progress=False, **{"config": QUICK, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def residual(prior: Prior) -> bytes:
    """A file that cannot be drawn without the prior."""
    return fit(scene(1, 4), replace(QUICK, steps=2), prior=prior, residual=True).data


def parts_of(data: bytes) -> tuple[dict[str, Any], list[codec.Section]]:
    """Header and sections of a file, to be put together again."""
    document, entries = codec.parse(MemorySource(data))
    sections = [
        codec.Section(one.kind, one.count, one.model, data[one.offset : one.offset + one.size], one.parent)
        for one in entries
    ]
    assert zlib.crc32(sections[0].data) == entries[0].checksum
    return document, sections


def naming(data: bytes, named: object) -> bytes:
    """The file with another reference to its prior."""
    document, sections = parts_of(data)
    return codec.assemble({**document, "prior": named}, sections)


@contextmanager
def opened() -> Iterator[list[str]]:
    """What is opened, listed or made in the block, by path, as Python's audit events tell."""
    seen: list[str] = []
    watch = True

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if watch and event in ("open", "os.listdir", "os.scandir", "os.mkdir", "socket.connect"):
            seen.append(str(arguments[0]))

    sys.addaudithook(listen)  # which cannot be taken away again
    try:
        yield seen
    finally:
        watch = False


@pytest.mark.parametrize("name", ["{}", "~/prior", "./user/prior", "../x/user/prior", "a/b/c", "file:{}", "..", "~"])
def test_a_file_that_names_a_folder_as_its_prior_is_refused(
    prior: Prior, residual: bytes, name: str, tmp_path: Path
) -> None:
    prior.save_pretrained(tmp_path / "prior")
    named = {"id": prior.id, "name": name.format(tmp_path / "prior"), "revision": None}
    with pytest.raises(BitstreamError, match="neither one that is bundled nor OWNER/NAME of the Hub"):
        from_bytes(naming(residual, named))


@pytest.mark.parametrize("revision", [None, "main", "a" * 40])
@pytest.mark.parametrize("name", ["user/prior", "prior", "user/prior@main", "fast-prior"])
def test_a_folder_of_the_name_that_a_file_gives_its_prior_is_left_alone(
    prior: Prior, residual: bytes, name: str, revision: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only users name folders: a stranger's file would have this machine open them, over the network, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    prior.save_pretrained(tmp_path / name)
    (tmp_path / "clip.linr").write_bytes(naming(residual, {"id": prior.id, "name": name, "revision": revision}))
    with opened() as seen, pytest.raises((InputError, BitstreamError)):
        linr.load(tmp_path / "clip.linr").render([0])
    here = {path for path in seen if not os.path.isabs(path) or Path(path).is_relative_to(tmp_path)}
    assert here <= {str(tmp_path / "clip.linr")}
    with opened() as seen:
        found = linr.load_prior(f"./{name}")
    assert found.id == prior.id and any(str(tmp_path / name) in path for path in seen), "users may, and it is seen"


@pytest.mark.parametrize(
    "named",
    [
        7,
        "text",
        {},
        {"id": "x"},
        {"id": 3, "name": None, "revision": None},
        {"id": "x\n", "name": None, "revision": None},
    ],
)
def test_a_malformed_prior_in_a_header_is_refused(residual: bytes, named: object) -> None:
    with pytest.raises(BitstreamError, match="prior"):
        from_bytes(naming(residual, named))
    document, sections = parts_of(residual)
    del document["prior"]
    with pytest.raises(BitstreamError, match="lacks the prior"):
        from_bytes(codec.assemble(document, sections))
