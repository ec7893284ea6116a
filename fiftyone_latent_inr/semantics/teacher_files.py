"""Where a teacher's weights come from: a name or a directory, checked before OpenCLIP is asked to load it.

A directory may come from a stranger, so nothing in it is unpickled or executed: weights are read from
safetensors only, and a configuration that would make a tokenizer run its own code is refused.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import logging
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, TeacherUnavailableError
from ..files import cannot_write, existing_folder, full_disk
from ..resources import hub_models_dir

SMALL = "small"
# OpenCLIP reads these two before any pickled file that lies beside them
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
_CONFIG = "open_clip_config.json"
_MAX_CONFIG_BYTES = 1 << 20
_TOKENIZER_OPTIONS = {"clean", "reduction_mask", "strip_sep_token", "language", "tokenizer_mode"}


@dataclass(frozen=True)
class Source:
    """A teacher that was named, and how OpenCLIP is to load it.

    Attributes:
        name: canonical: `small`, `ARCH/PRETRAINED`, or the directory's absolute path.
        id: `name` (of a directory, its last part) and a short hash of configuration and weights.
        model_name: OpenCLIP's name of the model: an architecture or `local-dir:PATH`.
        pretrained: OpenCLIP's tag of the weights; None for a directory.
        config: OpenCLIP's `model_cfg`.
    """

    name: str
    id: str
    model_name: str
    pretrained: str | None
    config: dict[str, Any]

    @property
    def directory(self) -> str | None:
        """The directory that the weights are in, or None for a tag."""
        prefix = "local-dir:"
        return self.model_name.removeprefix(prefix) if self.model_name.startswith(prefix) else None


def find_source(name_or_dir: str | Path) -> Source:
    """Resolve a teacher's name without loading any weights.

    Args:
        name_or_dir: `small`, `ARCH/PRETRAINED`, or a directory.

    Raises:
        InputError: if there is no such teacher, or the directory does not hold one that is safe to load.
    """
    text = str(name_or_dir).strip()
    if text == SMALL:
        return _from_directory(hub_models_dir() / "small-teacher", SMALL)
    arch, _, tag = text.partition("/")
    if arch and tag and not isinstance(name_or_dir, Path):
        source = _from_tag(arch, tag)
        if source is not None:
            return source
    folder = existing_folder(text)
    if folder is not None:
        return _from_directory(folder.resolve(), None)
    raise InputError(_unknown(text))


def fetch(source: Source) -> None:
    """Bring the weights of a tag into the local cache (no-op for a directory).

    Raises:
        TeacherUnavailableError: if they cannot be had; says which, how large, and what else there is.
    """
    if source.pretrained is None:
        return
    import open_clip

    try:
        open_clip.download_pretrained(open_clip.get_pretrained_cfg(source.model_name, source.pretrained))
    except Exception as error:  # whatever the hub, the network or the disk came up with
        if (found := full_disk(error)) is not None:
            what = f"the weights of teacher {source.name!r} ({describe_size(source)}) cannot be stored in "
            place = found.filename or "the cache"
            raise cannot_write(place, found, what=f"{what}{place}") from error
        raise unavailable(source, error) from error


def unavailable(source: Source, error: Exception) -> TeacherUnavailableError:
    """The one line for a teacher whose weights (or tokenizer) cannot be had."""
    reason = textwrap.shorten(str(error), 160, placeholder=" …").rstrip(".") or type(error).__name__
    return TeacherUnavailableError(
        f"the weights of teacher {source.name!r} ({describe_size(source)}) cannot be had here: {reason}. "
        f"Alternatives: go online once, so that they are cached; give a local directory that holds {_CONFIG} "
        f"and {_WEIGHTS[0]}; or use teacher 'small', which comes along but knows only plain coloured shapes."
    )


def describe_size(source: Source) -> str:
    """How large the weights are, from the parameters' count: nothing is downloaded to find out."""
    import open_clip
    import torch

    try:
        with quiet(), torch.device("meta"):
            model = open_clip.create_model(source.model_name, load_weights=False, device="meta", pretrained_text=False)
    except Exception:  # an architecture that needs a package or a file that is not here
        return "size unknown"
    count = sum(parameter.numel() for parameter in model.parameters())
    return f"about {count * 4 / 1e6:,.0f} MB, {count / 1e6:,.0f} M parameters"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """OpenCLIP logs on the root logger, which gives it a handler that would say all of FiftyOne's lines once more."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


@contextlib.contextmanager
def offline_if_unreachable(seconds: float = 5.0) -> Iterator[None]:
    """Spares a machine without a network the hub client's retries: most of a minute for each file.

    One short question first; if nobody answers, the client is told that it is offline, and uses its cache.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    if not before:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=seconds).close()
        except urllib.error.HTTPError:
            pass  # it answered
        except (OSError, ValueError):
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _from_tag(arch: str, tag: str) -> Source | None:
    import open_clip

    # names may come from a stranger's prior: those of OpenCLIP's own list only, others would make it ask the network
    if (arch, tag) not in open_clip.list_pretrained():
        return None
    config = open_clip.get_model_config(arch)
    weights = open_clip.get_pretrained_cfg(arch, tag)
    if config is None or not weights:
        return None
    # weights trained with QuickGELU belong to the architecture of that name; OpenCLIP itself only warns
    quick = f"{arch}-quickgelu"
    if weights.get("quick_gelu") and not config.get("quick_gelu") and open_clip.get_model_config(quick):
        config, model_name = open_clip.get_model_config(quick), quick
    else:
        model_name = arch
    digest = _digest(json.dumps([config, weights], sort_keys=True, default=str).encode())
    return Source(f"{arch}/{tag}", f"{arch}/{tag}@{digest}", model_name, tag, config)


