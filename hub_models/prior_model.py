"""A pretrained prior as a video model: frames into the teacher's space in one pass, without the teacher or a fit.

    frames of a video --evenly spaced--> semantic encoder --head--> mean of unit vectors --> one vector
    text --the teacher's text tower, loaded at the first text--> a vector of the same space

Of the prior's `model.safetensors` only the semantic encoder and its head are read.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import fiftyone.core.models as fom
import numpy as np

from . import teacher_model

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
# The mean of so many frames' vectors is nearly that of all; what takes the time is that FiftyOne decodes them all.
FRAMES = 16
_LIBRARY = "fiftyone-latent-inr"
_FORMAT = 2
# Size of the pictures that the encoder looks at.
_SIZE = 48
_BOUNDS = {"embedding_dim": 8192, "semantic_dim": 4096, "semantic_width": 256}
_MAX_CONFIG_BYTES = 1 << 20
# 64 million numbers of 32 bits and a header; no prior is larger.
_MAX_HEADER_BYTES = 1 << 20
_MAX_WEIGHTS_BYTES = 4 * 64_000_000 + _MAX_HEADER_BYTES + 8


class PriorModel(fom.Model, fom.EmbeddingsMixin, fom.PromptMixin):
    """Embeds videos and texts into one space; every vector has unit norm.

    Args:
        directory: folder with `config.json` and `model.safetensors`.
        device: torch device; None takes CUDA, then MPS, then the CPU.
        frames: number of frames of a video that are looked at, at most, evenly spaced.
        name: the repository that it came from, whose words name no folder of this machine; None for a folder of yours.

    Raises:
        ValueError: there is no prior, it is damaged, or it was pretrained without a teacher.
    """

    def __init__(
        self, directory: str | Path, device: str | None = None, frames: int = FRAMES, name: str | None = None
    ) -> None:
        super().__init__()
        if not isinstance(frames, int) or frames < 1:
            raise ValueError(f"frames must be a whole number of at least 1, not {frames!r}")
        self.name, self._foreign = (name or str(directory))[:200], name is not None
        folder = Path(directory)
        self.teacher, self._teacher_id, shape = _read_config(folder, self.name)
        self.embedding_dim = shape["embedding_dim"]
        self._frames = frames
        self._device_name = device
        self._device = teacher_model.pick_device(device)
        tensors = _read_weights(folder, shape, self.name)
        self._tensors = {key: tensor.to(self._device) for key, tensor in tensors.items()}
        self._text: teacher_model.TeacherModel | None = None
        self._last: np.ndarray | None = None

    media_type = property(lambda self: "video")
    ragged_batches = property(lambda self: True)
    transforms = property(lambda self: None)
    has_embeddings = property(lambda self: True)
    can_embed_prompts = property(lambda self: True)

    @property
    def preprocess(self) -> bool:
        """FiftyOne asks; there are no transforms to apply."""
        return False

    @preprocess.setter
    def preprocess(self, value: bool) -> None:
        pass

    def predict(self, arg: Any) -> None:
        """Embeds a video; the vector is what `get_embeddings` returns. There is nothing else to predict."""
        self._last = self.embed(arg)[None]

    def get_embeddings(self) -> np.ndarray:
        """The last video's vector, float32 (1, E)."""
        if self._last is None:
            raise ValueError("no video has been embedded yet")
        return self._last

    def embed(self, arg: Any) -> np.ndarray:
        """One video's vector.

        Args:
            arg: reader of a video or of a clip of it, as FiftyOne gives it, or frames, uint8 (T, H, W, 3).

        Returns:
            float32 (E,), unit norm.

        Raises:
            ValueError: no frame could be read.
        """
        import torch

        wanted, last = sampled(len(arg), self._frames), None
        pictures: list[Any] = []
        for k, frame in enumerate(arg):
            last = frame
            if k == wanted[len(pictures)]:
                pictures.append(self._picture(frame))
                if len(pictures) == len(wanted):
                    break
        if not pictures and last is not None:  # fewer frames than the file says
            pictures.append(self._picture(last))
        if not pictures:
            where = getattr(arg, "inpath", "the video")
            raise ValueError(f"{where}: no frame could be read (of {getattr(arg, 'frames', 'all')}); is it damaged?")
        with torch.inference_mode():
            vectors = self._encode(torch.cat(pictures)).cpu().numpy()
        # as the package pools a fitted video's frames
        mean = vectors.mean(0, dtype=np.float64)
        unit: np.ndarray = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
        return unit

    def embed_all(self, args: Any) -> np.ndarray:
        """Videos' vectors, float32 (N, E)."""
        return np.stack([self.embed(arg) for arg in args])

    def embed_frames(self, frames: np.ndarray) -> np.ndarray:
        """Each frame's vector: uint8 (T, H, W, 3) -> float32 (T, E), unit norm."""
        import torch

        with torch.inference_mode():
            vectors: np.ndarray = self._encode(torch.cat([self._picture(frame) for frame in frames])).cpu().numpy()
        return vectors

    def embed_prompt(self, arg: str) -> np.ndarray:
        """One text's vector, float32 (E,)."""
        vector: np.ndarray = self.embed_prompts([arg])[0]
        return vector

    def embed_prompts(self, args: Any) -> np.ndarray:
        """Texts' vectors, float32 (N, E)."""
        if self._text is None:
            if self._foreign and Path(self.teacher).is_absolute():
                where = self.teacher[:200]
                raise ValueError(f"{self.name}: texts need its teacher, which it says is in a folder: {where!r}")
            self._text = _text_tower(self.teacher, self._teacher_id, self._device_name, self.name)
        vectors = self._text.embed_prompts(args)
        if vectors.shape[1] != self.embedding_dim:
            raise ValueError(
                f"{self.name}: its vectors have {self.embedding_dim} numbers, those of teacher {self.teacher} "
                f"{vectors.shape[1]}: it is not the teacher of this prior"
            )
        return vectors

    def _picture(self, frame: Any) -> Any:
        """uint8 (H, W, 3) -> (1, 3, 48, 48), 0 to 1; done at once, so that no large frame is kept."""
        import torch
        import torch.nn.functional as F

        # a copy, as what FiftyOne's reader gives cannot be written, which torch warns of; planes are averaged faster
        pixels = torch.from_numpy(np.array(frame)).to(self._device).permute(2, 0, 1)[None]
        planes = pixels.to(torch.float32, memory_format=torch.contiguous_format)
        return F.adaptive_avg_pool2d(planes, _SIZE) / 255

    def _encode(self, pictures: Any) -> Any:
        """(B, 3, 48, 48) -> (B, E) of unit norm; the same as the package's `PriorNetworks.embed`."""
        import torch.nn.functional as F

        own = self._tensors
        x = 4 * (pictures - 0.5)
        for k in range(4):
            x = F.relu(F.conv2d(x, own[f"convolutions.{k}.weight"], own[f"convolutions.{k}.bias"], 2, 1))
        x = F.relu(F.linear(x.flatten(1), own["hidden.weight"], own["hidden.bias"]))
        latents = F.linear(x, own["out.weight"], own["out.bias"])
        return F.normalize(latents @ own["embedding_weight"] + own["embedding_bias"], dim=-1)


