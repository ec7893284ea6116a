"""Ours against HNeRV and SIEDD, run by their own command lines on the same frames and card, at equal parameters.

    python -m benchmarks.peers --hnerv DIR --siedd DIR [--device cuda] [--parameters 1.5M 3M] [--frames DIR_OR_NPY]
    python -m benchmarks.peers --hnerv DIR --only hnerv --parameters 1.5M --epochs 150    # one run at a time
    python -m benchmarks.peers --hnerv DIR --siedd DIR --seconds 300     # each as long as it takes to fit for 300 s
    python -m benchmarks.peers --hnerv DIR --siedd DIR --smoke    # noise on the CPU: only whether all runs; no record

The frames are the literature's Bunny, the centre 640x1280 of `bunny_720p.mp4`, 132 frames, written as PNG files.
`--frames` takes them from a folder of PNG files or an array `.npy` of uint8 (T, H, W, 3) instead, which needs no PyAV.

Their code is no part of this project: give checkouts of github.com/haochen-rye/HNeRV and
github.com/VikramRangarajan/SIEDD. They need, besides torch and torchvision,

- HNeRV: timm, pandas, dahuffman, pytorch_msssim;
- SIEDD (Python 3.12): einops, schedulefree, tqdm, pydantic-yaml, ruamel.yaml, compress-pickle, dahuffman, hqq,
  termcolor, and a C compiler for torch.compile (or `--no-compile`: slower, and its own clock counts that);

installed, or in a folder given as `--packages` (all of these are plain Python but pydantic and pandas). What else they
import is not used with PNG frames, and an empty module stands in where it is missing (`peers_stand_ins`).

PSNR is ours for all: of the decoded 8-bit pixels, RGB, a frame at a time, from what is stored. Bytes are what each
stores: HNeRV's Huffman-coded 8-bit network and embeddings by its own count; SIEDD's files, its shared encoder included;
our `.linr` file. Fit seconds leave measuring out, and of SIEDD compiling (`wall_seconds` has all). Frames a second are
each method's own measure: HNeRV's decoder alone on the card; SIEDD's to floats, ours to 8-bit pixels, in host memory.
Ours is a preset with its grids stretched to the same number of parameters (`architectures`), without the steps that
learn to interpolate, which the others do not have. Most of its numbers are rounded to zero and cost next to nothing.

Rows of `results/peers.json` are renewed one by one; `seconds_full` says what a full run would take at that pace.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.devices import pick_device
from fiftyone_latent_inr.encoding.choose_prior import NO_PRIOR
from fiftyone_latent_inr.fitting import PRESETS
from fiftyone_latent_inr.frames.metrics import psnr

from ..shared.clips import Video
from ..shared.records import CLIPS, keep, read_record, show_table, write_record
from ..shared.sizes import at_most, in_words, number
from .hnerv import HNERV
from .runs import Found, Peer, PeerError, PeerFit, Runner, read_frames, write_frames
from .siedd import SIEDD

RECORD = "peers"
CROP, FRAMES = (640, 1280), 132
PEERS = {"hnerv": HNERV, "siedd": SIEDD}
METHODS = (*PEERS, "ours")
KEYS = ("method", "asked", "budget", "frames", "device")
SHOWN = ("method", "asked", "budget", "parameters", "psnr", "bytes", "fit_seconds", "fps", "seconds_full", "device")
_OUR_TRIAL = 200  # steps
_SMOKE = {"hnerv": 2, "siedd": 20, "ours": 30}

Row = dict[str, Any]
# (units, parameters) -> what came of it, wall seconds of all
Run = Callable[[int, int], tuple[Found, float]]


def smoke_frames() -> Video:
    """Four frames of sliding noise, as small as HNeRV's network goes."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 80, 3), np.uint8)
    return np.stack([np.roll(noise, k, 1).repeat(8, 0).repeat(8, 1) for k in range(4)])


