"""The demo's clips: twelve generated ones that the small teacher never saw, and three real ones."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..resources import bundled_clips
from ..small_world.clips import write_clips

NUM_GENERATED = 12
SIZE = (72, 96)
NUM_FRAMES = 12
SEED = 0
_REAL_CAPTIONS = {
    "bunny": "a gray cartoon rabbit comes out of its burrow in a meadow",
    "toy_elf": "a green and black toy elf on a wooden table",
    "toy_rabbit": "a white toy rabbit on a wooden table",
}


@dataclass(frozen=True)
class Clip:
    """One clip of the demo: its file, what it shows, and whether it is `generated` or `real`."""

    path: Path
    caption: str
    kind: str


def prepare_clips(folder: Path) -> list[Clip]:
    """Writes the clips that are not there yet.

    Args:
        folder: folder to write them into.

    Returns:
        The generated clips, then the real ones.
    """
    generated, real = folder / "generated", folder / "real"
    clips = [Clip(generated / entry["file"], entry["caption"], "generated") for entry in _generate(generated)]
    real.mkdir(parents=True, exist_ok=True)
    for source in bundled_clips():
        target = real / source.name
        if not target.exists() or target.stat().st_size != source.stat().st_size:
            shutil.copyfile(source, target)
        clips.append(Clip(target, _REAL_CAPTIONS[source.stem], "real"))
    return clips


def _generate(folder: Path) -> list[dict[str, str]]:
    """The manifest's entries; the files are drawn only if one is missing or the recipe has changed."""
    recipe = {"n": NUM_GENERATED, "seed": SEED, "size": list(SIZE), "num_frames": NUM_FRAMES}
    note = folder / "recipe.json"
    # what cannot be read is not what was written here
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        if json.loads(note.read_text(encoding="utf-8")) == recipe:
            found: list[dict[str, str]] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["clips"]
            if all((folder / entry["file"]).exists() for entry in found):
                return found
    shutil.rmtree(folder, ignore_errors=True)
    entries = write_clips(folder, NUM_GENERATED, SEED, size=SIZE, num_frames=NUM_FRAMES, held_out=True)
    note.write_text(json.dumps(recipe), encoding="utf-8")
    return entries
