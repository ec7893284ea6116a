"""The command `latent-inr install-plugin`: this package's operators into the App, its models into the zoo."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..version import __version__
from .output import quiet_fiftyone, show


def add(commands: Any) -> None:
    """Adds the command."""
    p = commands.add_parser(
        "install-plugin",
        help="show this package's operators in the App",
        description="Write a stub into FiftyOne's plugins directory that imports this package's operators, and copy "
        "this package's models into FiftyOne's model zoo.",
    )
    p.add_argument("--plugins-dir", type=Path, metavar="DIR", help="default: FiftyOne's own setting")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    quiet_fiftyone()
    from ..datasets.app.install import install_plugin
    from ..datasets.search.zoo_source import register_zoo_source

    done = install_plugin(args.plugins_dir)
    hint = "" if done.action == "unchanged" else "; restart a running App to see it"
    zoo = register_zoo_source()
    show(f"plugin {done.action}: {done.folder} (version {__version__}){hint}")
    show(f"zoo models latent-inr/...: {zoo}")
