"""What a fit, a drawing, a long video, a large frame and a library of videos cost, on a CPU or a GPU.

    python -m benchmarks.speed [--device cpu|cuda] [--only fit decode frame length sizes throughput]
    python -m benchmarks.speed --only length --frames 400 1700    # of the long clip: the real command, as a process
    python -m benchmarks.speed --report

- `fit`: PSNR against seconds, the same clip at shares of the preset's steps: Bunny 320x180, 32 frames, on a CPU; the
  literature's crop of 640x1280, 132 frames, with at most 1.5M and 3M parameters on a GPU.
- `decode`: frames a second by size, threads and frames asked for at once.
- `frame`: milliseconds from the path of a file of 300 frames to the pixels of one at random, in a process that has
  drawn another file before.
- `length`: peak of memory, seconds a frame, PSNR and bytes of `latent-inr encode`, of 400 frames and of a whole clip.
- `sizes`: peak of memory of fitting a few frames of 1080p and 2160p.
- `throughput`: videos an hour, 300 frames each, fitted, aligned with the small teacher and stored.

Seconds are those of the processor on a CPU, which others share, and of the wall, the device waited for, on a GPU. Every
fit runs in a process of its own, so that its peak of memory is its own. Rows of `results/speed.json` are named by the
device and renewed one by one; what is measured with `--steps` below 1, or of noise for want of a clip, is not recorded.

`--bunny` names Bunny where it is not among the clips: a video, or `.npy` of uint8 (T, H, W, 3), which needs no PyAV.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from fiftyone_latent_inr.devices import pick_device
from fiftyone_latent_inr.fitting import PRESETS

from ..shared.clocks import Row, alone, device_name
from ..shared.records import CLIPS, keep, read_record, show_table, write_record
from . import decode, fit, judge, length
from .fit import CROP, FitCase, shortened

RECORD = "speed"
PARTS = ("fit", "decode", "frame", "length", "sizes", "throughput")
# What tells a row of a table from the others.
KEYS: dict[str, tuple[str, ...]] = {
    "fit": ("device", "clip", "frames", "preset", "at_most", "share"),
    "decode": ("device", "size", "preset", "batch", "threads"),
    "frame": ("device", "file", "preset", "threads"),
    "length": ("device", "on", "clip", "preset", "frames"),
    "sizes": ("device", "size", "frames", "preset"),
    "throughput": ("device", "clip", "frames", "preset", "videos"),
}
SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
CPU_PRESETS, GPU_PRESETS = ("fast", "balanced"), ("balanced",)
PARAMETERS = (1_500_000, 3_000_000)
LONG_CLIP = "mixed_scenes_qcif_1700f.mp4"
LARGE = ((1080, 1920), (2160, 3840))
SIZE_STEPS = 40

Job = tuple[Callable[..., Any], tuple[Any, ...]]


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="cpu or cuda (default: the GPU where there is one)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure these parts")
    parser.add_argument("--clips", type=Path, default=CLIPS, help="directory of full-length clips")
    parser.add_argument("--bunny", type=Path, help="Bunny elsewhere: a video or .npy")
    parser.add_argument("--preset", nargs="+", choices=list(PRESETS), help="instead of each part's own")
    parser.add_argument("--steps", type=float, default=1.0, metavar="SHARE", help="of all steps; below 1: a trial")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="fit: shares of the preset's steps")
    parser.add_argument("--parameters", type=int, nargs="+", default=PARAMETERS, help="fit, on a GPU: at most so many")
    parser.add_argument("--threads", type=int, nargs="+", default=decode.THREADS, help="decode and frame, on a CPU")
    parser.add_argument("--file", type=Path, help="frame: a .linr of 300 frames to take one from, instead of fitting")
    parser.add_argument("--frames", type=int, nargs="+", default=[400, 1700], help="length: numbers of frames")
    parser.add_argument("--count", type=int, default=4, help="sizes: frames (default: 4)")
    parser.add_argument("--videos", type=int, help="throughput: how many (default: 1 on a CPU, 4 on a GPU)")
    parser.add_argument("--report", action="store_true", help="measure nothing, print and judge what is recorded")
    arguments = parser.parse_args(argv)
    if not 0 < arguments.steps <= 1:
        parser.error(f"--steps is a share of the preset's steps, above 0 and up to 1, not {arguments.steps:g}")
    return arguments


def measure(arguments: argparse.Namespace, device: str) -> Iterator[tuple[str, Row]]:
    """(table, row) of what is asked for."""
    name = device_name(device)
    bunny = arguments.bunny or arguments.clips / "bunny_720p.mp4"
    parts = {"fit": _fit, "decode": _decode, "frame": _frame}
    parts |= {"length": _length, "sizes": _sizes, "throughput": _throughput}
    for part in PARTS:
        if part in arguments.only:
            print(f"\n{part}, {name}", flush=True)
            for function, given in parts[part](arguments, device, name, bunny):
                rows = attempt(function, *given)
                yield from ((part, row) for row in ([rows] if isinstance(rows, dict) else rows or ()))


def attempt(function: Callable[..., Any], *given: Any) -> Any:
    """A function's answer from a process of its own; None where it fails, which is said and costs no other."""
    try:
        return alone(function, *given)
    except Exception as error:
        print(f"left out: {function.__name__}: {type(error).__name__}: {error}", flush=True)
        return None


