"""The first questions to a graphics card, in one call of a few minutes.

    python -m benchmarks.card [--only tests compiled launches batches drawing] [--share 1]

- `tests`: the tests that need a card (`pytest -m gpu`).
- `compiled`: a fit of 3,200 steps of `balanced`, 160x90, 32 frames, with its loss compiled and without: PSNR, seconds,
  and whether it ended (what is compiled must go on working once the rate has moved the numbers, after 640 steps).
- `launches`: kernels and milliseconds of a step, by the profiler, and the ten that take most.
- `batches`: `fit_many` of 1, 8 and 64 clips: milliseconds of a step, and what is left on the card after each.
- `drawing`: `benchmarks.drawing`.

Each part is a process of its own, which may fail or hang for itself. `--share 0.01 --device cpu` tries the script.
Nothing is recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.devices import pick_device
from fiftyone_latent_inr.fitting import PRESETS

from .shared.clips import noise
from .shared.clocks import Clock, peaks

SIZE, FRAMES, STEPS = (90, 160), 32, 3200
# Seconds after which a part is given up.
LIMIT = 240


def compiled(device: str, share: float) -> dict[str, Any]:
    """One fit; whether it is compiled is said by the environment."""
    steps = max(2, round(STEPS * share))
    config = replace(PRESETS["balanced"], steps=steps, steps_growth=0.0)
    clock = Clock(device)
    video = linr.fit(noise(FRAMES, *SIZE), config=config, device=device, progress=False)
    return {
        "steps": steps,
        "psnr": round(video.metrics["psnr"], 2),
        "seconds": round(clock.seconds(), 1),
        **peaks(device),
    }


def launches(device: str, share: float) -> dict[str, Any]:
    """A fit of a few steps under the profiler; a short fit looks at its rate at every one of its last steps."""
    from torch.profiler import ProfilerActivity, profile

    steps = max(4, round(100 * share))
    config = replace(PRESETS["balanced"], steps=steps, steps_growth=0.0)
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * device.startswith("cuda")
    frames = noise(FRAMES, *SIZE)
    linr.fit(frames, config=replace(config, steps=4), device=device, progress=False)
    start = time.monotonic()
    with profile(activities=kinds) as seen:
        linr.fit(frames, config=config, device=device, progress=False)
    events = seen.key_averages()
    counted = {one.key: one.count for one in events if "LaunchKernel" in one.key}
    slowest = sorted(events, key=lambda one: -one.self_cpu_time_total)[:10]
    return {
        "launches a step": round(sum(counted.values()) / steps, 1),
        "ms a step": round(1000 * (time.monotonic() - start) / steps, 2),
        "most": {one.key: one.count for one in slowest},
    }


def batches(device: str, share: float) -> dict[str, Any]:
    """`fit_many`, of more and more clips; what is left on the card should not grow with them."""
    config = replace(PRESETS["fast"], steps=max(2, round(300 * share)), steps_growth=0.0)
    found: dict[str, Any] = {}
    for count in (1, 8, 64) if share == 1 else (1, 2):
        clips = [noise(16, *SIZE) for _ in range(count)]
        clock = Clock(device)
        videos = linr.fit_many(clips, config=config, device=device, progress=False)
        bad = [str(one) for one in videos if isinstance(one, linr.InputError)]
        found[str(count)] = {"ms a step": round(1000 * clock.seconds() / config.steps, 2), "refused": bad}
        if device.startswith("cuda"):
            found[str(count)]["MiB left"] = round(torch.cuda.memory_allocated(device) / (1 << 20), 1)
    return found


PARTS: dict[str, Callable[[str, float], dict[str, Any]]] = {
    "compiled": compiled,
    "launches": launches,
    "batches": batches,
}


def commands(part: str, device: str, share: float) -> list[tuple[str, list[str], dict[str, str]]]:
    """(name, command, environment) of what a part runs."""
    python = [sys.executable, "-m"]
    own = [*python, "benchmarks.card", "--inner", part, "--device", device, "--share", str(share)]
    if part == "tests":
        return [(part, [*python, "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"], {})]
    if part == "drawing":
        seconds = str(max(1, round(10 * share)))
        return [(part, [*python, "benchmarks.drawing", "--device", device, "--seconds", seconds], {})]
    if part == "compiled":
        return [
            (f"{part}, {word}", own, {"LATENT_INR_COMPILE": switch}) for word, switch in (("no", "0"), ("yes", "1"))
        ]
    return [(part, own, {})]


def main(argv: list[str] | None = None) -> None:
    parts = ("tests", *PARTS, "drawing")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--device", help="by default the card")
    parser.add_argument("--share", type=float, default=1.0, help="of all steps; below 1: a trial")
    parser.add_argument("--inner", choices=list(PARTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    device = str(pick_device(arguments.device or "cuda"))
    if arguments.inner:
        print(json.dumps(PARTS[arguments.inner](device, arguments.share)))
        return
    for part in arguments.only:
        for name, command, environment in commands(part, device, arguments.share):
            start = time.monotonic()
            try:
                done = subprocess.run(
                    command, env=os.environ | environment, text=True, capture_output=True, timeout=LIMIT, check=False
                )
                said = (done.stdout.strip() or "-") if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"[-3000:]
                ended = f"ended with {done.returncode}"
            except subprocess.TimeoutExpired:
                said, ended = "-", "given up"
            print(f"\n== {name}: {ended}, {time.monotonic() - start:.0f} s\n{said}", flush=True)


if __name__ == "__main__":
    main()
