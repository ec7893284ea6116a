"""Measures a stored video against its original: the bytes of the file, the frames it decodes to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..frames import metrics
from ..latent_video.video import load
from ..video.decode import iter_frames, probe

if TYPE_CHECKING:
    from ..priors.prior import Prior


def compare(
    original: str | os.PathLike[str],
    stored: str | os.PathLike[str],
    *,
    device: str | None = None,
    prior: Prior | None = None,
) -> dict[str, Any]:
    """Decodes a `.linr` file and measures it frame by frame, so that memory does not grow with length.

    The original is resized by area averaging to the stored size, as `encode --size` did, and its first T
    frames are compared.

    Args:
        original: the video that was encoded.
        stored: the `.linr` file.
        device: torch device to draw on; None takes the best there is.
        prior: that the file is stored as the difference from, see `load`.

    Returns:
        `psnr` (dB, mean of the frames' RGB PSNR), `psnr_min` (of the worst frame), `ms_ssim`, `bpp`, `bytes`,
        `num_frames`, `height`, `width`, and `resized`: whether the original was of another size.

    Raises:
        InputError: a file cannot be read, or the original has fewer frames than the stored video.
        BitstreamError: `stored` is damaged or foreign.

    Example:
        >>> compare("clip.mp4", "clip.linr")["psnr"]  # doctest: +SKIP
    """
    num_bytes = os.path.getsize(stored) if os.path.isfile(stored) else 0
    video = load(stored, prior)
    psnrs: list[float] = []
    similarities: list[float] = []
    source = probe(original)
    drawn = video.iter_render(device=device)
    for frame in iter_frames(original, size=video.size, max_frames=video.num_frames):
        true, rebuilt = frame[None], next(drawn)[None]
        psnrs.append(metrics.psnr(true, rebuilt))
        similarities.append(metrics.ms_ssim(true, rebuilt))
    if len(psnrs) < video.num_frames:
        raise InputError(
            f"{os.fspath(original)} has {len(psnrs)} frames but {os.fspath(stored)} holds "
            f"{video.num_frames}; is it the original?"
        )
    height, width = video.size
    return {
        "psnr": float(np.mean(psnrs)),
        "psnr_min": float(np.min(psnrs)),
        "ms_ssim": float(np.mean(similarities)),
        "bpp": metrics.bpp(num_bytes, video.num_frames, height, width),
        "bytes": num_bytes,
        "num_frames": video.num_frames,
        "height": height,
        "width": width,
        "resized": (source.height, source.width) != video.size,
    }
