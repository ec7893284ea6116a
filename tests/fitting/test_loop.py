"""The fit loop: it learns, it says how far it is, and a seed gives the same fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fiftyone_latent_inr.errors import InputError
from fiftyone_latent_inr.fitting import PRESETS, FitConfig, GroupTask, fit_frames, resolve
from fiftyone_latent_inr.model import LatentINR
from fiftyone_latent_inr.progress import FitProgress

QUICK = replace(PRESETS["fast"], steps=60, steps_growth=0.0, points_per_step=1024)


def moving_square(count: int = 6, height: int = 24, width: int = 32) -> torch.Tensor:
    frames = torch.full((count, height, width, 3), 40, dtype=torch.uint8)
    for t in range(count):
        frames[t, 6:14, 4 + 2 * t : 14 + 2 * t] = torch.tensor([220, 60, 30], dtype=torch.uint8)
    return frames


def run(frames: torch.Tensor, config: FitConfig = QUICK, **options: object) -> tuple[LatentINR, list[FitProgress]]:
    running = fit_frames(GroupTask.of(frames, config, **options), config)  # type: ignore[arg-type]
    events = []
    while True:
        try:
            events.append(next(running))
        except StopIteration as stop:
            (fitted,) = stop.value
            return fitted.model, events


def test_it_learns_and_says_how_far_it_is() -> None:
    _, events = run(moving_square())
    assert [e.step for e in events] == [20, 40, 60] and {e.total_steps for e in events} == {60}
    flat = -10 * (moving_square().float() / 255).flatten(0, 2).var(0).mean().log10().item()  # the mean colour's
    assert events[-1].psnr is not None and events[-1].psnr > flat + 3
    assert events[-1].seconds_left == 0 and events[0].seconds_left is not None and events[0].seconds_left > 0


@pytest.mark.parametrize("kind", ["paper", "patch"])
def test_other_architectures_learn_too(kind: str) -> None:
    patches = replace(QUICK, architecture=replace(QUICK.architecture, patch=2))
    config = patches if kind == "patch" else replace(PRESETS["paper"], steps=60, steps_growth=0.0)
    _, events = run(moving_square(), config)
    flat = -10 * (moving_square().float() / 255).flatten(0, 2).var(0).mean().log10().item()
    assert events[-1].psnr is not None and events[-1].psnr > flat + 1


def test_a_seed_gives_the_same_fit_and_leaves_the_callers_randomness_alone() -> None:
    frames = moving_square()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (run(frames, seed=seed)[0] for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.latents, other.latents)


def test_alignment_holds_while_the_picture_is_learnt() -> None:
    targets = torch.nn.functional.normalize(torch.randn(6, 32, generator=torch.Generator().manual_seed(0)), dim=-1)
    model, events = run(moving_square(), targets=targets)
    cosines = (model.embed(model.latents) * targets).sum(-1)
    assert cosines.min() > 0.99
    assert events[-1].psnr is not None and events[-1].psnr > 21


def test_digests_tell_settings_apart() -> None:
    base = PRESETS["fast"]
    digests = {c.digest() for c in (base, replace(base, steps=7), replace(base, bits=6), PRESETS["best"])}
    assert len(digests) == 4
    assert replace(base, preset="another label").digest() == base.digest()


def test_steps_grow_with_the_video_within_bounds() -> None:
    config = PRESETS["balanced"]
    small, reference, large = (config.steps_for(*s) for s in [(1, 2, 2), (16, 90, 160), (300, 1080, 1920)])
    assert 0 < small < reference == config.steps < large <= 8 * config.steps


def test_unknown_presets_and_bad_settings_are_refused() -> None:
    with pytest.raises(InputError, match="unknown preset 'quick'; choose one of instant, fast, balanced, best"):
        resolve("quick")
    with pytest.raises(InputError, match="FitConfig"):
        resolve("fast", {"steps": 3})  # type: ignore[arg-type]
    for change in ({"steps": -1}, {"bits": 3}, {"learning_rate": 0.0}, {"points_per_step": -1}):
        with pytest.raises(InputError, match=next(iter(change))):
            replace(PRESETS["fast"], **change)
