"""What `fuzz` does to tiny `.linr` files: blind mutations, and knowing ones that make the checksums right again."""

from __future__ import annotations

import copy
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from fiftyone_latent_inr import codec
from fiftyone_latent_inr.codec import container as bitstream
from fiftyone_latent_inr.latent_video.sections import group_specs, semantic_specs
from fiftyone_latent_inr.latent_video.write import to_bytes
from fiftyone_latent_inr.model import Architecture, LatentINR, Level, ModelConfig

Rng = np.random.Generator
_HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 255, 256, 4096, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**32, 2**63, -(2**63)),
    *(0.0, -0.0, 1e-308, 1e308, 0.5, "", "x", "\u0000", [], {}, [[]], [{}], {"a": 1}, "9" * 400, [0] * 300),
)


def networks(seed: int, frames: int = 5, teacher: bool = True) -> LatentINR:
    """A tiny model with random numbers, some of them zero."""
    levels = (Level(6, 2, 2), Level(2, 1))
    architecture = Architecture(levels=levels, latent_dim=4, semantic_dim=3, bottleneck=4, hidden=6, warp_rows=2)
    torch.manual_seed(seed)
    model = LatentINR(architecture.for_video(frames, 18, 22, 8 if teacher else 0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3).mul_(torch.rand_like(parameter) > 0.3)
        model.hypernetwork.trunk[0] = 0
    return model


def corpus() -> list[bytes]:
    """Sound files.

    With a teacher and without, coarse and fine, of one group of frames and of three, of nothing, of groups that are
    each other's parents, and of version 2.
    """
    common: dict[str, Any] = {"fps": 25.0, "preset": "fast", "metadata": {"note": "ü", "list": [1, {"a": None}]}}
    empty = networks(3)
    with torch.no_grad():
        for parameter in empty.parameters():
            parameter.zero_()
    several = to_bytes([networks(k, frames=k + 4) for k in range(3)], bits=4, teacher="small", **common)
    return [
        to_bytes(networks(0), bits=5, teacher="small", teacher_id="small-0", metrics={"psnr": 30.0}, **common),
        to_bytes(networks(1, teacher=False), bits=16, **common),
        several,
        to_bytes(empty, **common),
        related(to_bytes([networks(k) for k in range(4)], bits=4, **common), [None, 0, 1, 0]),
        older(several),
    ]


def related(data: bytes, parents: list[int | None]) -> bytes:
    """The same groups as children of earlier ones, mostly zeros."""
    parts = Parts.of(data)
    groups = [section for section in parts.sections if section.kind == codec.GROUP]
    layouts = _layouts(parts, groups[0])
    for k, (section, parent) in enumerate(zip(groups, parents, strict=True)):
        if parent is None:
            continue
        tensors = codec.decode(layouts, section.data)
        kept = [replace(one, codes=one.codes * (np.abs(one.codes) > 5)) for one in tensors]
        found = parts.sections.index(groups[k])
        parts.sections[found] = replace(section, data=codec.encode(layouts, kept), parent=parent)
    return parts.whole()


def older(data: bytes) -> bytes:
    """The same file in version 2."""
    parts = Parts.of(data)
    parts.version = (2, 2)
    for k, section in enumerate(parts.sections):
        layouts = _layouts(parts, section)
        tensors = codec.decode(layouts, section.data)
        parts.sections[k] = replace(section, data=codec.encode(layouts, tensors, version=2))
    return parts.whole()


def _layouts(parts: Parts, section: codec.Section) -> list[codec.Layout]:
    config = ModelConfig.from_json(parts.document["models"][section.model])
    if section.kind == codec.SEMANTIC:
        specs = semantic_specs(replace(config, num_frames=section.count))
    else:
        specs = group_specs(config)
    return [codec.Layout(spec.kind, spec.shape) for spec in specs]


# --- mutations; the blind ones leave checksums alone


def flip_bits(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Flips one to sixteen bits."""
    out = bytearray(data)
    for position in rng.integers(0, 8 * len(out), rng.integers(1, 17)).tolist():
        out[position // 8] ^= 1 << position % 8
    return bytes(out)


def set_bytes(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Overwrites a short run with zeros, ones, or noise."""
    out = bytearray(data)
    start, count = int(rng.integers(0, len(out))), int(rng.integers(1, 33))
    stop = min(len(out), start + count)
    out[start:stop] = rng.choice([b"\0" * count, b"\xff" * count, rng.bytes(count)])[: stop - start].ljust(
        stop - start, b"\0"
    )
    return bytes(out)


def truncate(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Cuts the end off."""
    return data[: int(rng.integers(0, len(data)))]


def extend(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Puts something behind the end."""
    return data + rng.bytes(int(rng.integers(1, 65)))


def remove(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Takes a run of bytes out of the middle."""
    start = int(rng.integers(0, len(data)))
    return data[:start] + data[start + int(rng.integers(1, 65)) :]


def splice(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """The beginning of one file and the end of another, or a run of another's bytes."""
    other = files[int(rng.integers(0, len(files)))]
    cut = int(rng.integers(0, len(data)))
    if rng.random() < 0.5:
        return data[:cut] + other[int(rng.integers(0, len(other))) :]
    start, count = int(rng.integers(0, len(other))), int(rng.integers(1, 257))
    return data[:cut] + other[start : start + count] + data[cut + count :]


# --- the knowing ones make them right again


@dataclass
class Parts:
    """A file taken apart."""

    document: Any
    sections: list[codec.Section]
    text_size: int | None = None
    version: tuple[int, int] = (bitstream.VERSION, bitstream.VERSION)
    sizes: list[int | None] = field(default_factory=list)

    @classmethod
    def of(cls, data: bytes) -> Parts:
        """The parts of a file's bytes."""
        source = codec.MemorySource(data)
        document, entries = codec.parse(source)
        sections = [codec.Section(e.kind, e.count, e.model, codec.read_section(source, e), e.parent) for e in entries]
        version = struct.unpack_from("<HH", data, 4)
        return cls(document, sections, version=(version[0], version[1]), sizes=[None] * len(sections))

    def whole(self) -> bytes:
        """The file, its checksums right."""
        text = json.dumps(self.document).encode()
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, bitstream.DICTIONARY)
        packed = packer.compress(text) + packer.flush()
        layout = bitstream.layout_of(self.version[1])
        index = b"".join(
            bitstream.pack_entry(
                replace(s, count=s.count & 0xFFFFFFFF, model=s.model & 0xFFFF, kind=s.kind & 0xFF),
                zlib.crc32(s.data), size, layout,
            )
            for s, size in zip(self.sections, self.sizes, strict=True)
        )  # fmt: skip
        text_size = len(text) if self.text_size is None else self.text_size
        return bitstream.pack_head(packed, text_size, index, *self.version) + b"".join(s.data for s in self.sections)


def change_json(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Sets, drops or repeats values anywhere in the header."""
    parts = Parts.of(data)
    for _ in range(int(rng.integers(1, 4))):
        holder, key = _anywhere(parts.document, rng)
        if holder is None:
            continue
        choice = rng.random()
        if choice < 0.15:
            del holder[key]
        elif choice < 0.4 and isinstance(holder[key], int):
            holder[key] += int(rng.integers(-3, 4))
        elif choice < 0.6 and isinstance(holder[key], int):
            holder[key] *= int(rng.choice([2, 3, 16, 100, 1000, 100_000]))
        else:
            holder[key] = copy.deepcopy(_HOSTILE[int(rng.integers(0, len(_HOSTILE)))])
    return parts.whole()


def _anywhere(document: Any, rng: Rng) -> tuple[Any, Any]:
    """A random container in a JSON document and one of its keys."""
    found, queue = [], [document]
    while queue:
        holder = queue.pop()
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        found += [(holder, key) for key in keys]
        queue += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    return found[int(rng.integers(0, len(found)))] if found else (None, None)


def change_coded(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Damages the coded data of a section: bits, length, everything."""
    parts = Parts.of(data)
    k = int(rng.integers(0, len(parts.sections)))
    old = parts.sections[k].data
    mutation = (flip_bits, set_bytes, truncate, extend, remove)[int(rng.integers(0, 5))]
    new = mutation(old, rng, files) if old else rng.bytes(8)
    choice = rng.random()
    if choice < 0.15:
        new = rng.bytes(int(rng.integers(0, 4096)))
    elif choice < 0.25:
        new = bytes([int(rng.choice([0, 255]))]) * int(rng.integers(0, 4096))
    if rng.random() < 0.8:
        new = new[: len(new) // 4 * 4]  # whole words get past the first check
    parts.sections[k] = replace(parts.sections[k], data=new)
    return parts.whole()


def change_index(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Changes counts, kinds, models, parents and sizes, and drops, repeats, chains and reorders sections."""
    parts = Parts.of(data)
    k = int(rng.integers(0, len(parts.sections)))
    value = int(rng.choice([0, 1, 2, 3, 5, 17, 255, 65535, 10**6, 2**31, 2**32 - 1]))
    kind = int(rng.integers(0, 9))
    one = parts.sections[k]
    if kind < 3:
        parts.sections[k] = replace(one, **{("count", "model", "kind")[kind]: value})
    elif kind == 3:
        parts.sizes[k] = value
    elif kind == 4:
        del parts.sections[k], parts.sizes[k]
    elif kind == 5:
        times = int(rng.choice([1, 2, 30, 1000]))
        parts.sections += [one] * times
        parts.sizes += [None] * times
    elif kind == 6:
        parent = int(rng.choice([0, 1, 2, 3, len(parts.sections), 2**32 - 2]))
        parts.sections[k] = replace(one, parent=parent)
    elif kind == 7:  # each a child of the one before it
        times, last = int(rng.integers(1, 12)), len([s for s in parts.sections if s.kind == codec.GROUP])
        parts.sections += [replace(parts.sections[-1], parent=last - 1 + n) for n in range(times)]
        parts.sizes += [None] * times
    else:
        rng.shuffle(parts.sections)  # type: ignore[arg-type]
    return parts.whole()


def change_frame(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Changes versions and the declared size of the JSON."""
    parts = Parts.of(data)
    if rng.random() < 0.5:
        parts.text_size = int(rng.choice([0, 1, 100, 2**18, 2**18 + 1, 2**22, 2**32 - 1]))
    else:
        parts.version = (int(rng.integers(0, 5)), int(rng.integers(0, 5)))
    return parts.whole()


def swap_parts(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Puts a section, the configurations or the header of another file in."""
    parts, other = Parts.of(data), Parts.of(files[int(rng.integers(0, len(files)))])
    choice = int(rng.integers(0, 3))
    if choice == 0:
        parts.sections[int(rng.integers(0, len(parts.sections)))] = other.sections[-1]
    elif choice == 1:
        parts.document["models"] = other.document["models"]
    else:
        parts.document = other.document
    return parts.whole()


def enlarge(data: bytes, rng: Rng, files: list[bytes]) -> bytes:
    """Asks for large models, with little data or with up to a MiB of it."""
    parts = Parts.of(data)
    model = parts.document["models"][0]
    level = model["levels"][int(rng.integers(0, len(model["levels"])))]
    level["rows"], level["cols"] = (int(n) for n in rng.choice([2, 3, 9, 33, 150, 540, 1081, 1921, 3840, 16384], 2))
    if rng.random() < 0.4:
        level["channels"] = int(rng.choice([1, 2, 9, 65, 700, 4000]))
    for name in rng.choice(["bottleneck", "hidden", "latent_dim", "layers", "warp_rows"], int(rng.integers(0, 3))):
        model[str(name)] = int(rng.choice([3, 9, 12, 200, 900]))
    size = int(rng.choice([0, 16, 1024, 1 << 14, 1_040_000], p=[0.2, 0.3, 0.3, 0.15, 0.05]))
    filled = rng.bytes(size) if rng.random() < 0.7 else bytes(size)
    parts.sections[-1] = replace(parts.sections[-1], data=filled)
    return parts.whole()


Mutation = Callable[[bytes, Rng, list[bytes]], bytes]
BLIND: tuple[Mutation, ...] = (flip_bits, set_bytes, truncate, extend, remove, splice)
KNOWING: tuple[Mutation, ...] = (change_json, change_coded, change_index, change_frame, swap_parts, enlarge)
