"""Text and image towers: an OpenCLIP model, from a directory or by its tag."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import fiftyone.core.models as fom
import numpy as np

from .known_words import KnownWords, heed, read_known_words

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")


class TeacherModel(fom.Model, fom.EmbeddingsMixin, fom.PromptMixin):
    """An OpenCLIP model that embeds images and texts; every vector has unit norm.

    Args:
        name: name that OpenCLIP gives the model, which must have been checked: an architecture, or `local-dir:PATH`.
        device: torch device; None takes CUDA, then MPS, then the CPU.
        pretrained: tag that OpenCLIP gives the weights; None for a directory.
        known: words that it learned from, where those are few: of others a text's embedding warns, in the log.
    """

    def __init__(
        self, name: str, device: str | None = None, pretrained: str | None = None, known: KnownWords | None = None
    ) -> None:
        import open_clip
        import torch
        from open_clip.transform import PreprocessCfg, image_transform_v2

        super().__init__()
        self._known = known
        self._torch = torch
        self._device = pick_device(device)
        model = open_clip.create_model(
            name, pretrained, device=self._device, weights_only=True, require_pretrained=True
        )
        self._model = model.eval().requires_grad_(False)
        self._transforms = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
        self._tokenizer = open_clip.get_tokenizer(name)
        self._preprocess = True
        self._last: np.ndarray | None = None

    media_type = property(lambda self: "image")
    ragged_batches = property(lambda self: False)
    transforms = property(lambda self: self._image)
    has_embeddings = property(lambda self: True)
    can_embed_prompts = property(lambda self: True)

    @property
    def preprocess(self) -> bool:
        """Whether `predict` applies the transforms itself."""
        return self._preprocess

    @preprocess.setter
    def preprocess(self, value: bool) -> None:
        self._preprocess = value

    def predict(self, arg: Any) -> None:
        """Embeds an image; the vector is what `get_embeddings` returns. There is nothing else to predict."""
        self.predict_all([arg])

    def predict_all(self, args: Any) -> list[None]:
        """Embeds images (uint8 (H, W, 3), PIL, or tensors where `preprocess` is off)."""
        images = [self._image(arg) for arg in args] if self._preprocess else list(args)
        with self._torch.inference_mode():
            self._last = self._unit(self._model.encode_image(self._torch.stack(images).to(self._device)))
        return [None] * len(images)

    def get_embeddings(self) -> np.ndarray:
        """The last images' vectors, float32 (N, E)."""
        if self._last is None:
            raise ValueError("no image has been embedded yet")
        return self._last

    def embed(self, arg: Any) -> np.ndarray:
        """One image's vector, float32 (E,)."""
        vector: np.ndarray = self.embed_all([arg])[0]
        return vector

    def embed_all(self, args: Any) -> np.ndarray:
        """Images' vectors, float32 (N, E)."""
        self.predict_all(args)
        return self.get_embeddings()

    def embed_prompt(self, arg: str) -> np.ndarray:
        """One text's vector, float32 (E,)."""
        vector: np.ndarray = self.embed_prompts([arg])[0]
        return vector

    def embed_prompts(self, args: Any) -> np.ndarray:
        """Texts' vectors, float32 (N, E)."""
        texts = heed(self._known, args)
        with self._torch.inference_mode():
            return self._unit(self._model.encode_text(self._tokenizer(texts).to(self._device)))

    def _image(self, image: Any) -> Any:
        from PIL import Image

        if not isinstance(image, Image.Image):
            image = Image.fromarray(np.asarray(image))
        return self._transforms(image.convert("RGB"))

    def _unit(self, embeddings: Any) -> np.ndarray:
        return self._torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy()


def pick_device(device: str | None) -> Any:
    """The torch device of this name; None takes CUDA, then MPS, then the CPU."""
    import torch

    if device is None:
        mps = torch.backends.mps.is_available()
        device = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    return torch.device(device)


def from_directory(directory: str | Path, device: str | None = None) -> TeacherModel:
    """The model in a directory that holds `open_clip_config.json` and `open_clip_model.safetensors`.

    Raises:
        ValueError: it holds none, or one that could run foreign code.
    """
    check(Path(directory))
    return TeacherModel(f"local-dir:{directory}", device, known=read_known_words(directory))


def from_tag(tag: str, device: str | None = None) -> TeacherModel:
    """The model `ARCH/PRETRAINED` of OpenCLIP's own list, and of no other place.

    Raises:
        ValueError: the list has none of this name.
    """
    import open_clip

    arch, _, weights = tag.partition("/")
    # Asked first: OpenCLIP takes other names for repositories, and would fetch what somebody chose to write there
    if (arch, weights) not in open_clip.list_pretrained():
        raise ValueError(f"OpenCLIP has no model {tag[:100]!r}")
    config, known = open_clip.get_model_config(arch), open_clip.get_pretrained_cfg(arch, weights)
    # weights trained with QuickGELU belong to the architecture of that name; OpenCLIP itself only warns
    quick = f"{arch}-quickgelu"
    if known.get("quick_gelu") and not config.get("quick_gelu") and quick in open_clip.list_models():
        arch = quick
    return TeacherModel(arch, device, weights)


def digest(directory: Path) -> str:
    """Eight hexadecimal digits of a directory's configuration and weights, as in the package's `Teacher.id`."""
    weights = next(directory / name for name in WEIGHTS if (directory / name).is_file())
    hashed = hashlib.sha256((directory / CONFIG).read_bytes())
    with open(weights, "rb") as file:
        while chunk := file.read(1 << 22):
            hashed.update(chunk)
    return hashed.hexdigest()[:8]


def check(directory: Path) -> None:
    """Refuses what could run foreign code: pickled weights, and tokenizers with options of their own."""
    try:
        text = json.loads((directory / CONFIG).read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{directory} holds no OpenCLIP model: {CONFIG}: {error}") from error
    allowed = {"clean", "reduction_mask", "strip_sep_token", "language", "tokenizer_mode"}
    if set(text.get("tokenizer_kwargs") or {}) - allowed:
        raise ValueError(f"{directory / CONFIG}: its tokenizer options are refused")
    if not any((directory / name).is_file() for name in WEIGHTS):
        raise ValueError(f"{directory}: {WEIGHTS[0]} is missing; only safetensors are read")
