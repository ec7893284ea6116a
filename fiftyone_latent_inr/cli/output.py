"""What commands write: results to stdout, as lines or JSON; notes and the bar to stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any

PROG = "latent-inr"


def say(message: str) -> None:
    """Prints a note to stderr, under the program's name."""
    print(f"{PROG}: {message}", file=sys.stderr)


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
    """Prints facts, a line each or as one JSON object."""
    if as_json:
        print(json.dumps(_plain(facts), indent=2, ensure_ascii=False, allow_nan=False))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            text = ", ".join(f"{key}={_short(item)}" for key, item in value.items())
        else:
            text = "-" if value is None else _short(value)
        print(f"{name:>15}  {text}")


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
