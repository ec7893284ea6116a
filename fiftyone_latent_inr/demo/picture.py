"""One picture of the demo: originals, reconstructions and differences side by side, and what was found."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..arrays import Frame
from ..video.decode import iter_frames

if TYPE_CHECKING:
    from .dataset import Row

WIDTH, MARGIN, GAP = 1400, 28, 10
INK, FAINT, PAPER, HIT = (28, 32, 38), (110, 116, 124), (255, 255, 255), (34, 139, 84)
GAIN = 8  # differences are drawn this many times as large
Found = dict[str, list[tuple[str, float, str]]]


def draw_picture(rows: list[Row], found: Found, path: Path) -> None:
    """Writes the picture.

    Args:
        rows: clips as they were fitted.
        found: (file, similarity, caption) of the videos found by text, the best first.
        path: PNG file to write.
    """
    shown = [row for row in rows if row.kind == "real"] + [r for r in rows if r.kind == "generated"][:2]
    top = _reconstructions(shown)
    bottom = _searches(rows, found)
    page = Image.new("RGB", (WIDTH, top.height + bottom.height), PAPER)
    page.paste(top, (0, 0))
    page.paste(bottom, (0, top.height))
    page.save(path, optimize=True)


def _reconstructions(rows: list[Row]) -> Image.Image:
    """A column a clip: original, drawn from the stored file, difference."""
    label = 112
    cell = (WIDTH - 2 * MARGIN - label - GAP * (len(rows) - 1)) // len(rows)
    height = round(cell * 9 / 16)
    page = Image.new("RGB", (WIDTH, MARGIN + 62 + 3 * (height + GAP) + 34), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN - 8), "Stored as latents and networks", INK, _font(26))
    for k, name in enumerate(("original", "from the\n.linr file", f"difference\n(x{GAIN})")):
        draw.text((MARGIN, MARGIN + 62 + k * (height + GAP) + height // 2 - 18), name, FAINT, _font(17))
    for column, row in enumerate(rows):
        x = MARGIN + label + column * (cell + GAP)
        middle = row.video.num_frames // 2
        original, drawn = frame_of(row.path, middle), row.video.render([middle])[0]
        difference = np.abs(original.astype(np.int16) - drawn) * GAIN
        draw.text((x, MARGIN + 34), _short(row.caption, cell, 15), INK, _font(15))
        for k, frame in enumerate((original, drawn, np.clip(difference, 0, 255).astype(np.uint8))):
            page.paste(_fit(frame, cell, height), (x, MARGIN + 62 + k * (height + GAP)))
        figures = f"{row.psnr:.1f} dB   {row.bpp:.2f} bpp   {row.seconds:.0f} s"
        draw.text((x, MARGIN + 62 + 3 * (height + GAP) - 2), figures, FAINT, _font(15))
    return page


def _searches(rows: list[Row], found: Found) -> Image.Image:
    """A line a query: the text, then the videos found, the best first; the one it describes is framed."""
    wanted = {row.query: row.path for row in rows}
    text_width = 330
    count = max((len(hits) for hits in found.values()), default=1)
    cell = (WIDTH - 2 * MARGIN - text_width - GAP * (count - 1)) // count
    height = round(cell * 9 / 16)
    line = height + 40
    page = Image.new("RGB", (WIDTH, 56 + line * len(found) + MARGIN // 2), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, 4), "Found by text, among the generated clips", INK, _font(26))
    for index, (text, hits) in enumerate(found.items()):
        y = 56 + index * line
        draw.multiline_text((MARGIN, y + height // 2 - 24), _wrap(f"“{text}”", 30), INK, _font(20), spacing=6)
        for k, (path, similarity, _) in enumerate(hits):
            x = MARGIN + text_width + k * (cell + GAP)
            page.paste(_fit(frame_of(path, 4), cell, height), (x, y))
            right = path == wanted.get(text)
            if right:
                draw.rectangle((x - 3, y - 3, x + cell + 2, y + height + 2), outline=HIT, width=4)
            draw.text((x, y + height + 6), f"{k + 1}.  {similarity:.3f}", HIT if right else FAINT, _font(15))
    return page


def frame_of(path: str, index: int) -> Frame:
    """One frame of a video file, uint8 (H, W, 3)."""
    for k, frame in enumerate(iter_frames(path, max_frames=index + 1)):
        if k == index:
            return frame
    raise IndexError(f"{path} has no frame {index}")


def _fit(frame: Frame, width: int, height: int) -> Image.Image:
    """The frame scaled into a cell, on a light ground."""
    image = Image.fromarray(np.ascontiguousarray(frame))
    scale = min(width / image.width, height / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    cell = Image.new("RGB", (width, height), (243, 244, 246))
    cell.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return cell


def _font(size: int) -> Any:
    return ImageFont.load_default(size=size)


def _short(text: str, width: int, size: int) -> str:
    while text and _font(size).getlength(text) > width:
        text = text[:-2].rstrip() + "…"
    return text


def _wrap(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))
