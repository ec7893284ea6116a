"""Devices: the one that is meant, its name for people, one thread on a CPU, and a card whose memory is full."""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch

from .errors import InputError

T = TypeVar("T")

_log = logging.getLogger(__name__)

# What a full card is called by torch, its libraries (some only fail to begin) and Triton.
_FULL = re.compile(
    r"out of memory|alloc(ation)?_failed|memoryallocation|(cublas|cudnn)_status_not_initialized|"
    r"cusolver_status_internal_error,? when calling .?cusolverDnCreate",
    re.IGNORECASE,
)


# What to do where it is full.
ADVICE = (
    "take a smaller size (size=, --size HxW), end what else uses the card, or use the CPU (device='cpu', --device cpu)"
)


class MemoryTooSmallError(InputError):
    """A device that does not hold even the least that has to be on it at once."""


def pick_device(device: str | torch.device | None) -> torch.device:
    """The device that is named, else the CUDA card where there is one that torch can work with, else the CPU.

    Apple's `mps` can be named, to draw on, but is never chosen.

    Raises:
        InputError: the name is not a device, or nothing can be computed there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() and _default_card_works() else "cpu")
    try:
        chosen = torch.device(device)
        _try_out(chosen)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r} cannot be used ({reason}); leave it out to choose one") from error
    return chosen


def pick_training_device(device: str | torch.device | None) -> torch.device:
    """As `pick_device`, of those that networks can be fitted on.

    Raises:
        InputError: it is not to be had, or has no 64-bit floats, as Apple's `mps`: the optimiser needs them.
    """
    chosen = pick_device(device)
    if chosen.type == "mps":
        raise InputError(
            f"device '{chosen}' can draw but not fit: it has no 64-bit floats; fit on the CPU (device='cpu')"
        )
    return chosen


def _try_out(device: torch.device) -> None:
    """Runs a kernel: a card may be there and its driver, too, but not in what torch was built for."""
    (torch.ones(2, dtype=torch.float32, device=device) + 1).sum().item()


@cache
def _default_card_works() -> bool:
    try:
        _try_out(torch.device("cuda"))
    except Exception as error:  # the kinds are many: an old or new card, a driver, a forked process
        reason = (str(error).splitlines() or [""])[0]
        _log.warning("the graphics card is not used, torch cannot work with it (%s): the CPU is taken", reason)
        return False
    return True


def describe_device(device: torch.device) -> str:
    """The device in words, for people."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """One of torch's threads while something is fitted on a CPU; what was set before comes back.

    The steps' tensors are small: on a busy machine a second thread gained nothing, and where waiting threads spin it
    cost many times the work. One thread also makes a fit independent of the number of cores (`benchmarks/notes.md`).
    """
    before = torch.get_num_threads()
    try:
        if device.type == "cpu":
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def is_memory_full(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, says that a card's memory is full."""
    while error is not None:
        if isinstance(error, torch.cuda.OutOfMemoryError | MemoryTooSmallError):
            return True
        if isinstance(error, RuntimeError) and _FULL.search(str(error)):
            return True
        error = error.__cause__
    return False


def unless_full(run: Callable[[], T]) -> T | None:
    """What `run` gives; None where a card's memory is too small for it, and then all that it had made is given back."""
    try:
        return run()
    except Exception as error:
        if not is_memory_full(error):
            raise
        # as long as it is handled, the error keeps everything alive that was in hand where it was raised
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    return None


def or_too_small(run: Callable[[], T], what: str) -> T:
    """What `run` gives, tried once more after a card's memory was full.

    Raises:
        MemoryTooSmallError: it is full again; `what` says what found no room.
    """
    for _ in range(2):
        found = unless_full(run)
        if found is not None:
            return found
    raise MemoryTooSmallError(f"{what}: the GPU's memory is too small; {ADVICE}")


def free_memory() -> None:
    """Gives a card's memory back: FiftyOne's delegated service and the App live on in this process."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
