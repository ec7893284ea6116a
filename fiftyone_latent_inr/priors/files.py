"""A prior as files: `config.json` and `model.safetensors`, written whole and read from strangers.

    config.json         {"format": 2, "library": "fiftyone-latent-inr", "prior": PriorConfig, "notes": {...}}
    model.safetensors   the tensors of `PriorNetworks`, each in 16 bits where that loses nothing, else in 32

What is read is checked in this order, each step before the next can cost anything: the configuration's size, its
content, the size of the networks that it describes, the weights' size, their header, their numbers.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import InputError
from ..files import atomic_target, reason
from ..model.config import MAX_PARAMETERS
from .hub import LIBRARY
from .networks import PriorConfig, PriorNetworks

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"
# Raised whenever the same weights would draw something else: 2 since the grid encoder sees a pyramid.
FORMAT = 2
MAX_CONFIG_BYTES = 1 << 20
_MAX_HEADER_BYTES = 1 << 20
# What the names of any prior's tensors begin with
_PARTS = {"hypernetwork", "field", "grid_encoder", "latent_encoder"}
_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
# Weights in these can run code when they are read.
_PICKLED = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


def most_bytes(config: PriorConfig | None = None) -> int:
    """How large the weights of a prior can be at most; of any prior, without a configuration."""
    return 4 * (config.num_parameters if config else MAX_PARAMETERS) + 8 + _MAX_HEADER_BYTES


def parse_config(data: bytes, origin: str | Path) -> tuple[PriorConfig, dict[str, Any]]:
    """Configuration and notes of a prior from the content of its `config.json`.

    Args:
        data: the content, untrusted.
        origin: named in errors.

    Raises:
        InputError: it is not a prior's, or one of another version.
    """
    if len(data) > MAX_CONFIG_BYTES:
        raise InputError(f"{origin}: far too large for a prior's configuration")
    try:
        content = json.loads(data.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{origin}: not JSON: {_line(error)}") from None
    if not isinstance(content, dict) or content.get("library") != LIBRARY or "prior" not in content:
        raise InputError(f"{origin}: not a Latent-INR prior's configuration")
    if content.get("format") != FORMAT:
        found = content.get("format")
        older = isinstance(found, int) and found < FORMAT
        raise InputError(
            f"{origin}: its format is {str(found)[:20]!r}, not {FORMAT}: "
            + ("it is of an earlier version, pretrain it anew" if older else "update the package")
        )
    notes = content.get("notes", {})
    if not isinstance(notes, dict):
        raise InputError(f"{origin}: its notes are malformed")
    try:
        return PriorConfig.from_json(content["prior"]), notes
    except (InputError, OverflowError) as error:
        raise InputError(f"{origin}: {_line(error)}") from error


def read_config(path: Path, origin: str | Path | None = None) -> tuple[PriorConfig, dict[str, Any]]:
    """`parse_config` of a file, of which no more is read than is allowed.

    Args:
        path: the file.
        origin: named in errors; None for the path.

    Raises:
        InputError: it cannot be read, or is not a prior's.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise InputError(f"{origin or path}: cannot be read: {reason(error)}") from error
    return parse_config(data, origin or path)


def inside(folder: Path, name: str) -> Path:
    """The path of a file that must lie in a folder. Links may lead within it, and from a snapshot to its cache's blobs.

    Raises:
        InputError: there is none, or it is a link to somewhere else.
    """
    path = folder / name
    if not path.is_file():
        found = sorted(one.name for one in folder.iterdir() if one.suffix in _PICKLED)
        raise InputError(missing(str(folder), name, found))
    root = folder.resolve()
    if root.parent.name == "snapshots":  # of the Hub's cache
        root = root.parent.parent
    if not path.resolve().is_relative_to(root):
        raise InputError(f"{path}: a link that leads out of the prior's folder; put the file itself there")
    return path


def missing(origin: str, name: str, files: list[str]) -> str:
    """The message for a file that a prior lacks, among others that it has."""
    pickled = [one for one in files if one.endswith(_PICKLED)]
    if name == WEIGHTS and pickled:
        return f"{origin}: {WEIGHTS} is missing; pickled weights ({pickled[0][:80]!r}) can run code and are never read"
    return f"{origin}: no prior there: {name} is missing"


def read_networks(path: Path, config: PriorConfig, origin: str | Path | None = None) -> PriorNetworks:
    """Networks with the weights of a file, in 32 bits, on the CPU.

    Args:
        path: the file.
        config: configuration of the networks that the file must hold.
        origin: named in errors; None for the path.

    Raises:
        InputError: the file is damaged, or does not hold exactly the tensors of this configuration, all finite.
    """
    networks, origin = new_networks(config), origin or path
    state = networks.state_dict()
    check_header(path, {name: tuple(tensor.shape) for name, tensor in state.items()}, origin)
    try:
        with safe_open(path, framework="pt") as file:
            loaded = {name: file.get_tensor(name).to(torch.float32) for name in state}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{origin}: damaged: {_line(error)}") from error
    for name, tensor in loaded.items():
        if tensor.shape != state[name].shape:
            raise InputError(f"{origin}: damaged: {name} is not what the file's header says")
        if not bool(tensor.isfinite().all()):
            raise InputError(f"{origin}: {name} holds numbers that are not finite")
    networks.load_state_dict(loaded)
    return networks


