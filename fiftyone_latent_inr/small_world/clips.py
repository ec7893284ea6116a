"""Clips of the small world: what they are called, and files of them with a manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .drawing import render
from .world import ShapeClip, is_held_out, random_specs


def captions(spec: ShapeClip) -> list[str]:
    """Every phrasing of a clip, the plainest full one first; the last ones leave something out."""
    background = f"{_article(spec.background)} background"
    named = [f"{_article(shape.colour)} {shape.kind}" for shape in spec.shapes]
    moving = [
        name + (f" moving {shape.motion}" if shape.motion != "still" else "")
        for name, shape in zip(named, spec.shapes, strict=True)
    ]
    full, plain = " and ".join(moving), " and ".join(named)
    texts = [f"{full} on {background}", f"{plain} on {background}"]
    if len(spec.shapes) == 2:
        texts.append(f"{' and '.join(reversed(named))} on {background}")
    texts += [f"a video of {plain} on {background}", f"{plain} in front of {background}", full, plain]
    if len(spec.shapes) == 1:
        texts.append(f"{spec.shapes[0].colour} {spec.shapes[0].kind}")
    return list(dict.fromkeys(texts))


def write_clips(
    directory: str | Path,
    n: int,
    seed: int = 0,
    *,
    size: tuple[int, int] = (96, 128),
    num_frames: int = 16,
    fps: float = 8.0,
    held_out: bool | None = None,
    two_shapes: float = 0.0,
) -> list[dict[str, Any]]:
    """Write `n` random clips as H.264 videos, and `manifest.json` beside them.

    Args:
        directory: folder to write into; made if missing.
        n: number of clips.
        seed: number that decides which, see `random_specs`.
        size: (H, W) in pixels.
        num_frames: length of each clip.
        fps: frames a second.
        held_out: combinations to draw, see `random_specs`.
        two_shapes: fraction of clips with two shapes.

    Returns:
        One entry a clip, as in the manifest: `file` (name in the directory), `caption`, `captions`, `shapes`
        (kind, colour and motion of each), `background`, `held_out`.
    """
    from ..video.writer import write

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    specs = random_specs(n, seed, held_out=held_out, two_shapes=two_shapes, aspect=size[1] / size[0])
    for index, spec in enumerate(specs):
        texts = captions(spec)
        words = [word for word in texts[0].split() if word not in ("a", "an", "background")]
        name = f"{index:03d}_{'_'.join(words)}.mp4"
        write(directory / name, render(spec, num_frames, size), fps, crf=18)
        entries.append(
            {
                "file": name,
                "caption": texts[0],
                "captions": texts,
                "shapes": [{"kind": s.kind, "colour": s.colour, "motion": s.motion} for s in spec.shapes],
                "background": spec.background,
                "held_out": all(is_held_out(*each) for each in spec.combinations),
            }
        )
    (directory / "manifest.json").write_text(json.dumps({"seed": seed, "clips": entries}, indent=1), encoding="utf-8")
    return entries


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
