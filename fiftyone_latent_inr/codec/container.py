"""The container of a `.linr` file: a preamble, a JSON header, an index with checksums, and the sections.

    offset  bytes
    0       4      magic "LINR"
    4       2      format version, little-endian like all numbers here
    6       2      the oldest format version whose readers understand this file
    8       4      P, bytes of the packed header
    12      4      J, bytes of the JSON that the packed header inflates to
    16      4      N, entries of the index
    20      4      CRC-32 of the 20 bytes above, the packed header and the index
    24      P      the header: JSON, raw deflate with the dictionary `DICTIONARY`
    24 + P  20 N   the index: frames, bytes, CRC-32, model, kind, reserved, parent; see `Entry`
    ...            the sections, in the index's order, without gaps, up to the end of the file

Nothing is allocated before the number that asks for it has been checked, so that files of strangers can be read. See
`docs/format.md` for all of the format and its reasons.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import BitstreamError, NewerFileError
from .byte_source import Source
from .version import OLDEST, VERSION

MAGIC = b"LINR"
MAX_HEADER = 1 << 22  # bytes of JSON: the cuts of a film of two hours are a few thousand numbers
FREE_HEADER = 1 << 18  # bytes of JSON whatever they are packed in; of more, each packed byte may hold 16
MAX_NESTING = 32  # objects and lists within each other in the JSON
MAX_CONTAINERS = 1 << 18  # objects and lists in the JSON, which take many times their bytes in memory
MAX_DIGITS = 40  # of an integer in the JSON
MAX_ENTRIES = 1 << 16
MAX_FILE = 1 << 40  # read a section at a time
MAX_SECTION = 1 << 28  # one is read whole: sixteen bits for each of twice the numbers of an 8K model
MAX_DEPTH = 8  # parents of parents: what has to be decoded for one frame

SEMANTIC, GROUP = 0, 1  # kinds of sections
PRIOR = -1  # a parent that is not in the file: the prior that the header names

# What headers usually say, so that the usual header takes few bytes. Part of the format: never to be changed.
DICTIONARY = (
    b'"small"null,"teacher_id":"small-0ViT-B-32/laion2b_s34b_b79k"warnings":["source":"bunny.mp4","fingerprint":"'
    b'"settings":"","quality":50.0,"bpp":0."rate":"lambda":"seed":0,"steps":10000"config":"fast","best"'
    b'{"models":[{"num_frames":32,"height":180,"width":320,"latent_dim":64,"semantic_dim":32,"embedding_dim":64,'
    b'"bottleneck":32,"levels":[{"rows":16,"cols":28,"channels":8,"copies":2},{"rows":46,"cols":81,"channels":4,'
    b'"copies":1},{"rows":181,"cols":321,"channels":1,"copies":1}],"planes":2,"hidden":36,"layers":3,"warp_rows":5,'
    b'"warp_cols":8,"warp_scale":0.05}],"fps":30.0,"preset":"balanced","teacher":null,"teacher_id":null,"metrics":'
    b'{"psnr":35.,"ms_ssim":0.99,"psnr_unquantised":36.,"alignment":0.99,"seconds":100.},"metadata":{}}'
)

_PREAMBLE = struct.Struct("<4sHHIII")
_CRC = struct.Struct("<I")
_ENTRIES = {2: struct.Struct("<IIIHBB"), 3: struct.Struct("<IIIHBBI")}
_NO_PARENT = 0xFFFFFFFF
_PRIOR_PARENT = 0xFFFFFFFE
HEAD = _PREAMBLE.size + _CRC.size


@dataclass(frozen=True)
class Entry:
    """One section, as the index declares it.

    Attributes:
        kind: SEMANTIC or GROUP.
        first: its first frame.
        count: number of frames that it covers.
        model: index of its model among the header's configurations.
        offset: byte of the file that it begins at.
        size: number of its bytes.
        checksum: their CRC-32.
        parent: the group, counted among groups, that this one's numbers are residuals against; `PRIOR`; None for none.
        version: version of the format that its bytes are in.
    """

    kind: int
    first: int
    count: int
    model: int
    offset: int
    size: int
    checksum: int
    parent: int | None = None
    version: int = VERSION

    @property
    def name(self) -> str:
        """In words, for messages."""
        return "semantic" if self.kind == SEMANTIC else f"frames {self.first} to {self.first + self.count - 1}"


@dataclass(frozen=True)
class Section:
    """One section to be written: kind, frames, model, bytes and parent, as in `Entry`."""

    kind: int
    count: int
    model: int
    data: bytes
    parent: int | None = None


def assemble(document: dict[str, Any], sections: Sequence[Section]) -> bytes:
    """A file of a JSON document and sections: `head`, and their bytes behind it.

    Raises:
        ValueError: see `head`.
    """
    return b"".join([head(document, sections), *(part.data for part in sections)])


def head(document: dict[str, Any], sections: Sequence[Section]) -> bytes:
    """What comes before the sections of a file.

    Raises:
        ValueError: the document is not JSON (NaN and infinity are not), is nested too deeply or is too large, or the
            sections are not those of a file: no frames, too many bytes, parents that are not earlier or too many.
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
    packed = _deflate(text)
    if len(text) > _most_text(len(packed)):
        raise ValueError(f"the header says too little in its {len(text)} bytes of JSON")
    index = b"".join(pack_entry(part, zlib.crc32(part.data)) for part in sections)
    if len(sections) > MAX_ENTRIES:
        raise ValueError(f"{len(sections)} sections are more than the {MAX_ENTRIES} allowed")
    whole = HEAD + len(packed) + len(index)
    try:
        _parse_index(index, whole, whole + sum(len(part.data) for part in sections), VERSION)
    except BitstreamError as error:
        raise ValueError(str(error)) from error
    return pack_head(packed, len(text), index)


