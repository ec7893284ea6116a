"""The `.linr` container: exact round trips, what may not be stored, reading and writing files."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linr_files import ARRAYS, CODINGS, FILE, HEADER, RNG, TENSORS, same

from fiftyone_latent_inr import codec
from fiftyone_latent_inr.codec import TensorCoding
from fiftyone_latent_inr.errors import BitstreamError, InputError

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
    expected = codec.dequantise(*codec.quantise(TENSORS["weights"], CODINGS["weights"], scales), CODINGS["weights"])
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
