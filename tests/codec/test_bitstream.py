"""Damaged and hostile `.linr` files: nothing but a BitstreamError, in little memory."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

import numpy as np
import pytest
from linr_files import FILE, HEADER, array, coded, document, frame, same, scale_bits, table, tensor, views

from fiftyone_latent_inr import codec
from fiftyone_latent_inr.codec import container
from fiftyone_latent_inr.errors import BitstreamError

# Damage


def test_every_truncation() -> None:
    for length in range(len(FILE)):
        with pytest.raises(BitstreamError):
            codec.decompress(FILE[:length])


def test_anything_after_the_end() -> None:
    with pytest.raises(BitstreamError, match="foreign data"):
        codec.decompress(FILE + b"\0")


def test_every_flipped_bit() -> None:
    for position in range(len(FILE)):
        data = bytearray(FILE)
        data[position] ^= 1 << position % 8
        with pytest.raises(BitstreamError):
            codec.decompress(data)


def test_thousands_of_mutations() -> None:
    """Replaced, inserted, removed, repeated and swapped bytes: an error, or the very same content."""
    rng = np.random.default_rng(1)
    sound = codec.decompress(FILE)
    refused = 0
    for _ in range(4000):
        data = bytearray(FILE)
        for _ in range(rng.integers(1, 6)):
            a, b = sorted(int(n) for n in rng.integers(0, len(data), 2))
            kind = rng.integers(5)
            if kind == 0:
                data[a] = int(rng.integers(256))
            elif kind == 1:
                data[a:a] = rng.bytes(int(rng.integers(1, 9)))
            elif kind == 2:
                del data[a : a + int(rng.integers(1, 9))]
            elif kind == 3:
                data[a : a + 4] = data[b : b + 4]
            else:
                data[a : a + 4] = struct.pack("<I", int(rng.choice([0, 1, 255, 2**16, 2**31 - 1, 2**32 - 1])))
        try:
            assert same(codec.decompress(data), sound)
        except BitstreamError:
            refused += 1
    assert refused > 3900


def test_thousands_of_mutations_behind_valid_checksums() -> None:
    """What a stranger can write: the JSON and the payloads are changed, checksums made right again."""
    rng = np.random.default_rng(2)
    text = json.dumps(document()).encode()
    payloads = [bytes(view[:-4]) for view in views()]
    refused = 0
    for trial in range(3000):
        mutated, changed = bytearray(text), [bytearray(payload) for payload in payloads]
        targets = [mutated] if trial % 2 else [part for part in changed if part]
        for _ in range(rng.integers(1, 4)):
            part = targets[rng.integers(len(targets))]
            if rng.integers(3):
                choices = b'0123456789[]{},.:-eE"ntf' if part is mutated else bytes(range(256))
                part[rng.integers(len(part))] = choices[rng.integers(len(choices))]
            else:
                del part[rng.integers(len(part)) :][: int(rng.integers(4))]
        try:
            codec.decompress(frame(bytes(mutated), [bytes(part) for part in changed]))
        except BitstreamError:
            refused += 1
    assert refused > 1000


# Hostile files, checksums right


def test_the_builders_of_hostile_files_can_build_sound_ones() -> None:
    data = tensor([2, 2], 4, 0, scale_bits(0.5, 2.0), coded([1, -2, 3, 0], 4))
    assert codec.decompress(data)[1]["w"].tolist() == [[0.5, -1.0], [6.0, 0.0]]
    assert codec.decompress(frame(json.dumps(document()).encode(), [bytes(v[:-4]) for v in views()]))[0] == HEADER


ONE = scale_bits(1.0)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "scale infinite": lambda: tensor([1], 4, None, scale_bits(np.inf), coded([1], 4)),
    "scale nan": lambda: tensor([1], 4, None, scale_bits(np.nan), coded([1], 4)),
    "scale negative": lambda: tensor([1], 4, None, scale_bits(-1.0), coded([1], 4)),
    "scale huge": lambda: tensor([1], 16, None, scale_bits(3e38), coded([32767], 16)),
    "too few scales": lambda: tensor([2, 1], 4, 0, ONE, coded([1, 1], 4)),
    "too few codes": lambda: tensor([3], 4, None, ONE, coded([1, 1], 4)),
    "shape negative": lambda: tensor([-1], 4, None, ONE, coded([1], 4)),
    "shape fractional": lambda: tensor([1.0], 4, None, ONE, coded([1], 4)),
    "shape boolean": lambda: tensor([True], 4, None, ONE, coded([1], 4)),
    "shape text": lambda: tensor("1", 4, None, ONE, coded([1], 4)),
    "shape overflows": lambda: tensor([2**26, 2**26, 2**26, 2**26], 4, None, ONE, coded([1], 4)),
    "shape wraps to zero": lambda: tensor([2**32, 2**32], 4, None, ONE, coded([1], 4)),
    "shape enormous for its bytes": lambda: tensor([2**25], 4, None, ONE, coded([1], 4)),
    "too many dimensions": lambda: tensor([1] * 9, 4, None, ONE, coded([1], 4)),
    "bits 1": lambda: tensor([1], 1, None, ONE, b"\0\0"),
    "bits 17": lambda: tensor([1], 17, None, ONE, b"\0\0\0\0"),
    "bits text": lambda: tensor([1], "8", None, ONE, b"\0\0"),
    "axis out of range": lambda: tensor([1], 4, 1, ONE, coded([1], 4)),
    "axis negative": lambda: tensor([1], 4, -1, ONE, coded([1], 4)),
    "axis of a scalar": lambda: tensor([], 4, 0, ONE, coded([1], 4)),
    "sizes negative": lambda: table([["w", [1], 4, None, -5, 20]], [], [b"x" * 15]),
    "sizes beyond the file": lambda: table([["w", [1], 4, None, 3, 2**30]], [], [b"x" * 15]),
    "sizes enormous": lambda: table([["w", [1], 4, None, 3, 10**30]], [], [b"x" * 15]),
    "name twice": lambda: table([], [["a", [0], "<f4", 0]] * 2, [b"", b""]),
    "name empty": lambda: table([], [["", [0], "<f4", 0]], [b""]),
    "name long": lambda: table([], [["a" * 300, [0], "<f4", 0]], [b""]),
    "name a number": lambda: table([], [[5, [0], "<f4", 0]], [b""]),
    "row short": lambda: table([["w", [1], 4]], [], [b""]),
    "row no list": lambda: table([5], [], [b""]),
    "table no list": lambda: table({"a": 1}, [], []),
    "sections too many": lambda: table([], [[str(i), [0], "<f4", 0] for i in range(5000)], [b""] * 5000),
    "dtype object": lambda: table([], [["a", [1], "|O", 5]], [b"x" * 5]),
    "dtype foreign": lambda: table([], [["a", [1], "<c16", 5]], [b"x" * 5]),
    "dtype a list": lambda: table([], [["a", [1], ["<f4"], 5]], [b"x" * 5]),
    "array infinite": lambda: array("<f4", struct.pack("<f", np.inf)),
    "array no truth value": lambda: array("|b1", b"\2"),
    "empty with data": lambda: table([], [["a", [0], "<f4", 4]], [b"data"]),
    "empty tensor with data": lambda: tensor([0], 4, None, ONE, coded([1], 4)),
    "header no object": lambda: table([], [], [], header=[1]),
    "part missing": lambda: frame(b'{"header":{},"tensors":[]}', []),
    "part too many": lambda: frame(b'{"header":{},"tensors":[],"arrays":[],"more":1}', []),
    "no object": lambda: frame(b"[]", []),
    "no json": lambda: frame(b"{", []),
    "no utf-8": lambda: frame(b'{"header":{"a":"\xff"},"tensors":[],"arrays":[]}', []),
    "json nan": lambda: frame(b'{"header":{"a":NaN},"tensors":[],"arrays":[]}', []),
    "json infinity": lambda: frame(b'{"header":{"a":-Infinity},"tensors":[],"arrays":[]}', []),
    "json overflow": lambda: frame(b'{"header":{"a":1e999},"tensors":[],"arrays":[]}', []),
    "json digits": lambda: frame(b'{"header":{"a":' + b"9" * 100_000 + b'},"tensors":[],"arrays":[]}', []),
    "json key twice": lambda: frame(b'{"header":{"a":1,"a":2},"tensors":[],"arrays":[]}', []),
    "json deep": lambda: frame(b'{"header":{"a":' + b"[" * 50 + b"]" * 50 + b'},"tensors":[],"arrays":[]}', []),
    "json very deep": lambda: frame(b"[" * 1_000_000, []),
    "json longer than declared": lambda: frame(b'{"header":{},"tensors":[],"arrays":[]}' + b" " * 1000, [], 40),
    "json shorter than declared": lambda: frame(b'{"header":{},"tensors":[],"arrays":[]}', [], 1000),
    "json beyond the limit": lambda: frame(b" " * (2 << 20), []),
    "json bomb": lambda: frame(b" " * (64 << 20), [], 1 << 20),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_files_are_refused(name: str) -> None:
    with pytest.raises(BitstreamError):
        codec.decompress(HOSTILE[name]())


def test_all_sections_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_ELEMENTS", 200)
    with pytest.raises(BitstreamError, match="more than 200"):
        codec.decompress(FILE)


def test_newer_versions_say_what_to_do() -> None:
    data = bytearray(FILE)
    data[4] = 9
    with pytest.raises(BitstreamError, match=r"version 9.*update"):
        codec.decompress(data)


def test_foreign_files_say_so() -> None:
    for data in (b"", b"LIN", b"\0\0\0\x18ftypmp42", b"x" * 1000):
        with pytest.raises(BitstreamError, match=r"not a \.linr file"):
            codec.decompress(data)
