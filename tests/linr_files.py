"""A sound `.linr` file for tests, and builders of unsound ones whose checksums are right."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np

from fiftyone_latent_inr import codec
from fiftyone_latent_inr.codec import TensorCoding, bitstream, entropy

RNG = np.random.default_rng(0)
HEADER = {
    "fps": 25.0,
    "name": "видео ü",
    "none": None,
    "list": [1, [2, {"a": True}]],
    "big": 2**60,
    "lone": "\udcff",
}
TENSORS = {
    "weights": RNG.standard_normal((12, 9)).astype(np.float32),
    "conv": RNG.standard_normal((4, 3, 2, 2)).astype(np.float32),
    "scalar": np.float32(3.5),
    "empty": np.zeros((0, 3), np.float32),
    "zeros": np.zeros(100, np.float32),
}
CODINGS = {
    "weights": TensorCoding(8, axis=0),
    "conv": TensorCoding(5, axis=-3),
    "scalar": TensorCoding(16),
    "empty": TensorCoding(8, axis=0),
    "zeros": TensorCoding(2),
}
ARRAYS = {
    "times": np.arange(7),
    "half": RNG.random((3, 4)).astype(np.float16),
    "flags": np.array([True, False, True]),
    "wide": RNG.random((2, 2)).astype(">f8"),
    "none": np.zeros((2, 0), np.uint8),
}
FILE = codec.compress(HEADER, TENSORS, CODINGS, ARRAYS)

Contents = tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]


def same(one: Contents, other: Contents) -> bool:
    def equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
        return list(a) == list(b) and all(
            a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes() for k in a
        )

    return one[0] == other[0] and equal(one[1], other[1]) and equal(one[2], other[2])


def document() -> dict[str, Any]:
    return bitstream.parse_header(FILE)[0]


def views() -> list[memoryview]:
    return bitstream.split_sections(bitstream.parse_header(FILE)[1], [s.num_bytes for s in codec.sections(FILE)])


def frame(text: bytes, payloads: list[bytes], declared: int | None = None) -> bytes:
    """A file around any JSON and payloads."""
    packed = entropy.deflate(text)
    preamble = struct.pack("<4sHHII", b"LINR", 1, 0, len(packed), len(text) if declared is None else declared)
    body = b"".join(payload + struct.pack("<I", zlib.crc32(payload)) for payload in payloads)
    return preamble + struct.pack("<I", zlib.crc32(preamble + packed)) + packed + body


def table(tensors: Any = (), arrays: Any = (), payloads: Any = (), header: Any = None) -> bytes:
    text = json.dumps({"header": {} if header is None else header, "tensors": tensors, "arrays": arrays})
    return frame(text.encode(), list(payloads))


def coded(codes: list[int], bits: int) -> bytes:
    return entropy.encode(np.array(codes, np.int16), bits)


def scale_bits(*scales: float) -> bytes:
    return coded([int(np.float32(s).view(np.int32)) >> 16 for s in scales], 16)


def tensor(shape: Any, bits: Any, axis: Any, scales: bytes, codes: bytes) -> bytes:
    return table([["w", shape, bits, axis, len(scales), len(codes)]], [], [scales + codes])


def array(dtype: str, data: bytes) -> bytes:
    packed = entropy.deflate(data)
    return table([], [["a", [1], dtype, len(packed)]], [packed])
