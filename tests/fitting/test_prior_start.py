"""What a fit starts from that has a prior: the prior's own drawing, whatever the model's shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import priors
import pytest
import torch
from scenes import scene

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS, GroupTask, fit_frames
from fiftyone_latent_inr.fitting.prior_start import prior_start
from fiftyone_latent_inr.fitting.start import Start
from fiftyone_latent_inr.latent_video.sections import decode_group, encode_group
from fiftyone_latent_inr.model import LatentINR, ModelConfig, model_views, pixel_grid
from fiftyone_latent_inr.priors.model_tensors import prior_tensors
from fiftyone_latent_inr.priors.networks import PriorNetworks
from fiftyone_latent_inr.progress import drive

SIZE = (24, 32)


def networks(seed: int = 0) -> PriorNetworks:
    """Random ones, with predictions loud enough to matter."""
    found = priors.make(seed=seed).networks
    with torch.no_grad():
        torch.manual_seed(seed)
        found.hypernetwork.offsets.normal_(std=0.2)
        found.hypernetwork.heads.add_(0.1 * torch.randn_like(found.hypernetwork.heads))
    return found


def drawn(found: PriorNetworks, frames: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        latents, grids = found.encode(frames)
        return found.draw(latents, pixel_grid(*SIZE).expand(len(frames), -1, 2), grids)


def started(found: PriorNetworks, frames: torch.Tensor, shape: ModelConfig) -> LatentINR:
    model = LatentINR(shape)
    prior_start(found, frames, shape, 0).load(model)
    return model


@pytest.mark.parametrize("semantic", [(0, 0), (3, 7)])
def test_it_draws_what_the_prior_draws(semantic: tuple[int, int]) -> None:
    found, frames = networks(), torch.from_numpy(scene(3, 4, 0.7))
    narrow = found.config.architecture.for_video(4, *SIZE)
    shape = replace(narrow, latent_dim=4 + semantic[0], semantic_dim=semantic[0], embedding_dim=semantic[1])
    model = started(found, frames, shape)
    with torch.no_grad():
        colours = model.render(model.latents, pixel_grid(*SIZE))
    torch.testing.assert_close(colours, drawn(found, frames), atol=2e-4, rtol=1e-3)


def test_a_long_group_has_more_grids_and_begins_as_the_prior() -> None:
    found, frames = networks(), torch.from_numpy(scene(3, 4, 0.7))
    architecture = replace(found.config.architecture, reference_frames=1, latent_dim=12, bottleneck=12)
    shape = replace(architecture.for_video(4, *SIZE), bottleneck=5, latent_dim=4)
    assert [(n.channels, n.copies) for n in shape.levels] != [(2, 2), (2, 1)]
    model = started(found, frames, shape)
    with torch.no_grad():
        colours = model.render(model.latents, pixel_grid(*SIZE))
    torch.testing.assert_close(colours, drawn(found, frames), atol=2e-4, rtol=1e-3)
    # what the prior does not know can be learned
    model.render(model.latents, pixel_grid(*SIZE)).square().sum().backward()
    assert all(bool((grid.grad.flatten(2).abs().sum(2) > 0).all()) for grid in model.field.grids)


def test_of_many_frames_the_loudest_components_are_kept() -> None:
    found, frames = networks(), torch.from_numpy(scene(3, 12, 0.7))
    shape = replace(found.config.architecture.for_video(12, *SIZE), latent_dim=3, bottleneck=3)
    model = started(found, frames, shape)
    with torch.no_grad():
        error = (model.render(model.latents, pixel_grid(*SIZE)) - drawn(found, frames)).square().mean()
        shape = replace(shape, latent_dim=1, bottleneck=1)
        other = started(found, frames, shape)
        worse = (other.render(other.latents, pixel_grid(*SIZE)) - drawn(found, frames)).square().mean()
    assert error < worse


def test_the_field_is_stored_as_the_difference_and_read_again() -> None:
    """After few steps it is small; what is read is what was rounded in the fit."""
    found, frames = networks(), torch.from_numpy(scene(3, 4, 0.7))
    shape = found.config.architecture.for_video(4, *SIZE)
    config = replace(PRESETS["fast"], architecture=found.config.architecture, steps=10, steps_growth=0.0, between=0.0)
    start = prior_start(found, frames, shape, 0, residual=True)
    fitted = drive(fit_frames(GroupTask.of(frames, config, start=start), config), lambda event: None)[0]
    of_prior = prior_tensors(found, shape)
    assert set(of_prior) == {f"{kind}.{k}" for kind in ("weights", "biases") for k in range(shape.layers)}
    data = encode_group(fitted.model, fitted.step_sizes, 8, of_prior)
    assert len(data) < len(encode_group(fitted.model, fitted.step_sizes, 8))
    read, _ = decode_group(shape, data, of_prior)
    for name, view in model_views(fitted.model).items():
        np.testing.assert_allclose(read[name], view.numpy(), atol=1e-6)


def test_a_prior_is_no_fitted_group() -> None:
    """A fit from it has all of its steps, and the usual weight of bytes."""
    found, frames = networks(), torch.from_numpy(scene(3, 4, 0.7))
    start = prior_start(found, frames, found.config.architecture.for_video(4, *SIZE), 0)
    assert not start.warm and Start.warm and start.references() is None


@pytest.mark.parametrize(
    ("changes", "message"), [({"hidden": 7}, r"hidden is 6, not 7"), ({"warp_rows": 3}, r"warp_rows is 2, not 3")]
)
def test_another_architecture_is_refused(changes: dict[str, int], message: str) -> None:
    found, frames = networks(), torch.from_numpy(scene(3, 4, 0.7))
    shape = replace(found.config.architecture, **changes).for_video(4, *SIZE)
    with pytest.raises(InputError, match=message):
        prior_start(found, frames, shape, 0)


def test_the_same_start_each_time() -> None:
    found, frames = networks(), torch.from_numpy(scene(3, 4, 0.7))
    shape = found.config.architecture.for_video(4, *SIZE)
    one, other = (prior_start(found, frames, shape, 5).tensors for _ in range(2))
    assert all(np.array_equal(one[name], other[name]) for name in one)
