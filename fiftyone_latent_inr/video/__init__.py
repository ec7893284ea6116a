"""Video files in, upright RGB frames out, and back: the only package that imports PyAV."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .decode import iter_frames, probe, read
    from .writer import write

# name -> module; loaded when first asked for, since the frames of an array need no PyAV
_NAMES = {"iter_frames": "decode", "probe": "decode", "read": "decode", "write": "writer"}

__all__ = ["iter_frames", "probe", "read", "write"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_NAMES[name]}", __name__), name)
