"""`pretrain`: from paths to trained networks and notes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scenes import scene

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import video
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting.soap import SOAP
from fiftyone_latent_inr.held_folder import held
from fiftyone_latent_inr.pretraining.config import PretrainConfig
from fiftyone_latent_inr.pretraining.pretrain import TrainingData, prior_config, train_networks
from fiftyone_latent_inr.pretraining.reels import named_reels
from fiftyone_latent_inr.pretraining.sources import list_sources
from fiftyone_latent_inr.pretraining.state import STATE_FILE
from fiftyone_latent_inr.priors.networks import PriorNetworks
from fiftyone_latent_inr.progress import FitProgress

TINY = PretrainConfig(
    steps=20, clips_per_step=2, window=6, frames_per_step=3, points_per_frame=96, sizes=((16, 24),), semantic_frames=8
)


class Mean:
    """A teacher that says the mean colour."""

    name, id, embedding_dim = "mean", "mean-1", 3

    def embed_frames(self, frames: np.ndarray) -> np.ndarray:
        colours = frames.mean((1, 2)) + 1
        return (colours / np.linalg.norm(colours, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    (folder / "inner").mkdir()
    for k, name in enumerate(("a.mp4", "inner/b.mp4")):
        video.write(folder / name, scene(k, 30, 1.0, 32, 48), 25)
    (folder / "broken.mp4").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("no video")
    return folder


def test_it_trains_on_a_folder_measures_and_takes_notes(clips: Path, tmp_path: Path) -> None:
    teacher = Mean()
    events: list[FitProgress] = []
    networks, notes = train_networks(
        TrainingData(
            named_reels(list_sources(clips)),
            teacher,
            validation=[("held", scene(9, 20, 1.0, 32, 48)), ("lost", clips / "broken.mp4")],
            licences={"a.mp4": "CC0"},
        ),
        prior_config("fast", 6, teacher),
        TINY,
        folder=tmp_path / "out",
        report=events.append,
    )
    assert notes["trained_on"] == [{"name": "a.mp4", "frames": 30, "licence": "CC0"}, {"name": "b.mp4", "frames": 30}]
    assert [one["name"] for one in notes["skipped"]] == ["broken.mp4"]
    assert set(notes["metrics"]) == {"psnr", "alignment"} and notes["steps"] == 20
    assert notes["validated_on"] == {"held": notes["metrics"]["psnr"]}
    assert notes["config"]["digest"] == TINY.digest() and notes["seed"] == 0
    assert networks.config.teacher == "mean" and networks.config.embedding_dim == 3
    messages = " ".join(event.message or "" for event in events)
    assert "left out" in messages and "not measured on" in messages and "held out" in messages
    assert {event.stage for event in events} == {"pretrain"}
    assert "means" in load_file(tmp_path / "out" / STATE_FILE)


def test_pretrain_gives_a_prior_and_stores_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []

    class Stored:
        def save_pretrained(self, folder: Path) -> None:
            assert (Path(folder) / STATE_FILE).exists()  # thrown away only once the prior is safe

    def as_prior(networks: PriorNetworks, notes: dict[str, Any]) -> Stored:
        made.append(notes)
        return Stored()

    monkeypatch.setattr("fiftyone_latent_inr.pretraining.pretrain.as_prior", as_prior)
    sources = [scene(k, 12, 1.0, 32, 48) for k in range(3)]
    prior = linr.pretrain(
        sources, config=TINY, validation=sources[:1], output_dir=tmp_path / "prior", width=6, progress=False
    )
    assert isinstance(prior, Stored)
    assert {one["name"] for one in made[0]["trained_on"]} == {"array 0", "array 1", "array 2"}
    assert not (tmp_path / "prior" / STATE_FILE).exists()


def test_a_stopped_run_goes_on_to_the_same_networks(clips: Path, tmp_path: Path) -> None:
    config = PretrainConfig(**{**vars(TINY), "steps": 40})
    shape = prior_config("fast", 6)

    def train(folder: Path | None, stop_at: int = 10**9, resume: bool = True) -> dict[str, torch.Tensor]:
        def report(event: FitProgress) -> None:
            messages.append(event.message or "")
            if event.step >= stop_at:
                raise GeneratorExit

        data = TrainingData(named_reels(list_sources(clips)))
        networks, notes = train_networks(data, shape, config, folder=folder, report=report, resume=resume)
        assert {one["name"] for one in notes["trained_on"]} == {"a.mp4", "b.mp4"}
        return networks.state_dict()

    messages: list[str] = []
    whole = train(None)
    with pytest.raises(GeneratorExit):
        train(tmp_path, stop_at=20)
    assert stored_step(tmp_path / STATE_FILE) == 20
    further = train(tmp_path)
    assert "going on after step 20" in messages
    assert all(torch.equal(whole[name], further[name]) for name in whole)
    with pytest.raises(InputError, match="other settings"):
        train_networks(TrainingData(named_reels(list_sources(clips))), shape, TINY, folder=tmp_path)
    (tmp_path / STATE_FILE).write_bytes(b"damaged")
    with pytest.raises(InputError, match="begin anew"):
        train(tmp_path)
    save_file({"x": torch.zeros(1)}, tmp_path / STATE_FILE, {"run": "[" * 100_000})
    with pytest.raises(InputError, match="begin anew"):
        train(tmp_path)
    assert torch.equal(train(tmp_path, resume=False)["hypernetwork.trunk"], whole["hypernetwork.trunk"])


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> PretrainConfig:
    """A run of 8 steps that says something, and can be stored, after each second one."""
    monkeypatch.setattr("fiftyone_latent_inr.pretraining.trainer._REPORT_EVERY", 2)
    return PretrainConfig(**{**vars(TINY), "steps": 8})


def stored_step(path: Path) -> int:
    with safe_open(path, framework="pt") as file:
        return int(json.loads(file.metadata()["run"])["step"])


def interrupted_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ctrl-C in the middle of this step: half of the networks have moved, the other half has not."""
    draw = SOAP.step

    def stop(self: SOAP) -> None:
        draw(self)
        if self.counted == step:
            raise KeyboardInterrupt
        self.counted += 1

    monkeypatch.setattr(SOAP, "counted", 0, raising=False)
    monkeypatch.setattr(SOAP, "step", stop)


