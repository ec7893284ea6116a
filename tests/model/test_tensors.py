"""A model's tensors by name: their sizes, their views, and which of them are parameters."""

import pytest
import torch

from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.model import SEMANTIC, LatentINR, model_views, tensor_specs
from fiftyone_latent_inr.model.tensors import model_parameters


def model(embedding_dim: int, preset: str = "fast") -> LatentINR:
    return LatentINR(PRESETS[preset].architecture.for_video(6, 24, 32, embedding_dim))


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_parameters_come_back_from_the_views(preset: str) -> None:
    for embedding_dim in (0, 8):
        one = model(embedding_dim, preset)
        found = model_parameters(one.config, model_views(one))
        assert found.keys() == dict(one.named_parameters()).keys()
        assert all(torch.equal(found[name], parameter) for name, parameter in one.named_parameters())


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_the_views_are_every_number_once(preset: str) -> None:
    for embedding_dim in (0, 8):
        one = model(embedding_dim, preset)
        views = model_views(one)
        assert [(spec.name, spec.shape) for spec in tensor_specs(one.config)] == [
            (name, tuple(view.shape)) for name, view in views.items()
        ]
        for k, view in enumerate(views.values(), 1):
            view.fill_(k)
        counted = torch.cat([parameter.detach().flatten() for parameter in one.parameters()])
        assert counted.numel() == one.config.num_parameters
        expected = torch.cat([torch.full((view.numel(),), float(k)) for k, view in enumerate(views.values(), 1)])
        assert torch.equal(counted.sort()[0], expected)


def test_steps_lie_along_one_axis() -> None:
    for spec in tensor_specs(model(8).config):
        sizes = [n for n in spec.step_shape if n != 1]
        assert len(spec.step_shape) == len(spec.shape)
        assert sizes == ([] if spec.axis is None else [spec.shape[spec.axis]])


def test_what_embeddings_need_is_there_only_with_a_teacher() -> None:
    assert set(SEMANTIC) <= {spec.name for spec in tensor_specs(model(8).config)}
    assert not set(SEMANTIC) & {spec.name for spec in tensor_specs(model(0).config)}
