"""Training batches of the small world: frames drawn straight at the model's input size, and their captions.

Harsher than `small_world.drawing.render` on purpose (more sizes, shapes cut by the frame, coarse sources, JPEG,
colour casts): the teacher must hold up on clips drawn by other code. No held-out combination appears, not even in a
negative caption.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fiftyone_latent_inr.small_world.geometry import gaussian_blur, signed_distance
from fiftyone_latent_inr.small_world.world import (
    COLOURS,
    SHAPES,
    combinations,
    contrasting,
    random_rotation,
    sample_colour,
)

COLOUR_NAMES = tuple(COLOURS)
COLOUR_INDEX = {name: index for index, name in enumerate(COLOUR_NAMES)}
SHAPE_INDEX = {name: index for index, name in enumerate(SHAPES)}
ALLOWED = combinations(held_out=False)
ALLOWED_SET = frozenset(ALLOWED)
BY_BACKGROUND = {b: [(c, s) for c, s, each in ALLOWED if each == b] for b in COLOUR_NAMES}

COLOUR_WORDS = {
    "gray": ("gray", "grey"),
    "purple": ("purple", "purple", "violet"),
    "cyan": ("cyan", "cyan", "turquoise"),
}
SHAPE_WORDS = {
    "circle": ("circle", "circle", "circle", "disc", "disk", "dot"),
    "cross": ("cross", "cross", "cross", "plus", "plus sign"),
    "ring": ("ring", "ring", "ring", "donut", "annulus"),
    "diamond": ("diamond", "diamond", "rhombus"),
}
ADJECTIVES = ("small", "big", "large", "tiny", "bright", "dark", "light", "plain", "solid")
PREFIXES = (
    "a video of",
    "a clip of",
    "a photo of",
    "an image of",
    "a picture of",
    "there is",
    "a short video showing",
)
STILL = (
    "standing still",
    "that does not move",
    "staying still",
    "not moving",
    "static",
    "still",
    "in the middle",
)
MOVING = ("moving", "moving", "moving", "going", "that moves", "which is moving", "sliding", "moves")
WHERE = {
    "left": ("left", "left", "to the left", "leftwards"),
    "right": ("right", "right", "to the right", "rightwards"),
    "up": ("up", "up", "upwards", "upward"),
    "down": ("down", "down", "downwards", "downward"),
}
PATHS = ("from left to right", "from right to left", "from top to bottom", "from bottom to top")
BEHIND = ("on {}", "on {}", "on {}", "over {}", "in front of {}", "against {}", "with {}", "and {}")
UNKNOWN = (
    "thing",
    "scene",
    "animation",
    "cartoon",
    "shape",
    "object",
    "nice",
    "frame",
    "showing",
    "here",
    "simple",
)

Pair = tuple[str, str]  # (colour, shape)


@dataclass(frozen=True)
class Caption:
    """What a text asks for; None leaves a part open."""

    text: str
    pairs: tuple[tuple[str | None, str | None], ...]
    background: str | None


def draw_scene(rng: np.random.Generator) -> tuple[tuple[Pair, ...], str]:
    """One or two (colour, shape) pairs and a background, none of them held out."""
    background = COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]
    choices = BY_BACKGROUND[background]
    first = choices[rng.integers(len(choices))]
    if rng.random() < 0.25:
        second = choices[rng.integers(len(choices))]
        if second[0] != first[0] or second[1] != first[1]:
            return (first, second), background
    return (first,), background


def scenes(rng: np.random.Generator, n: int, plain: bool = False) -> list[tuple[tuple[Pair, ...], str]]:
    """`n` scenes, most of them in families that differ from one another in one part only (hard negatives).

    `plain`: one shape each and no families, which is what shapes are first learned from.
    """
    result: list[tuple[tuple[Pair, ...], str]] = []
    while len(result) < n:
        pairs, background = draw_scene(rng)
        if plain:
            result.append((pairs[:1], background))
            continue
        result.append((pairs, background))
        if rng.random() < 0.33:
            result += [s for s in (changed(rng, pairs, background) for _ in range(3)) if s is not None]
    return result[:n]


def changed(rng: np.random.Generator, pairs: tuple[Pair, ...], background: str) -> tuple[tuple[Pair, ...], str] | None:
    """The scene with one part changed: a colour, a shape, the background, or two shapes' colours swapped."""
    for _ in range(8):
        new, behind = [list(p) for p in pairs], background
        part = rng.choice(4, p=(0.15, 0.5, 0.15, 0.2))  # shapes are the hardest to tell
        which = rng.integers(len(new))
        if part == 0:
            new[which][0] = COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]
        elif part == 1:
            new[which][1] = SHAPES[rng.integers(len(SHAPES))]
        elif part == 2 or len(new) == 1:
            behind = COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]
        else:
            new[0][0], new[1][0] = new[1][0], new[0][0]
        done = tuple((c, s) for c, s in new)
        if (set(done), behind) != (set(pairs), background) and all((c, s, behind) in ALLOWED_SET for c, s in done):
            return done, behind
    return None


