"""Codecs for comparison: what is counted is what a decoder needs, and what is measured is what it gives."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from benchmarks.shared import codecs
from benchmarks.shared.codecs import (
    CODECS,
    Codec,
    bare_size,
    bare_stream,
    decode,
    encode,
    measure,
    measure_ladder,
    to_rgb,
)
from fiftyone_latent_inr.frames.metrics import psnr


def moving(num: int = 8, height: int = 64, width: int = 96) -> np.ndarray:
    """Smooth colours that drift, with a sharp square."""
    t, y, x = np.meshgrid(np.arange(num), np.arange(height), np.arange(width), indexing="ij")
    frames = np.stack([128 + 90 * np.sin((x + 2 * t) / 11), 128 + 90 * np.cos((y - t) / 9), x * 255 / width], axis=-1)
    frames[:, 20:40, 30:50] = (250, 240, 20)
    return frames.astype(np.uint8)


FRAMES = moving()
STEADY = CODECS[3]  # AV1: gives the same bytes each time


def decode_bare(data: bytes, frames: int) -> np.ndarray:
    """Decodes parameter sets and packets by themselves, without a container."""
    headers, packets = bare_stream(data)
    with av.open(io.BytesIO(data)) as container:
        name = container.streams.video[0].codec_context.codec.name
    context: Any = av.CodecContext.create(name, "r")
    context.extradata = headers or None
    context.thread_count = 1
    pictures = [picture for packet in packets for picture in context.decode(av.Packet(packet))]
    pictures += context.decode(None)
    assert len(pictures) == frames
    reformatter = VideoReformatter()
    return np.stack([to_rgb(picture, reformatter) for picture in pictures])


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_the_bare_stream_decodes_to_the_same_frames(codec: Codec) -> None:
    data = encode(FRAMES, codec, 20)
    whole = np.stack(list(decode(data)))
    assert whole.shape == FRAMES.shape
    assert np.array_equal(decode_bare(data, len(FRAMES)), whole)
    assert 0 < bare_size(data) < len(data)


def test_x264_does_not_pay_for_its_note() -> None:
    data = encode(FRAMES, CODECS[0], 30)
    _, packets = bare_stream(data)
    assert b"x264 - core" in data
    assert not any(b"x264 - core" in packet for packet in packets)


def test_x265_has_no_note() -> None:
    assert b"x265 (build" not in encode(FRAMES, CODECS[2], 30)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_the_same_size_again(codec: Codec) -> None:
    """Not the same bytes: x264's differ by a few from run to run, on a single thread, too."""
    sizes = [len(encode(FRAMES, codec, 25)) for _ in range(3)]
    assert max(sizes) <= 1.02 * min(sizes)


def test_colours_come_back() -> None:
    """Nothing is lost but by rounding and by what 4:2:0 leaves out: no matrix or range is mixed up."""
    by_name = {codec.name: codec for codec in CODECS}
    grey = np.full((4, 32, 32, 3), (200, 30, 60), np.uint8)
    for name, least in (("x264 4:4:4", 44), ("x264 4:2:0", 42), ("x265 4:2:0", 42), ("AV1 4:2:0", 42)):
        codec = by_name[name]
        frames = np.repeat(np.repeat(grey, 3, axis=1), 3, axis=2)
        assert psnr(frames, np.stack(list(decode(encode(frames, codec, codec.crfs[-1]))))) > least, name


def test_a_rung_says_what_was_measured() -> None:
    rung = measure(FRAMES, STEADY, 23)
    data = encode(FRAMES, STEADY, 23)
    assert rung["bytes"] == len(data) and rung["packet_bytes"] == bare_size(data)
    assert rung["bpp"] == pytest.approx(8 * bare_size(data) / FRAMES[..., 0].size, abs=1e-5)
    assert rung["psnr"] == pytest.approx(psnr(FRAMES, np.stack(list(decode(data)))), abs=1e-3)


def test_ladders_bracket_and_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = [float(str(rung["bpp"])) for rung in measure_ladder(FRAMES, STEADY)]
    assert rates == sorted(rates)
    middle = rates[len(rates) // 2]
    monkeypatch.setattr(codecs, "LEAST_BPP", middle * 0.9)
    monkeypatch.setattr(codecs, "ENOUGH_BPP", middle * 1.1)
    few = [float(str(rung["bpp"])) for rung in measure_ladder(FRAMES, STEADY)]
    assert len(few) == 3 and few[0] < middle * 0.9 and few[1] == middle and few[2] > middle * 1.1
    monkeypatch.setattr(codecs, "LEAST_BPP", 99.0)
    assert len(list(measure_ladder(FRAMES, STEADY))) == 1  # a clip so easy that the finest rung takes less


def test_digests_tell_settings_apart() -> None:
    assert len({codec.digest() for codec in CODECS}) == len(CODECS)
    assert replace(CODECS[0], name="another").digest() == CODECS[0].digest()


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="needs Linux")
def test_encoding_leaves_the_priority_of_this_process_as_it_was() -> None:
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    for codec in CODECS:
        encode(FRAMES, codec, codec.crfs[0])
        assert (os.sched_getscheduler(0), os.sched_getparam(0)) == before, codec.name
