"""The command `latent-inr pretrain`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import types as arg

_WHAT = (
    "Train hypernetwork, field and encoders over many videos; `encode --prior DIR` then starts from them. Stopped, the "
    "same command goes on where its state was last stored."
)


def add_pretrain(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser("pretrain", help="train what many videos share (about half an hour)", description=_WHAT)
    p.add_argument("sources", type=Path, nargs="+", metavar="SOURCES", help="videos, or folders of them")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to store the prior in")
    p.add_argument("--preset", default="fast", help="of the fits that are to start from it (default: fast)")
    p.add_argument(
        "--steps", type=arg.count, metavar="N", help="how long to train (default: 15000, 2000 without a teacher)"
    )
    p.add_argument("--teacher", metavar="NAME", help="small, ARCH/PRETRAINED of OpenCLIP, or a directory")
    p.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with what is in DIR, or begin anew (default: go on)",
    )
    p.add_argument("--seed", type=arg.seed, default=0, metavar="S", help="default: 0")
    p.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps (default: the best there is)")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=_pretrain)


def _pretrain(args: argparse.Namespace) -> None:
    from ..pretraining.pretrain import pretrain
    from ..pretraining.trainer import PretrainConfig

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
    print(f"{args.out}: {', '.join(parts)}")
