"""What the parts of `speed` share: clips, clocks, and measurements in processes of their own."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from fiftyone_latent_inr.frames.resize import area_resize

from ..space_time.tasks import Clip
from .records import machine

Row = dict[str, Any]
Video = npt.NDArray[np.uint8]
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


def clip_frames(source: Path, count: int, size: tuple[int, int], crop: tuple[int, int] | None = None) -> Video:
    """So many frames of a clip, (T, H, W, 3), played there and back until it has them; without it noise."""
    if not source.exists():
        return noise(count, *size)
    frames = Clip(source, None if crop == size else size, crop).read(count)
    period = np.concatenate([np.arange(len(frames)), np.arange(len(frames) - 2, 0, -1)])
    return frames[np.resize(period, count)] if len(frames) < count else frames


def noise(count: int, height: int, width: int) -> Video:
    """Soft noise that slides to the left by a pixel a frame."""
    seed = np.random.default_rng(0).integers(0, 255, (1, max(height // 16, 2), max(width // 16, 2), 3), np.uint8)
    picture = area_resize(seed, (height, width))[0]
    return np.stack([np.roll(picture, -k, 1) for k in range(count)])


def size_in_words(height: int, width: int, count: int | None = None) -> str:
    """`320x180`, or `320x180x32` with the number of frames."""
    return f"{width}x{height}" + (f"x{count}" if count is not None else "")
