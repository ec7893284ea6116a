"""What a stored video is worth: PSNR and MS-SSIM of its frames, against those it was fitted to or against a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..files import require_file
from ..frames import metrics
from ..frames.aspect import stretch
from ..latent_video.limits import Limits, guarded
from ..latent_video.video import LatentVideo, load
from ..model import LatentINR
from ..rendering.draw import draw
from ..torch_settings import plain_torch

if TYPE_CHECKING:
    from ..priors.prior import Prior
    from ..video.decode import VideoInfo


# In dB: what other decoders, or another copy of a video in good quality, make less of a difference than.
_FAR = 3.0


def glimpse(model: LatentINR, frames: npt.NDArray[np.uint8], cuts: Sequence[int], stride: int) -> float:
    """PSNR in dB of one in so many frames as a model draws it, as the sum over all; arguments as those of `measure`."""
    count, height, width, _ = frames.shape
    chosen = np.arange((count - 1) % stride // 2, count, stride)
    drawn = draw(model, chosen.astype(np.float32), height, width, cuts)
    values = [metrics.psnr(frames[k : k + 1], one[None]) for k, one in zip(chosen, drawn, strict=True)]
    return float(count * np.mean(values))


def measure(model: LatentINR, frames: npt.NDArray[np.uint8], cuts: Sequence[int] = ()) -> tuple[float, float]:
    """PSNR in dB and MS-SSIM of each frame as a model draws it, summed over the frames.

    Args:
        model: as it is stored.
        frames: (T, H, W, 3), the true ones.
        cuts: frames that start a new scene.
    """
    count, height, width, _ = frames.shape
    sums = np.zeros(2)
    for k, drawn in enumerate(draw(model, np.arange(count, dtype=np.float32), height, width, cuts)):
        true = frames[k : k + 1]
        sums += metrics.psnr(true, drawn[None]), metrics.ms_ssim(true, drawn[None])
    return float(sums[0]), float(sums[1])


@plain_torch()
def compare(
    original: str | os.PathLike[str],
    stored: str | os.PathLike[str],
    *,
    device: str | None = None,
    prior: Prior | None = None,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Decodes a `.linr` file and measures it frame by frame, so that memory does not grow with length.

    The original is resized by area averaging to the stored size, as `encode --size` did, and its first T
    frames are compared.

    Args:
        original: the video that was encoded, a file or a folder of images.
        stored: the `.linr` file.
        device: torch device to draw on; None takes the best there is.
        prior: that the file is stored as the difference from, see `load`.
        limits: what the file may make its reader do, see `load`.

    Returns:
        `psnr` (dB, mean of the frames' RGB PSNR), `psnr_min` (of the worst frame), `ms_ssim`, `bpp`, `bytes`,
        `num_frames`, `height`, `width`, `resized`: whether the original was of another size; and `remarks`, lines on
        what suggests that it is not the original, mostly none.

    Raises:
        InputError: a file cannot be read, or the original has fewer frames than the stored video.
        BitstreamError: `stored` is damaged or foreign.

    Example:
        >>> compare("clip.mp4", "clip.linr")["psnr"]  # doctest: +SKIP
    """
    from ..video.decode import iter_frames, probe  # PyAV is needed for files alone

    video = load(stored, prior, limits)
    video.check_drawing()  # before the original is made as large
    num_bytes = require_file(stored, "latent video (.linr)").stat().st_size
    psnrs: list[float] = []
    similarities: list[float] = []
    source = probe(original)
    drawn = video.iter_render(device=device)
    with guarded(os.fspath(stored), "frames of this size beside the original's"):
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
        "remarks": _remarks(video, source, original, float(np.mean(psnrs))),
    }


def _remarks(video: LatentVideo, source: VideoInfo, original: str | os.PathLike[str], psnr: float) -> list[str]:
    """What suggests that a video is not the one that was stored, or not all of it."""
    name, size, remarks = os.fspath(original), (source.height, source.width), []
    if source.num_frames is not None and source.num_frames > 1.02 * video.num_frames + 1:  # it is an estimate
        remarks.append(
            f"{name} has about {source.num_frames} frames, of which the first {video.num_frames} are compared"
        )
    if size != video.size and stretch(source.pixel_aspect, size, video.size) != 1:
        remarks.append(
            f"{name} is of another shape, {size[0]}x{size[1]} where {video.size[0]}x{video.size[1]} is stored"
        )
    wanted = video.metrics.get("psnr", psnr)
    if psnr < wanted - _FAR:
        remarks.append(
            f"{psnr:.1f} dB is far from the {wanted:.1f} dB that were measured when it was fitted: {name} is likely "
            "another video, or a copy that was changed"
        )
    return remarks
