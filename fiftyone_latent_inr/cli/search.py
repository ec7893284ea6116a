"""The command `latent-inr search`: a text over a fitted dataset."""

from __future__ import annotations

import argparse
from typing import Any

from . import types as arg
from .output import quiet_fiftyone, say, show, show_json


def add(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser(
        "search", help="find videos of a fitted dataset by text", description="Find videos by text."
    )
    p.add_argument("dataset", metavar="DATASET", help="name of a FiftyOne dataset that was fitted with a teacher")
    p.add_argument("text", metavar='"text"')
    p.add_argument("-k", type=arg.count, default=5, metavar="K", help="how many to list (default: 5)")
    p.add_argument("--brain-key", default="latent_inr", metavar="KEY", help="index to search (default: latent_inr)")
    p.add_argument("--json", action="store_true", help="print a list of objects: path, score, teacher; best first")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    quiet_fiftyone()
    from ..datasets.search.search import search

    found = search(args.dataset, args.text, k=args.k, brain_key=args.brain_key, notify=say)
    if args.json:
        show_json([{"path": hit.filepath, "score": hit.similarity, "teacher": hit.teacher} for hit in found])
        return
    for rank, hit in enumerate(found, 1):
        show(f"{rank:3d}  {hit.similarity:6.3f}  {hit.filepath}")
