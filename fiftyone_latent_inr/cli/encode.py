"""The command `latent-inr encode`: fit a video and store it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.words import of_source
from ..errors import InputError
from ..files import check_target
from . import types as arg
from .options import PRESETS, add_shared, check_preset, require_video
from .output import figures, remarks, say, show
from .overwriting import add_overwrite, check_latents, is_stored

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
    p.add_argument(
        "--size",
        type=arg.size,
        metavar="HxW",
        help="resize by area averaging first: 180x320, or 180p, which keeps the shape",
    )
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
    add_shared(p, "--seed", "--if-busy")
    add_overwrite(p)
    add_shared(p, "--device", "--quiet")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    # Before anything is loaded: is there such a preset, a video, and can its result be stored?
    check_preset(args.preset)
    from ..video.images import bytes_of, content_of

    images = require_video(args.input)
    if images is None and args.fps is not None:
        raise InputError(f"--fps is for a folder of images; {args.input} is a file, which knows its own rate")
    if images is None and is_stored(args.input):
        raise InputError(f"{args.input} is a stored video already; decode draws it, encode takes a film")
    check_target(args.output, args.input)
    content = content_of(images or args.input)
    check_latents(args.output, content, args.overwrite)
    notes: dict[str, Any] = {"source": args.input.name.encode("utf-8", "replace").decode(), "fingerprint": content}
    if args.frames is None:  # else it is not all of the source that is stored
        notes["source_bytes"] = bytes_of(images or args.input)
    from ..encoding.checkpoint import discard, has_checkpoint, parts_of, remove_finished
    from ..held_folder import held
    from ..owners import BusyError

    remove_finished(args.output)
    try:
        # to the end: another process that came between the fit and its file would begin anew
        with held(parts_of(args.output), args.if_busy, say, follow=False) as parts:
            if args.if_busy == "wait":  # what was waited for may have been another video's fit
                check_latents(args.output, content, args.overwrite)
            try:
                video = _fit_file(args, parts, notes)
            except KeyboardInterrupt:
                if has_checkpoint(parts):
                    print(file=sys.stderr)
                    say(f"what is finished is in {parts}; the same command goes on with it")
                raise
            video.save(args.output)
            discard(parts)
    except BusyError as error:
        raise InputError(f"{error}; wait for it with --if-busy wait, or name another output") from None
    m, size = video.metrics, args.output.stat().st_size
    share = f" ({of_source(size, notes['source_bytes'])})" if notes.get("source_bytes") else ""
    show(
        f"{args.output}: {size:,} bytes{share}, {video.num_frames} frames of "
        f"{video.size[1]}x{video.size[0]}, {figures(m)}, {m.get('seconds', 0):.1f} s"
    )


def _size(args: argparse.Namespace) -> tuple[int, int] | None:
    """(H, W) that are asked for; of a height alone the width that keeps the shape of the video's first frame."""
    if args.size is None or args.size[1] is not None:
        size: tuple[int, int] | None = args.size
        return size
    from ..video.decode import iter_frames

    height, width = next(iter_frames(args.input, max_frames=1)).shape[:2]
    return args.size[0], max(1, round(width * args.size[0] / height))


def _fit_file(args: argparse.Namespace, parts: HeldFolder, notes: dict[str, Any]) -> LatentVideo:
    from ..encoding.fit import fit

    return fit(
        args.input,
        preset=args.preset,
        quality=args.quality,
        bpp=args.bpp,
        teacher=args.teacher,
        prior=args.prior,
        residual=args.residual,
        size=_size(args),
        max_frames=args.frames,
        fps=args.fps,
        device=args.device,
        seed=args.seed,
        progress=remarks if args.quiet else True,
        metadata=notes,
        checkpoint=parts,
    )
