"""The presets by name, as data: `instant`, `fast`, `balanced`, `best`, and `paper` to compare with."""

from __future__ import annotations

from .. import arguments
from ..errors import InputError
from ..model import Architecture, Level
from .config import FitConfig


def _levels(*rows: tuple[float, int, int]) -> tuple[Level, ...]:
    return tuple(Level(*row) for row in rows)


# Grids of luma and chroma, which a key frame can be written into, and a field that adds them up: all that `instant`
# finds without an optimiser.
_FLAT = Architecture(
    levels=_levels((8, 3, 1), (4, 3, 1), (2, 3, 1), (1, 1, 1)),
    latent_dim=12,
    bottleneck=12,
    hidden=3,
    layers=2,
    warp_rows=9,
    warp_cols=16,
)
# With the rate in the loss a number that does not help is rounded to zero and costs next to nothing: many planes and a
# whole pyramid of few channels beat few of many (`benchmarks/notes.md`). What they cost is time.
_SMALL = Architecture(planes=2, levels=_levels((16, 8, 2), (8, 4, 1), (4, 4, 1), (2, 1, 1), (1, 1, 1)))
_BASE = Architecture(planes=4, levels=_levels((16, 6, 2), (8, 3, 1), (4, 3, 1), (2, 2, 1), (1, 1, 1)))
# Where bytes count less, the finest grids may hold more: interpolation is as good as the frames that it lies between.
_FINE = Architecture(planes=4, levels=_levels((16, 6, 2), (8, 3, 1), (4, 3, 1), (2, 2, 1), (1, 2, 1)))
# The network of the paper: grids that stay where they are, six layers, the weights of each gated by a hypernetwork of
# its own. There layers are 512 wide and hypernetworks 128 (`hidden`, `bottleneck`), 1.8 M numbers apart from what they
# read; here there are about as many as in `fast`. Sines (`encoding`) were learned worse (`benchmarks/notes.md`).
_PAPER = Architecture(
    levels=_levels((16, 16, 1), (8, 8, 1), (4, 8, 1), (2, 2, 1), (1, 2, 1)),
    bottleneck=16,
    planes=1,
    hidden=32,
    layers=6,
    warp_rows=0,
    warp_cols=0,
    modulation="sigmoid",
)

PRESETS: dict[str, FitConfig] = {
    "instant": FitConfig(
        "instant", _FLAT, steps=0, rate_weight=3e-4, max_bpp=0.31, between=0, group_frames=8, max_depth=0
    ),
    "fast": FitConfig("fast", _SMALL, steps=2000, rate_weight=3e-4, prior="fast-prior"),
    "balanced": FitConfig("balanced", _BASE, steps=4000),
    "best": FitConfig("best", _FINE, steps=4000, rate_weight=3e-5, max_bpp=1.8, between=0.4),
    "paper": FitConfig("paper", _PAPER, steps=2000, rate_weight=3e-4),
}


def resolve(
    preset: str | None, config: FitConfig | None = None, quality: float | None = None, bpp: float | None = None
) -> FitConfig:
    """The configuration to fit with: `config` where one is given, else the named preset, at a quality or rate.

    Raises:
        InputError: there is no such preset, `config` is not a `FitConfig`, or see `FitConfig.at`.
    """
    if config is not None:
        if preset is not None:  # a name that is misspelt is said to be, though nothing hangs on it
            arguments.choice("preset", preset, PRESETS)
        if not isinstance(config, FitConfig):
            raise InputError(f"config must be a FitConfig, not {type(config).__name__}")
        return config.at(quality, bpp)
    return PRESETS[arguments.choice("preset", preset, PRESETS)].at(quality, bpp)