def describe(rng: np.random.Generator, pairs: tuple[Pair, ...], background: str, full: bool = False) -> Caption:
    """A random phrasing of a scene. Motion, size and filler words are random: a frame says nothing about them."""
    pick = partial(_pick, rng)
    chosen = list(pairs)
    if len(chosen) == 2 and rng.random() < 0.5:
        chosen.reverse()
    asked: list[tuple[str | None, str | None]] = []
    parts = []
    behind_named = full or rng.random() < 0.72
    if not full and len(chosen) == 2 and rng.random() < 0.1:
        chosen, behind_named = chosen[:1], False
    loose = not full and len(chosen) == 1 and rng.random() < 0.06
    for colour, kind in chosen:
        colour_word, kind_word = (
            pick(COLOUR_WORDS.get(colour, (colour,))),
            pick(SHAPE_WORDS.get(kind, (kind,))),
        )
        want: tuple[str | None, str | None] = (colour, kind)
        noun = f"{colour_word} {kind_word}"
        if loose:
            noun, want = (kind_word, (None, kind)) if rng.random() < 0.5 else (f"{colour_word} shape", (colour, None))
        if rng.random() < 0.1:
            noun = f"{pick(ADJECTIVES)} {noun}"
        chance = rng.random()
        article = "" if chance < 0.15 else "the " if chance < 0.25 else "an " if noun[0] in "aeiou" else "a "
        parts.append(article + noun + _motion(rng))
        asked.append(want)
    text = (" and " if rng.random() < 0.8 else ", ").join(parts)
    behind: str | None = None
    if behind_named:
        behind = background
        word = pick(COLOUR_WORDS.get(background, (background,)))
        if rng.random() < 0.1:
            word = f"{pick(ADJECTIVES)} {word}"
        noun = f"{'an' if word[0] in 'aeiou' else 'a'} {word} background" if rng.random() < 0.9 else word
        text = f"on {noun}, {text}" if rng.random() < 0.06 else f"{text} {pick(BEHIND).format(noun)}"
    if rng.random() < 0.2:
        text = f"{pick(PREFIXES)} {text}"
    if rng.random() < 0.08:
        text = f"{pick(UNKNOWN)} {text}" if rng.random() < 0.5 else f"{text} {pick(UNKNOWN)}"
    return Caption(text, tuple(asked), behind)


def _motion(rng: np.random.Generator) -> str:
    """What a caption says of a shape's motion, if anything."""
    pick, chance = partial(_pick, rng), rng.random()
    if chance < 0.45:
        return f" {pick(MOVING)} {pick(WHERE[pick(('left', 'right', 'up', 'down'))])}"
    if chance < 0.52:
        return f" {pick(STILL)}"
    return f" moving {pick(PATHS)}" if chance < 0.57 else ""


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]


