"""The container of a file: what is written is read, what is damaged, foreign or too new is refused with the reason."""

from __future__ import annotations

import json
import re
import struct
import tracemalloc
import zlib
from contextlib import suppress
from typing import Any

import pytest
from linr_files import CountingSource, sections

from fiftyone_latent_inr.codec import (
    GROUP,
    MAX_DEPTH,
    SEMANTIC,
    MemorySource,
    Section,
    assemble,
    container,
    parse,
    read_section,
)
from fiftyone_latent_inr.errors import BitstreamError

DOCUMENT: dict[str, Any] = {"fps": 25.0, "name": "видео ü", "none": None, "list": [1, [2, {"a": True}]], "big": 2**60}
FILE = assemble(DOCUMENT, sections())


def framed(text: bytes, index: bytes | None = None, body: bytes = b"abcd", **frame: Any) -> bytes:
    """A file around any JSON and index, its checksums right."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, container.DICTIONARY)
    packed = packer.compress(text) + packer.flush()
    if index is None:
        index = entry(3, body)
    size = frame.pop("text_size", len(text))
    return container.pack_head(packed, size, index, **frame) + body


def entry(count: int, body: bytes = b"", model: int = 0, kind: int = GROUP, reserved: int = 0, **more: int) -> bytes:
    fields = (count, more.get("size", len(body)), zlib.crc32(body), model, kind, reserved)
    return struct.pack("<IIIHBBI", *fields, more.get("parent", 2**32 - 1))


def chained(parents: list[int | None]) -> bytes:
    """An index of groups with these parents, the last of which holds `body`."""
    links = [{} if parent is None else {"parent": parent} for parent in parents]
    return b"".join(entry(1, **link) for link in links[:-1]) + entry(1, b"abcd", **links[-1])


def test_round_trip() -> None:
    document, entries = parse(MemorySource(FILE))
    assert document == DOCUMENT
    assert [(e.kind, e.first, e.count, e.model, e.parent) for e in entries] == [
        (SEMANTIC, 0, 5, 0, None),
        (GROUP, 0, 3, 0, None),
        (GROUP, 3, 2, 1, 0),
    ]
    assert {e.version for e in entries} == {3}
    assert [read_section(MemorySource(FILE), e) for e in entries] == [b"semantic", b"first", b""]
    assert entries[-1].offset + entries[-1].size == len(FILE)


def test_the_layout_is_the_documented_one() -> None:
    """Read by hand, as `docs/format.md` says."""
    magic, version, needs, packed, text, count, crc = struct.unpack_from("<4sHHIIII", FILE)
    assert (magic, version, needs, count) == (b"LINR", 3, 3, 3)
    assert crc == zlib.crc32(FILE[24 : 24 + packed + 20 * count], zlib.crc32(FILE[:20]))
    raw = zlib.decompressobj(-15, container.DICTIONARY).decompress(FILE[24 : 24 + packed])
    assert len(raw) == text and json.loads(raw) == DOCUMENT
    rows = list(struct.iter_unpack("<IIIHBBI", FILE[24 + packed : 24 + packed + 60]))
    assert [row[0] for row in rows] == [5, 3, 2] and [row[1] for row in rows] == [8, 5, 0]
    assert [row[6] for row in rows] == [2**32 - 1, 2**32 - 1, 0]
    assert FILE.endswith(b"semanticfirst")


def test_only_the_head_is_read() -> None:
    source = CountingSource(FILE)
    _, entries = parse(source)
    assert source.total == entries[0].offset
    read_section(source, entries[1])
    assert source.reads[-1] == (entries[1].offset, 5)


def test_every_truncation_and_extension() -> None:
    for length in range(len(FILE)):
        with pytest.raises(BitstreamError):
            parse(MemorySource(FILE[:length]))
    with pytest.raises(BitstreamError, match="foreign data"):
        parse(MemorySource(FILE + b"x"))


def test_every_flipped_bit_is_noticed() -> None:
    for position in range(8 * len(FILE)):
        damaged = bytearray(FILE)
        damaged[position // 8] ^= 1 << position % 8
        source = MemorySource(damaged)
        with pytest.raises(BitstreamError):
            for one in parse(source)[1]:
                read_section(source, one)


def test_a_damaged_section_is_named() -> None:
    damaged = MemorySource(FILE[:-1] + b"x")
    entries = parse(damaged)[1]
    assert read_section(damaged, entries[0]) == b"semantic"
    with pytest.raises(BitstreamError, match="frames 0 to 2"):
        read_section(damaged, entries[1])


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "not a .linr"),
        (b"GIF89a", "not a .linr"),
        (b"LINR", "cut short"),
        (framed(b"{}", version=1, needs=0), "encode the video again"),
        (framed(b"{}", version=9, needs=4), "format version 4, this release reads up to 3"),
        (framed(b"{}", text_size=2**22 + 1), "larger"),
        (framed(b"{}", text_size=2**18 + 65), "larger"),  # four packed bytes
        (framed(b'{"a":[' + b"[]," * 2**18 + b"0]}"), "larger|too many"),
        (framed(b"{}", text_size=3), "wrong length"),
        (framed(b"[]"), "not a JSON object"),
        (framed(b"{"), "JSON"),
        (framed(b'{"a":1,"a":2}'), "twice"),
        (framed(b'{"a":NaN}'), "NaN"),
        (framed(b'{"a":1e999}'), "too large"),
        (framed(b'{"a":' + b"9" * 41 + b"}"), "digits"),
        (framed(b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"), "nested"),
        (framed(b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}"), "JSON|nested"),
        (framed(b'{"a":"\xff"}'), "JSON"),
        (framed(b"{}", b"", b""), "add up"),
        (framed(b"{}", entry(0)), "malformed"),
        (framed(b"{}", entry(1, b"abcd", kind=2)), "malformed"),
        (framed(b"{}", entry(1, b"abcd", reserved=1)), "malformed"),
        (framed(b"{}", entry(1, b"abcd") + entry(1, kind=SEMANTIC)), "malformed"),
        (framed(b"{}", entry(2, kind=SEMANTIC) + entry(1, b"abcd")), "add up"),
        (framed(b"{}", entry(1, b"abcd", size=5)), "cut short"),
        (framed(b"{}", entry(1, b"abcd", size=3)), "foreign"),
        (framed(b"{}", entry(1, b"abcd", size=2**28)), "cut short"),
        (framed(b"{}", entry(1, b"abcd", size=2**28 + 1)), "256 MiB"),
        (framed(b"{}", entry(1, b"abcd", size=2**32 - 1)), "256 MiB"),
        (framed(b"{}", chained([0])), "not an earlier group"),
        (framed(b"{}", chained([None, 1])), "not an earlier group"),
        (framed(b"{}", chained([None, 2, None])), "not an earlier group"),
        (framed(b"{}", entry(1, kind=SEMANTIC, parent=0) + entry(1, b"abcd")), "not an earlier group"),
        (framed(b"{}", entry(2, kind=SEMANTIC) + entry(1) + entry(1, b"abcd", parent=1)), "not an earlier group"),
        (framed(b"{}", chained([None, *range(MAX_DEPTH + 1)])), "more than 8 parents"),
        (framed(b"{}", entry(3, b"abcd"), version=2, needs=2), "cut short in its header|checksum|wrong length"),
    ],
)
def test_what_is_refused(data: bytes, match: str) -> None:
    with pytest.raises(BitstreamError, match=match):
        parse(MemorySource(data))


@pytest.mark.parametrize("parents", [[None, 0, 0, None, 3, 1], [None, *range(MAX_DEPTH)], [None, *[0] * 300]])
def test_parents_are_earlier_groups(parents: list[int | None]) -> None:
    assert [e.parent for e in parse(MemorySource(framed(b"{}", chained(parents))))[1]] == parents
    sections = [Section(SEMANTIC, len(parents), 0, b"s"), *(Section(GROUP, 1, 0, b"g", parent) for parent in parents)]
    assert [e.parent for e in parse(MemorySource(assemble({}, sections)))[1]] == [None, *parents]


def test_newer_files_that_older_readers_understand() -> None:
    assert parse(MemorySource(framed(b"{}", version=7, needs=3)))[0] == {}


@pytest.mark.parametrize("needs", [0, 1, 2])
def test_version_2_has_shorter_entries(needs: int) -> None:
    old = struct.pack("<IIIHBB", 3, 4, zlib.crc32(b"abcd"), 0, GROUP, 0)
    one = parse(MemorySource(framed(b"{}", old, version=2, needs=needs)))[1][0]
    assert (one.count, one.size, one.parent, one.version) == (3, 4, None, 2)


def test_headers_of_long_videos() -> None:
    cuts = list(range(0, 3_000_000, 7))
    data = assemble({"cuts": cuts}, [Section(GROUP, 1, 0, b"")])
    assert len(data) < 2**20 and parse(MemorySource(data))[0]["cuts"] == cuts


@pytest.mark.parametrize(("one", "most"), [(b'{"":0},', 2**22), (b'{"":0},', 2**18 - 8), (b'"\xc3\xa9b",', 2**22)])
def test_large_headers_take_modest_memory(one: bytes, most: int) -> None:
    """Python makes up to 30 bytes of one of JSON."""
    text = b'{"a":[' + one * min(2**22 // len(one) - 5, most) + b"0]}"
    tracemalloc.start()
    with suppress(BitstreamError):
        container._parse_json(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80 << 20


@pytest.mark.parametrize(
    ("document", "match"),
    [
        ({"x": float("nan")}, "JSON|range|nan"),
        ({"x": object()}, "JSON"),
        ({"x": 10**50}, "digits"),
        ({"x": "y" * (1 << 22)}, "bytes of JSON"),
        ({"x": "y" * (1 << 19)}, "says too little"),
        ({"x": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}, "nested"),
    ],
)
def test_what_cannot_be_written(document: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        assemble(document, [Section(GROUP, 1, 0, b"")])
    assert not isinstance(caught.value, BitstreamError)


@pytest.mark.parametrize(
    ("made", "match"),
    [
        ([], "add up"),
        ([Section(GROUP, 0, 0, b"")], "malformed"),
        ([Section(GROUP, 1, 0, b"", 0)], "earlier"),
        ([Section(GROUP, 1, 0, b"")] * (2**16 + 1), "65537 sections"),
        ([Section(GROUP, 1, 0, b"", k - 1 if k else None) for k in range(MAX_DEPTH + 2)], "parents"),
    ],
)
def test_sections_that_cannot_be_written(made: list[Section], match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        assemble({}, made)
    assert not isinstance(caught.value, BitstreamError)


def test_the_usual_header_takes_few_bytes() -> None:
    text = container.DICTIONARY[container.DICTIONARY.index(b'{"models"') :].decode()
    for name in ("psnr", "psnr_unquantised", "seconds"):
        text = re.sub(rf'("{name}":\d+\.)', r"\g<1>123", text)
    usual = json.loads(text)
    usual["metadata"] = {"config": "a1b2c3d4", "seed": 1}
    usual["models"][0].update(num_frames=77, height=240)
    assert parse(MemorySource(assemble(usual, [Section(GROUP, 1, 0, b"")])))[1][0].offset < 150
