"""Teachers: the OpenCLIP models whose space the latents are aligned to, and whose text tower searches.

    teacher = load_teacher("small")
    frames = teacher.embed_frames(video)                  # (T, E), unit norm
    texts = teacher.embed_text(["a red circle"])          # (1, E), unit norm
    scores = texts @ pool(frames)                         # cosines

A teacher is named `small` (ships with the project; knows plain coloured shapes and nothing else),
`ARCH/PRETRAINED` (any model of `open_clip.list_pretrained()`), or by a directory that holds
`open_clip_config.json` and `open_clip_model.safetensors`. All three go through `open_clip.create_model`, its
tokenizer and its preprocessing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..arrays import FloatArray, Frames, check_frames
from ..devices import ADVICE, MemoryTooSmallError, is_memory_full, pick_device, unless_full
from ..errors import InputError
from ..torch_settings import plain_torch
from .known_words import heed, read_known_words
from .teacher_files import SMALL, Source, fetch, find_source, offline_if_unreachable, quiet, unavailable

__all__ = ["DEFAULT_TEACHER", "SMALL", "Teacher", "load_teacher"]

# For search on ordinary hardware: 151 M parameters, 605 MB, 49 patches a frame, so that a CPU embeds a clip
# in seconds; the architecture of Latent-INR's published retrieval figures; public weights (MIT) trained on two
# billion captions; needs no package beyond OpenCLIP, here and in FiftyOne's own `open-clip-torch` at query
# time. Larger ones (ViT-L-14/laion2b_s32b_b82k: 428 M, 1.7 GB) know more and cost some twenty times as much.
DEFAULT_TEACHER = "ViT-B-32/laion2b_s34b_b79k"


class Teacher:
    """An OpenCLIP model, frozen. Made by `load_teacher`.

    Attributes:
        name: as given, made canonical: `small`, `ARCH/PRETRAINED`, or a directory's absolute path.
        id: name and a short hash of configuration and weights; vectors of equal ids live in the same space.
        embedding_dim: E.
        device: device that the model is on.
    """

    def __init__(self, source: Source, device: str | torch.device) -> None:
        import open_clip
        from open_clip.transform import PreprocessCfg, image_transform_v2

        self.name = source.name
        self.id = source.id
        self.device = torch.device(device)
        self._source = source
        self._known = None if source.directory is None else read_known_words(source.directory)
        with quiet():
            model = open_clip.create_model(
                source.model_name,
                source.pretrained,
                device=self.device,
                weights_only=True,
                require_pretrained=True,
            )
            self._tokenizer = open_clip.get_tokenizer(source.model_name)
        self._model = model.eval().requires_grad_(False)
        self._preprocess = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
        self.embedding_dim = int(source.config["embed_dim"])

    def __repr__(self) -> str:
        return f"Teacher({self.id!r}, E={self.embedding_dim}, device={str(self.device)!r})"

    @plain_torch()
    @torch.inference_mode()
    def embed_frames(
        self,
        frames: Frames,
        batch_size: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> FloatArray:
        """Embed every frame by itself, with the model's own preprocessing.

        Args:
            frames: uint8 (T, H, W, 3), RGB.
            batch_size: frames at a time through the model.
            progress: callback, called with (frames done, T) after each batch.

        Returns:
            float32 (T, E), rows of unit norm.

        Raises:
            InputError: if `frames` is anything else.
        """
        check_frames(frames)
        return self._embed(self._embed_pictures, frames, batch_size, progress)

    @plain_torch()
    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str], batch_size: int = 256) -> FloatArray:
        """Embed texts, as they are: no prompt is put around them.

        A teacher of few words, such as `small`, warns in the log of words that it never learned.

        Args:
            texts: N strings; a text longer than the model's context is cut.
            batch_size: texts at a time through the model.

        Returns:
            float32 (N, E), rows of unit norm.

        Raises:
            InputError: if `texts` is a single string or holds anything but strings.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InputError("texts must be a list of strings")
        if not texts:
            return np.zeros((0, self.embedding_dim), np.float32)
        return self._embed(self._embed_words, heed(self._known, texts), batch_size)

    def zoo(self) -> tuple[str, dict[str, Any]]:
        """The name and keyword arguments by which FiftyOne's model zoo finds the text tower at query time.

        `small` and directories are models of the project's own zoo source (`hub_models/`), which must be in
        the model zoo; a tag is FiftyOne's built-in OpenCLIP model.
        """
        if self.name == SMALL:
            return "latent-inr/small-teacher", {}
        if self._source.directory is not None:
            return "latent-inr/teacher", {"directory": self._source.directory}
        # the built-in model puts "A photo of" before every text unless told not to
        model, tag = self._source.model_name, self._source.pretrained
        return "open-clip-torch", {"clip_model": model, "pretrained": tag, "text_prompt": ""}

    def _embed(
        self,
        embed: Callable[[Any], FloatArray],
        items: Sequence[str] | Frames,
        batch_size: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> FloatArray:
        """(N, E) of N items, fewer of them at a time where the device's memory is too small."""
        rows: list[FloatArray] = []
        done = 0
        while done < len(items):
            part = items[done : done + batch_size]
            found = unless_full(partial(embed, part))
            if found is None and len(part) == 1:
                raise MemoryTooSmallError(f"teacher {self.name!r}: {self.device} has too little free memory; {ADVICE}")
            if found is None:
                batch_size = len(part) // 2
                continue
            rows.append(found)
            done += len(part)
            if progress is not None:
                progress(done, len(items))
        return np.concatenate(rows)

    def _embed_pictures(self, frames: Frames) -> FloatArray:
        # one by one through PIL, as OpenCLIP does: a batched resize of tensors gives other pixels
        chunk = [self._preprocess(Image.fromarray(frame)) for frame in frames]
        return self._unit(self._model.encode_image(torch.stack(chunk).to(self.device)))

    def _embed_words(self, texts: Sequence[str]) -> FloatArray:
        return self._unit(self._model.encode_text(self._tokenizer(list(texts)).to(self.device)))

    def _unit(self, embeddings: torch.Tensor) -> FloatArray:
        unit: FloatArray = torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy()
        return unit


@plain_torch()
def load_teacher(name_or_dir: str | os.PathLike[str], *, device: str | torch.device | None = None) -> Teacher:
    """Load a teacher.

    Args:
        name_or_dir: `small`, `ARCH/PRETRAINED` of OpenCLIP, or a directory (see the module).
        device: a torch device; None for the one that `devices.pick_device` chooses.

    Returns:
        The teacher, ready to embed. It is exactly the one asked for: nothing falls back to another model.

    Raises:
        InputError: if there is no such teacher (the message lists close names) or its directory is unusable.
        TeacherUnavailableError: if the weights cannot be had here.

    Example:
        >>> load_teacher("small").embed_text(["a red circle"]).shape
        (1, 64)
    """
    source = find_source(name_or_dir if isinstance(name_or_dir, str) else Path(name_or_dir))
    chosen = pick_device(device)
    if source.pretrained is None:
        return _load(source, chosen)
    with offline_if_unreachable():
        fetch(source)
        return _load(source, chosen)


def _load(source: Source, device: torch.device) -> Teacher:
    try:
        return Teacher(source, device)
    except ImportError as error:
        raise InputError(f"teacher {source.name!r} needs a package that is not installed: {error}") from error
    except Exception as error:
        if is_memory_full(error):
            raise
        if source.pretrained is not None:  # the weights are here: a tokenizer or a tower's own files are not
            raise unavailable(source, error) from error
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{source.directory}: OpenCLIP cannot load this teacher: {reason}") from error