def matches(captions: list[Caption], drawn: list[tuple[tuple[Pair, ...], str]]) -> NDArray[np.bool_]:
    """(captions, scenes): whether a scene satisfies a caption, so that it is no negative for it."""

    def table(items: list[tuple[tuple[tuple[str | None, str | None], ...], str | None]]) -> NDArray[np.int64]:
        rows = []
        for pairs, background in items:
            padded = (pairs * 2)[:2]
            row = [COLOUR_INDEX[background] if background else -1, len(pairs)]
            for colour, kind in padded:
                row += [COLOUR_INDEX[colour] if colour else -1, SHAPE_INDEX[kind] if kind else -1]
            rows.append(row)
        return np.asarray(rows)

    want = table([(c.pairs, c.background) for c in captions])[:, None]
    have = table([(pairs, background) for pairs, background in drawn])[None]

    def pair(i: int) -> NDArray[np.bool_]:
        def one(j: int) -> NDArray[np.bool_]:
            colour, kind = want[..., 2 + 2 * i], want[..., 3 + 2 * i]
            return ((colour < 0) | (colour == have[..., 2 + 2 * j])) & ((kind < 0) | (kind == have[..., 3 + 2 * j]))

        return one(0) | one(1)

    behind = (want[..., 0] < 0) | (want[..., 0] == have[..., 0])
    # a full caption of one shape does not describe a frame with two
    count = (want[..., 1] == have[..., 1]) | (want[..., 0] < 0)
    return behind & count & pair(0) & pair(1)


