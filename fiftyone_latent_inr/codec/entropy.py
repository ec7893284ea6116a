"""Integer codes to bytes and back, without loss: one function each way, so that a better coder fits in.

A coded tensor is one byte that names the method, then its payload; the encoder tries all and keeps the
shortest:

    0 PACKED   codes plus offset, `bits` bits each: for tensors too short for statistics
    1 DEFLATE  zig-zag bytes, Huffman codes: within 1 % of the zeroth-order entropy for weights
    2 LZMA     zig-zag bytes, adaptive arithmetic coding with matches: for smooth or repeating codes
"""

from __future__ import annotations

import lzma
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BitstreamError

PACKED, DEFLATE, LZMA = 0, 1, 2

# Codes packed at a time, to bound memory; a multiple of 8, so that every chunk ends on a whole byte.
_PACK_CHUNK = 1 << 18

# Both sides fix the filter, so that a file cannot ask for a large dictionary. No literal context (lc, lp, pb
# = 0): neighbouring weights tell nothing about each other, and fewer contexts learn faster.
_LZMA_FILTERS: list[dict[str, Any]] = [
    {
        "id": lzma.FILTER_LZMA1,
        "preset": 9 | lzma.PRESET_EXTREME,
        "dict_size": 1 << 20,
        "lc": 0,
        "lp": 0,
        "pb": 0,
    }
]


def encode(codes: npt.NDArray[np.int16], bits: int) -> bytes:
    """Codes to bytes.

    Args:
        codes: integers in -(2 ** (bits - 1)) .. 2 ** (bits - 1) - 1, any shape.
        bits: bits of a code, 2 to 16.

    Returns:
        The coded bytes; empty for no codes.
    """
    if codes.size == 0:
        return b""
    flat = codes.reshape(-1).astype(np.int16)
    data = _to_bytes(flat, bits)
    candidates = [
        bytes([PACKED]) + _pack(flat, bits),
        bytes([DEFLATE]) + deflate(data),
        bytes([LZMA]) + lzma.compress(data, format=lzma.FORMAT_RAW, filters=_LZMA_FILTERS),
    ]
    return min(candidates, key=len)


def decode(data: bytes, count: int, bits: int) -> npt.NDArray[np.int16]:
    """Bytes to codes; the memory used is bounded by `count`, whatever the bytes say.

    Args:
        data: what `encode` returned.
        count: how many codes to expect.
        bits: bits of a code, 2 to 16.

    Returns:
        int16 (count,).

    Raises:
        BitstreamError: the bytes do not hold exactly that many codes.
    """
    if count == 0:
        if data:
            raise BitstreamError("an empty tensor has data")
        return np.zeros(0, np.int16)
    if not data:
        raise BitstreamError("a tensor has no data")
    method, payload = data[0], data[1:]
    size = count * (1 if bits <= 8 else 2)
    if method == PACKED:
        return _unpack(payload, count, bits)
    if method == DEFLATE:
        return _from_bytes(inflate(payload, size), bits)
    if method == LZMA:
        return _from_bytes(_unlzma(payload, size), bits)
    raise BitstreamError(f"unknown entropy coding method {method}")


def deflate(data: bytes) -> bytes:
    """Raw deflate, with or without matches, whichever is shorter."""
    results = []
    for strategy in (zlib.Z_HUFFMAN_ONLY, zlib.Z_DEFAULT_STRATEGY):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
        results.append(packer.compress(data) + packer.flush())
    return min(results, key=len)


def inflate(data: bytes, size: int) -> bytes:
    """Undoes `deflate`, never making more than `size` bytes; anything but exactly `size` is an error."""
    unpacker = zlib.decompressobj(-15)
    try:
        result = unpacker.decompress(data, size + 1)
    except zlib.error as error:
        raise BitstreamError(f"damaged deflate data ({error})") from error
    if len(result) != size or not unpacker.eof or unpacker.unused_data:
        raise BitstreamError("deflate data of the wrong length")
    return result


def _unlzma(data: bytes, size: int) -> bytes:
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA_FILTERS)
    try:
        result = unpacker.decompress(data, size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise BitstreamError(f"damaged lzma data ({error})") from error
    if len(result) != size or not unpacker.eof or unpacker.unused_data:
        raise BitstreamError("lzma data of the wrong length")
    return result


def _to_bytes(codes: npt.NDArray[np.int16], bits: int) -> bytes:
    """Zig-zag (0, -1, 1, -2 -> 0, 1, 2, 3), then one byte a code, or all low bytes before all high ones."""
    zigzag = ((codes << 1) ^ (codes >> 15)).view(np.uint16)
    if bits <= 8:
        return zigzag.astype(np.uint8).tobytes()
    return zigzag.astype("<u2").view(np.uint8).reshape(-1, 2).T.tobytes()


def _from_bytes(data: bytes, bits: int) -> npt.NDArray[np.int16]:
    raw = np.frombuffer(data, np.uint8)
    if bits <= 8:
        zigzag: npt.NDArray[np.uint16] = raw.astype(np.uint16)
    else:
        half = raw.size // 2
        zigzag = np.asarray(raw[:half] | (raw[half:].astype(np.uint16) << 8), np.uint16)
    if int(zigzag.max()) >> bits:
        raise BitstreamError(f"a code does not fit into {bits} bits")
    return np.asarray((zigzag >> 1) ^ (0 - (zigzag & 1))).view(np.int16)


def _pack(codes: npt.NDArray[np.int16], bits: int) -> bytes:
    offset = 2 ** (bits - 1)
    parts = []
    for start in range(0, codes.size, _PACK_CHUNK):
        unsigned = codes[start : start + _PACK_CHUNK].astype(np.int32) + offset
        planes = (unsigned[:, None] >> np.arange(bits)) & 1
        parts.append(np.packbits(planes.astype(np.uint8)).tobytes())
    return b"".join(parts)


def _unpack(data: bytes, count: int, bits: int) -> npt.NDArray[np.int16]:
    if len(data) != (count * bits + 7) // 8:
        raise BitstreamError("packed data of the wrong length")
    raw = np.frombuffer(data, np.uint8)
    result = np.empty(count, np.int16)
    weights = 1 << np.arange(bits)
    for start in range(0, count, _PACK_CHUNK):
        number = min(_PACK_CHUNK, count - start)
        planes = np.unpackbits(raw[start * bits // 8 : (start * bits + number * bits + 7) // 8])
        if planes[number * bits :].any():
            raise BitstreamError("packed data has bits set after its end")
        unsigned = planes[: number * bits].reshape(number, bits) @ weights
        result[start : start + number] = unsigned - 2 ** (bits - 1)
    return result
