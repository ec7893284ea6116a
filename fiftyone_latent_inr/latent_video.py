"""LatentVideo: a fitted video, as it is stored. Drawing, embeddings, saving and loading."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from . import codec
from .errors import BitstreamError, InputError
from .model import LatentINR, ModelConfig, pixel_grid
from .stored import FloatArray, check_tensors, to_model, to_tensors

# Points drawn at once. On a CPU their features should stay in the cache; a GPU wants enough to keep busy.
_POINTS_CPU = 16_384
_POINTS_GPU = 1_048_576
_MAX_SIDE = 16_384


@dataclass(frozen=True)
class LatentVideo:
    """A video as latents and networks, exactly as its `.linr` file holds it.

    Made by `fit` or `load`. Whatever it says or draws comes from the stored, quantised numbers.

    Attributes:
        config: the model's configuration.
        tensors: the stored tensors, dequantised, float32, by name.
        fps: frames a second.
        preset: the preset it was fitted with.
        teacher: name of the teacher its latents are aligned with, or None.
        teacher_id: the teacher's name and a digest of its weights, or None.
        metrics: `psnr` (dB), `ms_ssim`, `bpp`, `bytes`, `seconds` (wall, of the fit), `psnr_unquantised`,
            `num_parameters`, and with a teacher `alignment` (centred cosine with its embeddings).
        metadata: JSON-able notes that travel in the file.

    Example:
        >>> video = linr.load("clip.linr")                              # doctest: +SKIP
        >>> frames = video.render(times=[0, 0.5, 1], size=(360, 640))   # doctest: +SKIP
    """

    config: ModelConfig
    tensors: Mapping[str, FloatArray]
    fps: float
    preset: str
    teacher: str | None
    teacher_id: str | None
    metrics: Mapping[str, float]
    metadata: Mapping[str, Any]
    data: bytes = field(repr=False)

    @property
    def num_frames(self) -> int:
        """T."""
        return self.config.num_frames

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the fitted frames."""
        return self.config.height, self.config.width

    @property
    def num_parameters(self) -> int:
        """All stored numbers, the embedding head included."""
        return self.config.num_parameters

    @property
    def latents(self) -> FloatArray:
        """(T, D) float32, the dictionary."""
        return self.tensors["latents"]

    @property
    def embeddings(self) -> FloatArray | None:
        """(T, E) float32, a unit-norm embedding of each frame in the teacher's space; None without a teacher."""
        if not self.config.embedding_dim:
            return None
        weight, bias = self.tensors["embedding.weight"], self.tensors["embedding.bias"]
        return _unit(self.latents[:, : self.config.semantic_dim] @ weight + bias)

    @property
    def embedding(self) -> FloatArray | None:
        """(E,) float32, the unit-norm mean of the frames' embeddings; None without a teacher."""
        embeddings = self.embeddings
        return None if embeddings is None else _unit(embeddings.mean(0))

    def render(
        self,
        times: Sequence[float] | npt.NDArray[Any] | None = None,
        size: tuple[int, int] | None = None,
        device: str | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Draws frames at any instants and of any size.

        Args:
            times: frame indices in [0, T - 1], fractions allowed; None for every frame.
            size: (H, W) to draw, by default that of the fitted frames.
            device: torch device; by default the GPU where there is one.

        Returns:
            uint8 (N, H, W, 3) RGB.

        Raises:
            InputError: a time or the size is out of range.
        """
        height, width = _checked_size(size or self.size)
        count = self.num_frames if times is None else len(times)
        frames = self.iter_render(times, size, device)
        first = next(frames, None)
        drawn = np.empty((count, height, width, 3), np.uint8)
        if first is not None:
            drawn[0] = first
            for k, frame in enumerate(frames, 1):
                drawn[k] = frame
        return drawn

    def iter_render(
        self,
        times: Sequence[float] | npt.NDArray[Any] | None = None,
        size: tuple[int, int] | None = None,
        device: str | None = None,
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """Like `render`, one frame (H, W, 3) at a time, so that memory does not grow with their number."""
        instants = _checked_times(times, self.num_frames)
        height, width = _checked_size(size or self.size)
        where = pick_device(device)
        model = self.model(where)
        yield from draw(model, instants, height, width)

    def model(self, device: torch.device | str = "cpu") -> LatentINR:
        """The networks, rebuilt from the stored tensors, on a device."""
        return to_model(self.config, self.tensors).to(device)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the `.linr` file, whole or not at all.

        Raises:
            InputError: the file cannot be written there.
        """
        codec.write_file(path, self.data)


def load(path: str | os.PathLike[str]) -> LatentVideo:
    """Reads a `.linr` file, which may come from a stranger: nothing in it is executed.

    Raises:
        InputError: there is no such file, or it cannot be read.
        BitstreamError: the file is damaged, foreign, or of a newer version.
    """
    data = codec.read_file(path)
    try:
        return from_bytes(data)
    except BitstreamError as error:
        raise BitstreamError(f"{os.fspath(path)}: {error}") from error


def to_bytes(
    model: LatentINR,
    *,
    bits: int,
    fps: float,
    preset: str,
    teacher: str | None = None,
    teacher_id: str | None = None,
    metrics: Mapping[str, float] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes of a `.linr` file; `from_bytes` is the way back. Arguments as the attributes of `LatentVideo`."""
    tensors, codings = to_tensors(model, bits)
    header = {
        "model": model.config.to_json(),
        "fps": fps,
        "preset": preset,
        "teacher": teacher,
        "teacher_id": teacher_id,
        "metrics": dict(metrics or {}),
        "metadata": dict(metadata or {}),
    }
    return codec.compress(header, tensors, codings, {})


def from_bytes(data: bytes) -> LatentVideo:
    """Reads the bytes of a `.linr` file.

    Raises:
        BitstreamError: they are damaged, foreign, or of a newer version.
    """
    header, tensors, _ = codec.decompress(data)
    try:
        config = ModelConfig.from_json(header["model"])
        fps = float(header["fps"])
        measured = {str(k): float(v) for k, v in header["metrics"].items()}
        metadata = dict(header["metadata"])
        names = [header[key] for key in ("preset", "teacher", "teacher_id")]
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BitstreamError(f"its header is not that of a Latent-INR video: {error}") from error
    if not (math.isfinite(fps) and fps > 0) or not all(n is None or isinstance(n, str) for n in names):
        raise BitstreamError("its header is not that of a Latent-INR video: a value is out of range")
    check_tensors(config, tensors)
    measured["bytes"] = float(len(data))
    measured["bpp"] = 8 * len(data) / (config.num_frames * config.height * config.width)
    measured["num_parameters"] = float(config.num_parameters)
    preset, teacher, teacher_id = names
    return LatentVideo(config, tensors, fps, preset or "", teacher, teacher_id, measured, metadata, data)


@torch.inference_mode()
def draw(model: LatentINR, times: npt.NDArray[np.float32], height: int, width: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Draws whole frames with a model, wherever it lives.

    Args:
        model: the networks.
        times: (N,) float32 frame indices in [0, T - 1].
        height: H of the drawing, pixels.
        width: W of the drawing, pixels.

    Yields:
        N frames, uint8 (H, W, 3).
    """
    device = model.latents.device
    grid = pixel_grid(height, width, device)
    points = _POINTS_CPU if device.type == "cpu" else _POINTS_GPU
    together = max(1, points // len(grid))
    for first in range(0, len(times), together):
        instants = torch.from_numpy(times[first : first + together]).to(device)
        latents = model.latents_at(instants)
        frames = torch.cat([_colours(model, latents, part) for part in grid.split(points)], dim=1)
        yield from frames.view(-1, height, width, 3).cpu().numpy()


def _colours(model: LatentINR, latents: Tensor, points: Tensor) -> Tensor:
    """(B, D) latents and (N, 2) points -> (B, N, 3) uint8."""
    return model.render(latents, points).mul_(255).round_().clamp_(0, 255).to(torch.uint8)


def pick_device(device: str | None) -> torch.device:
    """The named device, or the GPU where there is one, or the CPU.

    Raises:
        InputError: the name is not a device, or the device is not there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {device!r} cannot be used ({reason}); leave it out to choose one") from error
    return chosen


def _checked_times(times: Sequence[float] | npt.NDArray[Any] | None, num_frames: int) -> npt.NDArray[np.float32]:
    if times is None:
        return np.arange(num_frames, dtype=np.float32)
    try:
        instants = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"times must be numbers, not {times!r}") from error
    if instants.ndim != 1 or not np.all((instants >= 0) & (instants <= num_frames - 1)):
        raise InputError(f"times must be a list of frame indices from 0 to {num_frames - 1}")
    return instants.astype(np.float32)


def _checked_size(size: tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = (int(n) for n in size)
    except (TypeError, ValueError) as error:
        raise InputError(f"size must be (height, width), not {size!r}") from error
    if not (1 <= height <= _MAX_SIDE and 1 <= width <= _MAX_SIDE):
        raise InputError(f"size must be 1 to {_MAX_SIDE} pixels a side, not {height}x{width}")
    return height, width


def _unit(vectors: npt.NDArray[Any]) -> FloatArray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