def sampled(count: int, most: int) -> list[int]:
    """Indices of the frames that are looked at: all, or so many evenly spaced ones, each in the middle of its part."""
    if count <= most:
        return list(range(max(count, 1)))
    return [int((k + 0.5) * count / most) for k in range(most)]


def fetch(repo: str, revision: str | None = None) -> Path:
    """Brings a prior of the Hugging Face Hub into its cache, after a look at how large it is.

    Returns:
        the folder in the cache.

    Raises:
        ValueError: it cannot be had, or is larger than any prior.
    """
    path = _download(repo, CONFIG, revision, _MAX_CONFIG_BYTES)
    # the commit that it came from, so that the two files belong together
    _download(repo, WEIGHTS, path.parent.name, _MAX_WEIGHTS_BYTES)
    return path.parent


def _download(repo: str, name: str, revision: str | None, most: int) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    try:
        size = get_hf_file_metadata(hf_hub_url(repo, name, revision=revision)).size
    except Exception:  # no network, or no such file: the cache may have it, or the next call says why
        size = None
    if size is not None and size > most:
        raise ValueError(f"{repo}: its {name} has {size / 1e6:,.1f} MB, more than that of any prior; not downloaded")
    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{repo}: {name} cannot be had from the Hub: {reason}") from error


def _inside(folder: Path, name: str) -> Path:
    """A file that must lie in the folder, by the package's rule (`priors.files.inside`): a regular one, no pipe.

    Links may lead within the folder, and from a snapshot of the Hub's cache to that cache's blobs.
    """
    path, root = folder / name, folder.resolve()
    if not path.is_file():
        raise ValueError("it is missing, or no regular file")
    if root.parent.name == "snapshots":
        root = root.parent.parent
    if not path.resolve().is_relative_to(root):
        raise ValueError("it is a link that leads out of the prior's folder; put the file itself there")
    return path


