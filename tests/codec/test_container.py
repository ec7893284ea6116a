"""The `.linr` container: exact round trips, and nothing but a BitstreamError for damaged or hostile files."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fiftyone_latent_inr import codec
from fiftyone_latent_inr.codec import TensorCoding, bitstream, container, entropy
from fiftyone_latent_inr.errors import BitstreamError, InputError

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
            a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes()
            for k in a
        )

    return one[0] == other[0] and equal(one[1], other[1]) and equal(one[2], other[2])


# Round trips


def test_round_trip_is_exact() -> None:
    header, tensors, arrays = codec.decompress(FILE)
    assert header == HEADER
    assert list(tensors) == list(TENSORS)
    assert list(arrays) == list(ARRAYS)
    for name, tensor in TENSORS.items():
        expected = codec.dequantise(*codec.quantise(tensor, CODINGS[name]), CODINGS[name])
        assert tensors[name].dtype == np.float32
        assert tensors[name].shape == expected.shape
        assert tensors[name].tobytes() == expected.tobytes()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype.newbyteorder("=")
        assert np.array_equal(arrays[name], array)


def test_compress_is_deterministic() -> None:
    assert codec.compress(HEADER, TENSORS, CODINGS, ARRAYS) == FILE


def test_storing_what_was_stored_changes_nothing() -> None:
    """Dequantised tensors lie on their own grid: a second generation with the same scales is the first."""
    header, tensors, arrays = codec.decompress(FILE)
    scales = {name: codec.quantise(TENSORS[name], CODINGS[name])[1] for name in TENSORS}
    again = codec.compress(header, tensors, CODINGS, arrays, scales=scales)
    assert same(codec.decompress(again), (header, tensors, arrays))


def test_given_scales_are_stored() -> None:
    scales = codec.optimal_scales(TENSORS["weights"], CODINGS["weights"])
    data = codec.compress({}, {"w": TENSORS["weights"]}, {"w": CODINGS["weights"]}, scales={"w": scales})
    expected = codec.dequantise(
        *codec.quantise(TENSORS["weights"], CODINGS["weights"], scales), CODINGS["weights"]
    )
    assert np.array_equal(codec.decompress(data)[1]["w"], expected)


def test_any_buffer() -> None:
    for data in (bytearray(FILE), memoryview(FILE)):
        assert same(codec.decompress(data), codec.decompress(FILE))


def test_selected_sections() -> None:
    header, tensors, arrays = codec.decompress(FILE, names=["conv", "flags"])
    assert (header, list(tensors), list(arrays)) == (HEADER, ["conv"], ["flags"])
    with pytest.raises(KeyError, match="nothing"):
        codec.decompress(FILE, names=["nothing"])


def test_header_alone_needs_the_beginning_alone() -> None:
    packed = struct.unpack_from("<I", FILE, 8)[0]
    assert codec.read_header(FILE[: 20 + packed]) == HEADER


def test_sections_add_up() -> None:
    table = codec.sections(FILE)
    assert [section.name for section in table] == [*TENSORS, *ARRAYS]
    packed = struct.unpack_from("<I", FILE, 8)[0]
    assert 20 + packed + sum(section.num_bytes + 4 for section in table) == len(FILE)
    assert table[1].coding == TensorCoding(5, axis=1)
    assert table[1].shape == (4, 3, 2, 2)


def test_eight_bits_take_about_a_byte_each() -> None:
    """Normal weights have about 7 bits of entropy at 8 bits; all the rest must stay small."""
    weights = {f"layer{i}": RNG.standard_normal((40, 40)).astype(np.float32) for i in range(20)}
    data = codec.compress({}, weights, {name: TensorCoding(8, axis=0) for name in weights})
    assert len(data) < 20 * 1600 * 1.06


def test_highly_compressible_content_can_be_read_back() -> None:
    """The bound on expansion, which stops bombs, must let through whatever `compress` makes."""
    zeros = np.zeros(1 << 22, np.float32)
    data = codec.compress({}, {"z": zeros}, {"z": TensorCoding(8)}, {"b": np.zeros(1 << 22, bool)})
    assert codec.decompress(data)[1]["z"].shape == zeros.shape


def test_reading_needs_numpy_alone() -> None:
    script = (
        "import sys; import fiftyone_latent_inr.codec as c; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'av', 'torch', 'fiftyone', 'open_clip'}))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# What the caller may not do


@pytest.mark.parametrize(
    ("header", "tensors", "arrays", "match"),
    [
        ({"x": float("nan")}, {}, {}, "JSON|range|nan"),
        ({"x": object()}, {}, {}, "JSON"),
        ({"x": 10**50}, {}, {}, "digits"),
        ({"x": "y" * (1 << 20)}, {}, {}, "bytes of JSON"),
        ({}, {"w": [np.nan]}, {}, "finite"),
        ({}, {"none": [1.0]}, {}, "no coding"),
        ({}, {"w": [1.0]}, {"w": np.zeros(2)}, "same name"),
        ({}, {}, {"a": np.array([np.inf])}, "finite"),
        ({}, {}, {"a": np.array(["text"])}, "cannot be stored"),
        ({}, {}, {"a": np.array([object()])}, "cannot be stored"),
        ({}, {}, {"": np.zeros(2)}, "name"),
        ({}, {}, {"a": np.zeros((1,) * 9)}, "shape"),
        ({}, {}, {str(i): np.zeros(1) for i in range(5000)}, "sections"),
    ],
)
def test_what_cannot_be_stored(header: Any, tensors: Any, arrays: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        codec.compress(header, tensors, {"w": TensorCoding(8)}, arrays)
    assert not isinstance(caught.value, BitstreamError)


def test_deep_headers() -> None:
    def nested(depth: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return {"x": value}

    assert codec.read_header(codec.compress(nested(20), {}, {})) == nested(20)
    for depth in (40, 5000):
        with pytest.raises(ValueError, match=r"nested|JSON"):
            codec.compress(nested(depth), {}, {})


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


def document() -> dict[str, Any]:
    return bitstream.parse_header(FILE)[0]


def views() -> list[memoryview]:
    return bitstream.split_sections(
        bitstream.parse_header(FILE)[1], [s.num_bytes for s in codec.sections(FILE)]
    )


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


def test_the_builders_of_hostile_files_can_build_sound_ones() -> None:
    data = tensor([2, 2], 4, 0, scale_bits(0.5, 2.0), coded([1, -2, 3, 0], 4))
    assert codec.decompress(data)[1]["w"].tolist() == [[0.5, -1.0], [6.0, 0.0]]
    assert (
        codec.decompress(frame(json.dumps(document()).encode(), [bytes(v[:-4]) for v in views()]))[0]
        == HEADER
    )


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
    "json deep": lambda: frame(
        b'{"header":{"a":' + b"[" * 50 + b"]" * 50 + b'},"tensors":[],"arrays":[]}', []
    ),
    "json very deep": lambda: frame(b"[" * 1_000_000, []),
    "json longer than declared": lambda: frame(
        b'{"header":{},"tensors":[],"arrays":[]}' + b" " * 1000, [], 40
    ),
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


# Files


def test_write_and_read(tmp_path: Path) -> None:
    path = tmp_path / "видео 1.linr"
    codec.write_file(path, FILE)
    assert codec.read_file(path) == FILE
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.linr").touch()
    (tmp_path / "text.linr").write_text("hello")
    for name, kind, match in (
        ("none.linr", InputError, "no such file"),
        ("empty.linr", InputError, "empty"),
        (".", InputError, "folder"),
        ("text.linr", BitstreamError, "not a .linr file"),
    ):
        with pytest.raises(kind, match=match) as caught:
            codec.read_file(tmp_path / name)
        assert str(tmp_path) in str(caught.value)


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        codec.write_file(tmp_path / "no" / "x.linr", FILE)
    if os.path.exists("/proc/self"):  # no one may create files there
        with pytest.raises(InputError, match="cannot write"):
            codec.write_file("/proc/self/x.linr", FILE)
