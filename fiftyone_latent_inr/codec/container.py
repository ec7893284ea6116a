"""What a `.linr` file holds: a JSON header of the caller's, quantised tensors and exact arrays.

    compress:    header, tensors, arrays -> table of sections + payloads -> bitstream.assemble -> bytes
    decompress:  bytes -> bitstream.parse_header -> checked table -> checked payloads -> header, tensors,
    arrays

A tensor's payload is its scales (bfloat16, as integers), then its codes, both entropy coded. An array's
payload is its little-endian bytes, deflated. Everything a stranger's file declares is bounded before memory
is set aside for it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BitstreamError
from ..files import atomic_target, require_file
from . import entropy
from .bitstream import Buffer, assemble, checked, parse_header, split_sections
from .quantisation import (
    MAX_BITS,
    MAX_MAGNITUDE,
    MIN_BITS,
    FloatArray,
    TensorCoding,
    dequantise,
    num_scales,
    quantise,
)

MAX_SECTIONS = 4096
MAX_ELEMENTS = 1 << 26  # of all sections together: 256 MiB as float32
MAX_EXPANSION = 1 << 14  # elements for each byte of payload; the coders here never reach half of it
MAX_DIMENSIONS = 8
MAX_NAME = 256
MAX_FILE = 1 << 31

_DTYPES = {
    np.dtype(name).str: np.dtype(name)
    for name in ("<f2", "<f4", "<f8", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "|b1")
}

Scales = Mapping[str, npt.ArrayLike]


@dataclass(frozen=True)
class Section:
    """One tensor or array of a file, as its header declares it.

    Attributes:
        name: unique in the file.
        kind: `tensor` (quantised) or `array` (exact).
        shape: its dimensions.
        num_bytes: bytes of its payload in the file, without the 4 of its checksum.
        coding: how a tensor is quantised, None for arrays.
        dtype: an array's type such as `<f4`, `<f4` for tensors.
        scale_bytes: how many bytes of a tensor's payload are scales.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    num_bytes: int
    coding: TensorCoding | None = None
    dtype: str = "<f4"
    scale_bytes: int = 0

    @property
    def num_elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def compress(
    header: Mapping[str, Any],
    tensors: Mapping[str, npt.ArrayLike],
    codings: Mapping[str, TensorCoding],
    arrays: Mapping[str, npt.NDArray[Any]] | None = None,
    scales: Scales | None = None,
) -> bytes:
    """Quantises and packs.

    Args:
        header: anything that JSON can say, without NaN or infinity; at most 1 MiB.
        tensors: float tensors by name, stored quantised.
        codings: how each of them is quantised; every tensor needs one.
        arrays: arrays by name, stored exactly (float, int, uint or bool).
        scales: quantisation steps by tensor name, where they are not to be the plain maximum.

    Returns:
        The bytes of a `.linr` file. `decompress` gives the tensors as `dequantise` makes them, bit for bit.

    Raises:
        ValueError: values that are not finite, a missing coding, a name used twice, or sizes beyond the
        limits.

    Example:
        >>> data = compress({"fps": 25}, {"w": np.ones((2, 3))}, {"w": TensorCoding(8)}, {"t": np.arange(3)})
        >>> header, tensors, arrays = decompress(data)
        >>> header["fps"], tensors["w"].shape, arrays["t"].tolist()
        (25, (2, 3), [0, 1, 2])
    """
    rows: dict[str, list[list[Any]]] = {"tensors": [], "arrays": []}
    payloads = []
    for name, tensor in tensors.items():
        if name not in codings:
            raise ValueError(f"no coding for the tensor {name!r}")
        coding = codings[name]
        codes, steps = quantise(tensor, coding, None if scales is None else scales.get(name))
        coded_scales = entropy.encode((steps.view(np.uint32) >> 16).astype(np.int16), MAX_BITS)
        coded = entropy.encode(codes, coding.bits)
        axis = None if coding.axis is None else coding.axis % codes.ndim
        rows["tensors"].append([name, list(codes.shape), coding.bits, axis, len(coded_scales), len(coded)])
        payloads.append(coded_scales + coded)
    for name, array in (arrays or {}).items():
        exact = np.asarray(array)
        exact = exact.astype(exact.dtype.newbyteorder("<"))
        if exact.dtype.str not in _DTYPES:
            raise ValueError(f"the array {name!r} is of type {exact.dtype}, which cannot be stored")
        if exact.dtype.kind == "f" and not np.isfinite(exact).all():
            raise ValueError(f"the array {name!r} holds a value that is not finite")
        payload = entropy.deflate(exact.tobytes()) if exact.size else b""
        rows["arrays"].append([name, list(exact.shape), exact.dtype.str, len(payload)])
        payloads.append(payload)
    document = {"header": dict(header), **rows}
    try:
        _table(document)  # what this refuses could not be read back
    except BitstreamError as error:
        raise ValueError(str(error)) from error
    return assemble(document, payloads)


