"""What the shipped prior is trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.shared.clips import TEST
from fiftyone_latent_inr.pretraining.pretrain import prior_config
from fiftyone_latent_inr.pretraining.reels import named_reels
from fiftyone_latent_inr.pretraining.windows import WindowPool
from fiftyone_latent_inr.priors.networks import PriorConfig, PriorNetworks
from fiftyone_latent_inr.small_world.world import is_held_out
from training.fast_prior import train as pretrain
from training.fast_prior.leaves import LeavesReel, leaves
from training.fast_prior.train import TRAINING, ShapesReel, SmallWorldViews


def test_leaves_move_and_are_the_same_for_a_seed() -> None:
    clip = leaves(np.random.default_rng(1), 6, (48, 80))
    assert clip.shape == (6, 48, 80, 3) and clip.dtype == np.uint8
    assert np.array_equal(clip, leaves(np.random.default_rng(1), 6, (48, 80)))
    assert clip.std() > 10 and np.abs(np.diff(clip.astype(int), axis=0)).mean() > 0.5
    assert LeavesReel(1.0, 3, (48, 80)).window(np.random.default_rng(0)).shape == (3, 48, 80, 3)


def test_held_out_combinations_are_never_drawn() -> None:
    reel, rng = ShapesReel(1.0), np.random.default_rng(0)
    drawn = [combination for _ in range(60) for combination in reel.spec(rng).combinations]
    assert len(drawn) > 70 and not any(is_held_out(*one) for one in drawn)
    assert reel.window(rng).shape[0] == reel.num_frames


def test_it_is_never_trained_on_what_it_is_tested_on() -> None:
    assert not set(TRAINING) & set(TEST)
    names = [reel.name for reel in pretrain.reels()]
    assert names[: len(TRAINING)] == list(TRAINING) and len(names) == len(TRAINING) + 2
    assert abs(sum(reel.weight for reel in pretrain.reels()) - 1) < 1e-9


def test_networks_are_written_so_that_they_can_be_read_again(tmp_path: Path) -> None:
    networks = PriorNetworks(prior_config("fast", 6))
    pretrain.write_networks(tmp_path, networks, {"steps": 3})
    document = json.loads((tmp_path / "networks.json").read_text())
    again = PriorNetworks(PriorConfig.from_json(document["config"]))
    again.load_state_dict(load_file(tmp_path / "networks.safetensors"))
    assert document["notes"] == {"steps": 3} and torch.equal(again.hypernetwork.trunk, networks.hypernetwork.trunk)


class Mean:
    """A teacher that says the mean colour."""

    def embed_frames(self, frames: np.ndarray) -> np.ndarray:
        return (frames.mean((1, 2)) / 255).astype(np.float32)


def test_views_are_of_the_small_world_and_of_the_pool() -> None:
    pool = WindowPool(named_reels([("black", np.zeros((4, 64, 96, 3), np.uint8))]), 0, Mean())
    views = SmallWorldViews(pool, Mean(), 0)
    frames, embeddings = views.draw(0, np.random.default_rng(0), 16)
    assert frames.shape == (16, 48, 48, 3) and embeddings.shape == (16, 3)
    assert not frames[:4].any() and all(frame.any() for frame in frames[4:])
    assert np.abs(frames.mean((1, 2)) / 255 - embeddings).max() < 0.02
    again = views.draw(0, np.random.default_rng(0), 16)
    assert np.array_equal(frames, again[0]) and np.array_equal(embeddings, again[1])
    views.close()
    pool.close()
