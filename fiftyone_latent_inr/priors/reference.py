"""The reference to a prior in a file's header, and the prior that it means on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import BitstreamError, InputError

if TYPE_CHECKING:
    from .prior import Prior

# What comes along with a package, or `OWNER/NAME` of the Hub: no path.
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True)
class PriorReference:
    """The prior that a file's field is stored as the residual against.

    Attributes:
        id: `Prior.id`, digits of its configuration and weights.
        name: a bundled prior or a repository of the Hub; None for one that was a folder somewhere.
        revision: commit of the repository, or None.
    """

    id: str
    name: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        name = self.name or "a prior that was never published"
        return f"{name}{f' at revision {self.revision}' if self.revision else ''} ({self.id})"

    @classmethod
    def of(cls, prior: Prior) -> PriorReference:
        """The reference to a prior; the path of a folder says nothing elsewhere and is left out."""
        known = prior.revision is not None or prior.is_bundled
        return cls(prior.id, prior.name if known else None, prior.revision)

    @classmethod
    def from_json(cls, data: Any) -> PriorReference | None:
        """From a header, which may be a stranger's.

        Raises:
            BitstreamError: it cannot be one.
        """
        if data is None:
            return None
        if not isinstance(data, dict) or set(data) != {"id", "name", "revision"}:
            raise BitstreamError("its header's prior is malformed")
        texts = [data["id"], *(text for text in (data["name"], data["revision"]) if text is not None)]
        if not all(isinstance(text, str) and 0 < len(text) <= 200 and text.isprintable() for text in texts):
            raise BitstreamError("its header's prior is malformed")
        if data["name"] is not None and not _NAME.fullmatch(data["name"]):
            raise BitstreamError(
                f"its header's prior is {data['name']!r}, neither one that is bundled nor OWNER/NAME of the Hub"
            )
        return cls(data["id"], data["name"], data["revision"])

    def find(self) -> Prior:
        """The prior, bundled or from the Hub's cache: a stranger's file reads no other folder, and downloads nothing.

        Raises:
            InputError: it is not there, or another one has its name; says how to get it.
        """
        from .prior import load_named_prior

        if self.name is None:
            raise InputError(f"it is stored as the difference from {self}: give it, load(path, prior=...)")
        try:
            found = load_named_prior(self.name, self.revision)
        except InputError as error:
            at = f", revision={self.revision!r}" if self.revision else ""
            raise InputError(
                f"it is stored as the difference from the prior {self}, which is not on this machine; if you trust it, "
                f"get it with Prior.from_pretrained({self.name!r}{at})"
            ) from error
        if found.id != self.id:
            raise InputError(f"it is stored as the difference from {self}, and {found.name} is {found.id} here")
        return found
