"""The command `latent-inr compare`: a stored video against its original."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .options import add_shared, limits_of, reference_prior, require_latents, require_video
from .output import report, say


def add(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser(
        "compare",
        help="measure a stored video against its original",
        description="Measure a stored video against its original: bytes of the file, frames it decodes to.",
    )
    p.add_argument(
        "original", type=Path, metavar="ORIGINAL", help="the video, or the folder of images, that was encoded"
    )
    p.add_argument("input", type=Path, metavar="IN.linr")
    add_shared(p, "--json", "--prior", "--device", "--no-limits")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    require_video(args.original)
    require_latents(args.input)
    from ..encoding.measure import compare

    options = {"device": args.device, "prior": reference_prior(args), "limits": limits_of(args)}
    measured = compare(args.original, args.input, **options)
    if not args.json:
        for remark in measured.pop("remarks"):
            say(remark)
    report({"original": str(args.original), "file": str(args.input), **measured}, args.json)
