"""What commands write: results to stdout, as lines or JSON; notes and the bar to stderr; to any terminal, or none."""

from __future__ import annotations

import json
import math
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..text import json_text, log_line, one_line

if TYPE_CHECKING:
    from ..progress import FitProgress

PROG = "latent-inr"


def open_streams() -> None:
    """Makes stdout and stderr take any text, whatever the terminal's encoding, and makes up for closed ones.

    A name may hold bytes that are no text, and a terminal may know few characters: both are escaped.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # closed (`>&-`): the next file that is opened would take its number
            if os.open(os.devnull, os.O_RDWR) < number:  # standard input was closed as well
                os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def drop_stdout() -> None:
    """Throws away what stdout still holds and cannot take, of which Python would complain again at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(message: str) -> None:
    """Prints a note to stderr, under the program's name, on one line."""
    with suppress(OSError):  # stderr may be full or gone, too
        print(f"{PROG}: {one_line(message)}", file=sys.stderr)


def remarks(event: FitProgress) -> None:
    """Says what is odd about the video, or about what was asked for, without a bar."""
    if event.message and event.step:
        say(event.message)


def show(line: str) -> None:
    """Prints a line of the result to stdout."""
    print(one_line(line))


def quiet_fiftyone() -> None:
    """FiftyOne logs its notices to stdout, where the results go; whoever wants them sets the variable."""
    os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "ERROR")


def bar(items: Any, total: int, what: str, quiet: bool) -> Any:
    """The items, one frame each, with a bar as they are taken."""
    from tqdm import tqdm

    return tqdm(items, total=total, desc=what, unit="frame", disable=quiet or None, file=sys.stderr)


def figures(metrics: Any) -> str:
    """Metrics in words."""
    parts = [("psnr", "{:.2f} dB"), ("ms_ssim", "MS-SSIM {:.4f}"), ("bpp", "{:.3f} bpp")]
    return ", ".join(form.format(metrics[name]) for name, form in parts if metrics.get(name) is not None)


def report(facts: dict[str, Any], as_json: bool) -> None:
    """Prints facts, a line of bounded length each or, whole, as one JSON object."""
    if as_json:
        show_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
            for line in value:
                show(f"{name:>15}  {log_line(line)}")
            continue
        if isinstance(value, dict):
            text = ", ".join(f"{key}={_short(item)}" for key, item in value.items())
        else:
            text = "-" if value is None else _short(value)
        show(f"{name:>15}  {log_line(text)}")


def show_json(facts: Any) -> None:
    """Prints JSON to stdout."""
    print(_json(_plain(facts)))


def _json(facts: Any) -> str:
    """JSON, escaped in its own way where stdout cannot take a character."""
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8", errors="surrogatepass")
    except UnicodeEncodeError:
        text = json.dumps(facts, indent=2, allow_nan=False)
    return json_text(text)


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
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
