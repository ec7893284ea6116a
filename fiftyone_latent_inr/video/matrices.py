"""Colour matrices of ITU-T H.273: which of them libswscale converts, which are converted here, which are refused.

Names and numbers are those of its table of MatrixCoefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from ..arrays import Frame

GBR, BT709, UNSPECIFIED, BT2020 = 0, 1, 2, 9
YCGCO, BT2020_CL, DERIVED, DERIVED_CL, YCGCO_RE, YCGCO_RO = 8, 10, 12, 13, 16, 17
FULL = 2  # a range

# libswscale fails at any other. It takes BT.601 where none is named.
_SWSCALE = {BT709, UNSPECIFIED, 4, 5, 6, 7, BT2020}

# What nothing here converts, and what to do.
_REFUSED = {
    11: ("Y'D'zD'x (SMPTE ST 2085)", "export the video again in BT.709"),
    14: ("ICtCp (BT.2100)", "convert it first, such as with ffmpeg -vf zscale=matrix=2020_ncl,format=yuv420p10"),
    15: ("IPT-C2 (Dolby Vision)", "export the video again in BT.709, or as HDR10"),
}
_CONSTANT = "constant luminance is converted as if it were the usual one, as by ffmpeg: colours are approximate"
_NAMES = {GBR: "GBR", YCGCO: "YCgCo", YCGCO_RE: "YCgCo-Re", YCGCO_RO: "YCgCo-Ro"}

# Chromaticities (x, y) of red, green, blue and white, by the number of ColourPrimaries.
_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}

_Plane = npt.NDArray[np.float32]
_Planes = tuple[_Plane, _Plane, _Plane]


class UnconvertibleError(ValueError):
    """A matrix that has no conversion; one line says which, and what to do."""


@dataclass(frozen=True)
class Route:
    """How a frame's colours become RGB.

    Attributes:
        matrix: the number that libswscale is to go by.
        by_hand: converts planes Y, Cb, Cr of 4:4:4, where libswscale does not; see `convert`.
        note: line for people, or empty.
    """

    matrix: int = UNSPECIFIED
    by_hand: Callable[[_Planes, int, bool], _Planes] | None = None
    note: str = ""


def is_yuv(frame: av.VideoFrame) -> bool:
    """Whether the frame's format has colour differences, so that its matrix means something."""
    layout = frame.format
    colours = sum(not part.is_alpha for part in layout.components)
    return bool(colours >= 3 and not layout.is_rgb) and not layout.name.startswith("xyz")


def route(frame: av.VideoFrame) -> Route:
    """How to convert a frame with colour differences.

    Raises:
        UnconvertibleError: its matrix has no conversion.
    """
    matrix = int(frame.colorspace)
    if matrix in _REFUSED:
        name, advice = _REFUSED[matrix]
        raise UnconvertibleError(f"its colour matrix is {name}, which is not converted here; {advice}")
    if matrix in _SWSCALE:
        return Route(matrix)
    if matrix == BT2020_CL:
        return Route(BT2020, note=_CONSTANT)
    if matrix in (DERIVED, DERIVED_CL):
        red, blue = _luma_of(int(getattr(frame, "color_primaries", UNSPECIFIED)))
        by_hand = partial(_linear, red=red, blue=blue)
        return Route(matrix, by_hand, _CONSTANT if matrix == DERIVED_CL else "")
    if matrix == GBR and _is_444(frame):
        return Route(matrix, _identity)
    if matrix == GBR:  # said of what it cannot be, as some recorders do; ffmpeg takes BT.709, too
        return Route(BT709, note="its colour matrix is said to be that of RGB, which it is not: BT.709 is taken")
    if matrix == YCGCO:
        return Route(matrix, _ycgco)
    if matrix in (YCGCO_RE, YCGCO_RO):
        return Route(matrix, partial(_lifted, extra=2 if matrix == YCGCO_RE else 1))
    return Route(UNSPECIFIED)  # reserved numbers name none