def peer_run(peer: Peer, checkout: Path, frames: Video, runner: Runner, compiled: bool, smoke: bool) -> Run:
    """Fits of another method, each in a temporary folder."""

    def run(units: int, parameters: int) -> tuple[Found, float]:
        with tempfile.TemporaryDirectory() as name:
            work = Path(name) / "work"
            task = PeerFit(
                write_frames(frames, Path(name) / "frames"), frames.shape[:3], parameters, units, work, compiled, smoke
            )
            return runner.run(peer, checkout, task)

    return run


def our_full_steps(frames: Video, preset: str) -> int:
    """Steps of the preset for these frames."""
    count, height, width = frames.shape[:3]
    return PRESETS[preset].steps_for(count, height, width)


def our_run(frames: Video, preset: str, device: str) -> Run:
    """Fits of ours with as many steps and at most so many parameters."""

    def run(units: int, parameters: int) -> tuple[Found, float]:
        count, height, width = frames.shape[:3]
        base = PRESETS[preset]
        shape = at_most(base.architecture, parameters, count, height, width)
        config = replace(base, architecture=shape, between=0.0, steps=units, steps_growth=0.0)
        start = time.monotonic()
        fitted = linr.fit(frames, config=config, prior=NO_PRIOR, device=device, progress=False)
        wall = time.monotonic() - start
        decoded = fitted.render(device=device)
        times = np.arange(min(count, 32))
        began = time.monotonic()
        for _ in fitted.iter_render(times, device=device):
            pass
        fps = len(times) / (time.monotonic() - began)
        seconds = fitted.metrics["seconds"]
        own = {"psnr": fitted.metrics["psnr"]}
        stored = len(fitted.data)
        found = Found(decoded, fitted.num_parameters, stored, "whole .linr", seconds, seconds / units, fps, own)
        return found, wall

    return run


def units_for(seconds: float, per_unit: float, least: int) -> int:
    """How many units fit into so many seconds, at least so many."""
    return max(least, int(seconds / per_unit))


def make_row(names: Row, frames: Video, found: Found, wall: float, units: int, unit: str, full: int) -> Row:
    """A run as a row of the record."""
    return {
        **names,
        "units": f"{units} {unit}",
        "parameters": found.parameters,
        "psnr": round(float(psnr(frames, found.decoded)), 3),
        "bytes": found.stored,
        "bpp": round(8 * found.stored / (frames.shape[0] * frames.shape[1] * frames.shape[2]), 4),
        "stored_as": found.stored_as,
        "fit_seconds": round(found.seconds, 2),
        "wall_seconds": round(wall, 1),
        "seconds_per_unit": float(f"{found.seconds_per_unit:.4g}"),
        "seconds_full": round(found.seconds_per_unit * full),
        "fps": round(found.fps, 1),
        **{f"own_{name}": round(value, 3) for name, value in found.own.items()},
    }


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hnerv", type=Path, help="a checkout of HNeRV")
    parser.add_argument("--siedd", type=Path, help="a checkout of SIEDD")
    parser.add_argument("--only", choices=METHODS, help="run one method")
    parser.add_argument("--device", default="cuda", help="the others need a GPU but for --smoke (default: cuda)")
    parser.add_argument("--parameters", nargs="+", type=number, default=[1_500_000, 3_000_000], metavar="N")
    parser.add_argument("--frames", type=Path, default=CLIPS / "bunny_720p.mp4", help="a video, .npy or PNG folder")
    parser.add_argument("--count", type=int, default=FRAMES, help=f"frames (default: {FRAMES})")
    length = parser.add_argument_group("length; else each method's own full run")
    length.add_argument("--seconds", type=float, nargs="+", help="as many units as take so long; a trial comes first")
    length.add_argument("--epochs", type=int, help=f"of HNeRV (full: {HNERV.full})")
    length.add_argument("--iterations", type=int, help=f"of SIEDD (full: {SIEDD.full})")
    length.add_argument("--steps", type=int, help="of ours (full: the preset's)")
    parser.add_argument("--preset", default="best", choices=list(PRESETS), help="of ours (default: best)")
    parser.add_argument("--packages", type=Path, nargs="+", default=[], help="folders with packages the others need")
    parser.add_argument("--python", default=Runner().python, help="interpreter for the others")
    parser.add_argument("--limit", type=float, default=Runner().limit, help="seconds after which a run is ended")
    parser.add_argument("--no-compile", action="store_true", help="SIEDD without torch.compile")
    parser.add_argument("--smoke", action="store_true", help="tiny, on the CPU; nothing is recorded")
    parser.add_argument("--report", action="store_true", help="run nothing, print what is recorded")
    arguments = parser.parse_args(argv)
    if arguments.seconds and (arguments.epochs or arguments.iterations or arguments.steps):
        parser.error("choose --seconds, or --epochs, --iterations and --steps")
    if arguments.only in PEERS and not getattr(arguments, arguments.only) and not arguments.report:
        parser.error(f"--only {arguments.only} needs a checkout: --{arguments.only} DIR")
    return arguments


