"""The loss as one function: compiled it is the same, and where compiling fails the fit goes on."""

from __future__ import annotations

import copy
import logging
import shutil
from typing import Any

import pytest
import torch

from fiftyone_latent_inr.fitting.objective import SWITCH, Loss, Objective, compile_mode, generator_on, looked_up
from fiftyone_latent_inr.model import Architecture, LatentINR, Level


def objective() -> Objective:
    torch.manual_seed(0)
    shape = Architecture((Level(4, 2, 2),), latent_dim=2, semantic_dim=2, planes=1, hidden=8, layers=2)
    model = LatentINR(shape.for_video(4, 12, 16, 8))
    torch.nn.init.normal_(model.embedding_weight)
    return Objective(model, 0.5)


def inputs(model: LatentINR) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    points = 2 * torch.rand(2, 5, 2, generator=generator) - 1
    colours, targets = torch.rand(2, 5, 3, generator=generator), torch.randn(4, 8, generator=generator)
    frames = torch.tensor([3, 1])
    latents = looked_up(model.latents, frames, torch.zeros(4, dtype=torch.long))
    return latents, points, colours, targets[frames], torch.tensor(0.3)


def gradients(loss: Loss) -> tuple[torch.Tensor, list[torch.Tensor]]:
    parameters = list(loss.function.parameters())  # type: ignore[attr-defined]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    error = loss.backward(parameters, *inputs(loss.function.model))  # type: ignore[attr-defined]
    return error, [parameter.grad for parameter in parameters if parameter.grad is not None]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_compiled_it_is_the_same() -> None:
    eager, compiled = Loss(objective(), None), Loss(objective(), "plain")
    (error, wanted), (same, found) = gradients(eager), gradients(compiled)
    assert compiled.mode == "plain", "it fell back"
    torch.testing.assert_close(same, error)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_where_compiling_fails_the_fit_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(function: Any, **options: Any) -> Any:
        def half_done(*arguments: Any) -> Any:
            function.model.latents.grad.add_(1)  # what was added before it failed does not count
            raise RuntimeError("no such compiler\nand a long trace")

        return half_done

    monkeypatch.setattr(torch, "compile", broken)
    loss, eager = Loss(objective(), "plain"), Loss(objective(), None)
    with caplog.at_level(logging.WARNING):
        gradients(loss)
        found = gradients(loss)[1]
    assert all(torch.equal(a, b) for a, b in zip(found, gradients(eager)[1], strict=True))
    assert [record.getMessage() for record in caplog.records] == [
        "the fit goes on without compiling, which failed: no such compiler"
    ]


def test_running_out_of_memory_is_no_failure_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(function: Any, **options: Any) -> Any:
        def call(*arguments: Any) -> Any:
            raise torch.cuda.OutOfMemoryError

        return call

    monkeypatch.setattr(torch, "compile", full)
    loss = Loss(objective(), "plain")
    with pytest.raises(torch.cuda.OutOfMemoryError):
        gradients(loss)
    assert loss.mode == "plain"


def test_a_copy_is_bound_to_the_copied_model() -> None:
    loss = Loss(objective(), None)
    model, other = copy.deepcopy((loss.function.model, loss))  # type: ignore[attr-defined]
    assert other.function.model is model


@pytest.mark.parametrize(
    ("wish", "device", "steps", "mode"),
    [
        (None, "cpu", 9999, None),
        (None, "cuda", 9999, "plain"),
        (None, "cuda", 100, None),
        ("0", "cuda", 9999, None),
        ("1", "cpu", 1, "plain"),
        ("graphs", "cuda", 1, "graphs"),
        ("graphs", "cpu", 1, "plain"),
    ],
)
def test_the_switch(
    wish: str | None, device: str, steps: int, mode: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    if wish is not None:
        monkeypatch.setenv(SWITCH, wish)
    assert compile_mode(device, steps) == mode


@pytest.mark.gpu
def test_a_gpu_draws_its_pixels_itself() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    assert generator_on("cuda", 3).device.type == "cuda"
    assert generator_on("cpu", 3).device.type == "cpu"
