"""Versions of the format, and what changed with each.

    2   what `tests/golden/version2.linr` is of
    3   an index entry names the group that its numbers are residuals against; blocks of zeros in grids, channels with
        weights of their own coded together, and symbols in the order of their tables; longer videos

A coder is of a version, so that a traversal written once reads files of both.
"""

from __future__ import annotations

OLDEST = 2
VERSION = 3
