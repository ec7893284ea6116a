"""Many fits as one batch: each network is what it would be alone, longer and shorter videos and residuals included."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from fiftyone_latent_inr.encoding.video_fit import motion_between
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS, FitConfig, Fitted, GroupTask, fit_frames, loop
from fiftyone_latent_inr.fitting import batch as many
from fiftyone_latent_inr.fitting.batch import fit_together
from fiftyone_latent_inr.fitting.batch_rate import RateOfOne
from fiftyone_latent_inr.fitting.soap import SOAP
from fiftyone_latent_inr.fitting.start import Start
from fiftyone_latent_inr.model import model_views, pixel_grid
from fiftyone_latent_inr.progress import drive

QUICK = replace(PRESETS["fast"], steps=50, steps_growth=0.0, points_per_step=1024)
# To be compared number by number. First weights of the batch moved by up to a ten-millionth, as by kernels that
# round otherwise: after 12 steps all numbers are within the tolerance (36 pairs of runs), after 50 up to 9 % of a
# tensor's are not.
FEW = replace(QUICK, steps=12, learning_rate=3e-3)


def clip(k: int, count: int = 6) -> torch.Tensor:
    """A square that moves over a level of its own, (count, 24, 32, 3)."""
    frames = torch.full((count, 24, 32, 3), 40 + 10 * k, dtype=torch.uint8)
    for t in range(count):
        frames[t, 6:14, 4 + 2 * t : 14 + 2 * t] = torch.tensor([220 - 30 * k, 60, 30], dtype=torch.uint8)
    return frames


def task(k: int, config: FitConfig, count: int = 6, aligned: bool = True, like: int | None = None) -> GroupTask:
    frames = clip(k, count)
    noise = torch.randn(count, 16, generator=torch.Generator().manual_seed(k))
    shape = config.architecture.for_video(like or count, 24, 32, 16 if aligned else 0)
    return GroupTask(
        frames,
        replace(shape, num_frames=count),
        torch.nn.functional.normalize(noise, dim=-1) if aligned else None,
        motion_between(frames.numpy(), [], config, lambda event: None),
        seed=k,
    )


def together(tasks: list[GroupTask], config: FitConfig) -> list[Fitted]:
    return drive(fit_together(tasks, config), lambda event: None)


def alone(one: GroupTask, config: FitConfig) -> Fitted:
    return drive(fit_frames(one, config), lambda event: None)[0]


def assert_same(one: Fitted, other: Fitted) -> None:
    theirs = model_views(other.model)
    for name, view in model_views(one.model).items():
        off = ~torch.isclose(view, theirs[name], rtol=1e-3, atol=1e-4)
        # a number half way between two steps may be rounded to either
        assert int(off.sum()) <= (max(1, view.numel() // 200) if other.step_sizes else 0), name
    assert (one.bits is None) == (other.bits is None) and (one.step_sizes is None) == (other.step_sizes is None)
    if other.bits is not None:
        assert one.bits == pytest.approx(other.bits, rel=1e-4)
    for name, steps in (one.step_sizes or {}).items():
        np.testing.assert_array_equal(steps, other.step_sizes[name])  # type: ignore[index]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without eigenbases, which are arbitrary where there is no gradient: there rounding decides, and is amplified."""
    for module in (loop, many):
        monkeypatch.setattr(module, "SOAP", functools.partial(SOAP, max_dim=1, eps=1e-4))


@pytest.mark.parametrize("preset", ["fast", "paper", "best"])
@pytest.mark.parametrize("weight", [0.0, 3e-4])
@pytest.mark.usefixtures("plain")
def test_each_network_is_what_it_would_be_alone(preset: str, weight: float) -> None:
    config = replace(FEW, architecture=PRESETS[preset].architecture, rate_weight=weight)
    tasks = [task(k, config, aligned=preset != "best") for k in range(3)]
    for one, fitted in zip(tasks, together(tasks, config), strict=True):
        assert_same(fitted, alone(one, config))


@pytest.mark.usefixtures("plain")
def test_each_is_steered_to_its_own_size() -> None:
    config = replace(FEW, steps=20, max_bpp=6.0, rate_weight=1e-6)
    asked: list[int] = []

    def size_of(k: int) -> many.SizeOf:
        return lambda model, steps: asked.append(k) or 4000 + 500 * k  # type: ignore[func-returns-value]

    tasks = [replace(task(k, config), size_of=size_of(k)) for k in range(2)]
    fitted = together(tasks, config)
    assert asked[:2] == [0, 1] and len(asked) >= 10
    for one, result in zip(tasks, fitted, strict=True):
        assert_same(result, alone(one, config))


@pytest.mark.usefixtures("plain")
def test_residuals_are_taken_against_each_ones_own_parent() -> None:
    config = FEW
    parents = [alone(task(k, config, aligned=False), config) for k in range(2)]
    tasks = []
    for k, parent in enumerate(parents):
        tensors = {name: view.detach().numpy().copy() for name, view in model_views(parent.model).items()}
        assert parent.step_sizes is not None
        tasks.append(
            replace(task(k, config, aligned=False), start=Start(tensors, parent.step_sizes, torch.arange(6).flip(0)))
        )
    for one, fitted in zip(tasks, together(tasks, config), strict=True):
        assert_same(fitted, alone(one, config))


def psnr(fitted: Fitted, one: GroupTask) -> float:
    with torch.no_grad():
        drawn = fitted.model.render(fitted.model.latents, pixel_grid(24, 32)).view(one.frames.shape)
    return -10 * float((drawn - one.frames.float() / 255).square().mean().log10())


def test_shorter_videos_are_filled_up_with_what_costs_nothing() -> None:
    config = replace(QUICK, steps=200)
    tasks = [task(0, config, count=6, like=4), task(1, config, count=4, like=4)]
    fitted = together(tasks, config)
    assert [len(one.model.latents) for one in fitted] == [6, 4]
    for one, result in zip(tasks, fitted, strict=True):
        single = alone(one, config)
        assert result.bits == pytest.approx(single.bits, rel=0.15)
        assert psnr(result, one) == pytest.approx(psnr(single, one), abs=3)  # other pixels


def test_only_one_shape_fits_together() -> None:
    with pytest.raises(InputError, match="one shape"):
        together([task(0, QUICK), task(1, QUICK, aligned=False)], QUICK)


def test_the_rate_of_one_as_a_batch_of_one_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    one = task(0, FEW)
    wanted = alone(one, FEW)

    def rate(model, aim, num_pixels: int, num_steps: int, *_: object, **__: object) -> RateOfOne:
        return RateOfOne(model, one, FEW, FEW.rate, num_steps)

    monkeypatch.setattr(loop, "RateTerm", rate)
    found = alone(one, FEW)
    assert_same(found, wanted)
    assert found.bits == pytest.approx(wanted.bits, rel=1e-3)


@pytest.mark.gpu
def test_a_gpu_fits_many_as_well_as_one() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    config = replace(QUICK, steps=200)
    tasks = [task(k, config, count=6 - k % 2, like=4) for k in range(4)]
    for one, fitted in zip(tasks, drive(fit_together(tasks, config, "cuda"), lambda event: None), strict=True):
        fitted.model.cpu()
        assert psnr(fitted, one) > psnr(alone(one, config), one) - 2
