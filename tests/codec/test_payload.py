"""Sections: exact, as small as their own probabilities say, the same bytes for ever; only clean failures."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np
import pytest
from linr_files import GOLDEN, GOLDEN3, golden3, golden3_groups, golden_model, tensors

from fiftyone_latent_inr.codec import (
    Layout,
    MemorySource,
    Quantised,
    decode,
    encode,
    grids,
    measure,
    parse,
    read_section,
)
from fiftyone_latent_inr.errors import BitstreamError
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.latent_video.write import to_bytes

# Of the integers in `golden/version2.linr` and `golden/version3.linr`: a change of the format that moves
# them must come with a new format version.
GOLDEN3_DIGEST = "15bb84c7f661ba1f6de74abaf6c22a2f9ec5b354c178db491225b7cf6756fd5a"
GOLDEN_DIGEST = "35c9ddc4303249972b9ef6e5fccc87d6cbc34ed538903e9238060184a7eb4721"


@pytest.mark.parametrize("seed", range(6))
def test_round_trip(seed: int) -> None:
    layouts, made = tensors(seed)
    data = encode(layouts, made)
    for wanted, found in zip(made, decode(layouts, data), strict=True):
        assert found.codes.dtype == np.int16 and np.array_equal(found.codes, wanted.codes)
        assert np.array_equal(found.step_sizes, wanted.step_sizes)
    assert encode(layouts, made) == data
    old = encode(layouts, made, version=2)
    assert all(np.array_equal(a.codes, b.codes) for a, b in zip(made, decode(layouts, old, version=2), strict=True))


def test_nothing_at_all() -> None:
    assert decode([], encode([], [])) == []


def test_the_steps_of_zeros_cost_nothing_and_are_zero() -> None:
    layouts = [Layout("matrix", (50, 40))]
    steps = np.random.default_rng(0).choice([0.5, 1, 64], 50).astype(np.float32)
    data = encode(layouts, [Quantised(np.zeros((50, 40), np.int16), steps)])
    assert len(data) <= 32 and not decode(layouts, data)[0].step_sizes.any()


def large(kind: str) -> tuple[list[Layout], list[Quantised]]:
    rng = np.random.default_rng(1)
    layout = {
        "grid": Layout("grid", (2, 120, 160)),
        "sequence": Layout("sequence", (200, 32)),
        "matrix": Layout("matrix", (64, 300)),
        "vector": Layout("vector", (9000,)),
    }[kind]
    scale = np.exp(rng.normal(0, 1, layout.step_shape()))
    codes = np.rint(rng.laplace(size=layout.shape) * scale).astype(np.int16)
    return [layout], [Quantised(codes, np.ones(layout.channels, np.float32))]


@pytest.mark.parametrize("kind", ["grid", "sequence", "matrix", "vector"])
def test_within_two_percent_of_the_entropy_that_the_tables_assign(kind: str) -> None:
    layouts, made = large(kind)
    assert measure(layouts, made) <= 8 * len(encode(layouts, made)) <= 1.02 * measure(layouts, made)


@pytest.mark.parametrize("kind", ["grid", "sequence", "matrix", "vector"])
def test_within_four_percent_of_each_channels_own_entropy(kind: str) -> None:
    """Even where neighbours say nothing of each other, side information and all."""
    layouts, made = large(kind)
    ideal = 0.0
    for channel in layouts[0].by_channel(made[0].codes):
        _, counts = np.unique(channel, return_counts=True)
        ideal -= float((counts * np.log2(counts / counts.sum())).sum())
    plain = len(zlib.compress(made[0].codes.astype(np.int8).tobytes(), 9))
    assert len(encode(layouts, made)) < min(1.04 * ideal / 8 + 60, 0.95 * plain)


def test_the_golden_file_is_read_as_ever() -> None:
    video = from_bytes(GOLDEN.read_bytes())
    digest = hashlib.sha256()
    for name, tensor in video.tensors.items():
        digest.update(name.encode() + np.ascontiguousarray(tensor, "<f4").tobytes())
    assert digest.hexdigest() == GOLDEN_DIGEST
    assert (video.num_frames, video.fps, video.teacher, video.metadata) == (40, 12.5, "small", {"note": "golden"})


def test_the_golden_file_holds_what_it_was_made_of() -> None:
    """Says that the digest above is of the right integers; and what the encoder makes today is no larger."""
    model, steps = golden_model()
    data = to_bytes(model, step_sizes=steps, fps=12.5, preset="balanced", teacher="small", metadata={"note": "golden"})
    golden = from_bytes(GOLDEN.read_bytes()).tensors
    for name, tensor in from_bytes(data).tensors.items():
        assert np.array_equal(tensor, golden[name]), name
    assert len(data) <= 1.01 * len(GOLDEN.read_bytes())


def test_the_golden_file_of_version_3_is_read_as_ever() -> None:
    _, layouts, groups = golden3_groups()
    source = MemorySource(GOLDEN3.read_bytes())
    document, entries = parse(source)
    assert [(e.count, e.parent, e.version) for e in entries] == [(6, None, 3), (6, 0, 3)]
    assert document["metadata"] == {"note": "golden 3"}
    digest = hashlib.sha256()
    for entry, wanted in zip(entries, groups, strict=True):
        for one, true in zip(decode(layouts, read_section(source, entry), entry.version), wanted, strict=True):
            digest.update(np.ascontiguousarray(one.codes, "<i2").tobytes() + one.step_sizes.astype("<f4").tobytes())
            assert np.array_equal(one.codes, true.codes) and np.array_equal(one.step_sizes, true.step_sizes)
    assert digest.hexdigest() == GOLDEN3_DIGEST
    assert len(golden3()) <= 1.01 * source.size


def test_the_golden_file_of_version_3_leaves_blocks_out(monkeypatch: pytest.MonkeyPatch) -> None:
    layouts = golden3_groups()[1]
    source = MemorySource(GOLDEN3.read_bytes())
    widths = []
    code = grids.code_plan
    monkeypatch.setattr(grids, "code_plan", lambda *a: (found := code(*a), widths.append(found[0].block))[0])
    for entry in parse(source)[1]:
        decode(layouts, read_section(source, entry))
    assert len(widths) == 4 and not any(widths[:2]) and widths[3]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("seed", range(60))
def test_damaged_data_fails_cleanly(seed: int, version: int) -> None:
    rng = np.random.default_rng(seed)
    layouts, made = tensors(seed % 3)
    data = bytearray(encode(layouts, made, version))
    choice = seed % 4
    if choice == 0:
        for position in rng.integers(0, len(data), 5).tolist():
            data[position] ^= int(rng.integers(1, 256))
    elif choice == 1:
        data = data[: int(rng.integers(0, len(data)))]
    else:
        data = bytearray(rng.bytes(len(data)) if choice == 2 else bytes(len(data)))
    try:
        found = decode(layouts, bytes(data), version)
    except BitstreamError:
        return
    assert [one.codes.shape for one in found] == [layout.shape for layout in layouts]
    assert all(np.isfinite(one.step_sizes).all() and (one.step_sizes >= 0).all() for one in found)
