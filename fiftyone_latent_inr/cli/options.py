"""Options that commands share, and the reference prior that one of them names."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import require_file
from . import types as arg

if TYPE_CHECKING:
    from ..latent_video.limits import Limits
    from ..priors.prior import Prior
    from ..video.images import ImageSequence

# Presets of `fitting`, whose import would load torch; `tests/cli/test_options.py` holds the two together.
PRESETS = ("instant", "fast", "balanced", "best", "paper")
_SHARED: dict[str, dict[str, Any]] = {
    "--device": {
        "metavar": "D",
        "help": "cpu, cuda, cuda:1; mps to draw on (default: cuda if there is one, else cpu)",
    },
    "--if-busy": {
        "choices": ("refuse", "wait"),
        "default": "refuse",
        "help": "what to do while another process is at work on the same .linr file (default: refuse)",
    },
    "--json": {"action": "store_true", "help": "one JSON object instead of lines"},
    "--no-limits": {
        "action": "store_true",
        "help": "let the file ask for any time and memory: for one whose maker you trust",
    },
    "--prior": {"metavar": "REPO_OR_DIR", "help": "reference prior of a video that is stored as a residual"},
    "--quiet": {"action": "store_true", "help": "no progress bar"},
    "--seed": {
        "type": arg.seed,
        "default": 0,
        "metavar": "S",
        "help": "same seed, same result on CPUs (default: 0)",
    },
    "--teacher": {"metavar": "NAME", "help": "small, ARCH/PRETRAINED of OpenCLIP, or a directory"},
}


def add_shared(parser: argparse.ArgumentParser, *names: str) -> None:
    """Adds options that several commands have, in this order."""
    for name in names:
        parser.add_argument(name, **_SHARED[name])


def check_preset(name: str | None) -> None:
    """Refuses a preset that there is not, before torch is loaded; None is the command's own choice.

    Raises:
        InputError: names those that there are.
    """
    from .. import arguments

    if name is not None:
        arguments.choice("preset", name, PRESETS)


def require_latents(path: Path) -> Path:
    """The `.linr` file that is named, known to be there before anything is loaded to read it.

    Raises:
        InputError: it is missing, empty, a folder or may not be read.
    """
    return require_file(path, "latent video (.linr)")


def require_video(path: Path) -> ImageSequence | None:
    """The images that are named, None where it is a file; known to be there before anything is loaded to read it.

    Raises:
        InputError: it is missing, empty, or may not be read.
    """
    from ..video.images import find_images

    images = find_images(path)
    if images is None:
        require_file(path, "video")
    return images


def limits_of(args: argparse.Namespace) -> Limits | None:
    """What the file may make its reader do: none with `--no-limits`, the usual ones without."""
    from ..latent_video.limits import Limits

    return Limits.none() if args.no_limits else None


def reference_prior(args: argparse.Namespace) -> Prior | None:
    """The prior that `--prior` names, loaded; None where it names none."""
    if args.prior is None:
        return None
    from ..priors.prior import load_prior

    return load_prior(args.prior)
