"""Options that commands share, and the reference prior that one of them names."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..priors.prior import Prior

# Presets of `fitting`, whose import would load torch; `tests/cli/test_options.py` holds the two together.
PRESETS = ("fast", "balanced", "best", "paper")
_SHARED: dict[str, dict[str, Any]] = {
    "--device": {
        "metavar": "D",
        "help": "cpu, cuda, cuda:1; mps to draw on (default: cuda if there is one, else cpu)",
    },
    "--json": {"action": "store_true", "help": "one JSON object instead of lines"},
    "--prior": {"metavar": "REPO_OR_DIR", "help": "reference prior of a video that is stored as a residual"},
    "--quiet": {"action": "store_true", "help": "no progress bar"},
    "--teacher": {"metavar": "NAME", "help": "small, ARCH/PRETRAINED of OpenCLIP, or a directory"},
}


def add_shared(parser: argparse.ArgumentParser, *names: str) -> None:
    """Adds options that several commands have, in this order."""
    for name in names:
        parser.add_argument(name, **_SHARED[name])


def reference_prior(args: argparse.Namespace) -> Prior | None:
    """The prior that `--prior` names, loaded; None where it names none."""
    if args.prior is None:
        return None
    from ..priors.prior import load_prior

    return load_prior(args.prior)