def check_notes(notes: dict[str, Any]) -> None:
    """Finds out before there is a file to write whether notes may be a part of its header: they get half of its room.

    Raises:
        ValueError: they are too many objects and lists, or repeat themselves so much that no reader takes them, since
            a small file must not take much memory.
    """
    text = json.dumps(notes, allow_nan=False, separators=(",", ":")).encode("ascii")
    containers = text.count(b"[") + text.count(b"{")
    if 2 * containers > MAX_CONTAINERS:
        raise ValueError(f"{containers:,} lists and objects are more than the {MAX_CONTAINERS // 2:,} allowed")
    if 2 * len(text) > _most_text(2 * len(_deflate(text))):
        raise ValueError(f"its {len(text):,} bytes of JSON repeat themselves too much")


def pack_entry(section: Section, checksum: int, size: int | None = None, version: int = VERSION) -> bytes:
    """An entry of the index; `size` is the section's own unless one is given."""
    size = len(section.data) if size is None else size
    parent = {None: _NO_PARENT, PRIOR: _PRIOR_PARENT}.get(section.parent, section.parent)
    fields = (section.count, size, checksum, section.model, section.kind, 0, parent)
    return _ENTRIES[version].pack(*fields[: 6 if version < 3 else 7])


def layout_of(needs: int) -> int:
    """The version in which a file is laid out: the one that its readers must know."""
    return min(max(needs, OLDEST), VERSION)


def pack_head(packed: bytes, text_size: int, index: bytes, version: int = VERSION, needs: int = VERSION) -> bytes:
    """Preamble, header and index with their checksum."""
    entries = len(index) // _ENTRIES[layout_of(needs)].size
    preamble = _PREAMBLE.pack(MAGIC, version, needs, len(packed), text_size, entries)
    checksum = zlib.crc32(index, zlib.crc32(packed, zlib.crc32(preamble)))
    return preamble + _CRC.pack(checksum) + packed + index


