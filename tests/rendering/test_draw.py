"""Drawing larger, smaller and in between."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.fitting.presets import PRESETS
from fiftyone_latent_inr.frames import metrics
from fiftyone_latent_inr.frames.resize import area_resize
from fiftyone_latent_inr.model import LatentINR
from fiftyone_latent_inr.rendering import draw as drawing
from fiftyone_latent_inr.rendering.between import follow
from fiftyone_latent_inr.rendering.draw import area_weights, draw

SIZE = (24, 40)


@pytest.fixture(scope="module")
def model() -> LatentINR:
    """Random networks that draw something with contrast, and frames that differ."""
    torch.manual_seed(0)
    made = LatentINR(replace(PRESETS["fast"].architecture).for_video(6, *SIZE))
    for grid in made.field.grids:
        grid.data *= 15
    made.latents.data *= 4
    return made.requires_grad_(False)


def drawn(model: LatentINR, times: list[float], size: tuple[int, int] = SIZE, cuts: tuple[int, ...] = (), by=draw):
    return np.stack(list(by(model, np.array(times, np.float32), *size, cuts)))


@pytest.mark.parametrize("size", [(48, 80), (33, 55), (25, 41), (24, 95), (96, 160)])
def test_larger_drawings_average_to_the_frame_itself(model: LatentINR, size: tuple[int, int]) -> None:
    own, large = drawn(model, [0, 3]), drawn(model, [0, 3], size)
    assert large.shape == (2, *size, 3) and own.std() > 20
    inside = np.minimum(own, 255 - own) > 40  # away from what an 8-bit picture cannot say
    assert np.abs(area_resize(large, SIZE).astype(int) - own)[inside].mean() < 1.5


@pytest.mark.parametrize("size", [(12, 20), (17, 31), (1, 1)])
def test_smaller_drawings_are_averages(model: LatentINR, size: tuple[int, int]) -> None:
    own, small = drawn(model, [1]), drawn(model, [1], size)
    assert np.abs(small.astype(int) - area_resize(own, size)).max() <= 1


def test_one_side_may_grow_while_the_other_shrinks(model: LatentINR) -> None:
    mixed = drawn(model, [2], (48, 20))
    assert np.abs(area_resize(mixed, (24, 20)).astype(int) - area_resize(drawn(model, [2]), (24, 20))).mean() < 2


@pytest.mark.parametrize("sides", [(10, 4), (7, 7), (5, 8), (100, 37)])
def test_area_weights_are_those_of_exact_area_averaging(sides: tuple[int, int]) -> None:
    old, new = sides
    weights = area_weights(old, new)
    torch.testing.assert_close(weights.sum(1), torch.ones(new))
    line = np.random.default_rng(0).integers(0, 256, (1, old, 1), dtype=np.uint8)
    expected = area_resize(line, (1, new))[0, :, 0]
    assert np.abs(weights.numpy() @ line[0, :, 0].astype(float) - expected).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("by", [draw, follow])
@pytest.mark.parametrize("size", [SIZE, (36, 60)])
def test_whole_times_are_the_frames_whatever_is_drawn_with_them(model: LatentINR, by, size: tuple[int, int]) -> None:
    alone = [drawn(model, [float(k)], size)[0] for k in range(6)]
    together = drawn(model, [0, 0.5, 1, 1.25, 2, 3, 3.9, 4, 5], size, (3,), by)
    for k, at in zip(range(6), (0, 2, 4, 5, 7, 8), strict=True):
        assert np.array_equal(together[at], alone[k])


@pytest.mark.parametrize("by", [draw, follow])
def test_nothing_is_drawn_across_a_cut(model: LatentINR, by) -> None:
    first, second = drawn(model, [2, 3])
    held = drawn(model, [2.1, 2.49, 2.5, 2.75], cuts=(3,), by=by)
    assert [np.array_equal(frame, first) for frame in held] == [True, True, False, False]
    assert [np.array_equal(frame, second) for frame in held] == [False, False, True, True]


def test_following_motion_mixes_the_drawing_with_what_moves(model: LatentINR) -> None:
    plain, followed = drawn(model, [1.5]), drawn(model, [1.5], by=follow)
    assert not np.array_equal(plain, followed) and metrics.psnr(plain, followed) > 20


def test_drawing_goes_on_with_fewer_points_where_memory_is_full(
    model: LatentINR, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, asked = drawn(model, [0, 1, 2, 3, 4, 5]), []
    draw_frames = drawing.draw_frames

    def full(model: LatentINR, latents: torch.Tensor, size, **options) -> torch.Tensor:
        asked.append((len(latents), options["points"]))
        if len(latents) > 2:
            raise torch.cuda.OutOfMemoryError("full")
        return draw_frames(model, latents, size, **options)

    monkeypatch.setattr(drawing, "draw_frames", full)
    monkeypatch.setattr(drawing, "_TOGETHER_CPU", 8 * SIZE[0] * SIZE[1])
    monkeypatch.setattr(drawing, "_LEAST_TOGETHER", 1)
    assert np.array_equal(drawn(model, [0, 1, 2, 3, 4, 5]), expected)
    assert [count for count, _ in asked] == [6, 4, 2, 2, 2]
    assert [points for _, points in asked] == [8 * 960, 4 * 960, 2 * 960, 2 * 960, 2 * 960]


def test_where_memory_holds_nothing_the_error_says_what_to_do(
    model: LatentINR, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> torch.Tensor:
        raise torch.cuda.OutOfMemoryError("full")

    monkeypatch.setattr(drawing, "draw_frames", full)
    with pytest.raises(InputError, match=r"too little free memory to draw frames of 24x40.*on the CPU"):
        drawn(model, [0])


def test_frames_come_one_batch_after_the_other(model: LatentINR, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0, 0.5, 1, 2.25, 3, 4, 5]
    expected = drawn(model, times)
    monkeypatch.setattr(drawing, "_TOGETHER_CPU", 3 * SIZE[0] * SIZE[1])
    assert np.array_equal(drawn(model, times), expected)
    assert list(draw(model, np.array([], np.float32), *SIZE)) == []


def test_models_that_draw_in_other_ways_are_asked_to(model: LatentINR, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = drawn(model, [0, 2.5], (30, 50))
    monkeypatch.setattr(drawing, "is_point_field", lambda model: False)
    monkeypatch.setattr(drawing, "_POINTS_CPU", 700)
    asked = drawn(model, [0, 2.5], (30, 50))
    assert np.abs(asked.astype(int) - expected).max() <= 1 and (asked != expected).mean() < 1e-3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kernels", ["0", "1"])
@pytest.mark.parametrize("size", [SIZE, (33, 95)])
def test_a_card_draws_the_same(
    model: LatentINR, kernels: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [0, 1, 2.5, 3, 4, 5]
    expected = drawn(model, times, size)
    monkeypatch.setenv("LATENT_INR_KERNELS", kernels)
    monkeypatch.setattr(drawing, "_TOGETHER_GPU", 2 * size[0] * size[1])  # several batches, copied while drawing
    on_card = drawn(copy.deepcopy(model).to("cuda"), times, size)
    assert np.abs(on_card.astype(int) - expected).max() <= 1 and (on_card != expected).mean() < 1e-2
