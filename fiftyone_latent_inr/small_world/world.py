"""What there is in the small world: one or two shapes of a named colour, still or moving, on a coloured background.

The demo, the tests and a user's first tries take their clips from here, and the small teacher
(`training/small_teacher/train.py`) learns this world and no other.

    spec = random_specs(1, seed=0)[0]
    frames = drawing.render(spec, num_frames=16, size=(96, 128))    # uint8 (16, 96, 128, 3)
    print(clips.captions(spec)[0])                                  # "a red circle moving left on a blue background"

**Held-out combinations.** `is_held_out(colour, shape, background)` is a fixed hash of the three names and
true for one combination in eight. The small teacher never saw a held-out combination, so "unseen" is the
same set of clips for everybody: `random_specs(60, seed=0, held_out=True)`.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError

# Each name covers the segments between its anchors: "shades vary". Names that people disagree about
# (a dark red that others call brown) are kept apart on purpose.
COLOURS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "red": ((255, 0, 0), (220, 20, 60), (200, 20, 20), (230, 60, 50), (170, 0, 0), (230, 25, 75)),
    "green": ((0, 255, 0), (0, 128, 0), (34, 139, 34), (50, 205, 50), (0, 160, 70), (60, 180, 75), (120, 220, 120)),
    "blue": ((0, 0, 255), (30, 60, 220), (0, 0, 139), (65, 105, 225), (30, 144, 255), (0, 90, 200), (90, 140, 240)),
    "yellow": ((255, 255, 0), (255, 225, 25), (250, 220, 60), (255, 215, 0), (240, 230, 40), (255, 240, 120)),
    "orange": ((255, 165, 0), (255, 140, 0), (245, 130, 48), (255, 120, 20), (230, 110, 0)),
    "purple": ((128, 0, 128), (145, 30, 180), (148, 0, 211), (102, 51, 153), (160, 32, 240), (75, 0, 130)),
    "pink": ((255, 192, 203), (255, 105, 180), (255, 150, 190), (250, 130, 170), (255, 20, 147)),
    "brown": ((139, 69, 19), (165, 42, 42), (101, 67, 33), (150, 75, 0), (120, 72, 30), (160, 82, 45)),
    "white": ((255, 255, 255), (245, 245, 245), (235, 235, 235)),
    "black": ((0, 0, 0), (20, 20, 20), (35, 35, 35)),
    "gray": ((128, 128, 128), (160, 160, 160), (100, 100, 100), (190, 190, 190), (80, 80, 80)),
    "cyan": ((0, 255, 255), (0, 200, 220), (64, 224, 208), (0, 190, 190), (70, 240, 240)),
    "magenta": ((255, 0, 255), (240, 50, 230), (220, 0, 220)),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "hexagon", "diamond", "pentagon", "heart")
# unit vectors (x to the right, y down)
MOTIONS = {"still": (0, 0), "left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_MIN_CONTRAST = 60.0  # least distance in RGB between a shape and what it lies on


@dataclass(frozen=True)
class Shape:
    """One shape of a clip.

    Attributes:
        kind: name of one of `SHAPES`.
        colour: name of one of `COLOURS`; `rgb` is its shade, 0 to 255.
        motion: name of one of `MOTIONS`; `start` and `end` are the centre (x, y) in the first and last frame, as
            fractions of the width and the height. Equal where the shape is still.
        radius: radius of the circle around the shape, as a fraction of the frame's shorter side.
        rotation: angle in radians, anticlockwise.
        detail: 0 to 1, what the kind leaves free: a ring's width, a star's inner radius, a cross's arms.
    """

    kind: str
    colour: str
    rgb: tuple[int, int, int]
    motion: str
    start: tuple[float, float]
    end: tuple[float, float]
    radius: float
    rotation: float = 0.0
    detail: float = 0.5


@dataclass(frozen=True)
class ShapeClip:
    """A clip of the small world: everything that drawing it needs but size and length.

    Attributes:
        shapes: shapes of the clip, one or two, drawn in this order.
        background: name of one of `COLOURS`; `background_rgb` is its shade.
        softness: width of the shapes' edges in pixels (1 is plain anti-aliasing).
        blur: standard deviation of a Gaussian blur in pixels, 0 for none.
        noise: standard deviation of the noise in 8-bit levels, 0 for none; drawn from `seed`.
    """

    shapes: tuple[Shape, ...]
    background: str
    background_rgb: tuple[int, int, int]
    softness: float = 1.0
    blur: float = 0.0
    noise: float = 0.0
    seed: int = 0

    @property
    def combinations(self) -> tuple[tuple[str, str, str], ...]:
        """(colour, shape, background) of each shape."""
        return tuple((shape.colour, shape.kind, self.background) for shape in self.shapes)


def is_held_out(colour: str, shape: str, background: str) -> bool:
    """Whether the small teacher's training left this combination out (one in eight, by a fixed hash)."""
    return zlib.crc32(f"{colour} {shape} on {background}".encode()) % 8 == 0


