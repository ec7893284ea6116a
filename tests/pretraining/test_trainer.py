"""Pretraining: it learns, and goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes import scene

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.pretraining.augment import Augmentation
from fiftyone_latent_inr.pretraining.config import PretrainConfig
from fiftyone_latent_inr.pretraining.trainer import Pretraining, drawn_unseen, grid_cost
from fiftyone_latent_inr.priors.networks import PriorConfig, PriorNetworks

PLAIN = Augmentation(most_zoom=1.0, most_stride=1, frozen=0.0, camera=0.0, cut=0.0, mirror=False, colours=False)
SMALL = PretrainConfig(
    steps=60, clips_per_step=2, window=8, frames_per_step=4, points_per_frame=192, sizes=((32, 48),), warmup=10
)


class Waves:
    """Windows of moving waves, drawn anew each time."""

    def draw(self, step: int, rng: np.random.Generator) -> np.ndarray:
        return scene(int(rng.integers(1000)), 10, float(rng.uniform(-1, 1)), 40, 56)


class Tinted:
    """Frames of one colour, whose embedding is that colour and a constant, as unit vectors."""

    def draw(self, step: int, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        colours = rng.integers(0, 256, (count, 3))
        frames = np.broadcast_to(colours[:, None, None].astype(np.uint8), (count, 8, 8, 3)).copy()
        return frames, embed(frames)


def embed(frames: np.ndarray) -> np.ndarray:
    values = np.concatenate([frames.mean((1, 2)) / 255, np.ones((len(frames), 1))], 1)
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def networks(teacher: bool = False) -> PriorNetworks:
    named = {"teacher": "t", "teacher_id": "t-1", "embedding_dim": 4, "semantic_dim": 4, "semantic_width": 4}
    torch.manual_seed(0)
    return PriorNetworks(
        PriorConfig("fast", PRESETS["fast"].architecture, width=8, hidden=16, **(named if teacher else {}))
    )


def run(config: PretrainConfig = SMALL, teacher: bool = False, seed: int = 0) -> Pretraining:
    return Pretraining(networks(teacher), config, Waves(), Tinted() if teacher else None, seed=seed)


def test_networks_learn_to_draw_and_to_embed_what_they_never_saw() -> None:
    training = run(replace(SMALL, steps=250, augmentation=PLAIN, learning_rate=5e-3), teacher=True)
    events = list(training.run())
    assert [event.step for event in events] == [*range(20, 241, 20), 250]
    assert {event.stage for event in events} == {"pretrain"}
    assert events[-1].psnr > events[0].psnr + 3
    clip = scene(5000, 8, 0.5, 36, 52)
    drawn = drawn_unseen(training.networks, clip)
    mean = np.broadcast_to(clip.mean((0, 1, 2)).round().astype(np.uint8), clip.shape)
    assert psnr(drawn, clip) > psnr(np.ascontiguousarray(mean), clip) + 1
    assert training.alignment is not None and training.alignment < 0.8
    frames, targets = Tinted().draw(0, np.random.default_rng(9), 32)
    embeddings = training.networks.embed_frames(frames)
    assert embeddings.shape == (32, 4)
    assert np.square(embeddings - targets).sum() < np.square(targets - targets.mean(0)).sum()


def test_a_run_that_was_stopped_goes_on_bit_for_bit() -> None:
    whole = run(teacher=True)
    stopped = run(teacher=True)
    list(whole.run())
    next(iter(stopped.run()))
    tensors, facts = stopped.state_dict()
    tensors = {name: value.clone() for name, value in tensors.items()}
    further = run(teacher=True)
    further.networks.embedding_bias.data.add_(1)  # what it had before does not count
    further.load_state_dict(tensors, facts)
    assert further.step == 20
    events = list(further.run())
    assert events[-1].psnr == whole.psnr
    for name, value in whole.networks.state_dict().items():
        assert torch.equal(value, further.networks.state_dict()[name]), name
    mine, theirs = further.state_dict()[0], whole.state_dict()[0]
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_run_of_other_settings_or_half_a_run_is_refused() -> None:
    tensors, facts = run(teacher=True).state_dict()
    with pytest.raises(InputError, match="other settings"):
        run(teacher=True, seed=1).load_state_dict(tensors, facts)
    del tensors["networks.hypernetwork.trunk"]
    with pytest.raises(InputError, match="incomplete"):
        run(teacher=True).load_state_dict(tensors, facts)


def test_grids_that_say_less_cost_less() -> None:
    assert grid_cost([torch.zeros(2, 3)]) == 0
    assert grid_cost([torch.full((2, 3), 0.1)]) < grid_cost([torch.full((2, 3), 0.2)])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_it_trains_on_a_gpu() -> None:
    training = Pretraining(networks(True), SMALL, Waves(), Tinted(), device="cuda")
    list(training.run())
    assert training.psnr is not None and training.psnr > 10
    clip = scene(5000, 8, 0.5, 36, 52)
    assert drawn_unseen(training.networks, clip).shape == clip.shape


def test_what_draws_stops_learning_and_what_embeds_goes_on() -> None:
    config = replace(SMALL, steps=50, drawing_steps=10)
    running = run(config, teacher=True)
    kept: dict[int, dict[str, torch.Tensor]] = {}
    for event in running.run():
        kept[event.step] = {name: one.clone() for name, one in running.networks.state_dict().items()}
    assert sorted(kept) == [20, 40, 50] and running.steps == 50
    for name, one in kept[20].items():
        embeds = name.startswith(("semantic_encoder", "embedding_weight"))
        assert torch.equal(one, kept[50][name]) != embeds or name == "embedding_bias", name
    alone = run(config)
    assert [event.step for event in alone.run()] == [10] and alone.steps == 10
