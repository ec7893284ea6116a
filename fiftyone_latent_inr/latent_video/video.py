"""LatentVideo: a fitted video, as it is stored. Drawing, embeddings, saving and loading."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from .. import arguments, codec
from ..arrays import FloatArray, Frame, unit_norm
from ..devices import pick_device
from ..errors import BitstreamError, InputError
from ..files import atomic_target
from ..frames.aspect import from_header
from ..model import LatentINR
from ..model.tensors import SEMANTIC
from ..priors.reference import PriorReference
from ..rendering.between import follow, join
from ..rendering.draw import draw
from ..text import one_line
from ..torch_settings import in_plain_torch, plain_torch
from ..video.timing import unpacked_times
from .kept_models import kept_models
from .stored import Stored

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

    def __init__(self, source: codec.Source, prior: Prior | None = None) -> None:
        self._source, self._given = source, prior
        self._stored = stored = Stored(source, prior)
        header = stored.header
        try:
            self.fps = float(header["fps"])
            self.pixel_aspect = from_header(header)
            measured = {str(k): float(v) for k, v in header["metrics"].items()}
            self.metadata: Mapping[str, Any] = dict(header["metadata"])
            names = [header[key] for key in ("preset", "teacher", "teacher_id")]
            self.times = unpacked_times(header["times"], stored.num_frames) if "times" in header else None
            self.cuts = _checked_cuts(header.get("cuts", []), stored.num_frames)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise BitstreamError(f"its header is not that of a Latent-INR video: {error}") from error
        if not (math.isfinite(self.fps) and self.fps > 0) or not all(n is None or isinstance(n, str) for n in names):
            raise BitstreamError("its header is not that of a Latent-INR video: a value is out of range")
        self.config = stored.groups[0].config
        height, width = self.size
        measured["bytes"] = float(source.size)
        measured["bpp"] = 8 * source.size / (self.num_frames * height * width)
        measured["num_parameters"] = float(self.num_parameters)
        self.metrics: Mapping[str, float] = measured
        self.preset: str = names[0] or ""
        self.teacher: str | None = names[1]
        self.teacher_id: str | None = names[2]

    def __repr__(self) -> str:
        height, width = self.size
        origin = one_line(self._source.name or "in memory")
        return f"LatentVideo({origin}: {self.num_frames} frames of {width}x{height}, {self._source.size} bytes)"

    def __reduce__(self) -> tuple[Any, ...]:
        return from_bytes, (self.data, self._given)

    @property
    def data(self) -> bytes:
        """The file's bytes; read whole if it was loaded from a path."""
        return self._source.read(0, self._source.size)

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
        configs = [group.config for group in self._stored.groups]
        head = (configs[0].semantic_dim + 1) * configs[0].embedding_dim
        return sum(config.num_parameters - head for config in configs) + head

    @property
    def tensors(self) -> Mapping[str, FloatArray]:
        """The stored tensors, float32, by name; of several groups of frames, with the group's number before it."""
        found = dict(self._stored.semantic())
        for k in range(self.num_groups):
            prefix = f"{k}." if self.num_groups > 1 else ""
            found.update({prefix + name: tensor for name, tensor in self._stored.group(k).items()})
        return found

    @property
    def latents(self) -> FloatArray:
        """(T, D) float32, the dictionary; narrower ones of a group end in zeros."""
        semantic = self.config.semantic_dim
        latents = np.zeros((self.num_frames, self.latent_dim), np.float32)
        if semantic:
            latents[:, :semantic] = self._stored.semantic()["latents.semantic"]
        for k, group in enumerate(self._stored.groups):
            free = self._stored.group(k).get("latents.free")
            if free is not None:
                latents[group.first : group.first + len(free), semantic : semantic + free.shape[1]] = free
        return latents

    @property
    def embeddings(self) -> FloatArray | None:
        """(T, E) float32, a unit-norm embedding of each frame in the teacher's space; None without a teacher."""
        if not self.config.embedding_dim:
            return None
        # in float64, for the same embeddings on every machine, and finite ones whatever a file holds
        latents, weight, bias = (self._stored.semantic()[name].astype(np.float64) for name in SEMANTIC)
        return unit_norm(latents @ weight + bias)

    @property
    def embedding(self) -> FloatArray | None:
        """(E,) float32, the unit-norm mean of the frames' embeddings; None without a teacher."""
        embeddings = self.embeddings
        return None if embeddings is None else unit_norm(embeddings.mean(0))

    def seconds(self, times: Sequence[float] | npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """When instants are shown: (N,) frame indices from 0 to T, fractions allowed, to seconds after the first frame.

        T is when the last frame ends.
        """
        instants, count = np.asarray(times, np.float64), self.num_frames
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
            InputError: a time or the size is out of range.
        """
        instants, (height, width) = _checked_times(times, self.num_frames), self._checked_size(size)
        frames = self.iter_render(instants, (height, width), device, motion)
        first = next(frames, None)
        drawn = np.empty((len(instants), height, width, 3), np.uint8)
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
        instants, sides = _checked_times(times, self.num_frames), self._checked_size(size)
        return in_plain_torch(self._frames(instants, sides, device, motion))

    def _checked_size(self, size: Any) -> tuple[int, int]:
        return self.size if size is None else arguments.side_lengths("size", size)

    def _frames(
        self, instants: npt.NDArray[np.float32], size: tuple[int, int], device: str | None, motion: bool
    ) -> Iterator[Frame]:
        height, width = size
        chosen = pick_device(device)
        starts = np.array([group.first for group in self._stored.groups])
        owners = np.searchsorted(starts, instants, side="right") - 1
        lasts = np.append(starts[1:], self.num_frames) - 1
        # twice the group, and one more in the gap that follows it, which is in no group
        places = 2 * owners + (instants > lasts[owners])
        for run in np.split(np.arange(len(instants)), np.flatnonzero(np.diff(places)) + 1):
            if not len(run):
                continue
            index = int(owners[run[0]])
            if places[run[0]] % 2:
                yield from self._join(index, instants[run] - lasts[index], (height, width), chosen)
                continue
            group = self._stored.groups[index]
            cuts = [cut - group.first for cut in self.cuts if 0 < cut - group.first < group.config.num_frames]
            drawing = follow if motion else draw
            inside = (instants[run] - group.first).astype(np.float32)
            yield from drawing(kept_models.get(self._stored, index, chosen), inside, height, width, cuts)

    def _join(
        self, index: int, phases: npt.NDArray[Any], size: tuple[int, int], chosen: torch.device
    ) -> Iterator[Frame]:
        """What lies between a group's last frame and the next one's first: phases from 0 to 1."""
        ends = ((index, self._stored.groups[index].config.num_frames - 1), (index + 1, 0))
        before, after = (
            next(draw(kept_models.get(self._stored, k, chosen), np.array([frame], np.float32), *size))
            for k, frame in ends
        )
        if self._stored.groups[index + 1].first in self.cuts:
            yield from (before if phase < 0.5 else after for phase in phases)
        else:
            yield from join(before, after, phases)

    @plain_torch()
    def model(self, device: torch.device | str = "cpu", group: int = 0) -> LatentINR:
        """The networks of a group of frames, rebuilt from the stored tensors, on a device."""
        return self._stored.model(group).to(device)

    def check(self) -> None:
        """Reads the whole file and compares all checksums, without decoding.

        Raises:
            BitstreamError: a part of the file is damaged; the message says which.
        """
        try:
            self._stored.check()
        except BitstreamError as error:
            raise _naming(self._source, error) from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the `.linr` file, whole or not at all; one that is written over keeps its rights.

        Onto the file that it was loaded from, nothing is written. Another video that was loaded from `path` cannot be
        drawn any more, and says so.

        Raises:
            InputError: the file cannot be written there.
            BitstreamError: the file that it was loaded from is gone, or is another one.
        """
        if self._source.name and os.path.exists(path) and os.path.samefile(self._source.name, path):
            self._source.read(0, 1)  # it has what is to be written, unless it was exchanged
            return
        with atomic_target(path) as temporary, open(temporary, "wb") as handle:
            for offset in range(0, self._source.size, _COPIED):  # long videos are never in memory as a whole
                handle.write(self._source.read(offset, _COPIED))


def load(path: str | os.PathLike[str], prior: Prior | None = None) -> LatentVideo:
    """Reads a `.linr` file, which may come from a stranger: nothing in it is executed.

    Only its header is read at once, and checked; the rest when it is asked for, so the file must stay where it is.
    Damage there is found then, or by `LatentVideo.check`.

    Args:
        path: the file.
        prior: of a file that is stored as the difference from a prior, that one; left out, it is looked for among those
            that are bundled or were got from the Hub before. Embeddings need none.

    Raises:
        InputError: there is no such file, it cannot be read, or the prior is another one; when frames are drawn: the
            prior is not on this machine.
        BitstreamError: the file is damaged, foreign, or of another version.
    """
    source = codec.FileSource(path)
    try:
        return LatentVideo(source, prior)
    except BitstreamError as error:
        raise _naming(source, error) from error


def from_bytes(data: bytes, prior: Prior | None = None) -> LatentVideo:
    """Reads the bytes of a `.linr` file, as `load` reads a path.

    Raises:
        BitstreamError: they are damaged, foreign, or of another version.
    """
    return LatentVideo(codec.MemorySource(data), prior)


def _naming(source: codec.Source, error: BitstreamError) -> BitstreamError:
    """The error with the file's name before it, once."""
    name, text = one_line(source.name or ""), str(error)
    return type(error)(text if text.startswith(name) else f"{name}: {text}")


def _checked_cuts(cuts: Any, num_frames: int) -> tuple[int, ...]:
    whole = isinstance(cuts, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in cuts)
    if not whole or not all(low < high for low, high in pairwise([0, *cuts, num_frames])):
        raise ValueError("cuts are not ascending frames of the video")
    return tuple(cuts)


def _checked_times(times: Any, num_frames: int) -> npt.NDArray[np.float32]:
    if times is None:
        return np.arange(num_frames, dtype=np.float32)
    if hasattr(times, "detach") and hasattr(times, "cpu"):  # a tensor, which may need gradients or lie on a card
        times = times.detach().cpu()
    try:
        instants = np.asarray(times)
        instants = instants.astype(np.float64) if instants.dtype.kind in "iufO" else np.zeros(())
    except (TypeError, ValueError, OverflowError):  # ragged, or no numbers
        instants = np.zeros(())
    if instants.ndim != 1 or not np.all((instants >= 0) & (instants <= num_frames - 1)):
        raise InputError(
            f"times must be a list of frame indices from 0 to {num_frames - 1}, not {arguments.shown(times)}"
        )
    return instants.astype(np.float32)