def decompress(
    data: Buffer, names: Collection[str] | None = None
) -> tuple[dict[str, Any], dict[str, FloatArray], dict[str, npt.NDArray[Any]]]:
    """Unpacks and dequantises.

    Args:
        data: the bytes of a `.linr` file.
        names: the tensors and arrays wanted, None for all; the others are neither decoded nor checked.

    Returns:
        the header, tensors (float32) by name and arrays by name, in the order of the file.

    Raises:
        BitstreamError: anything is off: a foreign or damaged file, a newer version, sizes beyond the limits.
        KeyError: a name in `names` that the file does not hold.
    """
    document, body = parse_header(data)
    table = _table(document)
    if names is not None and (missing := set(names) - {section.name for section in table}):
        raise KeyError(f"no section {sorted(missing)[0]!r} in this file")
    tensors: dict[str, FloatArray] = {}
    arrays: dict[str, npt.NDArray[Any]] = {}
    views = split_sections(body, [section.num_bytes for section in table])
    for section, view in zip(table, views, strict=True):
        if names is not None and section.name not in names:
            continue
        payload = checked(view, section.name)
        try:
            if section.coding is not None:
                tensors[section.name] = _decode_tensor(section, section.coding, payload)
            else:
                arrays[section.name] = _decode_array(section, payload)
        except BitstreamError as error:
            raise BitstreamError(f"the section {section.name!r} is damaged: {error}") from error
    return document["header"], tensors, arrays


def read_header(data: Buffer) -> dict[str, Any]:
    """The caller's header alone, without looking at the sections (a prefix of the file is enough)."""
    document, _ = parse_header(data)
    _table(document)
    header: dict[str, Any] = document["header"]
    return header


def sections(data: Buffer) -> list[Section]:
    """What the file holds and how many bytes each part takes, without decoding any of it."""
    return _table(parse_header(data)[0])


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a `.linr` file.

    Raises:
        InputError: the file is missing, empty, a folder or may not be read.
        BitstreamError: it is no `.linr` file (it does not begin with the magic number, or is over 2 GiB).
    """
    file = require_file(path, "latent video (.linr)")
    if file.stat().st_size > MAX_FILE:
        raise BitstreamError(f"{file} is larger than any .linr file may be (2 GiB)")
    with open(file, "rb") as handle:
        start = handle.read(4)
        if start != b"LINR":
            raise BitstreamError(f"{file} is not a .linr file: it does not begin with LINR")
        return start + handle.read()


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes the file in one step: afterwards `path` holds all of `data`, or what it held before.

    Raises:
        InputError: the folder is missing, read-only or full.
    """
    with atomic_target(path) as temporary, open(temporary, "wb") as handle:
        handle.write(data)