def parse(source: Source) -> tuple[dict[str, Any], list[Entry]]:
    """Reads and checks header and index, and nothing else.

    Returns:
        the JSON document and the sections.

    Raises:
        BitstreamError: not a `.linr` file, damaged, or of a version that this release does not read.
    """
    start = source.read(0, HEAD)
    if start[:4] != MAGIC:
        raise BitstreamError("not a .linr file: it does not begin with LINR")
    if len(start) < HEAD:
        raise BitstreamError("the file is cut short: not even its preamble is whole")
    _, version, needs, packed_size, text_size, entries = _PREAMBLE.unpack_from(start)
    if version < OLDEST:
        raise BitstreamError(
            f"the file is in format version {version}, which is no longer read: encode the video again"
        )
    if needs > VERSION:
        raise NewerFileError(
            f"the file needs a reader of format version {needs}, this release reads up to {VERSION}: "
            "update fiftyone_latent_inr"
        )
    if source.size > MAX_FILE:
        raise BitstreamError("the file is larger than any .linr file may be (1 TiB)")
    if text_size > _most_text(packed_size) or packed_size > MAX_HEADER + 1024 or entries > MAX_ENTRIES:
        raise BitstreamError("the header is larger than any valid one")
    layout = layout_of(needs)
    size = packed_size + entries * _ENTRIES[layout].size
    if source.size < HEAD + size:
        raise BitstreamError("the file is cut short in its header")
    rest = source.read(HEAD, size)
    if len(rest) != size:
        raise BitstreamError("the file is cut short in its header")
    if _CRC.unpack_from(start, _PREAMBLE.size)[0] != zlib.crc32(rest, zlib.crc32(start[: _PREAMBLE.size])):
        raise BitstreamError("the header is damaged (its checksum does not match)")
    document = _parse_json(_inflate(rest[:packed_size], text_size))
    return document, _parse_index(rest[packed_size:], HEAD + size, source.size, layout)


def read_section(source: Source, entry: Entry) -> bytes:
    """The bytes of a section, once its checksum has been found right."""
    data = source.read(entry.offset, entry.size)
    if len(data) != entry.size or zlib.crc32(data) != entry.checksum:
        raise BitstreamError(f"the section {entry.name!r} is damaged (its checksum does not match)")
    return data


def _parse_index(data: bytes, offset: int, total: int, version: int) -> list[Entry]:
    entries: list[Entry] = []
    first = 0
    depths: list[int] = []  # of the groups
    for count, size, checksum, model, kind, reserved, *more in _ENTRIES[version].iter_unpack(data):
        if kind not in (SEMANTIC, GROUP) or reserved or not count or (kind == SEMANTIC and entries):
            raise BitstreamError("the index of sections is malformed")
        if version > 2 and size > MAX_SECTION:
            raise BitstreamError(f"a section is larger than any may be ({MAX_SECTION >> 20} MiB)")
        parent = None if not more or more[0] == _NO_PARENT else more[0]
        parent = PRIOR if parent == _PRIOR_PARENT else parent
        if parent is not None and (kind == SEMANTIC or parent >= len(depths)):
            raise BitstreamError("the index of sections is malformed: a parent is not an earlier group")
        start = 0 if kind == SEMANTIC else first
        entries.append(Entry(kind, start, count, model, offset, size, checksum, parent, version))
        offset += size
        if kind == GROUP:
            first += count
            depths.append(0 if parent is None or parent == PRIOR else depths[parent] + 1)
            if depths[-1] > MAX_DEPTH:
                raise BitstreamError(f"a group of frames has more than {MAX_DEPTH} parents of parents")
    if not first or any(entry.kind == SEMANTIC and entry.count != first for entry in entries):
        raise BitstreamError("the index of sections is malformed: its frames do not add up")
    if offset != total:
        what = "cut short" if total < offset else "followed by foreign data"
        raise BitstreamError(f"the file is {what}: {total} bytes instead of {offset}")
    return entries


def _most_text(packed: int) -> int:
    """The most JSON that a packed header may hold, so that no small file takes much memory."""
    return min(MAX_HEADER, FREE_HEADER + 16 * packed)


def _deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    return packer.compress(text) + packer.flush()


def _inflate(data: bytes, size: int) -> bytes:
    """Undoes `_deflate`, never making more than `size` bytes; anything but exactly `size` is an error."""
    unpacker = zlib.decompressobj(-15, DICTIONARY)
    try:
        result = unpacker.decompress(data, size + 1)
    except zlib.error as error:
        raise BitstreamError(f"the header is damaged ({error})") from error
    if len(result) != size or not unpacker.eof or unpacker.unused_data:
        raise BitstreamError("the header has the wrong length")
    return result


def _parse_json(text: bytes) -> dict[str, Any]:
    if text.count(b"[") + text.count(b"{") > MAX_CONTAINERS:
        raise BitstreamError("the header holds too many objects and lists")
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
    if _depth(document) > MAX_NESTING:
        raise BitstreamError(f"the header is nested more than {MAX_NESTING} deep")
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
    while level and depth <= MAX_NESTING:
        nested = [item for item in level if isinstance(item, dict | list | tuple)]
        level = [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]
        depth += bool(nested)
    return depth
