"""A full card, played on the CPU: what fails is tried smaller or alone, or refused, and nothing of it is kept.

Python's collector is off, where it is asked what is alive: a card's memory must not wait for it.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from typing import Any

import media
import numpy as np
import pytest
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import devices
from fiftyone_latent_inr.devices import is_memory_full
from fiftyone_latent_inr.encoding import many, video_fit
from fiftyone_latent_inr.fitting import PRESETS, batch, loop, objective
from fiftyone_latent_inr.latent_video.kept_models import KeptModels
from fiftyone_latent_inr.rendering import draw as drawing
from fiftyone_latent_inr.semantics.teachers import Teacher, load_teacher

QUICK = replace(PRESETS["fast"], steps=4, steps_growth=0.0, points_per_step=4096, between=0.0, prior=None)

FULL: list[Callable[[], Exception]] = [
    lambda: torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


def clip(seed: int, width: int = 32) -> np.ndarray:
    return media.moving_square(num=5, height=24, width=width, seed=seed)


def fit_many(sources: list[np.ndarray], **options: Any) -> list[Any]:
    return linr.fit_many(sources, config=QUICK, **{"device": "cpu", "progress": False, **options})


def said(video: Any) -> tuple[Any, ...]:
    """What a fitted video holds, but for how long its fit took, which is told in more or fewer bytes."""
    figures = {k: v for k, v in video.metrics.items() if k not in ("seconds", "bytes", "bpp")}
    return figures, video.render([0, 4], device="cpu").tobytes()


class Failing:
    """A function that fails at some of its calls, counted from 1, or at those whose arguments say so."""

    def __init__(self, real: Callable[..., Any], when: Callable[..., bool], error: Callable[[], Exception]) -> None:
        self.real, self.when, self.error, self.calls = real, when, error, 0

    def __get__(self, instance: Any, owner: Any) -> Callable[..., Any]:
        return lambda *given, **named: self(instance, *given, **named)

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.calls += 1
        if self.when(self.calls, *given):
            raise self.error()
        return self.real(*given, **named)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Failing]:
    """Lets a function fail, with one kind of error and the other in turn."""
    kinds = cycle(FULL)

    def error() -> Exception:
        return next(kinds)()

    def patch(owner: Any, name: str, when: Callable[..., bool]) -> Failing:
        failing = Failing(getattr(owner, name), when, error)
        monkeypatch.setattr(owner, name, failing)
        return failing

    return patch


@contextmanager
def alive() -> Iterator[Callable[[], int]]:
    """How many fits and batches, and so their parameters, optimisers and frames, are alive."""
    made: list[weakref.ref[Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        for kind in (loop.GroupFit, batch._Batch):

            def init(self: Any, *given: Any, real: Any = kind.__init__, **named: Any) -> None:
                made.append(weakref.ref(self))
                real(self, *given, **named)

            patch.setattr(kind, "__init__", init)
        gc.collect()
        gc.disable()
        try:
            yield lambda: sum(one() is not None for one in made)
            assert made, "nothing was fitted"
        finally:
            gc.enable()


def test_a_batch_that_is_done_gives_its_memory_back() -> None:
    with alive() as count:
        assert all(isinstance(one, linr.LatentVideo) for one in fit_many([clip(k) for k in range(4)], together=2))
        assert count() == 0


def test_a_step_that_fails_is_tried_with_fewer_pixels_once_nothing_is_left_of_it(fail, monkeypatch) -> None:
    wanted = said(linr.fit(clip(0), config=replace(QUICK, points_per_step=2048), device="cpu", progress=False))
    fail(objective.Loss, "backward", lambda call, *_: call == 3)
    with alive() as count:
        emptied: list[int] = []
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(count()))
        found = linr.fit(clip(0), config=QUICK, device="cpu", progress=False)
        assert emptied == [0] and count() == 0
    # the file also says how many pixels a step was asked for
    assert said(found)[1] == wanted[1] and found.metrics["psnr"] == wanted[0]["psnr"]


def test_a_refused_video_keeps_nothing_and_costs_the_others_nothing(fail) -> None:
    sources = [clip(0), clip(1, 40), clip(2)]
    wanted = [said(one) for one in fit_many([sources[0], sources[2]], together=1)]
    real = many.fit_together
    failing = fail(objective.Loss, "backward", lambda call, loss, *_: loss.function.model.config.width == 40)
    with alive() as count:
        first, refused, last = fit_many(sources, together=1)
        assert count() == 0 and failing.calls > 1 and many.fit_together is real
    assert isinstance(refused, linr.InputError) and "memory is too small for this video" in str(refused)
    assert refused.__traceback__ is refused.__cause__ is refused.__context__ is None
    assert [said(first), said(last)] == wanted


def test_fewer_at_once_of_one_size_are_not_fewer_of_all(fail, monkeypatch) -> None:
    sizes: list[tuple[int, int]] = []
    real = many.fit_together

    def fit_together(tasks: Any, *rest: Any) -> Any:
        sizes.append((tasks[0].shape.width, len(tasks)))
        return real(tasks, *rest)

    monkeypatch.setattr(many, "fit_together", fit_together)
    fail(batch._Batch, "_backward", lambda call, one, *_: one.shape.width == 40)
    found = fit_many([clip(k, width) for width in (40, 32) for k in range(4)], together=4)
    assert all(isinstance(one, linr.LatentVideo) for one in found)
    assert sorted(n for width, n in sizes if width == 40) == [1, 1, 1, 1, 2, 4]
    assert [n for width, n in sizes if width == 32] == [4]


@pytest.mark.parametrize("always", [False, True])
def test_a_full_card_in_a_thread_is_that_videos_trouble(always: bool, fail) -> None:
    sources = [clip(k, 40 if k == 1 else 32) for k in range(3)]
    wanted = [said(one) for one in fit_many(sources, together=1)]

    def when(call: int, video: Any, *_: Any) -> bool:
        return video.scan.size[1] == 40 and (always or failing.calls <= 2)

    failing = fail(video_fit.VideoFit, "prepare", when)
    found = fit_many(sources, together=1)
    for k, one in enumerate(found):
        if k == 1 and always:
            assert isinstance(one, linr.InputError) and "memory is too small" in str(one)
        else:
            assert said(one) == wanted[k]


def test_a_fitted_video_that_cannot_be_measured_there_is_measured_on_the_cpu(fail) -> None:
    wanted = said(linr.fit(clip(0), config=QUICK, device="cpu", progress=False))
    failing = fail(video_fit, "measure", lambda call, *_: call == 1)
    assert said(linr.fit(clip(0), config=QUICK, device="cpu", progress=False)) == wanted and failing.calls == 2
    fail(video_fit, "measure", lambda call, *_: call == 1)
    assert said(fit_many([clip(0)], together=1)[0]) == wanted


def test_where_the_prior_finds_no_room_once_the_fit_starts_all_the_same(fail) -> None:
    config = replace(QUICK, prior="fast-prior")
    wanted = said(linr.fit(clip(0), config=config, device="cpu", progress=False))
    fail(video_fit, "prior_start", lambda call, *_: call == 1)
    assert said(linr.fit(clip(0), config=config, device="cpu", progress=False)) == wanted


def test_a_teacher_sees_fewer_frames_at_once_where_it_must(fail) -> None:
    teacher = load_teacher("small", device="cpu")
    wanted = teacher.embed_frames(clip(0))
    failing = fail(Teacher, "_embed_pictures", lambda call, one, frames: len(frames) > 1)
    np.testing.assert_allclose(teacher.embed_frames(clip(0)), wanted, atol=1e-5)
    assert failing.calls == 2 + 5
    failing.when = lambda *_: True
    with pytest.raises(linr.InputError, match=r"teacher 'small'.*too little free memory"):
        linr.fit(clip(0), config=QUICK, teacher=teacher, device="cpu", progress=False)
    failing.when = lambda call, one, frames: frames.shape[2] == 40
    refused, fitted = fit_many([clip(0, 40), clip(1)], teacher=teacher)
    assert isinstance(refused, linr.InputError) and isinstance(fitted, linr.LatentVideo)


def test_a_drawing_that_fails_is_made_of_fewer_points(fail, monkeypatch) -> None:
    video = linr.fit(clip(0), config=QUICK, device="cpu", progress=False)
    wanted = video.render(device="cpu")
    monkeypatch.setattr(drawing, "_LEAST_TOGETHER", 1)
    monkeypatch.setattr(drawing, "_TOGETHER_CPU", 4 * 24 * 32)
    drawn: list[weakref.ref[torch.Tensor]] = []
    real = drawing.draw_frames

    def draw_frames(model: Any, latents: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        drawn.append(weakref.ref(latents))
        return real(model, latents, *rest, **options)

    monkeypatch.setattr(drawing, "draw_frames", draw_frames)
    failing = fail(drawing, "draw_frames", lambda call, model, latents, *_: call == 1 or len(latents) > 2)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    assert np.array_equal(video.render(device="cpu"), wanted)
    assert failing.calls == 1 + 3 and all(one() is None for one in drawn)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`"), True),
        (RuntimeError("cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), True),
        (RuntimeError("CUDA error: misaligned address"), False),
        (RuntimeError("cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnDgesvd`"), False),
        (linr.InputError("a video about running out of memory"), False),
        (None, False),
    ],
)
def test_all_names_of_a_full_card_are_known(error: Exception | None, full: bool) -> None:
    assert is_memory_full(error) is full
    if error is not None:
        outer = linr.InputError("it cannot be drawn")
        outer.__cause__ = error
        assert is_memory_full(outer) is full


def test_another_error_is_not_taken_for_a_full_card() -> None:
    def broken() -> None:
        raise RuntimeError("CUDA error: misaligned address")

    with pytest.raises(RuntimeError, match="misaligned"):
        devices.unless_full(broken)


def test_models_on_a_card_stay_there_for_the_next_frame_and_no_longer_than_their_video() -> None:
    kept, card = KeptModels(), torch.device("meta")
    videos = [linr.fit(clip(k), config=QUICK, device="cpu", progress=False) for k in range(2)]
    models = [kept.get(one._stored, 0, card) for one in videos]
    assert kept.get(videos[0]._stored, 0, card) is models[0] and models[0].latents.device == card
    assert kept.get(videos[0]._stored, 0, torch.device("cpu")).latents.device.type == "cpu"
    gone = weakref.ref(models[0])
    del models[0], videos[0]
    gc.collect()
    assert gone() is None and kept.get(videos[0]._stored, 0, card) is models[0]
