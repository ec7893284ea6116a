"""Mutated files, a few of those that `python -m benchmarks.fuzz` reads."""

from __future__ import annotations

import os
import signal
import time
import tracemalloc
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

import fiftyone_latent_inr as linr
from benchmarks.fuzz import mutations
from benchmarks.fuzz import run as fuzz
from fiftyone_latent_inr import codec
from fiftyone_latent_inr.codec import grids
from fiftyone_latent_inr.errors import BitstreamError
from fiftyone_latent_inr.latent_video import sections
from fiftyone_latent_inr.latent_video.video import from_bytes
from fiftyone_latent_inr.model import ModelConfig

MAX_MEMORY = 200 << 20  # the float32 of 15 million numbers, the most of a small section, are 60 MiB


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets of tenths of seconds, as there are many files."""
    monkeypatch.setattr(fuzz, "LIMITS", linr.Limits(multiply_adds=3e9, multiply_adds_per_byte=1, array_bytes=1 << 26))


def test_nothing_but_clean_failures(small: None) -> None:
    outcomes = fuzz.run(90, seed=1)
    assert not [text for one in outcomes.values() for text in one.broken]
    assert sum(one.files for one in outcomes.values()) == 90
    assert sum(outcomes[mutation.__name__].read for mutation in mutations.KNOWING) > 1
    assert sum(outcomes[mutation.__name__].read for mutation in mutations.BLIND) == 0
    assert outcomes["reshape"].read > 10 and outcomes["reshape"].refused > 5


def test_files_of_every_kind_are_mutated() -> None:
    files = [mutations.Parts.of(data) for data in mutations.corpus()]
    assert {parts.version for parts in files} == {(2, 2), (3, 3)}
    assert [section.parent for section in files[4].sections] == [None, None, 0, 1, 0]  # the first is semantic
    new, old = (from_bytes(files[k].whole()).tensors for k in (2, 5))
    assert old.keys() == new.keys() and all(np.array_equal(old[name], tensor) for name, tensor in new.items())


def test_the_fuzzer_notices(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that looks at no checksums, and one that fails in other ways."""
    monkeypatch.setattr(mutations.bitstream.zlib, "crc32", lambda data, value=0: 0)
    careless = fuzz.run(60, seed=2)
    assert any("in spite" in text for one in careless.values() for text in one.broken)
    monkeypatch.undo()
    for reader, words in (
        (lambda data, limits: data[len(data)], "IndexError"),
        (lambda data, limits: np.ones(1 << 29), "MemoryError"),  # 4 GiB of 2
        (lambda data, limits: os.kill(os.getpid(), signal.SIGKILL), "died"),
        (lambda data, limits: [k for k in range(10**9) if k < 0], "died"),
    ):
        monkeypatch.setattr(fuzz, "from_bytes", reader)
        monkeypatch.setattr(fuzz, "_PATIENCE", 3)
        monkeypatch.setattr(fuzz, "read", read_unguarded)
        found = [text for one in fuzz.run(1, seed=0).values() for text in one.broken]
        assert len(found) == 1 and words in found[0]


read, CORPUS = fuzz.read, mutations.corpus()


def read_unguarded(data: bytes, blind: bool) -> fuzz.Report:
    """The corpus is read in this process, before any child."""
    return fuzz.Report() if data in CORPUS else read(data, blind)


@pytest.mark.parametrize(("rows", "cols"), [(1081, 1921), (2080, 2080), (16_384, 256), (2, 2_000_000)])
def test_large_models_in_small_files(rows: int, cols: int) -> None:
    """Four planes of 1080p are read however few bytes they take; more is refused before anything is allocated."""
    parts = mutations.Parts.of(mutations.corpus()[3])
    model = parts.document["models"][0]
    model.update(planes=1, levels=[{"rows": rows, "cols": cols, "channels": 1 + (rows == 1081), "copies": 1}])
    parts.sections[-1] = replace(parts.sections[-1], data=np.random.default_rng(0).bytes(1 << 19))
    tracemalloc.start()
    with suppress(BitstreamError):
        dict(from_bytes(parts.whole()).tensors)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_MEMORY
    model["levels"][0]["channels"] *= 4
    with pytest.raises(BitstreamError, match="more numbers"):
        from_bytes(parts.whole())


@pytest.mark.parametrize(("rows", "cols", "channels"), [(1081, 1921, 3), (16_384, 130, 3), (33, 16_384, 13)])
def test_large_sound_files(rows: int, cols: int, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As large as may be, in under a MiB, and decoded to the last number."""

    def plan(levels: np.ndarray, codes: np.ndarray, version: int) -> tuple[grids.Plan, list[np.ndarray]]:
        one = grids.Plan(classes=1, block=8 * (cols == 130))  # fitting weights to millions of nodes would take long
        return one, [np.full(grids.num_plan_weights(one, False), 9, np.int32)]

    parts = mutations.Parts.of(mutations.corpus()[1])
    monkeypatch.setattr(grids, "choose", plan)
    model = parts.document["models"][0]
    model.update(levels=[{"rows": rows, "cols": cols, "channels": channels, "copies": 1}], warp_rows=0)
    rng = np.random.default_rng(0)
    specs = sections.group_specs(ModelConfig.from_json(model))
    layouts = [codec.Layout(spec.kind, spec.shape) for spec in specs]
    made = [
        codec.Quantised((rng.random(x.shape, np.float32) < 0.03).astype(np.int16), np.ones(x.channels, np.float32))
        for x in layouts
    ]
    parts.sections[-1] = replace(parts.sections[-1], data=codec.encode(layouts, made))
    wanted = sum(int(one.codes.sum()) for one in made)
    data = parts.whole()
    del made, parts
    assert len(data) < 1 << 20
    start = time.perf_counter()
    found = sum(int((tensor > 0).sum()) for tensor in from_bytes(data).tensors.values())
    assert time.perf_counter() - start < 12 and found == wanted  # 1.5 s on an idle machine
    tracemalloc.start()
    dict(from_bytes(data).tensors)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_MEMORY
