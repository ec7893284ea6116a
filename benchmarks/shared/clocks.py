"""What the parts of `speed` share: clocks, and measurements in processes of their own."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from .records import machine

Row = dict[str, Any]
T = TypeVar("T")
MIB = 1 << 20


def device_name(device: str) -> str:
    """The processor or the graphics card, as rows name it."""
    return str(torch.cuda.get_device_name(device) if device.startswith("cuda") else machine()["processor"])


@dataclass
class Clock:
    """Seconds of a fit: of the processor on a CPU, where others run beside it, and by the wall on a GPU."""

    device: str

    def __post_init__(self) -> None:
        self.start = self._now()

    @property
    def name(self) -> str:
        """What is counted."""
        return "wall" if self.device.startswith("cuda") else "CPU"

    def seconds(self) -> float:
        """Since the clock was made; waits for the device."""
        return self._now() - self.start

    def _now(self) -> float:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)
            return time.monotonic()
        return time.process_time()


def peaks(device: str) -> Row:
    """The most memory that this process has had, on the host and on the card."""
    row: Row = {"peak_mib": round(_peak_kib() / 1024)}
    if device.startswith("cuda"):
        row["peak_gpu_mib"] = round(torch.cuda.max_memory_allocated(device) / MIB)
    return row


def _peak_kib() -> int:
    """What `ru_maxrss` says counts the process that started this one, too, as large as it was then."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """A function's answer from a new process, so that its peak of memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def size_in_words(height: int, width: int, count: int | None = None) -> str:
    """`320x180`, or `320x180x32` with the number of frames."""
    return f"{width}x{height}" + (f"x{count}" if count is not None else "")
