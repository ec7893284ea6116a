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
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import LatentINRError
from ..version import __version__
from . import types as arg
from .encode import add_encode
from .pretrain import add_pretrain
from .types import PROG

if TYPE_CHECKING:
    from ..priors.prior import Prior


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{PROG}: error: {message} (see `{self.prog} --help`)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the arguments without the program's name; None takes them from the process.

    Returns:
        the exit status: 0, 2 for bad input, 130 when interrupted.
    """
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
        sys.stdout.flush()
        return 0
    except LatentINRError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # The reader went away (`latent-inr info x.linr | head -1`); Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        name = f"{error.filename}: " if error.filename else ""
        return _fail(f"{name}{error.strerror or error}")
    except KeyboardInterrupt:
        print(
            f"\n{PROG}: interrupted; nothing half-written was left behind",
            file=sys.stderr,
        )
        return 130


def _fail(message: str) -> int:
    print(f"{PROG}: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of all commands."""
    parser = _Parser(prog=PROG, description="Videos as latents and hypernetworks: store them small, find them by text.")
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for add in (
        add_encode,
        _add_decode,
        _add_info,
        _add_compare,
        add_pretrain,
        _add_search,
        _add_demo,
        _add_install_plugin,
    ):
        add(commands)
    return parser


# --- decode


def _add_decode(commands: Any) -> None:
    p = commands.add_parser("decode", help="draw a stored video", description="Draw a stored video as H.264.")
    p.add_argument("input", type=Path, metavar="IN.linr")
    p.add_argument("output", type=Path, metavar="OUT.mp4")
    p.add_argument(
        "--scale",
        type=arg.positive,
        default=1.0,
        metavar="S",
        help="scale of both sides, e.g. 2 or 1.5",
    )
    p.add_argument(
        "--fps-factor",
        type=arg.positive,
        default=1.0,
        metavar="F",
        help="2 draws twice the frames a second",
    )
    p.add_argument(
        "--frames",
        type=arg.span,
        default=(None, None),
        metavar="A:B",
        help="frames A to B-1",
    )
    _add_prior(p)
    p.add_argument("--motion", action="store_true", help="follow motion for the frames in between; slower")
    p.add_argument("--audio", type=Path, metavar="FILE", help="take the sound of this file along, e.g. the original's")
    p.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps (default: the best there is)")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.set_defaults(run=_decode)


def _decode(args: argparse.Namespace) -> None:
    for source in filter(None, (args.input, args.audio)):
        arg.check_output(args.output, source)
    from ..latent_video.video import load
    from ..rendering.timeline import frame_times, scaled_size
    from ..video.decode import write

    video = load(args.input, _prior(args))
    times = frame_times(video.num_frames, args.frames, args.fps_factor)
    size = scaled_size(video.size, args.scale)
    fps = video.fps * args.fps_factor
    frames = _bar(video.iter_render(times, size, args.device, args.motion), len(times), "decode", args.quiet)
    # A part of the video gets its part of the sound
    for note in write(args.output, frames, fps, audio=args.audio, audio_start=float(times[0]) / video.fps):
        print(f"{PROG}: {args.audio}: {note}", file=sys.stderr)
    print(f"{args.output}: {len(times)} frames of {size[1]}x{size[0]} at {fps:g} fps")


def _add_prior(p: argparse.ArgumentParser) -> None:
    p.add_argument("--prior", metavar="REPO_OR_DIR", help="that the video is stored as the difference from")


def _prior(args: argparse.Namespace) -> Prior | None:
    if args.prior is None:
        return None
    from ..priors.prior import load_prior

    return load_prior(args.prior)


# --- info, compare


def _add_info(commands: Any) -> None:
    p = commands.add_parser("info", help="what a stored video holds", description="Say what a stored video holds.")
    p.add_argument("input", type=Path, metavar="IN.linr")
    p.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    p.set_defaults(run=_info)


