"""The command `latent-inr decode`: draw a stored video as H.264."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..files import check_target
from . import types as arg
from .options import add_shared, limits_of, reference_prior, require_latents, require_video
from .output import bar, say, show
from .overwriting import add_overwrite, check_drawing


def add(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser("decode", help="draw a stored video", description="Draw a stored video as H.264.")
    p.add_argument("input", type=Path, metavar="IN.linr")
    p.add_argument("output", type=Path, metavar="OUT.mp4")
    p.add_argument("--scale", type=arg.positive, default=1.0, metavar="S", help="scale of both sides, e.g. 2 or 1.5")
    p.add_argument(
        "--fps-factor",
        type=arg.positive,
        default=1.0,
        metavar="F",
        help="2 draws twice the frames a second; time and sound stay",
    )
    p.add_argument("--frames", type=arg.span, default=(None, None), metavar="A:B", help="frames A to B-1")
    add_shared(p, "--prior")
    p.add_argument("--motion", action="store_true", help="follow motion for the frames in between; slower")
    p.add_argument("--audio", type=Path, metavar="FILE", help="take the sound of this file along, e.g. the original's")
    add_overwrite(p)
    add_shared(p, "--device", "--no-limits", "--quiet")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    require_latents(args.input)
    images = require_video(args.audio) if args.audio else None
    for source in filter(None, (args.input, args.audio)):
        check_target(args.output, source)
    check_drawing(args.output, args.overwrite)
    import numpy as np

    from ..latent_video.video import load
    from ..rendering.timeline import hold, play_times, scaled_size
    from ..video.decode import write

    video = load(args.input, reference_prior(args), limits_of(args))
    times, held = play_times(video.num_frames, args.fps_factor, args.frames)
    size, count = scaled_size(video.size, args.scale), len(times) + held
    # when each is shown; one more, as what is drawn ends where its last frame does
    shown = video.seconds(np.minimum(times[0] + np.arange(count + 1) / args.fps_factor, video.num_frames))
    fps, own = video.fps * args.fps_factor, None
    if video.times is not None:
        fps, own = count / (shown[-1] - shown[0]), shown[:-1] - shown[0]
    drawn = bar(video.iter_render(times, size, args.device, args.motion), len(times), "decode", args.quiet)
    frames = hold(drawn, held)
    # A part of the video gets its part of the sound
    sound: dict[str, Any] = {"audio": args.audio, "audio_start": float(shown[0])}
    for note in write(args.output, frames, fps, pixel_aspect=video.pixel_aspect, times=own, **sound):
        say(f"{args.audio}: {note}")
    if images is not None:
        say(f"{args.audio}: images have no sound: drawn without")
    show(f"{args.output}: {count} frames of {size[1]}x{size[0]} at {fps:g} fps")
