"""The answers that cost nothing: frames in between and larger frames made of the true ones, without a fit.

They see what the fit sees (the kept frames, or the small ones), uncompressed: `blend`, `nearest` and `flow` draw frames
in between, `enlarge` larger ones. OpenCV comes with FiftyOne and is imported when it is needed; elsewhere `HAS_OPENCV`
is false, and `flow` and `enlarge` are left out.

    python -m benchmarks.space_time --anchors     # holds them against figures that were measured elsewhere
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from fiftyone_latent_inr.frames.metrics import ms_ssim, psnr

from ..shared.clips import Video


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


HAS_OPENCV, HAS_VIF = _is_there("cv2"), _is_there("torchmetrics")
ENLARGEMENTS = ("bicubic", "lanczos")

Frame = npt.NDArray[np.uint8]


def blend(kept: Video, times: Sequence[float]) -> Video:
    """Frames in between as the weighted mean of their two neighbours.

    Args:
        kept: uint8 (T, H, W, 3).
        times: N instants in [0, T - 1], in units of kept frames.

    Returns:
        uint8 (N, H, W, 3).
    """
    return np.stack([_mix(*_around(kept, time)) for time in times])


def nearest(kept: Video, times: Sequence[float]) -> Video:
    """Frames in between as the kept frame that is nearest in time, the earlier one of two; as `blend`."""
    return kept[np.ceil(np.asarray(times) - 0.5).astype(int)]


def flow(kept: Video, times: Sequence[float]) -> Video:
    """Frames in between by optical flow: both neighbours pulled along the motion between them and blended; as `blend`.

    DIS (T. Kroeger, R. Timofte, D. Dai, L. Van Gool, "Fast optical flow using dense inverse search", ECCV 2016), preset
    medium, in both directions. The flow at the frame in between is taken to be that of its neighbours, scaled.
    """
    import cv2

    searcher = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    frames = []
    found: tuple[int, Frame, Frame] | None = None  # the frame before, and its flows, which several times share
    for time in times:
        before, after, share = _around(kept, time)
        if found is None or found[0] != int(time):
            gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after)]
            found = int(time), searcher.calc(*gray, None), searcher.calc(*reversed(gray), None)
        frames.append(_mix(_pull(before, found[1], share), _pull(after, found[2], 1 - share), share))
    return np.stack(frames)


def enlarge(small: Video, size: tuple[int, int], how: str) -> Video:
    """Larger frames by OpenCV's `bicubic` or `lanczos` (8 x 8) interpolation.

    Args:
        small: uint8 (T, h, w, 3).
        size: (H, W) of the result.
        how: one of `ENLARGEMENTS`.

    Returns:
        uint8 (T, H, W, 3).
    """
    import cv2

    method = {"bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}[how]
    return np.stack([cv2.resize(frame, (size[1], size[0]), interpolation=method) for frame in small])


def figures(truth: Video, answer: Video, perceptual: bool = True) -> dict[str, float | None]:
    """How near an answer comes: PSNR (mean over frames), MS-SSIM, and VIF, of the luma; both uint8 (T, H, W, 3).

    VIF (H. Sheikh, A. Bovik, "Image information and visual quality", 2006; in the pixel domain) goes from 0 to 1 and is
    the perceptual measure that needs no trained weights. None without torchmetrics, or where `perceptual` is false.
    """
    found: dict[str, float | None] = {
        "psnr": round(psnr(truth, answer), 3),
        "ms_ssim": round(ms_ssim(truth, answer), 5),
        "vif": None,
    }
    if perceptual and HAS_VIF and min(truth.shape[1:3]) > 40:  # VIF's coarsest window must fit
        from torchmetrics.functional.image import visual_information_fidelity

        pairs = zip(truth, answer, strict=True)
        values = [float(visual_information_fidelity(_luma(two), _luma(one))) for one, two in pairs]
        found["vif"] = round(float(np.mean(values)), 4)
    return found


def _around(kept: Video, time: float) -> tuple[Frame, Frame, float]:
    """The two kept frames around an instant, and how much of the second is asked for."""
    first = int(time)
    return kept[first], kept[min(first + 1, len(kept) - 1)], time - first


def _mix(before: Frame, after: Frame, share: float) -> Frame:
    mixed = (1 - share) * before.astype(np.float32) + share * after.astype(np.float32)
    return np.round(mixed).clip(0, 255).astype(np.uint8)


def _pull(frame: Frame, flow: npt.NDArray[np.float32], share: float) -> Frame:
    """A frame moved along this share of its flow, (H, W, 2) in pixels: looked up where its points came from."""
    import cv2

    height, width = frame.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(
        frame,
        x - np.float32(share) * flow[..., 0],
        y - np.float32(share) * flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _luma(frame: Frame) -> torch.Tensor:
    """(H, W, 3) -> float32 (1, 1, H, W), 0 to 255, BT.601."""
    weights = torch.tensor([0.299, 0.587, 0.114])
    return (torch.from_numpy(frame.astype(np.float32)) @ weights)[None, None]