@lru_cache(maxsize=4)
def _grid(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    return axis[None, None, :], axis[None, :, None]


def draw(
    rng: np.random.Generator, drawn: list[tuple[tuple[Pair, ...], str]], size: int, hardness: float = 1.0
) -> NDArray[np.uint8]:
    """Frames of the scenes as the model sees them, uint8 (N, size, size, 3): any aspect is squashed to a square.

    `hardness` from 0 (large shapes, nearly square frames, clean) to 1 (all that is asked of the model).
    """
    n = len(drawn)
    aspect = np.exp(hardness * rng.uniform(np.log(0.56), np.log(1.95), n)).astype(np.float32)
    aspect[rng.random(n) < 0.25] = 1.0
    extent_x, extent_y = np.maximum(aspect, 1), np.maximum(1 / aspect, 1)  # in units of the shorter side
    source = np.exp(rng.uniform(np.log(48), np.log(320), n))  # the source's shorter side in pixels
    images = np.empty((n, size, size, 3), np.float32)
    images[:] = np.asarray([sample_colour(rng, b) for _, b in drawn], np.float32)[:, None, None]
    behind = images[:, 0, 0].copy()
    u, v = _grid(size)
    softness = np.maximum(rng.uniform(0.6, 1.8, n) / source, np.sqrt(extent_x * extent_y) / size).astype(np.float32)
    along_x = rng.random(n) < np.where(extent_x >= extent_y, 0.8, 0.2)  # how two shapes share the frame
    for layer in (0, 1):
        jobs: dict[str, list[int]] = {}
        for i, (pairs, _) in enumerate(drawn):
            if layer < len(pairs):
                jobs.setdefault(pairs[layer][1], []).append(i)
        for kind, which in jobs.items():
            index = np.asarray(which)
            rows = [
                _place(rng, kind, extent_x[i], extent_y[i], layer, len(drawn[i][0]), along_x[i], hardness)
                for i in which
            ]
            cx, cy, radius, rotation, detail, stretch = np.asarray(rows, np.float32).T[:, :, None, None]
            ex, ey = extent_x[index, None, None], extent_y[index, None, None]
            dx, dy = (u * ex - cx) / radius, (cy - v * ey) / radius
            cos, sin = np.cos(rotation), np.sin(rotation)
            x, y = (dx * cos + dy * sin) * stretch, (dy * cos - dx * sin) / stretch
            distance = signed_distance(kind, x, y, detail) * radius
            cover = np.clip(0.5 - distance / softness[index, None, None], 0, 1)[..., None]
            rgb = np.asarray([contrasting(rng, drawn[i][0][layer][0], tuple(behind[i])) for i in which], np.float32)[
                :, None, None
            ]
            images[index] += cover * (rgb - images[index])
    return _weather(rng, images, hardness)


@lru_cache(maxsize=1)
def _noise() -> NDArray[np.float32]:
    """Noise drawn once and read at random offsets: drawing it anew would cost as much as the shapes."""
    return np.random.default_rng(0).standard_normal(2_000_003, np.float32)


def _place(
    rng: np.random.Generator,
    kind: str,
    ex: float,
    ey: float,
    layer: int,
    count: int,
    along_x: bool,
    hardness: float,
) -> tuple[float, float, float, float, float, float]:
    """Centre (in units of the shorter side), radius, rotation, detail and stretch of one shape."""
    smallest, largest = (0.3 - 0.2 * hardness, 0.46) if count == 1 else (0.18 - 0.08 * hardness, 0.27)
    radius = np.exp(rng.uniform(np.log(smallest), np.log(largest)))
    low_x, high_x, low_y, high_y = 0.0, ex, 0.0, ey
    if count == 2:  # halves of the frame, with a little overlap
        if along_x:
            low_x, high_x = (0.0, 0.53 * ex) if layer == 0 else (0.47 * ex, ex)
        else:
            low_y, high_y = (0.0, 0.53 * ey) if layer == 0 else (0.47 * ey, ey)
    margin = radius * rng.uniform(0.6, 1.0)
    cx = rng.uniform(low_x + margin, max(high_x - margin, low_x + margin + 1e-3))
    cy = rng.uniform(low_y + margin, max(high_y - margin, low_y + margin + 1e-3))
    detail = float(np.clip(rng.uniform(-0.25, 1.25), -0.25, 1.25))
    stretch = float(np.exp(rng.normal(0, 0.06)))
    if kind in ("triangle", "heart", "diamond"):
        stretch *= float(np.exp(rng.normal(0, 0.12)))
    return float(cx), float(cy), float(radius), random_rotation(rng, kind), detail, stretch


def _weather(rng: np.random.Generator, images: NDArray[np.float32], hardness: float) -> NDArray[np.uint8]:
    """Blur, noise, colour casts, coarse sources and JPEG, each in part of the frames."""
    n, size = images.shape[:2]
    images *= rng.normal(1, 0.02, (n, 1, 1, 3)).astype(np.float32)
    images += rng.normal(0, 3, (n, 1, 1, 3)).astype(np.float32)
    blurred = rng.random(n) < 0.3 * hardness
    if blurred.any():
        images[blurred] = gaussian_blur(images[blurred], float(rng.uniform(0.4, 1.2)))
    sigma = (rng.uniform(0, 7, n) * (rng.random(n) < 0.6 * hardness)).astype(np.float32)
    bank, span = _noise(), size * size * 3
    for i in np.flatnonzero(sigma):
        offset = rng.integers(len(bank) - span)
        images[i] += sigma[i] * bank[offset : offset + span].reshape(size, size, 3)
    images += 0.5
    result = np.clip(images, 0, 255, out=images).astype(np.uint8)
    for i in range(n):
        if rng.random() < 0.35 * hardness:
            picture = Image.fromarray(result[i])
            if rng.random() < 0.6:
                picture = picture.resize(
                    (int(rng.integers(44, size)), int(rng.integers(44, size))), Image.Resampling.BILINEAR
                )
            stream = io.BytesIO()
            picture.save(stream, "JPEG", quality=int(rng.integers(25, 92)))
            stream.seek(0)
            result[i] = np.asarray(Image.open(stream).resize((size, size), Image.Resampling.BICUBIC))
    return result
