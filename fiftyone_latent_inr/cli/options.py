"""Options that commands share, and the reference prior that one of them names."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..priors.prior import Prior

# Presets of `fitting`, whose import would load torch; `tests/cli/test_options.py` holds the two together.
PRESETS = ("fast", "balanced", "best", "paper")


def add_device(p: argparse.ArgumentParser) -> None:
    """Adds `--device`."""
    p.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps (default: cuda where there is one, else cpu)")


def add_quiet(p: argparse.ArgumentParser) -> None:
    """Adds `--quiet`."""
    p.add_argument("--quiet", action="store_true", help="no progress bar")


def add_json(p: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    p.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def add_teacher(p: argparse.ArgumentParser) -> None:
    """Adds `--teacher`."""
    p.add_argument("--teacher", metavar="NAME", help="small, ARCH/PRETRAINED of OpenCLIP, or a directory")


def add_reference_prior(p: argparse.ArgumentParser) -> None:
    """Adds `--prior` of commands that read a stored video."""
    p.add_argument("--prior", metavar="REPO_OR_DIR", help="reference prior of a video that is stored as a residual")


def reference_prior(args: argparse.Namespace) -> Prior | None:
    """The prior that `--prior` names, loaded; None where it names none."""
    if args.prior is None:
        return None
    from ..priors.prior import load_prior

    return load_prior(args.prior)
