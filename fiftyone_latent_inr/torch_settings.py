"""Settings of torch and numpy that a host may have changed: as they come for the time of a call, then as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TypeVar

import numpy as np
import torch

Item = TypeVar("Item")


class _OfProcess:
    """A setting that torch has once for all threads, changed while at least one call needs it otherwise.

    Args:
        change: changes it, and gives what puts it back.
    """

    def __init__(self, change: Callable[[], Callable[[], None]]) -> None:
        self._change = change
        self._undo: Callable[[], None] | None = None
        self._lock, self._wanted, self._unwanted = Lock(), 0, 0

    @contextmanager
    def changed(self) -> Iterator[None]:
        """Changed, unless somebody needs it unchanged."""
        self._count(1, 0)
        try:
            yield
        finally:
            self._count(-1, 0)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """As the host has it, whoever else is at work."""
        self._count(0, 1)
        try:
            yield
        finally:
            self._count(0, -1)

    def _count(self, wanted: int, unwanted: int) -> None:
        with self._lock:
            self._wanted, self._unwanted = self._wanted + wanted, self._unwanted + unwanted
            due = self._wanted > 0 and self._unwanted == 0
            if due and self._undo is None:
                self._undo = self._change()
            elif not due and self._undo is not None:
                self._undo()
                self._undo = None


def _use_tf32() -> Callable[[], None]:
    products = torch.backends.cuda.matmul
    if not hasattr(products, "fp32_precision"):  # before torch 2.9
        allowed = products.allow_tf32
        products.allow_tf32 = True
        return lambda: setattr(products, "allow_tf32", allowed)
    # The older switches raise when they are read in a program that has set the newer ones. Written, they set both.
    before = products.fp32_precision
    if before == "tf32":
        return lambda: None
    products.allow_tf32 = True

    def undo() -> None:
        products.allow_tf32 = False
        products.fp32_precision = before

    return undo


def _use_float32() -> Callable[[], None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    return lambda: torch.set_default_dtype(before)


def _allow_all_algorithms() -> Callable[[], None]:
    required, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    if not required:
        return lambda: None
    torch.use_deterministic_algorithms(False)
    return lambda: torch.use_deterministic_algorithms(required, warn_only=warns)


_tf32, _float32, _algorithms = _OfProcess(_use_tf32), _OfProcess(_use_float32), _OfProcess(_allow_all_algorithms)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Torch as it comes, for the time of a block, or of a function that it decorates.

    Default device and type are the CPU and float32, there is no autocast, gradients are recorded where they are asked
    for, and algorithms need not be deterministic (on a CPU all that are used here are; on a card the gradient of
    reading a grid is not to be had otherwise). What numpy rounds to zero is no error. Afterwards everything is as the
    host program had it.
    """
    with ExitStack() as stack:
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(_float32.changed())
        stack.enter_context(_algorithms.changed())
        yield


def in_plain_torch(items: Iterator[Item]) -> Iterator[Item]:
    """What an iterator gives, each item made in `plain_torch`; between them the host's settings hold."""
    while True:
        with plain_torch():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


@contextmanager
def fast_products(device: torch.device | str) -> Iterator[None]:
    """Matrix products of float32 in TF32 for a step of a fit on a card.

    Their ten bits of mantissa are an error of about 66 dB in the colours, far below that of any fit. The setting is the
    process's: whoever needs products as the host has them says so with `exact_products`.
    """
    if torch.device(device).type != "cuda":
        yield
        return
    with _tf32.changed():
        yield


@contextmanager
def exact_products(device: torch.device | str) -> Iterator[None]:
    """Matrix products as the host program has them, though other threads fit: for what is measured or shown."""
    if torch.device(device).type != "cuda":
        yield
        return
    with _tf32.unchanged():
        yield