def _read_config(folder: Path, name: str) -> tuple[str, str, dict[str, int]]:
    """The teacher's name and id, and the sizes that the encoder is made of."""
    try:
        with open(_inside(folder, CONFIG), "rb") as file:
            data = file.read(_MAX_CONFIG_BYTES + 1)
        if len(data) > _MAX_CONFIG_BYTES:
            raise ValueError("it is far too large")
        content = json.loads(data)
        if not isinstance(content, dict) or content.get("library") != _LIBRARY:
            raise ValueError("it is not a Latent-INR prior's")
        if content.get("format") != _FORMAT:
            raise ValueError(f"its format is {str(content.get('format'))[:20]!r}, not {_FORMAT}")
        prior = content["prior"]
        teacher, teacher_id = prior["teacher"], prior["teacher_id"]
        shape = {key: prior[key] for key in _BOUNDS}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{name}: no prior there: {CONFIG}: {' '.join(str(error).split())[:200]}") from error
    if teacher is None:
        raise ValueError(f"{name}: it was pretrained without a teacher, so that it cannot embed videos")
    if not (isinstance(teacher, str) and isinstance(teacher_id, str)):
        raise ValueError(f"{name}: {CONFIG}: its teacher must be a text")
    for key, value in shape.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _BOUNDS[key]:
            raise ValueError(f"{name}: {CONFIG}: {key} must be from 1 to {_BOUNDS[key]}, not {str(value)[:20]!r}")
    return teacher, teacher_id, shape


def _shapes(embedding_dim: int, semantic_dim: int, semantic_width: int) -> dict[str, list[int]]:
    """The encoder's tensors: short name -> shape."""
    width = semantic_width
    channels = [3, width, 2 * width, 4 * width, 4 * width]
    shapes: dict[str, list[int]] = {}
    for k, (seen, made) in enumerate(pairwise(channels)):
        shapes |= {f"convolutions.{k}.weight": [made, seen, 3, 3], f"convolutions.{k}.bias": [made]}
    shapes |= {"hidden.weight": [8 * width, channels[-1] * (_SIZE // 16) ** 2], "hidden.bias": [8 * width]}
    shapes |= {"out.weight": [semantic_dim, 8 * width], "out.bias": [semantic_dim]}
    return {**shapes, "embedding_weight": [semantic_dim, embedding_dim], "embedding_bias": [embedding_dim]}


def _read_weights(folder: Path, shape: dict[str, int], name: str) -> dict[str, Any]:
    """The encoder's tensors, in 32 bits; the header is checked before any of them is read."""
    import torch
    from safetensors import safe_open

    try:
        path = _inside(folder, WEIGHTS)
        if path.stat().st_size > _MAX_WEIGHTS_BYTES:
            raise ValueError("it is larger than that of any prior")
        with open(path, "rb") as start:
            if int.from_bytes(start.read(8), "little") > _MAX_HEADER_BYTES:
                raise ValueError("its header is larger than that of any prior")
        with safe_open(path, framework="pt") as file:
            stored, tensors = set(file.keys()), {}
            for key, wanted in _shapes(**shape).items():
                full = key if key.startswith("embedding_") else f"semantic_encoder.{key}"
                full = full if full in stored else f"networks.{full}"
                if full not in stored:
                    raise ValueError(f"it lacks {key}")
                there = file.get_slice(full)
                if list(there.get_shape()) != wanted or there.get_dtype() not in ("F32", "F16", "BF16"):
                    raise ValueError(f"{key} must be floats {wanted}, not {there.get_dtype()} {there.get_shape()}")
                tensors[key] = file.get_tensor(full).to(torch.float32)
                if not bool(tensors[key].isfinite().all()):
                    raise ValueError(f"{key} holds numbers that are not finite")
    except Exception as error:
        raise ValueError(f"{name}: {WEIGHTS}: {' '.join(str(error).split())[:300]}") from error
    return tensors


def _text_tower(teacher: str, teacher_id: str, device: str | None, name: str) -> teacher_model.TeacherModel:
    """The text tower of a prior's teacher, made sure to be that one as far as its files are here."""
    small = teacher == "small"
    if not small and not Path(teacher).is_absolute():
        return teacher_model.from_tag(teacher, device)
    directory = Path(__file__).parent / "small-teacher" if small else Path(teacher)
    teacher_model.check(directory)
    if teacher_model.digest(directory) != teacher_id.rpartition("@")[2]:
        where = "the one of this zoo source is another" if small else f"what {directory} holds now is another"
        raise ValueError(f"{name}: texts need its teacher {teacher_id[:200]!r}; {where}")
    return teacher_model.from_directory(directory, device)
