"""Rate-distortion curves of all clips as small multiples, for docs/results.md."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from PIL import Image

from ..shared.bjontegaard import Curve
from ..shared.codecs import CODECS
from ..shared.records import RESULTS, title
from .judge import Row, curve, ms_ssim_db

IMAGES = RESULTS.parents[1] / "docs" / "images"
LOW_BPP, HIGH_BPP = 0.05, 1.6
_COLUMNS = 5
_OURS = "#d1495b"
# One hue a codec, all quieter than ours; dashes tell them apart without colour, too.
_STYLES: dict[str, tuple[str, Any]] = {
    "x264 4:2:0": ("#4c566a", "-"),
    "x264 4:4:4": ("#8a94a6", (0, (1, 1.2))),
    "x265 4:2:0": ("#5b8fb9", (0, (5, 1.5))),
    "AV1 4:2:0": ("#6a9c78", (0, (6, 1.5, 1, 1.5))),
}
_METRICS = {
    "psnr": ("rate_distortion.png", "PSNR, dB", "PSNR against rate"),
    "ms_ssim": ("rate_distortion_ms_ssim.png", "MS-SSIM", "MS-SSIM against rate"),
}
_MS_SSIM_TICKS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)


def draw(codecs: Sequence[Row], ours: Sequence[Row], folder: Path = IMAGES) -> list[Path]:
    """Draws a picture for PSNR and one for MS-SSIM; a panel for each clip that codecs were measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_draw(codecs, ours, metric, folder) for metric in _METRICS]


def _draw(codecs: Sequence[Row], ours: Sequence[Row], metric: str, folder: Path) -> Path:
    name, label, what = _METRICS[metric]
    clips = list(dict.fromkeys(row["clip"] for row in codecs))
    rows = math.ceil((len(clips) + 1) / _COLUMNS)
    settings: Any = {"font.size": 8, "axes.edgecolor": "#b8bec8", "axes.linewidth": 0.7, "text.color": "#2e3440"}
    with plt.rc_context(settings):
        figure, axes = plt.subplots(rows, _COLUMNS, figsize=(9.5, 0.75 + 1.75 * rows), layout="constrained")
        panels: list[Axes] = list(axes.flat)
        for panel, clip in zip(panels, clips, strict=False):
            _panel(panel, clip, codecs, ours, metric)
        for panel in panels[len(clips) :]:
            panel.axis("off")
        handles, labels = panels[0].get_legend_handles_labels()
        legend = panels[len(clips)].legend(
            handles, labels, loc="upper left", frameon=False, fontsize=9, handlelength=2.6
        )
        legend.set_in_layout(False)  # it may reach into the empty panel beside it
        figure.suptitle(
            f"Where codecs win, it shows: {what}, 32 frames at 320x180", x=0.01, ha="left", fontsize=11, weight="bold"
        )
        figure.supxlabel("bits per pixel (logarithmic): ours the whole file, codecs the packets alone", fontsize=8.5)
        figure.supylabel(label, fontsize=8.5)
        picture = io.BytesIO()
        figure.savefig(picture, dpi=120)
        plt.close(figure)
    path = folder / name
    # A hundred colours are plenty for lines and text, and a third of the bytes.
    Image.open(picture).convert("RGB").quantize(100, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def _panel(panel: Axes, clip: str, codecs: Sequence[Row], ours: Sequence[Row], metric: str) -> None:
    drawn = {codec.name: curve(codecs, clip, codec.name, metric) for codec in CODECS if codec.in_plots}
    for name, points in drawn.items():
        colour, dashes = _STYLES[name]
        panel.plot(*zip(*points, strict=True), color=colour, linestyle=dashes, linewidth=1.2, label=name)
    mine = curve(ours, clip, metric=metric)
    style: Any = {"color": _OURS, "linewidth": 2, "marker": "o", "markersize": 3.5}
    if mine:
        panel.plot(*zip(*mine, strict=True), label="Latent-INR (.linr)", zorder=5, **style)
    panel.set_title(title(clip), loc="left", fontsize=8.5, pad=3)
    panel.set_xscale("log")
    panel.set_xlim(LOW_BPP, HIGH_BPP)
    panel.set_ylim(*_limits([*drawn.values(), mine]))
    panel.set_xticks([0.1, 0.3, 1], ["0.1", "0.3", "1"])
    panel.xaxis.set_minor_locator(NullLocator())
    if metric == "psnr":
        panel.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    else:
        low, high = panel.get_ylim()
        shown = [value for value in _MS_SSIM_TICKS if low <= ms_ssim_db(value) <= high]
        panel.set_yticks([ms_ssim_db(value) for value in shown])
        panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{1 - 10 ** (-y / 10):.4f}".rstrip("0")))
    panel.grid(color="#eceff4", linewidth=0.7)
    panel.tick_params(length=2, color="#b8bec8", labelsize=7.5)
    panel.spines[["top", "right"]].set_visible(False)


def _limits(curves: Sequence[Curve]) -> tuple[float, float]:
    """From the lowest to the highest value within the panel's rates, with some room."""
    values = [value for points in curves for rate, value in points if LOW_BPP <= rate <= HIGH_BPP]
    low, high = min(values), max(values)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)
