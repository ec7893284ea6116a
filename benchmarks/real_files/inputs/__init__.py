"""Odd files by name: each stands for a kind that people have, and is small, the same each time, and made in a moment.

`make(name, folder)` makes one, `INPUTS` names them all. PyAV makes them; the few that only the program `ffmpeg` can
write raise `NoFFmpeg` where it is missing. Those with a flash and a tone have both in one instant.
"""

from __future__ import annotations

from . import clocks, pictures, sounds  # noqa: F401 - each registers its makers
from .registry import FLASH_AND_TONE, INPUTS, PLAIN, REFUSED, Input, NoFFmpeg, make

__all__ = ["FLASH_AND_TONE", "INPUTS", "PLAIN", "REFUSED", "Input", "NoFFmpeg", "make"]
