"""A host program's settings of torch: whatever they are, our functions work, give the same, and leave them so."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import media
import numpy as np
import pytest
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import devices, errors
from fiftyone_latent_inr.devices import pick_device, pick_training_device
from fiftyone_latent_inr.encoding import many
from fiftyone_latent_inr.fitting import PRESETS, GroupTask
from fiftyone_latent_inr.fitting.loop import GroupFit
from fiftyone_latent_inr.fitting.start import random_model
from fiftyone_latent_inr.torch_settings import exact_products, fast_products, plain_torch

QUICK = replace(PRESETS["fast"], steps=3, steps_growth=0.0, points_per_step=512)
CLIP = media.moving_square(num=4, height=16, width=16, seed=0)
PRODUCTS = torch.backends.cuda.matmul
NEW = hasattr(PRODUCTS, "fp32_precision")


def precision() -> str:
    return PRODUCTS.fp32_precision if NEW else str(PRODUCTS.allow_tf32)


FAST = "tf32" if NEW else "True"


@pytest.fixture(autouse=True)
def settings_come_back() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")
    if NEW:
        PRODUCTS.fp32_precision = "none"


def test_products_are_fast_in_steps_alone_and_as_before_afterwards() -> None:
    before = precision(), torch.get_float32_matmul_precision()
    with pytest.raises(KeyError), fast_products("cuda"):
        assert precision() == FAST
        raise KeyError
    with fast_products("cpu"):
        assert precision() == before[0]
    assert (precision(), torch.get_float32_matmul_precision()) == before


def test_two_fits_at_once_leave_products_as_they_were() -> None:
    before = precision(), torch.get_float32_matmul_precision()
    with ExitStack() as one, ExitStack() as other:
        one.enter_context(fast_products("cuda"))
        other.enter_context(fast_products("cuda:1"))
        one.close()
        assert precision() == FAST, "the other one goes on"
    assert (precision(), torch.get_float32_matmul_precision()) == before


def test_what_is_measured_beside_a_fit_is_exact() -> None:
    before, seen = precision(), []

    def measure() -> None:
        with exact_products("cuda"):
            seen.append(precision())

    with fast_products("cuda"):
        thread = threading.Thread(target=measure)
        thread.start()
        thread.join()
        assert precision() == FAST
    with exact_products("cuda"), fast_products("cuda"):
        seen.append(precision())
    assert seen == [before, before] and precision() == before


@pytest.mark.skipif(not NEW, reason="torch before 2.9 has one kind of setting")
@pytest.mark.parametrize("chosen", ["tf32", "ieee", "none"])
def test_a_host_may_have_chosen_its_precision_by_the_newer_settings(chosen: str) -> None:
    """Asked by the older ones, torch then raises."""
    PRODUCTS.fp32_precision = chosen
    with fast_products("cuda"):
        assert precision() == "tf32"
    assert precision() == chosen


def test_steps_take_fast_products_and_give_them_back_between_events(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.from_numpy(CLIP)
    state = GroupFit(GroupTask.of(frames, QUICK), QUICK, "cpu")
    state.device = torch.device("cuda")
    seen: list[str] = []
    monkeypatch.setattr(state, "_step", lambda between, factor: seen.append(precision()))
    events = [precision() for _ in state.run(0, 25, 30)]
    assert set(seen) == {FAST} and events and FAST not in events


def test_the_hosts_random_numbers_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def seeded(*_: Any) -> None:
        raise AssertionError("a card's generator was seeded")

    for name in ("manual_seed", "manual_seed_all", "seed", "seed_all"):
        monkeypatch.setattr(torch.cuda, name, seeded)
    before = torch.get_rng_state()
    shape = QUICK.architecture.for_video(4, 16, 16)
    one, other = random_model(shape, 7), random_model(shape, 7)
    assert torch.equal(one.latents, other.latents)
    linr.fit(CLIP, config=QUICK, device="cpu", progress=False)
    assert torch.equal(torch.get_rng_state(), before)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def default_type(kind: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(kind)
    try:
        yield
        assert torch.get_default_dtype() == kind
    finally:
        torch.set_default_dtype(torch.float32)


# A default device without numbers takes the place of a card: what is made there by mistake cannot be worked with.
HOSTS: dict[str, Callable[[], Any]] = {
    "device": lambda: torch.device("meta"),
    "float64": lambda: default_type(torch.float64),
    "inference": torch.inference_mode,
    "no gradients": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "deterministic": deterministic,
    "numpy raises": lambda: np.errstate(all="raise"),
}


def work() -> tuple[bytes, ...]:
    """What all kinds of functions give."""
    frames = media.moving_square(num=4, height=24, width=32, seed=0)
    teacher = linr.load_teacher("small", device="cpu")
    fitted = linr.fit(frames, config=QUICK, teacher=teacher, device="cpu", progress=False)
    (other,) = linr.fit_many([frames], config=replace(QUICK, prior=None), device="cpu", progress=False)
    assert isinstance(other, linr.LatentVideo) and fitted.embeddings is not None
    drawn = fitted.render([0, 1.5], size=(30, 40), device="cpu", motion=True), other.render(device="cpu")
    figures = [video.metrics[name] for video in (fitted, other) for name in ("psnr", "ms_ssim")]
    return (*(one.tobytes() for one in drawn), fitted.embeddings.tobytes(), np.array(figures).tobytes())


@pytest.fixture(scope="module")
def plain() -> tuple[bytes, ...]:
    return work()


@pytest.mark.parametrize("name", HOSTS)
def test_whatever_the_host_has_set_the_results_are_the_same(name: str, plain: tuple[bytes, ...]) -> None:
    with HOSTS[name]():
        before = torch.get_default_device(), torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        assert work() == plain
        assert (torch.get_default_device(), torch.is_inference_mode_enabled(), torch.is_grad_enabled()) == before
        assert torch.is_autocast_enabled("cpu") is (name == "autocast")


def test_between_two_frames_the_hosts_settings_hold() -> None:
    video = linr.fit(CLIP, config=QUICK, device="cpu", progress=False)
    with default_type(torch.float64), torch.no_grad():
        for _ in video.iter_render(device="cpu"):
            assert torch.get_default_dtype() == torch.float64 and not torch.is_grad_enabled()


def test_settings_of_the_process_are_counted() -> None:
    with default_type(torch.float64):
        with ExitStack() as one, ExitStack() as other:
            one.enter_context(plain_torch())
            other.enter_context(plain_torch())
            one.close()
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float64


def test_threads_beside_a_card_have_one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    settled = many.FitRequest.settle([QUICK], lambda event: None, teacher=None, prior="none", device="cpu", seed=0)

    def opened(*_: Any) -> Any:
        seen.append(torch.get_num_threads())
        raise linr.InputError("seen enough")

    monkeypatch.setattr(many, "_open", opened)
    request = replace(settled, device=torch.device("cuda"))
    monkeypatch.setattr(many.FitRequest, "settle", lambda *_, **__: request)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        linr.fit_many([CLIP, CLIP], config=QUICK, progress=False)
        assert seen == [1, 1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_card_that_torch_cannot_work_with_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_kernel(device: torch.device) -> None:
        if device.type == "cuda":
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nand more")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "_try_out", no_kernel)
    devices._default_card_works.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert [pick_device(None).type for _ in range(2)] == ["cpu", "cpu"]
        assert [record.getMessage() for record in caplog.records] == [
            "the graphics card is not used, torch cannot work with it (CUDA error: no kernel image is available for "
            "execution on the device): the CPU is taken"
        ]
        with pytest.raises(linr.InputError, match=r"'cuda' cannot be used \(CUDA error: no kernel image[^\n]*\)"):
            pick_device("cuda")
    finally:
        devices._default_card_works.cache_clear()


def test_a_device_without_numbers_or_without_64_bits_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(linr.InputError, match="'meta' cannot be used"):
        linr.fit(CLIP, device="meta", progress=False)
    monkeypatch.setattr(devices, "_try_out", lambda device: None)
    assert pick_device("mps").type == "mps", "it may draw"
    with pytest.raises(linr.InputError, match=r"'mps' .*64-bit floats.*device='cpu'"):
        pick_training_device("mps")
    with pytest.raises(linr.InputError, match="64-bit floats"):
        linr.fit(np.zeros((2, 8, 8, 3), np.uint8), device="mps", progress=False)


def test_a_kept_error_keeps_nothing_else() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise linr.InputError("outer") from error
    except linr.InputError as error:
        kept = errors.bare(error)
    assert str(kept) == "outer" and kept.__cause__ is kept.__context__ is kept.__traceback__ is None


def test_groups_of_other_lengths_are_not_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many shapes the compiler gives up, and all further fits of the process are slow."""
    compiled, real = [0], torch.compile

    def backend(graph: Any, inputs: Any) -> Any:
        compiled[0] += 1
        return graph.forward

    monkeypatch.setattr(
        torch, "compile", lambda function, dynamic, mode: real(function, backend=backend, dynamic=dynamic)
    )
    monkeypatch.setenv("LATENT_INR_COMPILE", "1")
    torch.compiler.reset()
    try:
        for count in (33, 34, 35):
            config = replace(PRESETS["fast"], points_per_step=256)
            frames = torch.zeros(count, 16, 16, 3, dtype=torch.uint8)
            shape = replace(config.architecture.for_video(40, 16, 16), num_frames=count)
            state = GroupFit(GroupTask(frames, shape), config, "cpu")
            state._backward(False)
            assert state.loss.mode == "plain", "it fell back"
        assert compiled[0] == 1
    finally:
        torch.compiler.reset()
