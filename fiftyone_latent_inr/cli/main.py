"""The command line, `latent-inr`: thin commands over the Python API.

    latent-inr encode video.mp4 video.linr --preset balanced
    latent-inr compare video.mp4 video.linr
    latent-inr decode video.linr twice.mp4 --scale 2
    latent-inr search my-dataset "a red circle"

Exit status 0, or 2 with one line on stderr for bad input, or 130 when interrupted. Each command imports
what it needs when it runs, so that `latent-inr --help` loads neither torch nor FiftyOne.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from ..errors import LatentINRError
from ..files import reason
from ..text import log_line
from ..version import __version__
from . import compare, decode, demo, encode, info, install_plugin, pretrain, refine, search
from .output import PROG, drop_stdout, open_streams, say


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{PROG}: error: {log_line(message)} (see `{self.prog} --help`)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: arguments without the program's name; None takes them from the process.

    Returns:
        The exit status: 0, 2 for bad input, 130 when interrupted.
    """
    open_streams()
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
    except LatentINRError as error:
        return _fail(str(error))
    except BrokenPipeError:
        drop_stdout()  # the reader went away (`latent-inr info x.linr | head -1`)
        return 0
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        name = f"{error.filename}: " if error.filename else ""
        return _fail(f"{name}{reason(error)}")
    except KeyboardInterrupt:
        print(file=sys.stderr)
        say("interrupted; nothing half-written was left behind")
        return 130
    return _finish()


def _finish() -> int:
    """Writes out what stdout holds."""
    try:
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        drop_stdout()
        return 0
    except OSError as error:
        drop_stdout()
        return _fail(f"standard output: {reason(error)}")


def _fail(message: str) -> int:
    say(f"error: {message}")
    return 2


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of all commands."""
    parser = _Parser(prog=PROG, description="Videos as latents and hypernetworks: store them small, find them by text.")
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for command in (encode, refine, decode, info, compare, pretrain, search, demo, install_plugin):
        command.add(commands)
    return parser