def test_ctrl_c_in_a_step_stores_the_steps_before_it(
    clips: Path, often: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, shape = often, prior_config("fast", 6)
    data = TrainingData(named_reels(list_sources(clips)))
    whole = train_networks(data, shape, config)[0].state_dict()
    messages: list[str] = []

    def report(event: FitProgress) -> None:
        messages.append(event.message or "")

    for steps, stored in ((1, 0), (5, 4), (1, 4)):  # 5 from the beginning; 1 after the 4 that are stored
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            interrupted_at(patch, steps)
            train_networks(data, shape, config, folder=tmp_path, report=report)
        line = f"stopped; {tmp_path} holds step {stored}, and the same call goes on from there"
        assert (line in messages) == (stored > 0)
        assert (stored_step(tmp_path / STATE_FILE) if (tmp_path / STATE_FILE).exists() else 0) == stored
        messages.clear()
    further = train_networks(data, shape, config, folder=tmp_path)[0].state_dict()
    assert all(torch.equal(whole[name], further[name]) for name in whole)


def test_a_second_ctrl_c_leaves_the_earlier_state_whole(
    clips: Path, often: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, shape = often, prior_config("fast", 6)
    data = TrainingData(named_reels(list_sources(clips)))

    def report(event: FitProgress) -> None:
        if event.step >= stop_at:
            raise KeyboardInterrupt

    stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        train_networks(data, shape, config, folder=tmp_path, report=report)

    def write_half(path: Path, data: bytes) -> None:
        path.open("wb").write(data[: len(data) // 2])
        raise KeyboardInterrupt

    stop_at = 4
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", write_half)
        train_networks(data, shape, config, folder=tmp_path, report=report)
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE] and stored_step(tmp_path / STATE_FILE) == 2


def test_it_is_stored_when_time_has_passed(
    clips: Path, often: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed says nothing; what it stored before is what remains."""
    seen, clock = [], [0.0]
    monkeypatch.setattr("fiftyone_latent_inr.pretraining.state.time.monotonic", lambda: clock[0])

    def report(event: FitProgress) -> None:
        if not event.message:
            seen.append(stored_step(tmp_path / STATE_FILE) if (tmp_path / STATE_FILE).exists() else 0)
            clock[0] += 35

    data = TrainingData(named_reels(list_sources(clips)))
    train_networks(data, prior_config("fast", 6), often, folder=tmp_path, report=report)
    assert seen == [0, 0, 6, 8]  # of 2, 4, 6, 8 steps, 35 s each


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(InputError, match="none of the videos"):
        train_networks(TrainingData(named_reels(list_sources(tmp_path))), prior_config("fast", 6), TINY)


def test_one_pretraining_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    sources = [np.zeros((6, 24, 32, 3), np.uint8)]
    with held(tmp_path / "prior"), pytest.raises(InputError, match=r"prior: a pretraining is going on here \(process"):
        linr.pretrain(sources, config=TINY, output_dir=tmp_path / "prior", device="cpu", progress=False)
    assert list(tmp_path.iterdir()) == []