def _from_directory(directory: Path, name: str | None) -> Source:
    path = directory / _CONFIG
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ValueError("it is not a regular file")
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            raise ValueError("it is far too large")
        raw = path.read_bytes()
        loaded = json.loads(raw)
        config = loaded["model_cfg"]
        if not all(isinstance(config[key], dict) for key in ("vision_cfg", "text_cfg")):
            raise ValueError("model_cfg lacks vision_cfg or text_cfg")
        if not isinstance(config["embed_dim"], int):
            raise ValueError("embed_dim is not a whole number")
    except FileNotFoundError:
        raise InputError(f"{directory}: no teacher there: {_CONFIG} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not an OpenCLIP configuration: {error}") from error
    options = config["text_cfg"].get("tokenizer_kwargs") or {}
    strange = sorted(set(options) - _TOKENIZER_OPTIONS) if isinstance(options, dict) else ["tokenizer_kwargs"]
    if strange:
        raise InputError(f"{path}: tokenizer option {strange[0]!r} is refused: it could read or run foreign files")
    weights = next((directory / each for each in _WEIGHTS if (directory / each).is_file()), None)
    if weights is None:
        raise InputError(
            f"{directory}: {_WEIGHTS[0]} is missing; only safetensors are read (pickled weights can run "
            "code): convert them with safetensors.torch.save_file"
        )
    hashed = hashlib.sha256(raw)
    with open(weights, "rb") as file:
        while chunk := file.read(1 << 22):
            hashed.update(chunk)
    shown = name or directory.name
    return Source(name or str(directory), f"{shown}@{hashed.hexdigest()[:8]}", f"local-dir:{directory}", None, config)


def _unknown(text: str) -> str:
    """The message for a name that is no teacher, with the names closest to it."""
    import open_clip

    names = [f"{arch}/{tag}" for arch, tag in open_clip.list_pretrained()]
    arch, _, tag = text.partition("/")
    tags = open_clip.list_pretrained_tags_by_model(arch)
    if tags:
        close = difflib.get_close_matches(tag, tags, 4, 0.0) if tag else tags[:4]
        close = [f"{arch}/{each}" for each in close]
    else:
        lowered = {each.lower(): each for each in [SMALL, *names]}
        close = [lowered[each] for each in difflib.get_close_matches(text.lower(), lowered, 4, 0.6)]
    hint = f"; did you mean {', '.join(close)}?" if close else "."
    return (
        f"unknown teacher {text!r}{hint} A teacher is 'small', ARCH/PRETRAINED of OpenCLIP "
        f"(such as ViT-B-32/laion2b_s34b_b79k), or a directory that holds {_CONFIG} and {_WEIGHTS[0]}"
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]
