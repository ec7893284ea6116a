"""Files that are as they were when they were last examined: known by what their file system says, without reading them.

Thousands of videos are examined in a second so, however large they are. Every write changes the time of a file's status
(`ctime`), which no program can set; a file that was exchanged or moved is another one. Where that may not hold, files
are read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from typing import Any

from .run_store import Outcomes
from .runs import outcome
from .samples import Target

# Seconds that a file must have rested where times are whole seconds: within them it may change unseen
_COARSE = 10.0


class Looks:
    """Looks at files, and what earlier runs have noted of theirs.

    Args:
        outcomes: what became of samples in earlier runs, by id.
        digest: digest of the settings that decide the result.
    """

    def __init__(self, outcomes: Outcomes, digest: str) -> None:
        self._outcomes, self._digest = outcomes, digest
        self._sources: dict[str, str | None] = {}

    def is_known(self, sample_id: str, sources: tuple[str, ...], output: str | None) -> bool:
        """Looks at a sample's files: whether an earlier run has found `output` right, and nothing has changed since.

        Args:
            sample_id: id of the sample.
            sources: what the output is made of.
            output: the file that the sample has, or None where all is to be examined.
        """
        self._sources[sample_id] = look(*sources)
        found = self._outcomes.get(sample_id, {})
        same = output is not None and (found.get("path"), found.get("settings")) == (output, self._digest)
        return same and "seen" in found and found["seen"] == self.seen(sample_id, sources, output)

    def seen(self, sample_id: str, sources: tuple[str, ...], output: str | None) -> str | None:
        """What is to be noted of files that are examined now; None if sources have changed since `is_known`."""
        before, there = self._sources.get(sample_id), None if output is None else look(output)
        return f"{before}{there}" if before and there and before == look(*sources) else None

    def found(self, target: Target, verb: str, sources: tuple[str, ...], output: str | None) -> dict[str, Any] | None:
        """The outcome to be recorded of a sample that was examined and is up to date; None where it is on record.

        It is not where the record was lost, the files were only touched, or the output came with the sample.
        """
        known, seen = self._outcomes.get(target.sample_id, {}), self.seen(target.sample_id, sources, output)
        if known.get("status") not in (verb, "adopted") or known.get("settings") != self._digest:
            return outcome("adopted", target.filepath, self._digest, path=output, seen=seen)
        return {**known, "seen": seen} if seen and output == known.get("path") else None


def look(*paths: str) -> str | None:
    """A text that is another one when any of the files is written to or exchanged; None where there is no telling."""
    if os.name != "posix" or not paths:
        return None
    found = []
    for path in paths:
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            return None
        coarse = status.st_ctime_ns % 10**9 == 0 and time.time() - status.st_ctime < _COARSE
        if coarse or not stat.S_ISREG(status.st_mode):
            return None
        found.append((status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    return hashlib.blake2b(repr(found).encode(), digest_size=8).hexdigest()
