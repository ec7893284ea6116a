"""Devices: the one that is meant, its name for people, and one thread on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import InputError


def pick_device(device: str | torch.device | None) -> torch.device:
    """The device that is named, else the CUDA card where there is one, else the CPU.

    Apple's `mps` can be named, but is never chosen: it has no 64-bit floats, which a fit with a teacher needs.

    Raises:
        InputError: the name is not a device, or the device is not there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r} cannot be used ({reason}); leave it out to choose one") from error
    return chosen


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
