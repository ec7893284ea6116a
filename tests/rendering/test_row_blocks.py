"""Whole frames drawn fast, against `render` at the pixels' coordinates."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from field_models import ARCHITECTURES, field_model
from torch import Tensor

from fiftyone_latent_inr import rendering
from fiftyone_latent_inr.model import LatentINR, pixel_grid
from fiftyone_latent_inr.rendering import row_blocks
from fiftyone_latent_inr.rendering.row_blocks import draw_frames, is_point_field, to_bytes


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def reference(model: LatentINR, latents: Tensor, size: tuple[int, int]) -> Tensor:
    return model.render(latents, pixel_grid(*size)).view(-1, *size, 3)


@pytest.mark.parametrize("size", [(24, 32), (48, 64), (31, 45), (7, 5), (1, 1), (3, 700)])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_frames_are_what_render_draws(name: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "_MOST_POINTS_CPU", 200)  # several blocks, the last one smaller
    model = field_model(name)
    latents = model.latents_at(torch.tensor([0.0, 1.5, 4.0]))
    expected = reference(model, latents, size)
    drawn = draw_frames(model, latents, size)
    torch.testing.assert_close(drawn, expected, rtol=1e-4, atol=1e-4)
    levels = draw_frames(model, latents, size, as_bytes=True)
    assert levels.dtype == torch.uint8 and levels.is_contiguous()
    differ = (levels.int() - to_bytes(expected).int()).abs()
    assert differ.max() <= 1 and differ.float().mean() < 2e-3


@pytest.mark.parametrize("as_bytes", [False, True])
def test_the_number_of_threads_changes_nothing(as_bytes: bool) -> None:
    model = field_model("copies")
    drawn = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        drawn.append(draw_frames(model, model.latents, (90, 160), as_bytes=as_bytes))
    torch.testing.assert_close(drawn[1], drawn[0], rtol=0, atol=0)
    torch.testing.assert_close(drawn[2], drawn[0], rtol=0, atol=0)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("points", [100, 1700, 10**6])
def test_several_frames_at_once_as_without_a_kernel_on_a_gpu(
    name: str, points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = field_model(name)
    monkeypatch.setattr(row_blocks, "_on_cpu", lambda latents: False)
    drawn = draw_frames(model, model.latents, (24, 32), points=points)
    torch.testing.assert_close(drawn, reference(model, model.latents, (24, 32)), rtol=1e-4, atol=1e-4)


def test_gradients_of_render_are_left_alone() -> None:
    model = field_model("copies").requires_grad_(True)
    assert not draw_frames(model, model.latents, (24, 32)).requires_grad
    model.render(model.latents, pixel_grid(4, 4)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.field.parameters())


def test_only_the_plain_field_is_drawn_this_way() -> None:
    class Other(LatentINR):
        pass

    model = field_model("copies")
    assert is_point_field(model) and not is_point_field(Other(model.config))
    model.field = torch.nn.Identity()
    assert not is_point_field(model)


def test_without_a_kernel_torch_draws_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = ModuleType("triton_kernel")
    broken.can_draw = lambda networks, size: True
    broken.draw = lambda networks, size, as_bytes: int("no\nnumber")
    monkeypatch.setattr(rendering, "triton_kernel", broken, raising=False)
    monkeypatch.setitem(sys.modules, f"{rendering.__name__}.triton_kernel", broken)
    monkeypatch.setattr(row_blocks, "_kernel_works", True)
    model = field_model("copies")
    monkeypatch.setattr(row_blocks, "_kernel_wanted", lambda latents: row_blocks._kernel_works)
    expected = reference(model, model.latents, (24, 32))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            torch.testing.assert_close(draw_frames(model, model.latents, (24, 32)), expected, rtol=1e-4, atol=1e-4)
    assert len(caplog.records) == 1
    assert caplog.records[0].message.startswith("drawing without the GPU kernel, slower (ValueError: ")


def test_the_kernel_is_for_gpus_and_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGPU:
        device = torch.device("cuda")

    monkeypatch.setattr(row_blocks, "_kernel_works", True)
    monkeypatch.delenv("LATENT_INR_KERNELS", raising=False)
    assert row_blocks._kernel_wanted(OnGPU()) and not row_blocks._kernel_wanted(torch.zeros(1))
    monkeypatch.setenv("LATENT_INR_KERNELS", "0")
    assert not row_blocks._kernel_wanted(OnGPU())


def test_a_full_memory_is_not_the_kernels_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    full = ModuleType("triton_kernel")

    def draw(*_: object) -> Tensor:
        raise torch.cuda.OutOfMemoryError("full")

    full.can_draw, full.draw = lambda networks, size: True, draw
    monkeypatch.setattr(rendering, "triton_kernel", full, raising=False)
    monkeypatch.setitem(sys.modules, f"{rendering.__name__}.triton_kernel", full)
    monkeypatch.setattr(row_blocks, "_kernel_wanted", lambda latents: True)
    model = field_model("copies")
    with pytest.raises(torch.cuda.OutOfMemoryError):
        draw_frames(model, model.latents, (24, 32))
    assert row_blocks._kernel_works
