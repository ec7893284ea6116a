"""Steps of fits on a card that is not there: all on one device, none that waits, parameters where kernels may read."""

from __future__ import annotations

from dataclasses import replace

import fake_card
import pytest
import torch

from fiftyone_latent_inr.fitting import PRESETS, GroupTask
from fiftyone_latent_inr.fitting.batch import _Batch
from fiftyone_latent_inr.fitting.loop import GroupFit
from fiftyone_latent_inr.frames.motion import Motion
from fiftyone_latent_inr.model import LatentINR
from fiftyone_latent_inr.rendering.draw import _colours, _Resizing
from fiftyone_latent_inr.rendering.row_blocks import to_bytes

HEIGHT, WIDTH = 24, 32


def task(preset: str, count: int = 40, embedding: int = 0) -> GroupTask:
    """A group of frames on the host, as `fit` and `fit_many` give it."""
    frames = torch.empty(count, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    flows = torch.empty(count - 1, 2, 2, 16, 16, dtype=torch.float16)
    shape = replace(PRESETS[preset].architecture.for_video(40, HEIGHT, WIDTH, embedding), num_frames=count)
    targets = torch.randn(count, embedding) if embedding else None
    return GroupTask(frames, shape, targets, Motion(frames, torch.arange(count - 1), flows))


def one_fit(preset: str, embedding: int = 0) -> GroupFit:
    return GroupFit(task(preset, embedding=embedding).on("cuda"), PRESETS[preset], "cuda")


def one_batch(preset: str, embedding: int = 0) -> _Batch:
    return _Batch([task(preset, count, embedding) for count in (40, 37, 33)], PRESETS[preset], "cuda", 100)


def begin_rate(state: GroupFit | _Batch) -> None:
    if isinstance(state, GroupFit):
        state.begin_rate(state.config.rate, 10)
    else:
        state.begin_rate(10)


def waits(watch: fake_card.Watch, state: GroupFit | _Batch) -> list[tuple[str, str]]:
    """What steps without and with a rate wait for; the optimiser's bases are turned at every second one."""
    for group in state.optimiser.param_groups:
        group["statistics_every"], group["basis_every"] = 1, 2
    watch.waits.clear()
    for step in range(3):
        state._step(step == 2, 1.0)
    found = list(watch.waits)
    begin_rate(state)
    watch.waits.clear()
    for between in (False, True):
        state._step(between, 1.0)
    return found + watch.waits


def test_the_card_that_is_not_there_sees_mistakes() -> None:
    with fake_card.fake_card() as watch:
        state = one_fit("fast")
        state._step(True, 1.0)
        right, state.scene = state.scene, state.scene.cpu()
        with pytest.raises(RuntimeError, match="device"):
            state._step(True, 1.0)
        state.scene, state.sampler.generator = right, fake_card.Generator("cpu")
        state.sampler._order = state.sampler._order.cpu()
        watch.waits.clear()
        state._step(False, 1.0)
        assert {kind for kind, _ in watch.waits} == {"copied"}
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(3, generator=state.sampler.generator, device="cuda")
        watch.waits.clear()
        state._error.item()
        assert watch.waits == [("read", "the test")] and watch.launches.total() > 100


@pytest.mark.parametrize(("preset", "embedding"), [("fast", 0), ("best", 64), ("paper", 0)])
def test_steps_of_a_fit_stay_on_the_card_and_never_wait(preset: str, embedding: int) -> None:
    with fake_card.fake_card() as watch:
        found = waits(watch, one_fit(preset, embedding))
    if PRESETS[preset].rate.bpp is not None:  # lambda follows the bits, which are read at each look
        found = [(kind, place) for kind, place in found if not place.startswith("batch_rate.py")]
    assert found == []


def test_steps_of_a_batch_stay_on_the_card_and_never_wait() -> None:
    with fake_card.fake_card() as watch:
        assert waits(watch, one_batch("fast", 64)) == []


@pytest.mark.parametrize("make", [one_fit, one_batch])
def test_parameters_stay_where_compiled_code_may_read_them(make) -> None:
    """A kernel that was compiled before reads sixteen bytes at once, and faults where they are not aligned."""
    with fake_card.fake_card():
        state = make("balanced")
        begin_rate(state)
        parameters = state.parameters if isinstance(state, _Batch) else dict(state.model.named_parameters())
        places = {name: one.storage_offset() for name, one in parameters.items()}
        assert len(set(places.values())) == len(places), "they lie in one line"
        for name, one in parameters.items():
            assert places[name] % 4 == 0, name
            assert one.grad is not None and one.grad.storage_offset() == places[name], name


def test_a_look_at_the_rate_is_few_launches() -> None:
    with fake_card.fake_card() as watch:
        state = one_fit("fast")
        begin_rate(state)
        state.rate.round()
        watch.launches.clear()
        state.rate.restore()
        assert 100 < watch.launches.total() < 400


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_drawing_stays_on_the_card(preset: str) -> None:
    with fake_card.fake_card() as watch:
        model = LatentINR(PRESETS[preset].architecture.for_video(40, HEIGHT, WIDTH)).to("cuda").requires_grad_(False)
        latents = model.latents_at(torch.tensor([0.0, 1.5]).to("cuda"), [2])
        resized = _Resizing((HEIGHT, WIDTH), (30, 40), torch.device("cuda"))
        watch.waits.clear()
        assert _colours(model, latents, (HEIGHT, WIDTH), 1 << 20, as_bytes=True).device.type == "cuda"
        frames = _colours(model, latents, (HEIGHT, WIDTH), 1 << 20)
        large = _colours(model, latents, resized.large, 1 << 20)
        assert to_bytes(resized(frames, large)).shape == (2, 30, 40, 3)
