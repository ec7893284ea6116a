"""What a file may make its reader do is bounded before it is done; what videos need is within the bounds."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fiftyone_latent_inr as linr
from benchmarks.fuzz import hostile
from benchmarks.fuzz.children import in_child
from benchmarks.fuzz.shapes import of_zeros
from fiftyone_latent_inr.cli.main import main
from fiftyone_latent_inr.codec import grids
from fiftyone_latent_inr.fitting.presets import PRESETS
from fiftyone_latent_inr.latent_video import embedding
from fiftyone_latent_inr.latent_video.sections import group_work, work_allowed
from fiftyone_latent_inr.latent_video.video import LatentVideo, from_bytes
from fiftyone_latent_inr.rendering.cost import frame_cost, stand_in

MIB = 1 << 20


def of(model: dict[str, Any] | None = None, groups: int = 1, base: bytes = hostile.PLAIN, **header: Any) -> bytes:
    return of_zeros(hostile.changed(base, model, **header), groups).whole()


def test_hours_of_video_are_within_the_bounds() -> None:
    """Three hours at 30 frames a second, in a thousand groups."""
    embeddings = 1024
    model = {"num_frames": 324, "latent_dim": 64, "semantic_dim": 32, "embedding_dim": embeddings}
    video = from_bytes(of(model, groups=1000, base=hostile.WITH_TEACHER))
    assert video.num_frames == 324_000
    mean = video.embedding
    assert mean is not None and mean.shape == (embeddings,) and abs(np.linalg.norm(mean) - 1) < 1e-5
    assert 4 * video.num_frames * embeddings < video.limits.array_bytes
    assert video.render([0, 323_999], device="cpu").shape == (2, 18, 22, 3)


def test_a_film_of_4k_may_be_drawn_and_its_pictures_are_averages() -> None:
    limits = linr.Limits()
    for preset, size, mib in (("balanced", (1080, 1920), 0), ("fast", (2160, 3840), 2), ("balanced", (2160, 3840), 4)):
        config = PRESETS[preset].architecture.for_video(32, *size, 0)
        allowed = limits.multiply_adds + limits.multiply_adds_per_byte * mib * MIB
        assert frame_cost(config, size, allowed) < allowed
        assert stand_in(config, (3, 4), allowed) == size
    assert work_allowed(3 * MIB) < group_work(config)  # such a file has more than 4 MiB


ASKS: dict[str, tuple[Callable[[], bytes], Callable[[LatentVideo], Any], str]] = {
    "frames": (hostile.CASES["two_thousand_groups_of_a_million"], repr, r"2,000,000,000 frames.*Limits\(frames=2e\+09"),
    "embeddings": (
        hostile.CASES["million_frames_wide_embeddings"],
        lambda video: video.embeddings,
        r"embeddings of 1,000,000 x 8,192 numbers.*array_bytes=3\.3e\+10",
    ),
    "latents": (
        hostile.CASES["one_wide_latent_among_many"],
        lambda video: video.latents,
        "latents of 3,000,001 x 4,09",
    ),
    "render": (
        lambda: of({"num_frames": 1_000_000, "height": 1000, "width": 1000}),
        lambda video: video.render(device="cpu"),
        "1,000,000 frames of 1000x1000 at once, which iter_render gives one by one.*render_bytes",
    ),
    "frame": (
        hostile.CASES["large_network"],
        lambda video: video.render([0], device="cpu"),
        ".*billion multiply-adds to draw a frame of 1024x1024.*multiply_adds",
    ),
    "sides": (hostile.CASES["both_sides_16384"], lambda video: video.check_drawing(), ".*a frame of 16384x16384"),
}


@pytest.mark.parametrize("name", ASKS)
def test_what_is_refused_names_the_file_and_how_to_raise_the_bound(name: str, tmp_path: Path) -> None:
    make, ask, words = ASKS[name]
    path = tmp_path / "asks.linr"
    path.write_bytes(make())
    with pytest.raises(linr.BitstreamError, match=rf"asks\.linr: it asks for {words}"):
        ask(linr.load(path))


def test_a_raised_bound_is_raised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "long.linr"
    path.write_bytes(of({"num_frames": 500_000}, groups=30))
    assert main(["info", str(path)]) == 2 and "15,000,000 frames" in capsys.readouterr().err
    assert linr.load(path, limits=linr.Limits(frames=2e7)).num_frames == 15_000_000
    assert main(["info", str(path), "--no-limits"]) == 0 and "15000000" in capsys.readouterr().out
    video = from_bytes(hostile.PLAIN, limits=linr.Limits(multiply_adds=1, multiply_adds_per_byte=1))
    with pytest.raises(linr.BitstreamError, match="multiply-adds"):
        video.render([0], device="cpu")
    assert pickle.loads(pickle.dumps(video)).limits == video.limits
    for wrong in (
        {"frames": np.array([1, 2])},
        {"frames": None},
        {"frames": 0},
        {"frames": math.nan},
        {"multiply_adds": "many"},
    ):
        with pytest.raises(linr.InputError, match="Limits"):
            linr.Limits(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [-1, math.nan, 3, "x", True, len, linr.Limits, 0, False, {}, []], ids=repr)
def test_limits_are_none_or_limits(limits: Any, tmp_path: Path) -> None:
    (tmp_path / "a.linr").write_bytes(hostile.PLAIN)
    for call in (linr.load, lambda _, limits: from_bytes(hostile.PLAIN, limits=limits)):
        with pytest.raises(linr.InputError, match="limits must be a Limits or None") as refused:
            call(tmp_path / "a.linr", limits=limits)
        assert "\n" not in str(refused.value)


def test_small_numbers_are_told_as_they_are() -> None:
    video = from_bytes(hostile.PLAIN, limits=linr.Limits(multiply_adds=0.5, multiply_adds_per_byte=1e-9))
    with pytest.raises(linr.BitstreamError, match=r"asks for [1-9][\d,]* multiply-adds .* where 0\.5 are allowed"):
        video.render([0], device="cpu")


CHEAP = ("both_sides_16384", "large_gated_network", "large_network_of_patches", "mixed_grids_of_many_frames")


@pytest.mark.parametrize("name", CHEAP)
def test_small_pictures_of_large_files_are_cheap(name: str) -> None:
    """At most 3 GiB more than now, of which a full drawing would take many more, and seconds of the processor."""
    data = hostile.CASES[name]()
    torch.set_num_threads(1)
    ending = in_child(lambda: from_bytes(data).render([0], size=(3, 4), device="cpu").shape, 8 << 30, 20)
    assert (ending.kind, ending.text) == ("ok", "(1, 3, 4, 3)") and ending.memory < 300 * MIB


def test_many_chained_groups_are_looked_at_as_one() -> None:
    """A configuration was built twice for each of them."""
    built = []
    from fiftyone_latent_inr.model.config import ModelConfig

    original = ModelConfig.__post_init__

    def counted(self: ModelConfig) -> None:
        built.append(self)
        original(self)

    data = hostile.CASES["chained_groups"]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelConfig, "__post_init__", counted)
        video = from_bytes(data)
    assert video.num_groups == 65_536 and len(built) < 10


def test_a_mean_over_pieces_is_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for width, dim in ((3, 8), (9, 4)):
        shapes = {"latents.semantic": (50, width), "embedding.weight": (width, dim), "embedding.bias": (dim,)}
        semantic = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        whole, mean = embedding.embed(semantic), embedding.mean_embedding(semantic)
        monkeypatch.setattr(embedding, "_AT_ONCE", 30)
        np.testing.assert_allclose(embedding.embed(semantic), whole, atol=1e-6)
        np.testing.assert_allclose(embedding.mean_embedding(semantic), mean, atol=1e-6)
        monkeypatch.undo()
    nothing = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    monkeypatch.setattr(embedding, "_AT_ONCE", 1)
    assert not embedding.mean_embedding(nothing).any()


def test_videos_may_have_more_frames_than_a_model() -> None:
    model = {"num_frames": 600_000, "latent_dim": 2, "semantic_dim": 2, "embedding_dim": 4}
    video = from_bytes(of(model, groups=2, base=hostile.WITH_TEACHER))
    assert video.num_frames == 1_200_000 and video.embedding is not None


WRONG = {
    **{name: dict(fps=fps) for name, fps in (("slow", 1e-7), ("fast", 1e9), ("text", "25"), ("true", True))},
    **{f"metrics {k}": dict(metrics={"psnr": value}) for k, value in enumerate(("nan", True, None, [1]))},
    "notes": dict(metadata=[["a", 1]]),
}


@pytest.mark.parametrize("name", WRONG)
def test_headers_are_read_as_the_format_says(name: str) -> None:
    with pytest.raises(linr.BitstreamError, match="header is not that of a Latent-INR video"):
        from_bytes(hostile.changed(hostile.PLAIN, **WRONG[name]).whole())


@pytest.mark.parametrize("scale", [10**39, 1e300, -70_000, True, "1"])
def test_warps_are_within_what_floats_hold(scale: object) -> None:
    with pytest.raises(linr.BitstreamError, match="warp_scale"):
        from_bytes(hostile.changed(hostile.PLAIN, {"warp_scale": scale}).whole())


def test_latents_are_read_without_the_grids(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a grid was decoded")

    data = hostile.corpus()[4]  # of groups that are each other's parents
    wanted = [from_bytes(data).tensors[f"{k}.latents.free"] for k in range(4)]
    monkeypatch.setattr(grids, "code", refuse)
    latents = from_bytes(data).latents
    semantic = latents.shape[1] - wanted[0].shape[1]
    np.testing.assert_array_equal(latents[:, semantic:], np.concatenate(wanted))