def sample_colour(rng: np.random.Generator, name: str) -> tuple[int, int, int]:
    """A random shade of a named colour: between two of its anchors, with a little jitter."""
    anchors = np.asarray(COLOURS[name], np.float64)
    first, second = anchors[rng.integers(len(anchors))], anchors[rng.integers(len(anchors))]
    shade = first + rng.random() * (second - first) + rng.uniform(-6, 6, 3)
    red, green, blue = np.clip(np.rint(shade), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def random_spec(
    rng: np.random.Generator,
    combination: tuple[str, str, str],
    *,
    second: tuple[str, str] | None = None,
    motion: str | None = None,
    aspect: float = 4 / 3,
) -> ShapeClip:
    """A random clip of a given combination: shades, places, sizes and motion are drawn from `rng`.

    Args:
        rng: source of randomness.
        combination: (colour, shape, background), by name.
        second: (colour, shape) of a second shape, or None for one shape.
        motion: name of one of `MOTIONS` for the first shape; None draws one (still in two clips of five).
        aspect: width over height of the frames it will be rendered at, to keep the shapes in frame.
    """
    colour, kind, background = combination
    background_rgb = sample_colour(rng, background)
    wanted = [(colour, kind)] + ([second] if second else [])
    extent = (max(aspect, 1.0), max(1 / aspect, 1.0))  # width and height in units of the shorter side
    shapes: list[Shape] = []
    for index, (name, what) in enumerate(wanted):
        rgb = contrasting(rng, name, background_rgb)
        radius = rng.uniform(0.14, 0.34) if second is None else rng.uniform(0.13, 0.21)
        moves = motion if motion and index == 0 else _random_motion(rng)
        # two shapes keep to their own half of the longer side, so that they do not cover each other
        boxes = [(0.0, 1.0), (0.0, 1.0)]
        if second is not None:
            boxes[0 if extent[0] >= extent[1] else 1] = (0.0, 0.5) if index == 0 else (0.5, 1.0)
        start, end = _path(rng, moves, radius, extent, boxes)
        shapes.append(
            Shape(what, name, rgb, moves, start, end, radius, random_rotation(rng, what), float(rng.random()))
        )
    if second is not None and rng.random() < 0.5:  # the first named shape is not always on the left
        shapes = [_mirrored(shape) for shape in shapes]
    return ShapeClip(
        tuple(shapes),
        background,
        background_rgb,
        softness=float(rng.uniform(0.8, 1.6)),
        blur=float(rng.choice([0.0, 0.0, rng.uniform(0.3, 1.0)])),
        noise=float(rng.uniform(0, 3)),
        seed=int(rng.integers(2**31)),
    )


def random_specs(
    n: int,
    seed: int = 0,
    *,
    held_out: bool | None = None,
    two_shapes: float = 0.0,
    aspect: float = 4 / 3,
) -> list[ShapeClip]:
    """`n` random clips whose first shapes have `n` different combinations of colour, shape and background.

    Args:
        n: number of clips; at most the number of combinations there are.
        seed: the same seed gives the same clips.
        held_out: True draws only combinations that the small teacher never saw, False only ones that it may have
            seen, None any. Both shapes of a clip obey it.
        two_shapes: fraction of clips with two shapes.
        aspect: width over height of the frames, see `random_spec`.

    Raises:
        InputError: if there are fewer than `n` such combinations.
    """
    pool = combinations(held_out)
    if not 0 <= n <= len(pool):
        raise InputError(f"{n} clips asked for, but there are {len(pool)} combinations of that kind; ask for fewer")
    rng = np.random.default_rng(seed)
    specs = []
    for index in rng.permutation(len(pool))[:n]:
        combination = pool[index]
        second = None
        if rng.random() < two_shapes:
            others = [c for c in pool if c[2] == combination[2] and c[0] != combination[0] and c[1] != combination[1]]
            if others:
                second = others[rng.integers(len(others))][:2]
        specs.append(random_spec(rng, combination, second=second, aspect=aspect))
    return specs


def combinations(held_out: bool | None = None) -> list[tuple[str, str, str]]:
    """All (colour, shape, background) whose two colours differ; `held_out` as in `random_specs`."""
    every = [(c, s, b) for c in COLOURS for s in SHAPES for b in COLOURS if c != b]
    return [each for each in every if held_out is None or is_held_out(*each) == held_out]


def random_rotation(rng: np.random.Generator, kind: str) -> float:
    """A rotation in radians under which the kind keeps its name (a square on its corner is a diamond)."""
    limit = {"square": 0.2, "diamond": 0.15, "heart": 0.3}.get(kind, np.pi)
    return float(rng.uniform(-limit, limit)) if rng.random() < 0.5 else 0.0


def _random_motion(rng: np.random.Generator) -> str:
    return "still" if rng.random() < 0.4 else list(MOTIONS)[1 + rng.integers(4)]


def contrasting(rng: np.random.Generator, name: str, against: tuple[int, int, int]) -> tuple[int, int, int]:
    """A shade of `name` that can be told from `against`: far enough from it, or the farthest of 20."""
    best, farthest = sample_colour(rng, name), -1.0
    for _ in range(20):
        shade = sample_colour(rng, name)
        distance = float(np.linalg.norm(np.subtract(shade, against)))
        if distance > farthest:
            best, farthest = shade, distance
        if distance >= _MIN_CONTRAST:
            break
    return best


def _path(
    rng: np.random.Generator,
    motion: str,
    radius: float,
    extent: tuple[float, float],
    boxes: Sequence[tuple[float, float]],
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Start and end of a centre, such that its shape stays in its box (x, y; fractions of the frame)."""
    start, end = [0.0, 0.0], [0.0, 0.0]
    for axis in (0, 1):
        margin = 0.9 * radius / extent[axis]
        low, high = boxes[axis][0] + margin, boxes[axis][1] - margin
        if high < low:
            low = high = (boxes[axis][0] + boxes[axis][1]) / 2
        direction = MOTIONS[motion][axis]
        travel = (high - low) * rng.uniform(0.6, 1.0) if direction else 0.0
        first = rng.uniform(low, high - travel)
        start[axis], end[axis] = (first, first + travel) if direction >= 0 else (first + travel, first)
    return (start[0], start[1]), (end[0], end[1])


def _mirrored(shape: Shape) -> Shape:
    """The shape at the point opposite through the frame's centre; what moves left still moves left."""
    return replace(
        shape,
        start=(1 - shape.end[0], 1 - shape.end[1]),
        end=(1 - shape.start[0], 1 - shape.start[1]),
    )