def convert(frame: av.VideoFrame, by_hand: Callable[[_Planes, int, bool], _Planes], flags: int) -> Frame:
    """RGB of a frame by a conversion of our own, uint8 (H, W, 3).

    Args:
        frame: of any format with colour differences.
        by_hand: takes Y, Cb, Cr as they are stored, bits of each, and whether the range is full; gives R, G, B from 0
            to 1.
        flags: libswscale's, for chroma that is stored smaller.
    """
    deepest = max(part.bits for part in frame.format.components)
    bits = next(depth for depth in (8, 9, 10, 12, 14, 16) if depth >= min(deepest, 16))
    full = int(frame.color_range) == FULL or frame.format.name.startswith("yuvj")
    frame.colorspace, frame.color_range = UNSPECIFIED, FULL if full else 1
    # of the same matrix and range: chroma is enlarged, numbers stay as they are
    whole = VideoReformatter().reformat(
        frame, format="yuv444p" if bits == 8 else f"yuv444p{bits}le", interpolation=flags
    )
    y, cb, cr = (_plane(plane, whole.width, bits) for plane in whole.planes)
    red, green, blue = by_hand((y, cb, cr), bits, full)
    pixels = np.stack([red, green, blue], axis=-1)
    return np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8)


def name_of(matrix: int) -> str:
    """What a matrix is called in messages."""
    return _NAMES.get(matrix, f"number {matrix} of H.273")


def _plane(plane: av.video.plane.VideoPlane, width: int, bits: int) -> _Plane:
    kind = np.dtype("u1" if bits == 8 else "<u2")
    rows = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    return rows[:, :width].astype(np.float32)


def _is_444(frame: av.VideoFrame) -> bool:
    layout = frame.format
    return bool(layout.chroma_width(8) == layout.chroma_height(8) == 8)


def _levels(bits: int, full: bool) -> tuple[float, float, float]:
    """Black of Y, what white is above it, and how far Cb and Cr reach."""
    if full:
        return 0.0, float(2**bits - 1), float(2**bits - 1)
    unit = 2.0 ** (bits - 8)
    return 16 * unit, 219 * unit, 224 * unit


def _linear(planes: _Planes, bits: int, full: bool, red: float, blue: float) -> _Planes:
    """By the shares of red and blue in luma."""
    black, white, reach = _levels(bits, full)
    luma = (planes[0] - black) / white
    cb, cr = ((plane - 2 ** (bits - 1)) / reach for plane in planes[1:])
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    return r, (luma - red * r - blue * b) / (1 - red - blue), b


def _identity(planes: _Planes, bits: int, full: bool) -> _Planes:
    """G, B and R, stored as Y, Cb and Cr."""
    black, white, _ = _levels(bits, full)
    g, b, r = ((plane - black) / white for plane in planes)
    return r, g, b


def _ycgco(planes: _Planes, bits: int, full: bool) -> _Planes:
    """Cb holds Cg, Cr holds Co; both are sums of R, G and B as they were stored, and so in luma's units."""
    black, white, _ = _levels(bits, full)
    luma = (planes[0] - black) / white
    cg, co = ((plane - 2 ** (bits - 1)) / white for plane in planes[1:])
    return luma - cg + co, luma + cg, luma - cg - co


def _lifted(planes: _Planes, bits: int, full: bool, extra: int) -> _Planes:
    """The reversible YCgCo, in whole numbers; RGB has fewer bits by `extra`."""
    luma, cg, co = (plane.astype(np.int32) for plane in planes)
    cg, co = cg - 2 ** (bits - 1), co - 2 ** (bits - 1)
    rest = luma - (cg >> 1)
    g, b = rest + cg, rest - (co >> 1)
    black, white, _ = _levels(bits - extra, full)
    red, green, blue = ((plane.astype(np.float32) - black) / white for plane in (b + co, g, b))
    return red, green, blue


def _luma_of(primaries: int) -> tuple[float, float]:
    """The shares of red and blue in luma that follow from primaries; those of BT.709 where none are named."""
    *colours, white = _PRIMARIES.get(primaries, _PRIMARIES[1])
    x, y = np.array(colours).T
    xyz = np.array([x / y, np.ones(3), (1 - x - y) / y])
    target = np.array([white[0] / white[1], 1.0, (1 - white[0] - white[1]) / white[1]])
    red, _, blue = np.linalg.solve(xyz, target)
    return float(red), float(blue)
