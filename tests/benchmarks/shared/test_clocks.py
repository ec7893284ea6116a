"""Clocks, peaks of memory, and sizes in words."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.shared.clocks import Clock, alone, peaks, size_in_words


def touch(mib: int) -> dict[str, Any]:
    ones = np.ones(mib << 17)
    return {**peaks("cpu"), "sum": ones.sum()}


def test_peaks_of_memory_are_of_one_measurement() -> None:
    here = touch(300)["peak_mib"]
    # a process counts as at least as large as the one that started it, if one is not careful
    assert 50 < alone(touch, 1)["peak_mib"] < here - 200


def test_seconds_are_the_processors_on_a_cpu() -> None:
    clock = Clock("cpu")
    time.sleep(0.3)
    assert clock.name == "CPU" and clock.seconds() < 0.2 and Clock("cpu:0").name == "CPU"


def test_sizes_in_words() -> None:
    assert size_in_words(180, 320) == "320x180" and size_in_words(180, 320, 32) == "320x180x32"
