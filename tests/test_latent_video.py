"""LatentVideo: drawing at any time and size, and reading files from strangers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr import codec
from fiftyone_latent_inr.latent_video import from_bytes, to_bytes
from fiftyone_latent_inr.model import Architecture, LatentINR, Level
from fiftyone_latent_inr.stored import to_tensors

ARCHITECTURE = Architecture(levels=(Level(8, 4, 3), Level(3, 2)), latent_dim=6, semantic_dim=4, bottleneck=5, hidden=12)


def networks() -> LatentINR:
    torch.manual_seed(0)
    model = LatentINR(ARCHITECTURE.for_video(6, 24, 33, 16))
    with torch.no_grad():
        model.latents.normal_(std=0.5)
        model.embedding_weight.normal_()
        for grid in model.field.grids:
            grid.normal_(std=0.3)
    return model


@pytest.fixture(scope="module")
def video() -> linr.LatentVideo:
    return from_bytes(to_bytes(networks(), bits=8, fps=25.0, preset="fast", metadata={"note": "ü"}))


def test_sixteen_bits_keep_the_drawing() -> None:
    model = networks()
    stored = from_bytes(to_bytes(model, bits=16, fps=25.0, preset="fast")).model()
    points = torch.rand(40, 2) * 2 - 1
    drawn = model.render(model.latents, points)
    torch.testing.assert_close(stored.render(stored.latents, points), drawn, atol=2e-3, rtol=0)


def test_any_time_any_size(video: linr.LatentVideo) -> None:
    assert video.render(device="cpu").shape == (6, 24, 33, 3)
    drawn = video.render([0, 2.5, 5], size=(41, 17), device="cpu")
    assert drawn.shape == (3, 41, 17, 3) and drawn.dtype == np.uint8
    assert video.render([], device="cpu").shape == (0, 24, 33, 3)


def test_random_access_gives_the_same_frames(video: linr.LatentVideo) -> None:
    every = video.render(device="cpu").astype(int)
    for t in (5, 0, 3):
        assert np.abs(video.render([t], device="cpu")[0] - every[t]).max() <= 1  # a batch may round otherwise
    between = video.render([2.5], device="cpu")[0].astype(int)
    assert np.abs(between - every[2]).max() > 0 and np.abs(between - every[3]).max() > 0


def test_large_drawings_are_made_in_parts(video: linr.LatentVideo) -> None:
    large = video.render([1], size=(240, 330), device="cpu")[0].astype(int)
    assert 240 * 330 > 4 * 16_384
    # block centres of a ten times denser drawing lie about where the small one's pixels do
    small = video.render([1], size=(80, 110), device="cpu")[0].astype(int)
    assert np.abs(large[1::3, 1::3] - small).max() <= 1


def test_save_and_load(video: linr.LatentVideo, tmp_path: Path) -> None:
    video.save(tmp_path / "ü 立.linr")
    loaded = linr.load(tmp_path / "ü 立.linr")
    assert loaded.data == video.data and loaded.metadata == {"note": "ü"} and loaded.fps == 25.0
    assert np.array_equal(loaded.render([4], device="cpu"), video.render([4], device="cpu"))
    assert loaded.embeddings is not None and loaded.embeddings.shape == (6, 16)


@pytest.mark.parametrize("times", [[6], [-0.1], [np.nan], [[1, 2]], ["x"], [1, np.inf]])
def test_bad_times(video: linr.LatentVideo, times: Any) -> None:
    with pytest.raises(linr.InputError, match="times"):
        video.render(times, device="cpu")


@pytest.mark.parametrize("size", [(0, 5), (5,), (10**6, 5), "ab", (None, 2)])
def test_bad_sizes(video: linr.LatentVideo, size: Any) -> None:
    with pytest.raises(linr.InputError, match="size"):
        video.render(size=size, device="cpu")


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(linr.InputError, match=r"gone\.linr"):
        linr.load(tmp_path / "gone.linr")
    (tmp_path / "text.linr").write_text("not a video")
    with pytest.raises(linr.BitstreamError, match=r"text\.linr"):
        linr.load(tmp_path / "text.linr")


def _without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda header: header.pop(key)


@pytest.mark.parametrize(
    "spoil",
    [
        *(_without(key) for key in ("model", "fps", "metrics", "metadata", "preset", "teacher")),
        lambda h: h.update(fps=-1),
        lambda h: h.update(fps="fast"),
        lambda h: h.update(teacher=["small"]),
        lambda h: h.update(metrics={"psnr": "high"}),
        lambda h: h.update(metrics=[1]),
        lambda h: h.update(metadata=3),
        lambda h: h["model"].update(num_frames=7),
        lambda h: h["model"].update(hidden=13),
        lambda h: h["model"].update(num_frames=10**9),
        lambda h: h["model"]["levels"][0].update(rows=10**9),
        lambda h: h["model"].update(levels={"a": 1}),
    ],
)
def test_headers_that_lie_are_refused(spoil: Callable[[dict[str, Any]], None]) -> None:
    model = networks()
    good, _, _ = codec.decompress(to_bytes(model, bits=8, fps=25.0, preset="fast"))
    header = json.loads(json.dumps(good))
    spoil(header)
    tensors, codings = to_tensors(model, 8)
    with pytest.raises(linr.BitstreamError):
        from_bytes(codec.compress(header, tensors, codings, {}))


def test_missing_and_unknown_tensors_are_refused() -> None:
    model = networks()
    header, _, _ = codec.decompress(to_bytes(model, bits=8, fps=25.0, preset="fast"))
    tensors, codings = to_tensors(model, 8)
    fewer = {name: value for name, value in tensors.items() if name != "trunk"}
    with pytest.raises(linr.BitstreamError, match="trunk"):
        from_bytes(codec.compress(header, fewer, {name: codings[name] for name in fewer}, {}))
    more = tensors | {"stray": tensors["trunk"]}
    with pytest.raises(linr.BitstreamError, match="stray"):
        from_bytes(codec.compress(header, more, codings | {"stray": codings["trunk"]}, {}))