def _fit(arguments: argparse.Namespace, device: str, name: str, bunny: Path) -> Iterator[Job]:
    if device == "cpu":
        cases = [FitCase((180, 320), 32, preset) for preset in arguments.preset or CPU_PRESETS]
    else:
        presets = arguments.preset or GPU_PRESETS
        cases = [FitCase(CROP, 132, preset, most) for preset in presets for most in arguments.parameters]
    for case in cases:
        for share in arguments.shares:
            yield fit.measure_fit, (case, bunny, share * arguments.steps, device, name)


def _threads(arguments: argparse.Namespace, device: str) -> list[int]:
    return arguments.threads if device == "cpu" else [torch.get_num_threads()]


def _decode(arguments: argparse.Namespace, device: str, name: str, bunny: Path) -> Iterator[Job]:
    batches = decode.BATCHES[device.partition(":")[0]]
    for preset in arguments.preset or ("balanced",):
        for threads in _threads(arguments, device):
            for size in decode.SIZES:
                yield decode.measure_decode, (preset, size, threads, batches, device, name)


def _frame(arguments: argparse.Namespace, device: str, name: str, bunny: Path) -> Iterator[Job]:
    threads = max(_threads(arguments, device))
    if arguments.file:
        yield decode.measure_frame, (arguments.file, threads, device, name)
        return
    for preset in arguments.preset or ("balanced",):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "long.linr"
            share = min(decode.SHARE, arguments.steps)
            attempt(decode.make_long_file, bunny, file, preset, share, device)
            if file.exists():
                yield decode.measure_frame, (file, threads, device, name)


def _length(arguments: argparse.Namespace, device: str, name: str, bunny: Path) -> Iterator[Job]:
    clip = arguments.clips / LONG_CLIP
    for preset in arguments.preset or ("fast",):
        for frames in arguments.frames:
            yield length.measure_length, (clip, preset, frames, device, name, arguments.steps)


def _sizes(arguments: argparse.Namespace, device: str, name: str, bunny: Path) -> Iterator[Job]:
    for preset in arguments.preset or ("fast",):
        for size in LARGE:
            yield fit.measure_size, (size, arguments.count, preset, SIZE_STEPS, device, name)


def _throughput(arguments: argparse.Namespace, device: str, name: str, bunny: Path) -> Iterator[Job]:
    videos = arguments.videos or (1 if device == "cpu" else 4)
    for preset in arguments.preset or ("fast",):
        config = shortened(PRESETS[preset], arguments.steps)
        for size in ((180, 320),) if device == "cpu" else ((180, 320), (360, 640)):
            yield fit.measure_throughput, (bunny, size, decode.LONG, videos, config, device, name)


def show(record: dict[str, Any]) -> None:
    """Prints all tables, and the gates."""
    for part in (*KEYS, "gates"):
        if record.get(part):
            print(f"\n{part}")
            show_table(record[part])


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    device = str(pick_device(arguments.device))
    if device == "cpu":
        torch.set_num_threads(1)
    trial = arguments.steps < 1
    record: dict[str, Any] = {part: [] for part in KEYS}
    if not trial:
        record |= {part: rows for part, rows in read_record(RECORD).items() if part in KEYS}
    if not arguments.report:
        for part, row in measure(arguments, device):
            if not trial and row.get("clip") == "noise":
                show_table([row])
                print("not recorded: there is no clip; name the folder with --clips, or Bunny with --bunny")
                continue
            keep(record[part], row, KEYS[part])
            record["gates"] = judge.gates(record)
            if not trial:
                write_record(RECORD, record)
    record["gates"] = judge.gates(record)
    show(record)
    if trial:
        print("\na trial: nothing is recorded")


if __name__ == "__main__":
    main()
