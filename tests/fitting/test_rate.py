"""The rate: its bits and their derivative against plain arithmetic, and what it does to a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from fiftyone_latent_inr.codec import round_step_sizes
from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS, FitConfig, Fitted, GroupTask, Rate, fit_frames, resolve
from fiftyone_latent_inr.fitting.rate import RateTerm, laplace_bits, stored_step_sizes
from fiftyone_latent_inr.frames.metrics import psnr
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.latent_video.write import to_bytes
from fiftyone_latent_inr.model import LatentINR, model_views, tensor_specs

QUICK = replace(PRESETS["fast"], steps=400, steps_growth=0.0, points_per_step=1024, rate_start=0.3)


def frames() -> torch.Tensor:
    """A textured square that moves over a gradient, (6, 24, 32, 3)."""
    video = torch.zeros(6, 24, 32, 3)
    video += torch.linspace(40, 90, 32)[None, None, :, None]
    texture = torch.rand(10, 10, 3, generator=torch.Generator().manual_seed(0)) * 120 + 100
    for t in range(6):
        video[t, 6:16, 4 + 2 * t : 14 + 2 * t] = texture
    return video.to(torch.uint8)


def run(config: FitConfig, rates: Sequence[Rate] | None = None, **parts: object) -> list[Fitted]:
    running = fit_frames(GroupTask.of(frames(), config, **parts), config, rates=rates)
    while True:
        try:
            next(running)
        except StopIteration as stop:
            return list(stop.value)


def stored(fitted: Fitted) -> bytes:
    return to_bytes(fitted.model, step_sizes=fitted.step_sizes, fps=25, preset="fast")


def test_bits_are_the_logarithm_of_a_laplace_mass() -> None:
    scales = torch.tensor([0.05, 0.4, 1.0, 7.0], dtype=torch.float64)[:, None]
    codes = torch.arange(-20, 21, dtype=torch.float64)
    bits, _ = laplace_bits(codes, scales)

    def below(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x < 0, 0.5 * (x / scales).exp(), 1 - 0.5 * (-x / scales).exp())

    mass = below(codes + 0.5) - below(codes - 0.5)
    known = mass > 1e-12  # the difference of the two loses its digits in the tails
    assert torch.allclose(bits[known], -mass[known].log2(), atol=1e-3)
    assert torch.allclose((2.0 ** -bits[2:]).sum(1), torch.ones(2, dtype=torch.float64), atol=0.1)


def test_their_derivative_is_the_derivative() -> None:
    codes = torch.linspace(-4.3, 4.3, 87, dtype=torch.float64)
    for scale in (0.1, 1.0, 5.0):
        scales = torch.tensor(scale, dtype=torch.float64)
        _, slope = laplace_bits(codes, scales)
        h = 1e-5
        numeric = (laplace_bits(codes + h, scales)[0] - laplace_bits(codes - h, scales)[0]) / (2 * h)
        smooth = (codes.abs() - 0.5).abs() > 2 * h
        assert torch.allclose(slope[smooth], numeric[smooth], rtol=1e-3, atol=1e-4)


def test_extreme_codes_and_scales_stay_finite() -> None:
    codes = torch.tensor([0.0, 1.0, -30000.0, 0.49, 0.5])
    for scale in (0.02, 1.0, 1e4):
        bits, slope = laplace_bits(codes, torch.tensor(scale))
        assert torch.isfinite(bits).all() and torch.isfinite(slope).all() and (bits >= 0).all()


def test_rounding_and_restoring_leave_the_parameters_as_they_were() -> None:
    model = LatentINR(QUICK.architecture.for_video(6, 24, 32))
    before = [p.detach().clone() for p in model.parameters()]
    term = RateTerm(model, Rate(1e-3), 6 * 24 * 32, 100)
    term.round()
    steps = term.step_sizes()
    views = model_views(model)
    for spec in tensor_specs(model.config):
        codes = views[spec.name] / torch.from_numpy(steps[spec.name]).view(spec.step_shape)
        assert (codes - codes.round()).abs().max() < 1e-3, spec.name
    term.restore()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is not None for p in model.parameters())
    assert term.bits > 0


def test_what_was_fitted_is_what_is_stored() -> None:
    (fitted,) = run(QUICK)
    back = from_bytes(stored(fitted)).model()
    for name, view in model_views(fitted.model).items():
        assert torch.equal(view, model_views(back)[name]), name


def test_more_weight_on_the_rate_gives_fewer_bits_and_the_shared_part_is_shared() -> None:
    small, large = run(QUICK, rates=[Rate(3e-2), Rate(1e-4)])
    assert small.bits is not None and large.bits is not None
    assert small.bits < 0.6 * large.bits
    assert len(stored(small)) < 0.8 * len(stored(large))
    (alone,) = run(QUICK, rates=[Rate(1e-4)])
    assert stored(alone) == stored(large)


def test_the_rate_saves_bytes_against_plain_rounding() -> None:
    (with_rate,) = run(QUICK)
    (plain,) = run(replace(QUICK, rate_weight=0.0))
    assert plain.step_sizes is None and plain.bits is None
    assert len(stored(with_rate)) < 0.8 * len(to_bytes(plain.model, bits=8, fps=25, preset="fast"))


@pytest.mark.slow
def test_a_number_of_bits_per_pixel_is_reached() -> None:
    config = replace(QUICK, steps=1200)
    pixels = 6 * 24 * 32

    def size_of(model: LatentINR, steps: dict[str, np.ndarray]) -> int:
        return len(to_bytes(model, step_sizes=steps, fps=25, preset="fast"))

    (unsteered,) = run(config)
    free = 8 * len(stored(unsteered)) / pixels
    for factor in (0.75, 1.25):
        (fitted,) = run(config.at(bpp=factor * free), size_of=size_of)
        assert 8 * len(stored(fitted)) / pixels == pytest.approx(factor * free, rel=0.08)


def test_a_limit_holds_back_what_is_above_it_and_nothing_else() -> None:
    pixels = 6 * 24 * 32

    def size_of(model: LatentINR, steps: dict[str, np.ndarray]) -> int:
        return len(to_bytes(model, step_sizes=steps, fps=25, preset="fast"))

    (free,) = run(QUICK)
    bpp = 8 * len(stored(free)) / pixels
    (low,) = run(replace(QUICK, max_bpp=0.7 * bpp), size_of=size_of)
    assert 8 * len(stored(low)) / pixels < 0.8 * bpp
    (high,) = run(replace(QUICK, max_bpp=4 * bpp), size_of=size_of)
    assert stored(high) == stored(free)
    # A nearer limit may be met on the way, before the codes have shrunk; the end is hardly another
    (near,) = run(replace(QUICK, max_bpp=1.5 * bpp), size_of=size_of)
    assert 8 * len(stored(near)) / pixels == pytest.approx(bpp, rel=0.1)


@pytest.mark.gpu
def test_a_gpu_fits_with_a_rate_and_draws_what_a_cpu_draws() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    (fitted,) = run(QUICK, device="cuda")
    video = from_bytes(stored(fitted))
    pictures = frames().numpy()
    on_gpu, on_cpu = (psnr(pictures, video.render(device=device)) for device in ("cuda", "cpu"))
    assert on_cpu > 20 and abs(on_gpu - on_cpu) < 0.01


def test_qualities_scale_lambda_and_bad_ones_are_refused() -> None:
    fast = PRESETS["fast"]
    assert resolve("fast", quality=50) == fast and resolve("fast") is fast
    assert resolve("fast", quality=60).rate_weight == pytest.approx(fast.rate_weight / 2)
    assert resolve("fast", bpp=0.4).rate == Rate(fast.rate_weight, 0.4)
    best = PRESETS["best"]
    assert best.rate == Rate(best.rate_weight, best.max_bpp, at_most=True) and best.max_bpp is not None
    assert best.at(quality=70).max_bpp == pytest.approx(2 * best.max_bpp)
    assert best.at(bpp=0.4).rate == Rate(best.rate_weight, 0.4)
    assert len({c.digest() for c in (fast, fast.at(60), fast.at(bpp=0.4), fast.at(bpp=0.5))}) == 4
    for bad in ({"quality": 101}, {"quality": -1}, {"quality": "high"}, {"bpp": 0}, {"bpp": float("nan")}):
        with pytest.raises(InputError, match=next(iter(bad))):
            fast.at(**bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not both"):
        fast.at(quality=50, bpp=1)
    with pytest.raises(InputError, match="leaves the rate out"):
        replace(fast, rate_weight=0.0).at(quality=60)


def test_steps_are_stored_the_same_on_any_device() -> None:
    logs = torch.linspace(-15, 9, 5000)
    assert np.array_equal(stored_step_sizes(logs).numpy(), round_step_sizes(logs.exp().numpy()))