def new_networks(config: PriorConfig) -> PriorNetworks:
    """Networks that start from noise; the caller's random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        return PriorNetworks(config)


def check_header(path: Path, shapes: Mapping[str, tuple[int, ...]], origin: str | Path) -> None:
    """Checks that a safetensors file holds exactly these tensors, of floats, by its header alone.

    Raises:
        InputError: it holds others, or is no such file; the message names the first difference.
    """
    try:
        header, begin, size = _read_header(path)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{origin}: damaged: {_line(error)}") from error
    strange, lacking = sorted(set(header) - set(shapes)), sorted(set(shapes) - set(header))
    if strange:
        raise InputError(f"{origin}: holds {strange[0][:80]!r}, which its configuration knows nothing of")
    if lacking:
        raise InputError(f"{origin}: lacks {lacking[0]!r}")
    total = begin
    for name, shape in shapes.items():
        entry = header[name]
        dtype, stored = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        if not isinstance(dtype, str) or dtype not in _BYTES:
            raise InputError(f"{origin}: {name} must be of {', '.join(_BYTES)}, not {str(dtype)[:20]!r}")
        if stored != list(shape):
            raise InputError(f"{origin}: {name} must be {list(shape)}, not {str(stored)[:80]}")
        total += _BYTES[dtype] * math.prod(shape)
    if total != size:
        raise InputError(f"{origin}: damaged: {size:,} bytes where its header asks for {total:,}")


def _read_header(path: Path) -> tuple[dict[str, Any], int, int]:
    """What a safetensors file says of each tensor, the byte at which they begin, and the file's bytes.

    Raises:
        ValueError: it is no such file, or a strange one.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER_BYTES):
            raise ValueError("not a safetensors file")
        header = json.loads(file.read(length).decode(), object_pairs_hook=_once)
    if not isinstance(header, dict):
        raise ValueError("its header is malformed")
    header.pop("__metadata__", None)
    return header, 8 + length, size


def check_folder(folder: Path) -> None:
    """Finds out whether a prior may be written into a folder: the files of another model stay.

    Raises:
        InputError: there is one; says which file.
    """
    config, weights = folder / CONFIG, folder / WEIGHTS
    found = weights if weights.exists() and not config.exists() else config
    if not found.exists():
        return
    try:
        if found is weights:  # of a prior whose writing was cut off before its configuration, too
            ours = {name.partition(".")[0] for name in _read_header(weights)[0]} >= _PARTS
        else:
            with open(config, "rb") as file:
                content = json.loads(file.read(MAX_CONFIG_BYTES + 1))
            ours = isinstance(content, dict) and content.get("library") == LIBRARY
    except (OSError, ValueError, RecursionError):
        ours = False
    if not ours:
        raise InputError(f"{found} is there and is no Latent-INR prior's, so it stays; choose another folder")


def write_prior(folder: Path, config: PriorConfig, notes: Mapping[str, Any], networks: PriorNetworks) -> None:
    """Writes configuration and weights into a folder; each file appears whole or not at all.

    Raises:
        InputError: the weights are not finite, the notes are not JSON or too long, or the folder cannot be written or
            holds another model.
    """
    check_folder(folder)
    content = {"format": FORMAT, "library": LIBRARY, "prior": config.to_json(), "notes": dict(notes)}
    try:
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise InputError(f"a prior's notes must be JSON: {_line(error)}") from error
    if len(text.encode()) > MAX_CONFIG_BYTES:
        raise InputError(f"a prior's notes must stay below {MAX_CONFIG_BYTES:,} bytes; shorten them")
    tensors = {name: _smallest(name, tensor) for name, tensor in networks.state_dict().items()}
    with atomic_target(folder / WEIGHTS) as path:
        # `save_file` makes files that only their owner reads
        path.write_bytes(save(tensors, metadata={"format": "pt"}))
    with atomic_target(folder / CONFIG) as path:
        path.write_text(text, encoding="utf-8")


def identity(config: PriorConfig, networks: PriorNetworks) -> str:
    """12 hexadecimal digits of the configuration and every weight; how they are stored does not matter."""
    digest = hashlib.sha256(json.dumps(config.to_json(), sort_keys=True, separators=(",", ":")).encode())
    for name, tensor in sorted(networks.state_dict().items()):
        values = tensor.detach().to("cpu", torch.float32).contiguous().numpy().astype("<f4", copy=False)
        digest.update(name.encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:12]


def _smallest(name: str, tensor: Tensor) -> Tensor:
    """A tensor as it is stored: in 16 bits if each of its numbers has them."""
    tensor = tensor.detach().to("cpu", torch.float32).contiguous()
    if not bool(tensor.isfinite().all()):
        raise InputError(f"a prior with weights that are not finite ({name}) is not stored: pretrain it again")
    half = tensor.half()
    return half if torch.equal(half.float(), tensor) else tensor


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # two readers may differ in which of two equal names they believe
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name stands in its header twice")
    return content


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
