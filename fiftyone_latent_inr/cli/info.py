"""The command `latent-inr info`: what a stored video holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..datasets.words import of_source
from .options import add_shared, limits_of, require_latents
from .output import report


def add(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser("info", help="what a stored video holds", description="Say what a stored video holds.")
    p.add_argument("input", type=Path, metavar="IN.linr")
    add_shared(p, "--json", "--no-limits")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    file = require_latents(args.input)
    from ..frames.aspect import ratio
    from ..latent_video.video import load

    video = load(args.input, limits=limits_of(args))
    height, width = video.size
    facts: dict[str, Any] = {
        "file": str(args.input),
        "bytes": file.stat().st_size,
        **_beside_source(file.stat().st_size, video.metadata.get("source_bytes"), args.json),
        "num_frames": video.num_frames,
        "num_groups": video.num_groups,
        "fps": video.fps,
        "height": height,
        "width": width,
        **({} if video.pixel_aspect == 1 else {"pixel_aspect": ratio(video.pixel_aspect)}),
        "cuts": list(video.cuts),
        "preset": video.preset,
        "num_parameters": video.num_parameters,
        "latent_dim": video.latent_dim,
        "embedding_dim": video.config.embedding_dim or None,
        "prior": None if video.prior is None else str(video.prior),
        "teacher": video.teacher,
        "teacher_id": video.teacher_id,
        "metrics": dict(video.metrics),
        "metadata": video.metadata,
    }
    if not args.json:  # a line each, as they are sentences
        notes = dict(video.metadata)
        warnings = notes.pop("warnings", None)
        facts |= {"metadata": notes} if warnings is None else {"metadata": notes, "warnings": warnings}
    report(facts, args.json)


def _beside_source(size: int, source: Any, as_json: bool) -> dict[str, Any]:
    """What is known of the size of what was encoded, which a stranger may have written."""
    if not isinstance(source, int) or isinstance(source, bool) or not 0 < source < 2**63:
        return {"source_bytes": None, "source_ratio": None} if as_json else {}
    return {"source_bytes": source, "source_ratio": size / source} if as_json else {"size": of_source(size, source)}
