"""What is to be drawn of a stored video: its size, rate and sound; the names of field and file that follow."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import arguments
from ...errors import InputError
from ...files import MAX_NAME, digest_of, shortened
from ...rendering.timeline import num_drawn, play_times, scaled_size
from ...video.writer import DEFAULT_CRF

MAX_SCALE, MAX_FACTOR = 16, 64

# Part of every file's name; raised when the same settings draw other pictures, so that old videos are drawn again.
_RECIPE = 1

# How the fields of all drawings end, see `Drawing.suffix`; and how the names of their files do.
SUFFIX = re.compile(r"recon|x\d+(_\d+)?(_fps\d+(_\d+)?)?|fps\d+(_\d+)?")
FILE_NAME = rf"-({SUFFIX.pattern})-[0-9a-f]{{10}}\.mp4"


@dataclass(frozen=True)
class Drawing:
    """One way to draw a stored video as an H.264 file.

    Attributes:
        scale: factor of both sides, relative to the size that was fitted.
        factor: drawn frames for each fitted one; the rate grows with it, the duration stays.
        motion: whether to follow motion between the frames that were fitted.
        crf: quality of H.264, 0 (best) to 51.
        audio: whether to take the original's sound along.
    """

    scale: float = 1.0
    factor: float = 1.0
    motion: bool = False
    crf: float = DEFAULT_CRF
    audio: bool = True

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            InputError: one is no number, out of range, or so near 1 that the field's name could not tell.
        """
        for name, low, high in (("scale", 1 / MAX_SCALE, MAX_SCALE), ("factor", 1, MAX_FACTOR), ("crf", 0, 51)):
            # 2 and 2.0 are the same drawing
            value = arguments.number(name, getattr(self, name), low, high)
            if name != "crf" and value != 1 and _plain(value) == "1":  # a field called x1 is no name for another size
                raise InputError(
                    f"{name}={value!r} is too near 1 for a field of its own; take 1, or a number further from it"
                )
            object.__setattr__(self, name, value)
        for name in ("motion", "audio"):
            object.__setattr__(self, name, arguments.flag(name, getattr(self, name)))

    @property
    def suffix(self) -> str:
        """`recon`, `x2`, `x1_37`, `fps2`, `x2_fps2`: how field and file are called after the embeddings field."""
        parts = [f"{mark}{_plain(value)}" for mark, value in (("x", self.scale), ("fps", self.factor)) if value != 1]
        return "_".join(parts) or "recon"

    def field(self, embeddings_field: str) -> str:
        """The media field, `latent_inr_x2`."""
        return f"{embeddings_field}_{self.suffix}"

    def file_name(self, stored: str, content: str, sound: bool) -> str:
        """Names the video after the file that it is drawn from.

        Args:
            stored: path of the `.linr` file.
            content: fingerprint of that file, so that a video that was fitted again is drawn again.
            sound: whether there is sound to take along.
        """
        digest = digest_of({**asdict(self), "audio": sound, "content": content, "recipe": _RECIPE})
        end = f"-{self.suffix}-{digest}.mp4"
        return shortened(Path(stored).stem[:160], MAX_NAME - len(end)) + end

    def size(self, fitted: tuple[int, int]) -> tuple[int, int]:
        """(H, W) to draw; odd sides are padded to even ones when they are written."""
        return scaled_size(fitted, self.scale)

    def num_drawn(self, num_frames: int) -> int:
        """How many instants `times` gives."""
        return num_drawn(num_frames, self.factor)

    def times(self, num_frames: int) -> tuple[npt.NDArray[np.float64], int]:
        """The instants to draw, and for how many more frames the last one holds."""
        return play_times(num_frames, self.factor)

    def record(self) -> dict[str, Any]:
        """The settings, JSON-able."""
        return asdict(self)


def _plain(value: float) -> str:
    """`2`, `1_37`: a number as a field's name can hold it."""
    return f"{value:.4f}".rstrip("0").rstrip(".").replace(".", "_")
