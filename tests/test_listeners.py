"""What a user's function that listens to progress raises is the user's: it comes out as it was raised."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import progress as events
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.pretraining.config import PretrainConfig
from fiftyone_latent_inr.progress import FitProgress, ListenerError, lets_listener_raise, reporting

TINY = replace(PRESETS["fast"], preset="tiny", steps=6, points_per_step=64, group_frames=4, prior=None)
# of kinds that something on the way might take for its own
RAISED = [ValueError("mine"), linr.InputError("mine"), OSError(28, "mine"), StopIteration("mine"), MemoryError("mine")]


class Listener:
    """Raises at the n-th event; knows what, and how often it was asked."""

    def __init__(self, raised: BaseException, number: int = 1) -> None:
        self.raised, self.number, self.asked = raised, number, 0

    def __call__(self, *_: Any) -> None:
        self.asked += 1
        if self.asked >= self.number:
            raise self.raised


def check(call: Callable[..., Any], listener: Listener) -> None:
    """A call ends with what its listener raised: that very object, with no cause or context of ours."""
    with pytest.raises(type(listener.raised)) as caught:
        call(progress=listener)
    assert caught.value is listener.raised and listener.asked == listener.number
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert not caught.value.__suppress_context__
    assert ListenerError.__name__ not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("raised", [*RAISED, KeyboardInterrupt(), SystemExit(3)], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("number", [1, 4])
def test_of_a_fit(raised: BaseException, number: int) -> None:
    frames = np.zeros((4, 16, 16, 3), np.uint8)
    check(lambda **options: linr.fit(frames, config=TINY, device="cpu", **options), Listener(raised, number))


@pytest.mark.parametrize("raised", [RAISED[1], KeyboardInterrupt()], ids=lambda one: type(one).__name__)
def test_of_several_fits(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [np.zeros((4, 16, 16, 3), np.uint8)] * 2
    call = lambda **options: linr.fit_many(frames, config=TINY, device="cpu", **options)  # noqa: E731
    check(call, Listener(raised, 3))
    # those that are too long to be held are fitted one after the other
    monkeypatch.setattr("fiftyone_latent_inr.encoding.many._MOST_BYTES", 100)
    check(call, Listener(raised, 3))


def test_of_a_pretraining(tmp_path: Any) -> None:
    config = PretrainConfig(steps=2, clips_per_step=1, window=4, frames_per_step=2, points_per_frame=64)
    config = replace(config, sizes=((16, 16),), semantic_frames=4)
    options = {"config": config, "width": 4, "device": "cpu", "output_dir": tmp_path}
    frames = [np.random.default_rng(0).integers(0, 255, (6, 16, 16, 3), np.uint8)]
    for raised in RAISED[1:3]:
        check(lambda **more: linr.pretrain(frames, **options, **more), Listener(raised, 2))


def test_a_call_inside_leaves_it_to_the_one_that_was_given_the_listener() -> None:
    mine = Listener(ValueError("mine"))

    @lets_listener_raise
    def inner(*, progress: Any) -> None:
        with reporting(progress, 0.0) as report:
            report(FitProgress("fit", 1, 1))

    @lets_listener_raise
    def outer(*, progress: Any) -> None:
        try:
            inner(progress=events.Listener(progress))
        except Exception:
            pytest.fail("it was taken for a fault of the inner call")

    check(outer, mine)


def test_what_a_listener_gives_does_not_matter() -> None:
    with reporting(lambda event: object(), 0.0) as report:
        report(FitProgress("fit", 1, 1))
