"""LatentVideo: a fitted video, as it is stored. Drawing, embeddings, saving and loading."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from .. import arguments, codec
from ..arrays import FloatArray, Frame
from ..devices import pick_device
from ..errors import InputError
from ..files import as_path, atomic_target
from ..model import LatentINR
from ..priors.reference import PriorReference
from ..text import one_line
from ..torch_settings import in_plain_torch, plain_torch
from .drawing import draw_frames, most_expensive_frame
from .embedding import embed, mean_embedding
from .header import read_header
from .limits import Limits, guarded
from .stored import Stored
from .tensors import StoredTensors

if TYPE_CHECKING:
    from ..priors.prior import Prior

_COPIED = 1 << 24  # bytes that are copied at a time


class LatentVideo:
    """A video as latents and networks, exactly as its `.linr` file holds it.

    Made by `fit` or `load`. Whatever it says or draws comes from the stored, quantised numbers, which are read when
    they are needed: embeddings need a small section of the file, a frame that of its group of frames.

    Attributes:
        config: the model's configuration; of several groups of frames, the first one's.
        fps: frames a second; of frames that are not evenly spaced the average.
        times: (T,) seconds at which each frame is shown, from 0 on, where even spacing would be wrong; else None.
        pixel_aspect: width over height of a pixel, a `Fraction`; 1 for square ones.
        cuts: frames that start a new scene, ascending.
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

    def __init__(self, source: codec.Source, prior: Prior | None = None, limits: Limits | None = None) -> None:
        self._source, self._given = source, prior
        self._stored = stored = Stored(source, prior, limits)
        said = read_header(stored.header, stored.num_frames)
        self.fps, self.times, self.cuts = said.fps, said.times, said.cuts
        self.pixel_aspect = said.pixel_aspect
        self.preset, self.teacher, self.teacher_id = said.preset, said.teacher, said.teacher_id
        self.metadata = said.metadata
        self.config = stored.groups[0].config
        height, width = self.size
        bpp = 8 * source.size / (self.num_frames * height * width)
        self.metrics: Mapping[str, float] = {
            **said.metrics,
            "bytes": float(source.size),
            "bpp": bpp,
            "num_parameters": float(stored.num_parameters),
        }

    def __repr__(self) -> str:
        height, width = self.size
        origin = one_line(self._source.name or "in memory")
        return f"LatentVideo({origin}: {self.num_frames} frames of {width}x{height}, {self._source.size} bytes)"

    def __reduce__(self) -> tuple[Any, ...]:
        return from_bytes, (self.data, self._given, self.limits)

    @property
    def data(self) -> bytes:
        """The file's bytes; read whole if it was loaded from a path."""
        return self._source.read(0, self._source.size)

    @property
    def limits(self) -> Limits:
        """What the file may make its reader do."""
        return self._stored.limits

    @property
    def stored(self) -> Stored:
        """What the file holds of models, for a fit that goes on from it."""
        return self._stored

    @property
    def num_frames(self) -> int:
        """T."""
        return self._stored.num_frames

    @property
    def prior(self) -> PriorReference | None:
        """The prior that the field is stored as the difference from, without which nothing can be drawn."""
        return self._stored.prior

    @property
    def num_groups(self) -> int:
        """Groups of frames, each with a model of its own."""
        return len(self._stored.groups)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the fitted frames."""
        return self.config.height, self.config.width

    @property
    def latent_dim(self) -> int:
        """D, of the widest latent."""
        return max(group.config.latent_dim for group in self._stored.groups)

    @property
    def num_parameters(self) -> int:
        """All stored numbers, the embedding head included."""
        return self._stored.num_parameters

    @property
    def tensors(self) -> Mapping[str, FloatArray]:
        """The stored tensors, float32, by name; of several groups of frames, with the group's number before it.

        Names are known at once, a group is decoded when one of its tensors is asked for.
        """
        return StoredTensors(self._stored)

    @property
    def latents(self) -> FloatArray:
        """(T, D) float32, the dictionary; narrower ones of a group end in zeros.

        Raises:
            BitstreamError: they are more than the limits allow.
        """
        semantic, shape = self.config.semantic_dim, (self.num_frames, self.latent_dim)
        with guarded(self._source.name, "its latents"):
            what = f"latents of {shape[0]:,} x {shape[1]:,} numbers"
            self.limits.check("array_bytes", 4 * shape[0] * shape[1], what)
            latents = np.zeros(shape, np.float32)
            if semantic:
                latents[:, :semantic] = self._stored.semantic()["latents.semantic"]
            for k, group in enumerate(self._stored.groups):
                free = self._stored.free_latents(k)
                latents[group.first : group.first + len(free), semantic : semantic + free.shape[1]] = free
            return latents

    @property
    def embeddings(self) -> FloatArray | None:
        """(T, E) float32, a unit-norm embedding of each frame in the teacher's space; None without a teacher.

        Raises:
            BitstreamError: they are more than the limits allow; `embedding` needs no such array.
        """
        width = self.config.embedding_dim
        if not width:
            return None
        with guarded(self._source.name, "its embeddings"):
            what = f"embeddings of {self.num_frames:,} x {width:,} numbers"
            self.limits.check("array_bytes", 4 * self.num_frames * width, what)
            return embed(self._stored.semantic())

    @property
    def embedding(self) -> FloatArray | None:
        """(E,) float32, the unit-norm mean of the frames' embeddings; None without a teacher."""
        if not self.config.embedding_dim:
            return None
        with guarded(self._source.name, "its embedding"):
            return mean_embedding(self._stored.semantic())

    def seconds(self, times: Sequence[float] | npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """When instants are shown: (N,) frame indices from 0 to T, fractions allowed, to seconds after the first frame.

        T is when the last frame ends.

        Raises:
            InputError: a time is out of range or none.
        """
        count = self.num_frames
        instants = _checked_times(times, count)
        if self.times is None:
            return np.asarray(instants / self.fps)
        end = max(count / self.fps, self.times[-1] + min(1e-3, 0.5 / self.fps))
        return np.asarray(np.interp(instants, np.arange(count + 1), np.append(self.times, end)))

    def render(
        self,
        times: Sequence[float] | npt.NDArray[Any] | None = None,
        size: tuple[int, int] | None = None,
        device: str | None = None,
        motion: bool = False,
    ) -> npt.NDArray[np.uint8]:
        """Draws frames at any instants and of any size.

        Args:
            times: frame indices in [0, T - 1], fractions allowed; None for every frame. Whole indices give the fitted
                frames. In between latents are interpolated, but not from one scene to the next: there the nearer frame
                stands.
            size: (H, W) to draw, by default that of the fitted frames. Larger drawings average to the fitted frames,
                smaller ones are their averages.
            device: torch device; by default the GPU where there is one.
            motion: also follow the motion between the drawn frames, and average both where they agree: slower,
                sharper on steady motion. Needs OpenCV.

        Returns:
            uint8 (N, H, W, 3) RGB.

        Raises:
            InputError: a time or the size is out of range, or memory is too small for so many frames.
            BitstreamError: the file is damaged, or asks for more than the limits allow.
        """
        height, width = self._checked_size(size)
        instants = None if times is None else self._instants(times)
        shape = (self.num_frames if instants is None else len(instants), height, width, 3)
        what = f"{shape[0]:,} frames of {height}x{width} at once, which iter_render gives one by one"
        with guarded(self._source.name, what):
            if instants is None:
                self.limits.check("render_bytes", math.prod(shape), what)
        frames = self.iter_render(instants, (height, width), device, motion)
        first = next(frames, None)
        if shape[0] == 1 and first is not None:
            return first[None]
        with guarded(self._source.name, what):
            drawn = np.empty(shape, np.uint8)
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
        motion: bool = False,
    ) -> Iterator[Frame]:
        """Like `render`, one frame (H, W, 3) at a time, so that memory does not grow with their number."""
        instants = None if times is None else self._instants(times)
        frames = draw_frames(self._stored, self.cuts, instants, self._checked_size(size), device, motion)
        return in_plain_torch(frames)

    def check_drawing(self, size: tuple[int, int] | None = None) -> float:
        """Whether frames of a size (H, W) may be drawn, told before anything is; by default that of the fitted frames.

        Returns:
            the most multiply-adds that one of them takes.

        Raises:
            BitstreamError: they take more than the limits allow.
        """
        checked = self._checked_size(size)
        with guarded(self._source.name, "a frame"):
            return most_expensive_frame(self._stored, checked)

    def _instants(self, times: Any) -> npt.NDArray[np.float32]:
        return _checked_times(times, self.num_frames - 1).astype(np.float32)

    def _checked_size(self, size: Any) -> tuple[int, int]:
        return self.size if size is None else arguments.side_lengths("size", size)

    @plain_torch()
    def model(self, device: torch.device | str = "cpu", group: int = 0) -> LatentINR:
        """The networks of a group of frames, from 0 on, rebuilt from the stored tensors, on a device.

        Raises:
            InputError: there is no such group, or the device cannot be used.
            BitstreamError: the file is damaged.
        """
        index = arguments.whole("group", group, 0, self.num_groups - 1)
        chosen = pick_device("cpu" if device is None else device)
        with guarded(self._source.name, "its networks"):
            return self._stored.model(index).to(chosen)

    def check(self) -> None:
        """Reads the whole file and compares all checksums, without decoding.

        Raises:
            BitstreamError: a part of the file is damaged; the message says which.
        """
        with guarded(self._source.name, "its sections"):
            self._stored.check()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the `.linr` file, whole or not at all; one that is written over keeps its rights.

        Onto the file that it was loaded from, nothing is written. Another video that was loaded from `path` cannot be
        drawn any more, and says so.

        A `.linr` file of that name is replaced, and so is anything that is named so.

        Raises:
            InputError: the file cannot be written there, or it is a film or the like, which is never replaced.
            BitstreamError: the file that it was loaded from is gone, or is another one.
        """
        if self._source.name and os.path.exists(path) and os.path.samefile(self._source.name, path):
            self._source.read(0, 1)  # it has what is to be written, unless it was exchanged
            return
        target = as_path(path, "file to write")
        if target.suffix.lower() != ".linr" and target.is_file() and not _is_stored(target):
            raise InputError(f"{target} is there and is no .linr file, so it stays; remove it, or choose another name")
        with atomic_target(path) as temporary, open(temporary, "wb") as handle:
            for offset in range(0, self._source.size, _COPIED):  # long videos are never in memory as a whole
                handle.write(self._source.read(offset, _COPIED))


def load(path: str | os.PathLike[str], prior: Prior | None = None, limits: Limits | None = None) -> LatentVideo:
    """Reads a `.linr` file, which may come from a stranger: nothing in it is executed, and what it costs is bounded.

    Only its header is read at once, and checked; the rest when it is asked for, so the file must stay where it is.
    Damage there is found then, or by `LatentVideo.check`.

    Args:
        path: the file.
        prior: of a file that is stored as the difference from a prior, that one; left out, it is looked for among those
            that are bundled or were got from the Hub before. Embeddings need none.
        limits: what the file may make its reader do; left out, `Limits()`, generous ones. `Limits.none()` are none.

    Raises:
        InputError: there is no such file, it cannot be read, or the prior is another one; when frames are drawn: the
            prior is not on this machine, or memory is too small.
        BitstreamError: the file is damaged, foreign, or of another version; or it asks for more than `limits` allow,
            now or when that is asked for.
    """
    source = codec.FileSource(path)
    with guarded(source.name, "its header"):
        return LatentVideo(source, prior, limits)


def from_bytes(data: bytes, prior: Prior | None = None, limits: Limits | None = None) -> LatentVideo:
    """Reads the bytes of a `.linr` file, as `load` reads a path.

    Raises:
        BitstreamError: they are damaged, foreign, or of another version, or ask for more than `limits` allow.
    """
    return LatentVideo(codec.MemorySource(data), prior, limits)


def _is_stored(file: Path) -> bool:
    with open(file, "rb") as handle:
        return handle.read(len(codec.MAGIC)) in (codec.MAGIC, b"")


def _checked_times(times: Any, last: int) -> npt.NDArray[np.float64]:
    if hasattr(times, "detach") and hasattr(times, "cpu"):  # a tensor, which may need gradients or lie on a card
        times = times.detach().cpu()
    try:
        instants = np.asarray(times)
        instants = instants.astype(np.float64) if instants.dtype.kind in "iufO" else np.zeros(())
    except (TypeError, ValueError, OverflowError):  # ragged, or no numbers
        instants = np.zeros(())
    if instants.ndim != 1 or not np.all((instants >= 0) & (instants <= last)):
        raise InputError(f"times must be a list of frame indices from 0 to {last}, not {arguments.shown(times)}")
    return instants
