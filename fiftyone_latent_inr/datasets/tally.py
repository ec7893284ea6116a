"""What there is to do of a sample, what was made of it, and how many ended how."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from .samples import Target
from .words import log_line


@dataclass(frozen=True)
class Failure:
    """A sample that could not be done, and why."""

    sample_id: str
    filepath: str
    reason: str

    def __str__(self) -> str:
        return log_line(f"{self.filepath} (sample {self.sample_id}): {self.reason}")


@dataclass
class Tally:
    """Ids by outcome, filled while the job runs; `adopted` are those whose finished file was on disk already."""

    made: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)  # in the hands of another run
    seconds: float = 0.0
    files: list[tuple[Target, str]] = field(default_factory=list)  # of the made and the adopted

    def lost(self) -> list[tuple[Target, str]]:
        """Those whose files are gone again."""
        return [(target, path) for target, path in self.files if not os.path.lexists(path)]

    def turn_to_failed(self, target: Target, reason: str) -> None:
        """Counts one that was made as failed."""
        self.made = [sample for sample in self.made if sample != target.sample_id]
        self.adopted = [sample for sample in self.adopted if sample != target.sample_id]
        self.failed.append(Failure(target.sample_id, target.filepath, reason))


@dataclass(frozen=True)
class Item:
    """One sample that is to be done."""

    target: Target


@dataclass(frozen=True)
class Result:
    """What was made of one sample.

    Attributes:
        path: path of its file.
        adopted: whether that was on disk already.
        facts: entries for the record besides.
        score: quality in words, for people; may be empty.
        content: what else is needed to write it into the sample.
    """

    path: str
    adopted: bool
    facts: dict[str, Any] = field(default_factory=dict)
    score: str = ""
    content: Any = None
