"""The command `latent-inr demo`: the main job on small clips."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .options import add_shared


def add(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser(
        "demo",
        help="fit, search and picture the bundled clips (minutes)",
        description="Build the dataset `latent-inr-demo` of small clips, fit it, search it by text, draw a picture.",
    )
    p.add_argument("--output", type=Path, default=Path("demo_output"), metavar="DIR", help="default: demo_output")
    p.add_argument("--app", action="store_true", help="then open the App on the dataset and wait")
    add_shared(p, "--device")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from ..demo.run import run

    run(args.output, app=args.app, device=args.device)
