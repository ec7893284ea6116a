"""How fast whole frames are drawn, and how far they are from `LatentINR.render`.

    python -m benchmarks.drawing [--device cuda] [--size 640x1280] [--threads 1 2] [--seconds 20]

Random networks: time does not depend on what the numbers are. On a CPU the way before, 16,384 points at a time through
`render`, runs in turn with the new one, because the machine may be busy: compare within a run. On a GPU: with and
without the kernel, one frame and many in a call, and frames a second as they arrive through `drawing.draw`. Prints the
best of all rounds, and for the CPU its process time, which says more on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.model import LatentINR, pixel_grid
from fiftyone_latent_inr.rendering import row_blocks as frames
from fiftyone_latent_inr.rendering.draw import draw

from .shared.records import machine, show_table

Ways = dict[str, tuple[int, Callable[[], object]]]  # frames that a call draws, and the call


def before(model: LatentINR, latents: Tensor, size: tuple[int, int]) -> list[Tensor]:
    """Frames as they were drawn before, uint8, one after the other."""
    drawn = []
    for one in latents.split(1):
        parts = [model.render(one, part) for part in pixel_grid(*size, latents.device).split(16_384)]
        drawn.append(frames.to_bytes(torch.cat(parts, 1).view(-1, *size, 3)).contiguous())
    return drawn


def ways(model: LatentINR, count: int, size: tuple[int, int]) -> Ways:
    """What is compared on the model's device."""
    latents = model.latents[:count]
    if latents.device.type == "cpu":
        return {
            "before": (count, lambda: before(model, latents, size)),
            "now": (count, lambda: frames.draw_frames(model, latents, size, as_bytes=True)),
        }
    many = np.resize(np.arange(model.config.num_frames, dtype=np.float32), 10 * count)
    return {
        "one frame": (1, lambda: frames.draw_frames(model, latents[:1], size, as_bytes=True)),
        "a call": (count, lambda: frames.draw_frames(model, latents, size, as_bytes=True)),
        "draw": (len(many), lambda: [None for _ in draw(model, many, *size)]),
    }


def timed(compared: Ways, seconds: float, wait: Callable[[], None]) -> list[dict[str, object]]:
    """The best wall and process milliseconds a frame of each way, in turn for `seconds`."""
    best: dict[str, tuple[float, float]] = {}
    for _, way in compared.values():
        way()  # compiles, starts threads
    end = time.perf_counter() + seconds
    while not best or time.perf_counter() < end:
        for name, (count, way) in compared.items():
            wall, process = time.perf_counter(), time.process_time()
            way()
            wait()
            took = (time.perf_counter() - wall) / count, (time.process_time() - process) / count
            old = best.get(name, took)
            best[name] = min(old[0], took[0]), min(old[1], took[1])
    return [
        {"way": name, "ms": f"{1e3 * wall:.2f}", "CPU ms": f"{1e3 * process:.2f}", "FPS": f"{1 / wall:.0f}"}
        for name, (wall, process) in best.items()
    ]


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", default="180x320", help="HxW")
    parser.add_argument("--presets", nargs="+", default=["fast", "balanced"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--frames", type=int, default=4, help="in a call; ten times as many through `draw`")
    parser.add_argument("--seconds", type=float, default=20, help="for each preset and setting")
    args = parser.parse_args()
    height, width = (int(side) for side in args.size.split("x"))
    device = torch.device(args.device)
    rows: list[dict[str, object]] = []
    for preset in args.presets:
        torch.manual_seed(0)
        shape = PRESETS[preset].architecture.for_video(max(32, args.frames), height, width)
        model = LatentINR(shape).requires_grad_(False).to(device)
        for grid in model.field.grids:
            grid.mul_(15)
        for setting in args.threads if device.type == "cpu" else ("0", "1"):
            if device.type == "cpu":
                torch.set_num_threads(setting)
            else:
                os.environ["LATENT_INR_KERNELS"] = setting
            drawn = frames.draw_frames(model, model.latents[:1], (height, width))
            apart = drawn.flatten(1, 2) - model.render(model.latents[:1], pixel_grid(height, width, device))
            head = {"preset": preset, "threads" if device.type == "cpu" else "kernel": setting}
            head["levels apart"] = f"{255 * float(apart.abs().max()):.3f}"
            wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
            rows += [head | row for row in timed(ways(model, args.frames, (height, width)), args.seconds, wait)]
    print(machine())
    show_table(rows)
    if device.type == "cuda":
        print("the kernel works" if frames._kernel_works else "the kernel does not work: see the warning")


if __name__ == "__main__":
    main()