def _table(document: dict[str, Any]) -> list[Section]:
    """The sections that a header declares, each number checked."""
    if set(document) != {"header", "tensors", "arrays"} or not isinstance(document["header"], dict):
        raise BitstreamError("the header lacks a part")
    tensors, arrays = document["tensors"], document["arrays"]
    if not isinstance(tensors, list) or not isinstance(arrays, list):
        raise BitstreamError("the header's table of sections is malformed")
    if len(tensors) + len(arrays) > MAX_SECTIONS:
        raise BitstreamError(f"the file declares more than {MAX_SECTIONS} sections")
    table = [_tensor_row(row) for row in tensors] + [_array_row(row) for row in arrays]
    if len({section.name for section in table}) != len(table):
        raise BitstreamError("two sections have the same name")
    if sum(section.num_elements for section in table) > MAX_ELEMENTS:
        raise BitstreamError(f"the file declares more than {MAX_ELEMENTS} numbers")
    return table


def _tensor_row(row: Any) -> Section:
    if not isinstance(row, list) or len(row) != 6:
        raise BitstreamError("a tensor's entry in the header is malformed")
    name, shape = _name(row[0]), _shape(row[1])
    bits, axis = _integer(row[2], MAX_BITS), row[3]
    scale_bytes, code_bytes = _integer(row[4], MAX_FILE), _integer(row[5], MAX_FILE)
    if bits < MIN_BITS or (axis is not None and _integer(axis, MAX_DIMENSIONS) >= len(shape)):
        raise BitstreamError(f"the coding of the tensor {name!r} is not valid")
    coding = TensorCoding(bits, axis)
    section = Section(name, "tensor", shape, scale_bytes + code_bytes, coding, scale_bytes=scale_bytes)
    _bound_expansion(name, section.num_elements, code_bytes)
    _bound_expansion(name, num_scales(shape, coding), scale_bytes)
    return section


def _array_row(row: Any) -> Section:
    if not isinstance(row, list) or len(row) != 4 or not isinstance(row[2], str) or row[2] not in _DTYPES:
        raise BitstreamError("an array's entry in the header is malformed")
    section = Section(_name(row[0]), "array", _shape(row[1]), _integer(row[3], MAX_FILE), dtype=row[2])
    _bound_expansion(section.name, section.num_elements, section.num_bytes)
    return section


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise BitstreamError("a section's name is not valid")
    return value


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > MAX_DIMENSIONS:
        raise BitstreamError("a section's shape is not valid")
    return tuple(_integer(size, MAX_ELEMENTS) for size in value)


def _integer(value: Any, largest: int) -> int:
    if type(value) is not int or not 0 <= value <= largest:  # bool is an int to isinstance
        raise BitstreamError("the header holds a number out of its range")
    return value


def _bound_expansion(name: str, elements: int, payload: int) -> None:
    if elements > MAX_EXPANSION * payload:
        raise BitstreamError(f"the section {name!r} declares more numbers than its {payload} bytes can hold")


def _decode_tensor(section: Section, coding: TensorCoding, payload: bytes) -> FloatArray:
    count = num_scales(section.shape, coding)
    raw = entropy.decode(payload[: section.scale_bytes], count, MAX_BITS)
    scales = (raw.astype(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if not np.all((scales >= 0) & (scales < MAX_MAGNITUDE)):  # also refuses NaN and infinity
        raise BitstreamError("a scale is negative or not finite")
    codes = entropy.decode(payload[section.scale_bytes :], section.num_elements, coding.bits)
    return dequantise(codes.reshape(section.shape), scales, coding)


def _decode_array(section: Section, payload: bytes) -> npt.NDArray[Any]:
    dtype = _DTYPES[section.dtype]
    raw = entropy.inflate(payload, section.num_elements * dtype.itemsize) if section.num_elements else b""
    if not section.num_elements and payload:
        raise BitstreamError("an empty array has data")
    array = np.frombuffer(raw, dtype).reshape(section.shape).copy()
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise BitstreamError("an array holds a value that is not finite")
    if dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise BitstreamError("an array of truth values holds something else")
    return array
