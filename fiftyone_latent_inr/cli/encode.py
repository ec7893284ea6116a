"""The command `latent-inr encode`: fit a video and store it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import check_target
from . import types as arg
from .options import PRESETS, add_shared
from .output import figures, say, show

if TYPE_CHECKING:
    from ..held_folder import HeldFolder
    from ..latent_video.video import LatentVideo


def add(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser("encode", help="fit a video and store it", description="Fit a video and store it.")
    p.add_argument("input", type=Path, metavar="IN", help="a video file, or a folder of numbered images")
    p.add_argument("output", type=Path, metavar="OUT.linr", help="the file to write")
    named = f"{', '.join(PRESETS[:-1])} (default: balanced); or {PRESETS[-1]}: the paper's network"
    p.add_argument("--preset", default="balanced", help=named)
    rate = p.add_mutually_exclusive_group()
    rate.add_argument(
        "--quality", type=arg.quality, metavar="Q", help="0 to 100: better pictures or fewer bytes (default: 50)"
    )
    rate.add_argument("--bpp", type=arg.positive, metavar="R", help="aim at this many bits per pixel of the file")
    p.add_argument("--size", type=arg.size, metavar="HxW", help="resize by area averaging first, e.g. 180x320")
    p.add_argument("--frames", type=arg.count, metavar="N", help="take the first N frames")
    p.add_argument("--fps", type=arg.positive, metavar="F", help="frames a second of a folder of images (default: 25)")
    add_shared(p, "--teacher")
    p.add_argument(
        "--prior",
        metavar="REPO_OR_DIR",
        help="pretrained hypernetworks to initialise from, or none (default: the preset's)",
    )
    p.add_argument(
        "--residual",
        action="store_true",
        help="store the residual against the prior, without which the file cannot be read",
    )
    p.add_argument("--seed", type=arg.seed, default=0, metavar="S", help="same seed, same file on CPUs (default: 0)")
    p.add_argument(
        "--if-busy",
        choices=("refuse", "wait"),
        default="refuse",
        help="what to do while another process fits the same OUT.linr (default: refuse)",
    )
    add_shared(p, "--device", "--quiet")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    # Before a fit of minutes begins: can its result be stored?
    check_target(args.output, args.input)
    from ..video.images import find_images

    if args.fps is not None and find_images(args.input) is None:
        raise InputError(f"--fps is for a folder of images; {args.input} is a file, which knows its own rate")
    from ..encoding.checkpoint import discard, has_checkpoint, parts_of, remove_finished
    from ..held_folder import held
    from ..owners import BusyError

    remove_finished(args.output)
    try:
        # to the end: another process that came between the fit and its file would begin anew
        with held(parts_of(args.output), args.if_busy, say) as parts:
            try:
                video = _fit_file(args, parts)
            except KeyboardInterrupt:
                if has_checkpoint(parts):
                    print(file=sys.stderr)
                    say(f"what is finished is in {parts}; the same command goes on with it")
                raise
            video.save(args.output)
            discard(parts)
    except BusyError as error:
        raise InputError(f"{error}; wait for it with --if-busy wait, or name another output") from None
    m = video.metrics
    show(
        f"{args.output}: {args.output.stat().st_size:,} bytes, {video.num_frames} frames of "
        f"{video.size[1]}x{video.size[0]}, {figures(m)}, {m.get('seconds', 0):.1f} s"
    )


def _fit_file(args: argparse.Namespace, parts: HeldFolder) -> LatentVideo:
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
        fps=args.fps,
        device=args.device,
        seed=args.seed,
        progress=not args.quiet,
        checkpoint=parts,
    )
