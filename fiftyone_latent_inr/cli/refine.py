"""The command `latent-inr refine`: go on with the fit of a stored video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..owners import BusyError
from . import types as arg
from .options import PRESETS, add_shared, check_preset, require_latents, require_video
from .output import figures, remarks, show


def add(commands: Any) -> None:
    """Adds the command."""
    told = "Go on with the fit of a stored video; the file is replaced if the result is better, else it stays."
    p = commands.add_parser("refine", help="make a stored video better", description=told)
    p.add_argument("file", type=Path, metavar="FILE.linr", help="the stored video")
    p.add_argument(
        "--source",
        type=Path,
        metavar="VIDEO",
        help="what it was fitted to (default: the file beside it that its header names)",
    )
    named = f"{', '.join(PRESETS)}: whose steps and weight of the bytes (default: the file's own, at the bytes it has)"
    p.add_argument("--preset", help=named)
    p.add_argument("--minutes", type=arg.positive, metavar="M", help="time to spend, in place of the preset's steps")
    p.add_argument("--quality", type=arg.quality, metavar="Q", help="0 to 100: better pictures or fewer bytes")
    add_shared(p, "--seed", "--if-busy")
    add_shared(p, "--device", "--quiet")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    # Before anything is loaded: are they there?
    check_preset(args.preset)
    path = require_latents(args.file)
    if args.source is not None:
        require_video(args.source)
    from ..encoding.refine import refine_video
    from ..latent_video.video import load

    before = load(path).metrics
    try:
        video = refine_video(
            path,
            source=args.source,
            preset=args.preset,
            minutes=args.minutes,
            quality=args.quality,
            device=args.device,
            seed=args.seed,
            progress=remarks if args.quiet else True,
            if_busy=args.if_busy,
        )
    except BusyError as error:
        raise InputError(f"{error}; wait for it with --if-busy wait") from None
    m = video.metrics
    if m == before:
        show(f"{args.file}: stays as it is, {m['bytes']:,.0f} bytes, {figures(m)}")
        return
    show(f"{args.file}: {before['bytes']:,.0f} -> {m['bytes']:,.0f} bytes, {figures(before)} -> {figures(m)}")
