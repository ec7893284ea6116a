"""How good and how large: PSNR, MS-SSIM and bits per pixel of 8-bit RGB videos.

Both videos are uint8 (T, H, W, 3); they are compared a few frames at a time, so that floats of a whole
video are never held.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..arrays import Frames, check_frames
from ..errors import InputError

if TYPE_CHECKING:
    import torch

# Identical frames have an infinite PSNR, which would make a mean over frames meaningless.
MAX_PSNR = 100.0

# Wang, Simoncelli, Bovik 2003, "Multiscale structural similarity for image quality assessment", section 3.2.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = 11
WINDOW_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

_CHUNK_BYTES = 1 << 24
_MOST_NUMBERS = 27_000_000  # of the frames that are compared at once: one of 4K


def psnr_per_frame(a: Frames, b: Frames) -> npt.NDArray[np.float64]:
    """Peak signal-to-noise ratio of each frame, over its three channels together.

    Args:
        a: uint8 (T, H, W, 3).
        b: uint8 (T, H, W, 3).

    Returns:
        float64 (T,) in dB, at most 100 (identical frames).

    Raises:
        InputError: other types, or two different shapes.
    """
    _check(a, b)
    errors = [_squared_errors(x, y) for x, y in _chunks(a, b)]
    mse = np.concatenate(errors) / math.prod(a.shape[1:])
    with np.errstate(divide="ignore"):
        values = 10 * np.log10(255.0**2 / mse)
    return np.asarray(np.minimum(values, MAX_PSNR))


def psnr(a: Frames, b: Frames) -> float:
    """Mean over frames of the PSNR of each, the figure that the literature on neural video reports.

    Args:
        a: uint8 (T, H, W, 3).
        b: uint8 (T, H, W, 3).

    Returns:
        dB, at most 100 (identical videos).

    Example:
        >>> black = np.zeros((2, 16, 16, 3), np.uint8)
        >>> round(psnr(black, black + 1), 2)
        48.13
    """
    return float(psnr_per_frame(a, b).mean())


def ms_ssim(a: Frames, b: Frames) -> float:
    """Multi-scale structural similarity (Wang 2003), each channel on its own, mean over channels and frames.

    Five scales with the weights of the paper, where the smaller side has at least 176 pixels. Smaller
    frames have fewer scales (four from 88, three from 44, two from 22 pixels, else one), their weights made
    to sum to one again; frames smaller than the 11-pixel window have a smaller window. Figures from different
    numbers of scales do not compare.

    Args:
        a: uint8 (T, H, W, 3).
        b: uint8 (T, H, W, 3).

    Returns:
        0 to 1; 1 for identical videos.
    """
    import torch

    from ..torch_settings import plain_torch

    _check(a, b)
    side = min(a.shape[1:3])
    scales = num_scales(side)
    total = 0.0
    with plain_torch(), torch.inference_mode():
        weights = torch.tensor(SCALE_WEIGHTS[:scales], dtype=torch.float64)
        weights = weights / weights.sum()
        window = _window(min(WINDOW, side - 1 + side % 2))
        for x, y in _chunks(a, b):
            one, other = _planes(x), _planes(y)
            step = len(one) if one.numel() <= _MOST_NUMBERS else 1  # of large frames a channel at a time
            parts = [
                _ms_ssim_of_planes(one[k : k + step], other[k : k + step], window, weights)
                for k in range(0, len(one), step)
            ]
            total += float(torch.cat(parts).mean()) * len(x)
    return total / len(a)


def num_scales(side: int) -> int:
    """How many scales `ms_ssim` uses for frames whose smaller side is `side` pixels."""
    return next((n for n in range(len(SCALE_WEIGHTS), 1, -1) if side >> (n - 1) >= WINDOW), 1)


def bpp(num_bytes: int, num_frames: int, height: int, width: int) -> float:
    """Bits per pixel of a file that stores this many frames of this size."""
    return 8 * num_bytes / (num_frames * height * width)


def _check(a: Any, b: Any) -> None:
    for video in (a, b):
        check_frames(video, "videos to compare")
    if a.shape != b.shape:
        raise InputError(f"videos to compare differ in shape: {a.shape} and {b.shape} (T, H, W, 3)")


def _chunks(a: Frames, b: Frames) -> Iterator[tuple[Frames, Frames]]:
    step = max(1, _CHUNK_BYTES // (4 * math.prod(a.shape[1:])))
    for start in range(0, len(a), step):
        yield a[start : start + step], b[start : start + step]


def _squared_errors(a: Frames, b: Frames) -> npt.NDArray[np.float64]:
    """Summed over each frame, exactly: float64 holds integers up to 2 ** 53."""
    total = np.zeros(len(a))
    rows = max(1, _CHUNK_BYTES // (4 * math.prod(a.shape[2:])))
    for top in range(0, a.shape[1], rows):  # of frames of any size few rows at a time
        part = slice(top, top + rows)
        difference = (a[:, part].astype(np.int16) - b[:, part]).reshape(len(a), -1).astype(np.float32)
        # A square is at most 65025, exact in float32; their sum is taken in float64.
        total += np.square(difference).sum(axis=1, dtype=np.float64)
    return total


def _planes(frames: Frames) -> torch.Tensor:
    """(T, H, W, 3) -> float32 (T * 3, 1, H, W): every channel is a picture of its own."""
    import torch

    channels = np.ascontiguousarray(np.moveaxis(frames, -1, 1))
    return torch.from_numpy(channels).float().reshape(-1, 1, *frames.shape[1:3])


def _window(size: int) -> torch.Tensor:
    import torch

    offsets = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = torch.exp(-(offsets**2) / (2 * WINDOW_SIGMA**2))
    return (weights / weights.sum()).float()


def _blur(x: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Separable, without padding: (N, 1, H, W) -> (N, 1, H - size + 1, W - size + 1)."""
    from torch.nn.functional import conv2d

    return conv2d(conv2d(x, window.reshape(1, 1, -1, 1)), window.reshape(1, 1, 1, -1))


def _ms_ssim_of_planes(x: torch.Tensor, y: torch.Tensor, window: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(N, 1, H, W) twice -> float64 (N,); equation 7 of the paper, negative terms cut to zero."""
    import torch
    from torch.nn.functional import avg_pool2d

    result = torch.ones(len(x), dtype=torch.float64)
    for scale, weight in enumerate(weights):
        mean_x, mean_y = _blur(x, window), _blur(y, window)
        variances = _blur(x * x, window) - mean_x**2 + _blur(y * y, window) - mean_y**2
        covariance = _blur(x * y, window) - mean_x * mean_y
        contrast = (2 * covariance + _C2) / (variances + _C2)
        last = scale == len(weights) - 1
        if last:  # luminance counts at the coarsest scale only
            contrast = contrast * (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
        result *= contrast.double().mean(dim=(1, 2, 3)).clamp_min(0) ** weight
        if not last:
            x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)
    return result
