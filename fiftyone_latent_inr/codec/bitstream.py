"""The frame of a `.linr` file: a magic number, a version, a JSON header and checked sections of bytes.

    offset  bytes
    0       4      magic "LINR"
    4       2      format version, little-endian like all numbers here
    6       2      reserved, zero
    8       4      P, bytes of the packed header
    12      4      J, bytes of the JSON that the packed header inflates to
    16      4      CRC-32 of the 16 bytes above and the packed header
    20      P      the header: JSON, UTF-8, raw deflate
    20 + P         the sections, each followed by its CRC-32 (4 bytes); their sizes stand in the header
                   nothing after the last one

Nothing is allocated before the number that asks for it has been checked, so that files of strangers can be
read.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from typing import Any, NoReturn

from ..errors import BitstreamError
from .entropy import deflate, inflate

MAGIC = b"LINR"
VERSION = 1
MAX_HEADER = 1 << 20  # bytes of JSON
MAX_DEPTH = 32  # nested objects and lists in the JSON
MAX_DIGITS = 40  # of an integer in the JSON

_PREAMBLE = struct.Struct("<4sHHII")
_CRC = struct.Struct("<I")

Buffer = bytes | bytearray | memoryview


def assemble(document: dict[str, Any], sections: list[bytes]) -> bytes:
    """Frames a JSON document and sections of bytes.

    Raises:
        ValueError: the document is not JSON (NaN and infinity are not), is nested too deeply or is too large.
    """
    try:
        text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the header cannot be written as JSON: {error}") from error
    if len(text) > MAX_HEADER:
        raise ValueError(f"the header takes {len(text)} bytes of JSON, more than the {MAX_HEADER} allowed")
    try:
        _parse_json(text)
    except BitstreamError as error:  # what this refuses could not be read back
        raise ValueError(str(error)) from error
    packed = deflate(text)
    preamble = _PREAMBLE.pack(MAGIC, VERSION, 0, len(packed), len(text))
    parts = [preamble, _CRC.pack(zlib.crc32(packed, zlib.crc32(preamble))), packed]
    for section in sections:
        parts += [section, _CRC.pack(zlib.crc32(section))]
    return b"".join(parts)


def parse_header(data: Buffer) -> tuple[dict[str, Any], memoryview]:
    """Reads the header.

    Args:
        data: a whole `.linr` file.

    Returns:
        the JSON document and the rest of the data, where the sections lie.

    Raises:
        BitstreamError: not a `.linr` file, damaged, or of a version that this release does not read.
    """
    view = memoryview(data).cast("B")
    if view[:4] != MAGIC:
        raise BitstreamError("not a .linr file: it does not begin with LINR")
    start = _PREAMBLE.size + _CRC.size
    if len(view) < start:
        raise BitstreamError("the file is cut short: not even its preamble is whole")
    _, version, reserved, packed_size, text_size = _PREAMBLE.unpack_from(view)
    if version != VERSION:
        advice = "update fiftyone_latent_inr" if version > VERSION else "encode the video again"
        raise BitstreamError(f"the file is in format version {version}, this release reads {VERSION}: {advice}")
    if text_size > MAX_HEADER or packed_size > MAX_HEADER + 1024:
        raise BitstreamError("the header is larger than any valid one")
    if len(view) < start + packed_size:
        raise BitstreamError("the file is cut short in its header")
    packed = view[start : start + packed_size]
    expected = zlib.crc32(packed, zlib.crc32(view[: _PREAMBLE.size]))
    if _CRC.unpack_from(view, _PREAMBLE.size)[0] != expected or reserved:
        raise BitstreamError("the header is damaged (its checksum does not match)")
    return _parse_json(inflate(bytes(packed), text_size)), view[start + packed_size :]


def split_sections(body: memoryview, sizes: list[int]) -> list[memoryview]:
    """Cuts the rest of the file into its sections, unchecked; see `checked`.

    Args:
        body: what `parse_header` left.
        sizes: bytes of each section, without its checksum.

    Returns:
        one view a section, its checksum included.

    Raises:
        BitstreamError: the sections do not fill the body exactly.
    """
    total = sum(sizes) + len(sizes) * _CRC.size
    if len(body) != total:
        what = "cut short" if len(body) < total else "followed by foreign data"
        raise BitstreamError(f"the file is {what}: {len(body)} bytes of sections instead of {total}")
    result, start = [], 0
    for size in sizes:
        end = start + size + _CRC.size
        result.append(body[start:end])
        start = end
    return result


def checked(section: memoryview, name: str) -> bytes:
    """The bytes of a section, once its checksum has been found right."""
    payload = bytes(section[: -_CRC.size])
    if _CRC.unpack(section[-_CRC.size :])[0] != zlib.crc32(payload):
        raise BitstreamError(f"the section {name!r} is damaged (its checksum does not match)")
    return payload


def _parse_json(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_short_integer,
        )
    except BitstreamError:
        raise
    except (ValueError, RecursionError) as error:
        raise BitstreamError(f"the header is not valid JSON ({type(error).__name__})") from error
    if not isinstance(document, dict):
        raise BitstreamError("the header is not a JSON object")
    if _depth(document) > MAX_DEPTH:
        raise BitstreamError(f"the header is nested more than {MAX_DEPTH} deep")
    return document


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BitstreamError("the header names a key twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise BitstreamError(f"the header holds {name}, which is not a number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BitstreamError("the header holds a number that is too large")
    return value


def _short_integer(text: str) -> int:
    if len(text) > MAX_DIGITS:  # reading a number takes time in the square of its length
        raise BitstreamError(f"the header holds a number of {len(text)} digits")
    return int(text)


def _depth(document: Any) -> int:
    """How deep objects and lists are nested, without recursion and without looking deeper than the limit."""
    depth, level = 0, [document]
    while level and depth <= MAX_DEPTH:
        nested = [item for item in level if isinstance(item, dict | list | tuple)]
        level = [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]
        depth += bool(nested)
    return depth