def _info(args: argparse.Namespace) -> None:
    from ..latent_video.video import load

    video = load(args.input)
    height, width = video.size
    facts: dict[str, Any] = {
        "file": str(args.input),
        "bytes": args.input.stat().st_size,
        "num_frames": video.num_frames,
        "num_groups": video.num_groups,
        "fps": video.fps,
        "height": height,
        "width": width,
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
    _report(facts, args.json)


def _add_compare(commands: Any) -> None:
    p = commands.add_parser(
        "compare",
        help="measure a stored video against its original",
        description="Measure a stored video against its original: bytes of the file, frames it decodes to.",
    )
    p.add_argument("original", type=Path, metavar="ORIGINAL", help="the video that was encoded")
    p.add_argument("input", type=Path, metavar="IN.linr")
    p.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    _add_prior(p)
    p.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps (default: the best there is)")
    p.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> None:
    from ..encoding.measure import compare

    measured = compare(args.original, args.input, device=args.device, prior=_prior(args))
    _report({"original": str(args.original), "file": str(args.input), **measured}, args.json)


# --- search, demo, install-plugin


def _add_search(commands: Any) -> None:
    p = commands.add_parser(
        "search", help="find videos of a fitted dataset by text", description="Find videos by text."
    )
    p.add_argument("dataset", metavar="DATASET", help="name of a FiftyOne dataset that was fitted with a teacher")
    p.add_argument("text", metavar='"text"')
    p.add_argument("-k", type=arg.count, default=5, metavar="K", help="how many to list (default: 5)")
    p.set_defaults(run=_search)


def _search(args: argparse.Namespace) -> None:
    _quiet_fiftyone()
    from ..datasets.search.search import search

    for rank, hit in enumerate(search(args.dataset, args.text, k=args.k), 1):
        print(f"{rank:3d}  {hit.similarity:6.3f}  {hit.filepath}")


def _add_demo(commands: Any) -> None:
    p = commands.add_parser("demo", help="fit, search and picture the bundled clips (minutes)", description=DEMO)
    p.add_argument("--output", type=Path, default=Path("demo_output"), metavar="DIR", help="default: demo_output")
    p.add_argument("--app", action="store_true", help="then open the App on the dataset and wait")
    p.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps (default: the best there is)")
    p.set_defaults(run=_demo)


DEMO = "Build the dataset `latent-inr-demo` of small clips, fit it, search it by text, draw a picture."


def _demo(args: argparse.Namespace) -> None:
    from ..demo.run import run

    run(args.output, app=args.app, device=args.device)


def _add_install_plugin(commands: Any) -> None:
    p = commands.add_parser(
        "install-plugin",
        help="show this package's operators in the App",
        description="Write a stub into FiftyOne's plugins directory that imports this package's operators, and copy "
        "this package's models into FiftyOne's model zoo.",
    )
    p.add_argument("--plugins-dir", type=Path, metavar="DIR", help="default: FiftyOne's own setting")
    p.set_defaults(run=_install_plugin)


def _install_plugin(args: argparse.Namespace) -> None:
    _quiet_fiftyone()
    from ..datasets.app.install import install_plugin
    from ..datasets.search.zoo_source import register_zoo_source

    done = install_plugin(args.plugins_dir)
    zoo = register_zoo_source()
    print(f"plugin {done.action}: {done.folder} (version {__version__}); restart a running App to see it")
    print(f"zoo models latent-inr/...: {zoo}")


# --- output


def _quiet_fiftyone() -> None:
    """FiftyOne logs its notices to stdout, where the results go; whoever wants them sets the variable."""
    os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "ERROR")


def _bar(items: Any, total: int, what: str, quiet: bool) -> Any:
    from tqdm import tqdm

    return tqdm(items, total=total, desc=what, unit="frame", disable=quiet or None, file=sys.stderr)


def _report(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(_plain(facts), indent=2, ensure_ascii=False, allow_nan=False))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key}={_short(item)}" for key, item in value.items())
        print(f"{name:>15}  {'-' if value is None else _short(value)}")


def _short(value: Any) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """Strict JSON: numpy scalars become numbers, and what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        return _plain(value.item() if getattr(value, "ndim", 0) == 0 else value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


if __name__ == "__main__":
    sys.exit(main())
