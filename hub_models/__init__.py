"""FiftyOne zoo source with the text and image towers that answer searches in Latent-INR's embeddings.

FiftyOne copies this folder alone into its model zoo, and loads it in processes that know nothing of the
package: so it imports nothing from it. The vectors are the same as
`fiftyone_latent_inr.semantics.teachers.Teacher`'s.

    import fiftyone.zoo as foz
    model = foz.load_zoo_model("latent-inr/small-teacher")
    model.embed_prompt("a red circle")                                   # (E,), unit norm

Another directory: `foz.load_zoo_model("latent-inr/teacher", directory="...")`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import fiftyone.core.models as fom
import numpy as np
from fiftyone.operators import types

SMALL = "latent-inr/small-teacher"
DIRECTORY = "latent-inr/teacher"
_CONFIG = "open_clip_config.json"
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")


class TeacherModel(fom.Model, fom.EmbeddingsMixin, fom.PromptMixin):
    """An OpenCLIP model that embeds images and texts; every vector has unit norm.

    Args:
        directory: holds `open_clip_config.json` and `open_clip_model.safetensors`.
        device: a torch device; None takes CUDA, then MPS, then the CPU.
    """

    def __init__(self, directory: str | Path, device: str | None = None) -> None:
        import open_clip
        import torch
        from open_clip.transform import PreprocessCfg, image_transform_v2

        super().__init__()
        _check(Path(directory))
        if device is None:
            mps = torch.backends.mps.is_available()
            device = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
        self._torch = torch
        self._device = torch.device(device)
        name = f"local-dir:{directory}"
        model = open_clip.create_model(name, device=self._device, weights_only=True, require_pretrained=True)
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
        return self.predict_all([arg])[0]

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
        return self.embed_all([arg])[0]

    def embed_all(self, args: Any) -> np.ndarray:
        """Images' vectors, float32 (N, E)."""
        self.predict_all(args)
        return self.get_embeddings()

    def embed_prompt(self, arg: str) -> np.ndarray:
        """One text's vector, float32 (E,)."""
        return self.embed_prompts([arg])[0]

    def embed_prompts(self, args: Any) -> np.ndarray:
        """Texts' vectors, float32 (N, E)."""
        with self._torch.inference_mode():
            return self._unit(self._model.encode_text(self._tokenizer(list(args)).to(self._device)))

    def _image(self, image: Any) -> Any:
        from PIL import Image

        if not isinstance(image, Image.Image):
            image = Image.fromarray(np.asarray(image))
        return self._transforms(image.convert("RGB"))

    def _unit(self, embeddings: Any) -> np.ndarray:
        return self._torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy()


def download_model(model_name: str, model_path: str) -> None:
    """Nothing to download: the small teacher's weights are part of this folder, others are a local
    directory."""
    if not os.path.exists(model_path):
        raise ValueError(f"{model_path} is missing: this copy of the zoo source is damaged; register it again")


def load_model(
    model_name: str, model_path: str, directory: str | None = None, device: str | None = None, **_: Any
) -> TeacherModel:
    """What `foz.load_zoo_model` calls."""
    if model_name == SMALL:
        return TeacherModel(model_path, device)
    if model_name != DIRECTORY:
        raise ValueError(f"this zoo source has {SMALL} and {DIRECTORY}, not {model_name}")
    if not directory:
        raise ValueError(f"{DIRECTORY} needs directory=, the folder with {_CONFIG} and {_WEIGHTS[0]}")
    return TeacherModel(directory, device)


def resolve_input(model_name: str, ctx: Any) -> types.Property | None:
    """The form that FiftyOne's own operators show for a model of this source."""
    inputs = types.Object()
    if model_name == DIRECTORY:
        inputs.str("directory", required=True, label="Directory", description=f"holds {_CONFIG} and the weights")
    inputs.str("device", default=None, required=False, label="Device", description="cuda, cpu; empty: automatic")
    return types.Property(inputs)


def _check(directory: Path) -> None:
    """Refuses what could run foreign code: pickled weights, and tokenizers with options of their own."""
    try:
        text = json.loads((directory / _CONFIG).read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{directory} holds no OpenCLIP model: {_CONFIG}: {error}") from error
    allowed = {"clean", "reduction_mask", "strip_sep_token", "language", "tokenizer_mode"}
    if set(text.get("tokenizer_kwargs") or {}) - allowed:
        raise ValueError(f"{directory / _CONFIG}: its tokenizer options are refused")
    if not any((directory / name).is_file() for name in _WEIGHTS):
        raise ValueError(f"{directory}: {_WEIGHTS[0]} is missing; only safetensors are read")
