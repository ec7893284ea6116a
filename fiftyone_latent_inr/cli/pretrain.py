"""The command `latent-inr pretrain`: train a prior."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import types as arg
from .options import add_shared, check_preset, require_video
from .output import show
from .overwriting import add_overwrite, check_prior

_WHAT = (
    "Train hypernetwork, field and encoders over many videos; `encode --prior DIR` then initialises from them. "
    "Stopped, the same command goes on: the state is stored once a minute and on Ctrl-C."
)


def add(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser("pretrain", help="train what many videos share (about half an hour)", description=_WHAT)
    p.add_argument(
        "sources", type=Path, nargs="+", metavar="SOURCES", help="videos, folders of them, or folders of images"
    )
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to store the prior in")
    p.add_argument("--preset", default="fast", help="preset of the fits to initialise from it (default: fast)")
    p.add_argument(
        "--steps", type=arg.count, metavar="N", help="how long to train (default: 15000, 2000 without a teacher)"
    )
    add_shared(p, "--teacher")
    p.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with what is in DIR, or begin anew (default: go on)",
    )
    add_overwrite(p)
    add_shared(p, "--seed", "--device", "--quiet")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    check_preset(args.preset)
    for source in args.sources:
        if not source.is_dir():
            require_video(source)
    from ..pretraining.config import PretrainConfig
    from ..pretraining.pretrain import pretrain

    if args.resume:  # whoever begins anew has said it
        check_prior(args.out, args.overwrite)
    config = PretrainConfig()
    prior = pretrain(
        args.sources,
        preset=args.preset,
        config=replace(config, steps=args.steps) if args.steps else config,
        teacher=args.teacher,
        output_dir=args.out,
        resume=args.resume,
        device=args.device,
        seed=args.seed,
        progress=not args.quiet,
    )
    trained, skipped = len(prior.notes.get("trained_on", [])), len(prior.notes.get("skipped", []))
    psnr = prior.notes.get("metrics", {}).get("psnr")
    parts = [f"prior {prior.id}", f"{trained} videos"]
    parts += [f"{skipped} left out"] if skipped else []
    parts += [f"{psnr:.2f} dB on videos held out, without a fit"] if psnr is not None else []
    show(f"{args.out}: {', '.join(parts)}")
