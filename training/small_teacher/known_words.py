"""The words that the small teacher learned from, for the file that says so: those of its captions, and no others.

python -m training.small_teacher.known_words hub_models/small-teacher
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fiftyone_latent_inr.semantics.known_words import FILE, words_of
from fiftyone_latent_inr.small_world.world import COLOURS, SHAPES

from .batches import COLOUR_WORDS, SHAPE_WORDS, describe, scenes

# As many as `train.Words` takes its tokens from: each word comes dozens of times.
CAPTIONS = 30_000


def known_words(seed: int = 0, count: int = CAPTIONS) -> dict[str, Any]:
    """What the file holds: words that name a colour or a shape, and the others, which say nothing of a frame."""
    rng = np.random.default_rng(seed)
    met = {word for pairs, background in scenes(rng, count) for word in words_of(describe(rng, pairs, background).text)}
    said = [
        *COLOURS,
        *SHAPES,
        *(each for names in (COLOUR_WORDS, SHAPE_WORDS) for one in names.values() for each in one),
    ]
    # "plus sign" is a cross, and "sign" alone is none
    names = {words_of(name)[0] for name in said}
    return {
        "name": "small",
        "about": "plain coloured shapes",
        "names": sorted(names & met),
        "others": sorted(met - names),
    }


def write(folder: Path) -> None:
    """Writes the file into a teacher's folder."""
    (folder / FILE).write_text(json.dumps(known_words(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
