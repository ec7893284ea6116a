"""What a group of frames is given by the groups before it: a head, and numbers to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scenes import scene

from fiftyone_latent_inr.codec import dequantise, quantise, round_step_sizes
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS, FitConfig, Fitted, GroupTask, Rate, fit_frames
from fiftyone_latent_inr.fitting.head import Head
from fiftyone_latent_inr.fitting.rate import RateTerm
from fiftyone_latent_inr.fitting.start import Start
from fiftyone_latent_inr.latent_video.sections import decode_group, encode_group
from fiftyone_latent_inr.model import LatentINR, model_views
from fiftyone_latent_inr.model.tensors import SEMANTIC, tensor_specs
from fiftyone_latent_inr.progress import drive

TINY = replace(PRESETS["fast"].architecture, planes=1, levels=PRESETS["fast"].architecture.levels[:3])
QUICK = replace(PRESETS["fast"], architecture=TINY, steps=60, steps_growth=0.0, points_per_step=512, between=0.0)


def embeddings(count: int = 40, width: int = 24, seed: int = 0) -> torch.Tensor:
    """Unit vectors of which a few directions say most."""
    torch.manual_seed(seed)
    mixed = torch.randn(count, width) @ (torch.randn(width, width) * 0.6 ** torch.arange(width)[:, None])
    return torch.nn.functional.normalize(mixed + torch.randn(width), dim=1)


def head_of(targets: torch.Tensor, width: int) -> Head:
    centred = (targets - targets.mean(0)).double()
    return Head.of(targets.double().mean(0), centred.T @ centred / len(targets), width)


def run(count: int, config: FitConfig = QUICK, **options: Any) -> Fitted:
    frames = torch.from_numpy(scene(1, count, 0.3))
    return drive(fit_frames(GroupTask.of(frames, config, **options), config), lambda event: None)[0]


# --- the head


@pytest.mark.parametrize("width", [1, 4, 12])
def test_the_head_is_the_best_of_its_width(width: int) -> None:
    targets = embeddings()
    head = head_of(targets, width)
    left, scale, right = torch.linalg.svd((targets - targets.mean(0)).double(), full_matrices=False)
    best = (left[:, :width] * scale[:width]) @ right[:width] + targets.mean(0)
    latents = ((targets - torch.from_numpy(head.bias_values)) @ head.basis).numpy()
    step = head.step_sizes["latents.semantic"]
    latents = dequantise(*quantise(latents, step, 1), 1)
    found = latents @ head.weight_values + head.bias_values
    least = float((best - targets).square().sum())
    error = float(np.square(found - targets.numpy()).sum())
    whole = float((targets - targets.mean(0)).square().sum())
    assert error == pytest.approx(least, abs=0.004 * whole)
    assert latents.std(0) == pytest.approx(np.full(width, 0.1), rel=0.05)


def test_a_head_of_all_dimensions_leaves_nothing_over() -> None:
    targets = embeddings(60, 10)
    head = head_of(targets, 10)
    latents = ((targets - torch.from_numpy(head.bias_values)) @ head.basis).numpy()
    np.testing.assert_allclose(latents @ head.weight_values + head.bias_values, targets, atol=0.01)


def test_a_head_of_frames_that_are_all_the_same_is_finite() -> None:
    targets = embeddings(1).repeat(5, 1)
    head = head_of(targets, 4)
    assert np.isfinite(head.weight_values).all() and torch.isfinite(head.basis).all()
    np.testing.assert_allclose(head.bias_values, targets[0], atol=1e-4)


def test_its_numbers_are_those_that_are_stored() -> None:
    head = head_of(embeddings(), 6)
    np.testing.assert_array_equal(head.weight_values, head.weight.codes * head.weight.step_sizes[:, None])
    np.testing.assert_array_equal(head.bias_values, head.bias.codes * head.bias.step_sizes)
    assert np.abs(head.weight.codes).max() < 512  # ten bits
    for steps in head.step_sizes.values():
        np.testing.assert_array_equal(round_step_sizes(steps), steps)


@pytest.mark.parametrize("config", [QUICK, replace(QUICK, rate_weight=0.0)])
def test_a_fit_uses_the_head_and_does_not_learn_it(config: FitConfig) -> None:
    targets = embeddings(6)
    shape = config.architecture.for_video(6, 24, 32, targets.shape[1])
    head = head_of(targets, shape.semantic_dim)
    fitted = run(6, config, targets=targets, head=head)
    views = model_views(fitted.model)
    np.testing.assert_array_equal(views["embedding.weight"], head.weight_values)
    np.testing.assert_array_equal(views["embedding.bias"], head.bias_values)
    given = LatentINR(shape)
    head.load(given, targets)
    assert not torch.equal(views["latents.semantic"], model_views(given)["latents.semantic"])  # those are learned
    reached = fitted.model.embed(fitted.model.latents).detach()
    assert float((reached * targets).sum(1).min()) > 0.98
    if config.rate_weight:
        assert fitted.step_sizes is not None
        for name, steps in head.step_sizes.items():
            np.testing.assert_array_equal(fitted.step_sizes[name], steps)


# --- the start


@pytest.fixture(scope="module")
def earlier() -> Start:
    """A fitted group of six frames."""
    fitted = run(6)
    tensors, steps = decode_group(fitted.model.config, encode_group(fitted.model, fitted.step_sizes, 8))
    return Start(tensors, steps, torch.arange(6))


@pytest.mark.parametrize("teacher", [0, 24])
def test_everything_but_semantic_latents_and_head_is_taken_over(teacher: int, earlier: Start) -> None:
    shape = QUICK.architecture.for_video(6, 24, 32, teacher)
    torch.manual_seed(3)
    parent = LatentINR(shape)
    with torch.no_grad():
        for parameter in parent.parameters():
            parameter.normal_()
    tensors = {name: view.numpy().copy() for name, view in model_views(parent).items()}
    nearest = torch.tensor([5, 0, 0, 3])
    model = LatentINR(replace(shape, num_frames=4))
    before = {name: view.clone() for name, view in model_views(model).items()}
    Start(tensors, {}, nearest).load(model)
    for name, view in model_views(model).items():
        if name in SEMANTIC:
            assert teacher and torch.equal(view, before[name])
        elif name == "latents.free":
            np.testing.assert_array_equal(view, tensors[name][[5, 0, 0, 3]])
        else:
            np.testing.assert_array_equal(view, tensors[name])
            assert not view.any() or not torch.equal(view, before[name])
    references = Start(tensors, {}, nearest).references()
    wanted = {spec.name for spec in tensor_specs(shape)} - {*SEMANTIC, "latents.free"}
    assert set(references) == wanted


def test_codes_are_those_of_the_difference(earlier: Start) -> None:
    shape = replace(QUICK.architecture.for_video(6, 24, 32, 0), num_frames=4)
    model = LatentINR(shape)
    Start(earlier.tensors, earlier.step_sizes, torch.tensor([0, 1, 2, 5])).load(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    true = {name: view.clone() for name, view in model_views(model).items()}
    references = earlier.references()
    term = RateTerm(model, Rate(1e-3), 1000, 10, references=references, first_step_sizes=earlier.step_sizes)
    steps = term.step_sizes()
    term.round()
    changed = 0
    for spec in tensor_specs(shape):
        step = torch.from_numpy(steps[spec.name]).view(spec.step_shape)
        given = earlier.step_sizes[spec.name]
        np.testing.assert_allclose(steps[spec.name][given > 0], given[given > 0], rtol=1e-6)
        reference = torch.from_numpy(references.get(spec.name, np.zeros(spec.shape, np.float32)))
        codes = torch.round((true[spec.name] - reference) / step)
        found = model_views(model)[spec.name]
        assert torch.equal(found, reference + codes * step)
        changed += int(codes.count_nonzero())
    assert changed > 100
    term.restore()
    assert all(torch.equal(view, true[name]) for name, view in model_views(model).items())


def test_a_fit_that_starts_from_another_is_what_is_stored_of_it(earlier: Start) -> None:
    shape = replace(QUICK.architecture.for_video(6, 24, 32, 0), num_frames=8)
    start = Start(earlier.tensors, earlier.step_sizes, torch.tensor([0, 1, 2, 3, 4, 5, 5, 5]))
    fitted = run(8, QUICK, shape=shape, start=start)
    data = encode_group(fitted.model, fitted.step_sizes, 8, earlier.tensors)
    tensors, _ = decode_group(shape, data, earlier.tensors)
    for name, view in model_views(fitted.model).items():
        np.testing.assert_array_equal(tensors[name], view)
    assert len(data) < len(encode_group(fitted.model, fitted.step_sizes, 8))


def test_a_start_helps(earlier: Start) -> None:
    """The same frames in half of the steps: no worse, and in fewer bits."""
    short = replace(QUICK, warm_steps=0.5)
    psnr: dict[str, float] = {}

    def last(name: str, **options: Any) -> Fitted:
        running = fit_frames(GroupTask.of(torch.from_numpy(scene(1, 6, 0.3)), short, **options), short)
        return drive(running, lambda event: psnr.update({name: event.psnr or 0.0}))[0]

    cold, warm = last("cold"), last("warm", start=earlier)
    assert psnr["warm"] > psnr["cold"]
    parent = dict(earlier.tensors)
    alone = len(encode_group(cold.model, cold.step_sizes, 8))
    assert len(encode_group(warm.model, warm.step_sizes, 8, parent)) < 0.8 * alone


def test_steps_and_weight_of_a_warm_start(earlier: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from fiftyone_latent_inr.fitting import loop

    seen: list[float] = []

    class Watched(RateTerm):
        def __init__(self, model: LatentINR, aim: Rate, *rest: Any, **options: Any) -> None:
            seen.append(aim.weight)
            super().__init__(model, aim, *rest, **options)

    monkeypatch.setattr(loop, "RateTerm", Watched)
    config = replace(QUICK, steps=40, warm_steps=0.5, warm_weight=0.25)
    totals: list[int] = []
    for start in (None, earlier):
        running = fit_frames(GroupTask.of(torch.from_numpy(scene(1, 6, 0.3)), config, start=start), config)
        drive(running, lambda event: totals.append(event.total_steps))
    assert totals == [40, 40, 20]
    assert seen == [config.rate_weight, 0.25 * config.rate_weight]


@pytest.mark.parametrize("name", ["warm_steps", "warm_weight"])
@pytest.mark.parametrize("value", [0, -0.5, 1.01, float("nan")])
def test_shares_that_cannot_be_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        replace(QUICK, **{name: value})
    assert getattr(replace(QUICK, **{name: 1}), name) == 1


@pytest.mark.parametrize("options", [{"group_frames": 3}, {"max_depth": -1}, {"max_depth": 9}])
def test_groups_that_cannot_be_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        replace(QUICK, **options)
