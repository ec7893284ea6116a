"""The small world drawn by other means than the package's own: Pillow polygons, CSS colours, x264 from PyAV itself.

Nothing here may import `fiftyone_latent_inr`: it stands for clips that somebody else drew.
"""

import io
import math
import random

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

COLOURS = {
    "red": ["#ff0000", "#dc143c", "#e6194b", "#c81e1e"],
    "green": ["#008000", "#00ff00", "#228b22", "#3cb44b"],
    "blue": ["#0000ff", "#4169e1", "#1e40c8", "#00008b"],
    "yellow": ["#ffff00", "#ffe119", "#ffd700"],
    "orange": ["#ffa500", "#ff8c00", "#f58231"],
    "purple": ["#800080", "#911eb4", "#6a0dad"],
    "pink": ["#ffc0cb", "#ff69b4", "#ff96be"],
    "brown": ["#8b4513", "#a0522d", "#78481e"],
    "white": ["#ffffff", "#f5f5f5"],
    "black": ["#000000", "#141414"],
    "gray": ["#808080", "#a0a0a0", "#696969"],
    "cyan": ["#00ffff", "#40e0d0", "#00c8dc"],
}
SHAPES = ["circle", "square", "triangle", "star", "cross", "ring", "hexagon", "diamond", "pentagon", "heart"]
SIZES = [(64, 64), (90, 160), (120, 160), (180, 320), (96, 72), (175, 143)]  # (H, W)
MOTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1), None: (0, 0)}


def polygon(kind, cx, cy, r, rng):
    """Corners of a shape, or None for the round ones."""

    def corners(n, turn=-math.pi / 2, radii=(1.0,)):
        return [
            (
                cx + r * radii[i % len(radii)] * math.cos(turn + 2 * math.pi * i / n),
                cy + r * radii[i % len(radii)] * math.sin(turn + 2 * math.pi * i / n),
            )
            for i in range(n)
        ]

    if kind == "square":
        h = 0.8 * r
        return [(cx - h, cy - h), (cx + h, cy - h), (cx + h, cy + h), (cx - h, cy + h)]
    if kind == "triangle":
        return [(cx, cy - r), (cx + r, cy + 0.8 * r), (cx - r, cy + 0.8 * r)]
    if kind == "diamond":
        return [(cx, cy - r), (cx + 0.7 * r, cy), (cx, cy + r), (cx - 0.7 * r, cy)]
    if kind == "star":
        return corners(10, radii=(1.0, rng.choice([0.38, 0.45, 0.5])))
    if kind == "cross":
        w = r * rng.choice([0.25, 0.33])
        x = [
            (-w, -r),
            (w, -r),
            (w, -w),
            (r, -w),
            (r, w),
            (w, w),
            (w, r),
            (-w, r),
            (-w, w),
            (-r, w),
            (-r, -w),
            (-w, -w),
        ]
        return [(cx + dx, cy + dy) for dx, dy in x]
    if kind == "heart":
        turns = [2 * math.pi * i / 60 for i in range(60)]
        return [
            (
                cx + r * 0.95 * math.sin(t) ** 3,
                cy - r * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16,
            )
            for t in turns
        ]
    if kind in ("hexagon", "pentagon"):
        n = 6 if kind == "hexagon" else 5
        return corners(n, turn=rng.choice([-math.pi / 2, 0.0]) if n == 6 else -math.pi / 2)
    return None


def draw(kind, rgb, ground, size, motion, rng, frames=8):
    """uint8 (T, H, W, 3)."""
    height, width = size
    scale = rng.choice([1, 3, 4])  # 1: hard edges
    r = rng.uniform(0.16, 0.32) * min(size)
    dx, dy = MOTIONS[motion]
    x0, y0 = rng.uniform(r, width - r), rng.uniform(r, height - r)
    if dx:
        x0 = r if dx > 0 else width - r
    if dy:
        y0 = r if dy > 0 else height - r
    state, soft = rng.getrandbits(32), rng.choice([0, 0, 0.7])
    video = []
    for t in range(frames):
        part = t / max(frames - 1, 1)
        x, y = x0 + dx * part * (width - 2 * r), y0 + dy * part * (height - 2 * r)
        picture = Image.new("RGB", (width * scale, height * scale), ground)
        pen = ImageDraw.Draw(picture)
        cx, cy, radius = x * scale, y * scale, r * scale
        inner = random.Random(state)  # the same shape in every frame
        points = polygon(kind, cx, cy, radius, inner)
        box = [cx - radius, cy - radius, cx + radius, cy + radius]
        if points is not None:
            pen.polygon(points, fill=rgb)
        elif kind == "ring":
            pen.ellipse(box, outline=rgb, width=max(2, int(radius * inner.choice([0.25, 0.35]))))
        else:
            pen.ellipse(box, fill=rgb)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        if soft:
            picture = picture.filter(ImageFilter.GaussianBlur(soft))
        video.append(np.asarray(picture))
    return np.stack(video)


def compress(video, crf):
    """Through x264 and back, the picture padded to even sizes as most tools do it."""
    height, width = video.shape[1:3]
    video = np.pad(video, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.height, stream.width, stream.pix_fmt = video.shape[1], video.shape[2], "yuv420p"
        stream.options = {"crf": str(crf), "preset": "fast"}
        for frame in video:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])[:, :height, :width]


def clips(combinations, seed=0):
    """(video, caption) of each (colour, shape, background)."""
    rng = random.Random(seed)
    result = []
    for colour, kind, ground in combinations:
        motion = rng.choice([None, None, "left", "right", "up", "down"])
        size = rng.choice(SIZES)
        video = draw(kind, rng.choice(COLOURS[colour]), rng.choice(COLOURS[ground]), size, motion, rng)
        moving = f" moving {motion}" if motion else ""
        a, an = ("an" if c[0] in "aeiou" else "a" for c in (colour, ground))
        caption = f"{a} {colour} {kind}{moving} on {an} {ground} background"
        result.append((compress(video, rng.choice([18, 23, 30])), caption))
    return result
