"""The command `latent-inr encode`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import types as arg
from .types import PROG

if TYPE_CHECKING:
    from ..latent_video.video import LatentVideo

PRESETS = ("fast", "balanced", "best")


def add_encode(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser("encode", help="fit a video and store it", description="Fit a video and store it.")
    p.add_argument("input", type=Path, metavar="IN", help="a video file")
    p.add_argument("output", type=Path, metavar="OUT.linr", help="the file to write")
    p.add_argument(
        "--preset", default="balanced", help=f"{', '.join(PRESETS)} (default: balanced); or paper: the paper's network"
    )
    rate = p.add_mutually_exclusive_group()
    rate.add_argument(
        "--quality", type=arg.quality, metavar="Q", help="0 to 100: better pictures or fewer bytes (default: 50)"
    )
    rate.add_argument("--bpp", type=arg.positive, metavar="R", help="aim at this many bits per pixel of the file")
    p.add_argument("--size", type=arg.size, metavar="HxW", help="resize by area averaging first, e.g. 180x320")
    p.add_argument("--frames", type=arg.count, metavar="N", help="take the first N frames")
    p.add_argument("--teacher", metavar="NAME", help="small, ARCH/PRETRAINED of OpenCLIP, or a directory")
    p.add_argument(
        "--prior", metavar="REPO_OR_DIR", help="pretrained hypernetworks to start from, or none (default: the preset's)"
    )
    p.add_argument("--residual", action="store_true", help="store the difference from the prior, which is then needed")
    p.add_argument(
        "--seed",
        type=arg.seed,
        default=0,
        metavar="S",
        help="same seed, same file on CPUs (default: 0)",
    )
    p.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps (default: the best there is)")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=_encode)


def _encode(args: argparse.Namespace) -> None:
    # Before a fit of minutes begins: can its result be stored?
    arg.check_output(args.output, args.input)
    from ..encoding.checkpoint import discard, has_checkpoint

    parts = args.output.with_name(f"{args.output.name}.parts")

    try:
        video = _fit_file(args, parts)
    except KeyboardInterrupt:
        if has_checkpoint(parts):
            print(f"\n{PROG}: what is finished is in {parts}; the same command goes on with it", file=sys.stderr)
        raise
    video.save(args.output)
    discard(parts)
    m = video.metrics
    print(
        f"{args.output}: {args.output.stat().st_size:,} bytes, {video.num_frames} frames of "
        f"{video.size[1]}x{video.size[0]}, {figures(m)}, {m.get('seconds', 0):.1f} s"
    )


def _fit_file(args: argparse.Namespace, parts: Path) -> LatentVideo:
    from ..encoding.fit import fit

    return fit(
        args.input,
        preset=args.preset,
        quality=args.quality,
        bpp=args.bpp,
        teacher=args.teacher,
        prior=args.prior,
        residual=args.residual,
        size=args.size,
        max_frames=args.frames,
        device=args.device,
        seed=args.seed,
        progress=not args.quiet,
        checkpoint=parts,
    )


def figures(metrics: Any) -> str:
    """Metrics in words."""
    parts = [("psnr", "{:.2f} dB"), ("ms_ssim", "MS-SSIM {:.4f}"), ("bpp", "{:.3f} bpp")]
    return ", ".join(form.format(metrics[name]) for name, form in parts if metrics.get(name) is not None)