def chosen(arguments: argparse.Namespace, frames: Video, device: str) -> dict[str, tuple[Run, str, int, int]]:
    """For each method that is to run: how, its unit, units of a full run, and of a trial."""
    runner = Runner(arguments.python, arguments.packages, arguments.limit)
    methods: dict[str, tuple[Run, str, int, int]] = {}
    for name, peer in PEERS.items():
        if (checkout := getattr(arguments, name)) and arguments.only in (None, name):
            run = peer_run(peer, checkout, frames, runner, not arguments.no_compile, arguments.smoke)
            methods[name] = run, peer.unit, peer.full, peer.trial
    if arguments.only in (None, "ours"):
        full = our_full_steps(frames, arguments.preset)
        methods["ours"] = our_run(frames, arguments.preset, device), "steps", full, min(_OUR_TRIAL, full)
    return methods


def lengths(arguments: argparse.Namespace, name: str, full: int) -> list[tuple[str, int | None]]:
    """(budget in words, units or None where a trial must say) of the runs of a method."""
    if arguments.smoke:
        return [("smoke", _SMOKE[name])]
    if arguments.seconds:
        return [(f"{seconds:g} s", None) for seconds in arguments.seconds]
    units = {"hnerv": arguments.epochs, "siedd": arguments.iterations, "ours": arguments.steps}[name]
    return [("full" if units in (None, full) else f"{units} {_unit(name)}", units or full)]


def _unit(name: str) -> str:
    return PEERS[name].unit if name in PEERS else "steps"


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    rows: list[Row] = [] if arguments.smoke else read_record(RECORD).get("rows", [])
    if not arguments.report:
        measure(arguments, rows)
    print()
    show_table([{key: row[key] for key in SHOWN if key in row} for row in rows])


def measure(arguments: argparse.Namespace, rows: list[Row]) -> None:
    """Runs what is asked for; a method that fails is said and left out."""
    device = "cpu" if arguments.smoke else str(pick_device(arguments.device))
    if device == "cpu":
        torch.set_num_threads(1)
        if not arguments.smoke and arguments.only != "ours":
            print("the other methods need a GPU; on a CPU only --smoke or --only ours")
            return
    try:
        frames = smoke_frames() if arguments.smoke else read_frames(arguments.frames, arguments.count, CROP)
    except PeerError as error:
        print(error)
        return
    where = torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"
    size = f"{frames.shape[2]}x{frames.shape[1]}x{len(frames)}"
    for parameters in [100_000] if arguments.smoke else arguments.parameters:
        for name, (run, unit, full, trial) in chosen(arguments, frames, device).items():
            for budget, known in lengths(arguments, name, full):
                label = f"ours {arguments.preset}" if name == "ours" else PEERS[name].name
                names = {"method": label, "asked": in_words(parameters), "budget": budget}
                names |= {"frames": size, "device": where}
                print(f"\n{label}, {in_words(parameters)}, {budget}", flush=True)
                try:
                    units = known
                    if units is None:
                        pace = run(trial, parameters)[0].seconds_per_unit
                        units = units_for(float(budget.removesuffix(" s")), pace, trial)
                    found, wall = run(units, parameters)
                except (PeerError, ValueError) as error:
                    print(f"left out: {error}", flush=True)
                    continue
                keep(rows, make_row(names, frames, found, wall, units, unit, full), KEYS)
                if not arguments.smoke:
                    write_record(RECORD, {"rows": rows})


if __name__ == "__main__":
    main()
