"""Pictures between frames, along their motion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from fiftyone_latent_inr.frames import metrics
from fiftyone_latent_inr.frames.motion import Motion, optical_flow

HEIGHT, WIDTH = 48, 64


def scene(times: npt.ArrayLike, accelerating: bool = False) -> npt.NDArray[np.uint8]:
    """A smooth texture that moves to the right and down: 2 pixels a frame, or faster and faster."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    frames = []
    for t in np.asarray(times, float):
        way = 0.4 * t**2 if accelerating else 2.0 * t
        u, v = x - way, y - 0.5 * way
        waves = [np.sin(u / 3 + k) * np.cos(v / 4 - k) + np.sin((u + v) / 7 + k) for k in range(3)]
        frames.append(np.clip(127 + 45 * np.stack(waves, -1), 0, 255))
    return np.round(frames).astype(np.uint8)


def between(frames: npt.NDArray[np.uint8], gap: int, phase: float, gaps: list[int] | None = None):
    gaps = list(range(len(frames) - 1)) if gaps is None else gaps
    motion = Motion(torch.from_numpy(frames), torch.tensor(gaps), torch.from_numpy(optical_flow(frames, gaps)))
    height, width = frames.shape[1:3]
    rows, cols = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    which, when = torch.tensor([gaps.index(gap)]), torch.tensor([phase])
    colours = motion.colours(which, when, rows.reshape(1, -1), cols.reshape(1, -1))
    return np.round(colours.view(1, height, width, 3).numpy() * 255).astype(np.uint8)


def inner(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(frames[:, 8:-8, 8:-8])  # what comes in at the edges nobody can know


def test_optical_flow_is_the_motion_in_half_frame_sizes() -> None:
    flows = optical_flow(scene([0, 1, 2]), [0, 1])
    assert flows.shape == (2, 2, 2, HEIGHT // 2, WIDTH // 2) and flows.dtype == np.float16
    middle = flows[..., 6:-6, 8:-8].mean((-1, -2))
    np.testing.assert_allclose(middle[..., 0], 2.0 * 2 / WIDTH, rtol=0.1)
    np.testing.assert_allclose(middle[..., 1], 1.0 * 2 / HEIGHT, rtol=0.1)


@pytest.mark.parametrize("phase", [0.25, 0.5, 0.8])
def test_a_moving_texture_is_met_where_a_blend_is_blurred(phase: float) -> None:
    frames = scene([0, 2, 4, 6])
    truth = scene([2 + 2 * phase])
    blend = np.round((1 - phase) * frames[1:2].astype(float) + phase * frames[2:3]).astype(np.uint8)
    followed = metrics.psnr(inner(truth), inner(between(frames, 1, phase)))
    assert followed > 35 and followed > metrics.psnr(inner(truth), inner(blend)) + 8


def test_acceleration_is_followed() -> None:
    frames = scene([0, 2, 4, 6], accelerating=True)
    truth = inner(scene([3], accelerating=True))
    straight = metrics.psnr(truth, inner(between(frames[1:3], 0, 0.5)))
    assert metrics.psnr(truth, inner(between(frames, 1, 0.5))) > straight + 3


def test_the_ends_of_a_gap_are_its_frames() -> None:
    frames = scene([0, 1, 2, 3])
    for phase, frame in ((0.0, frames[1:2]), (1.0, frames[2:3])):
        assert metrics.psnr(frame, between(frames, 1, phase)) > 45


def test_what_hardly_moves_is_mixed_and_not_moved() -> None:
    """At a tenth of a pixel a frame the cubic through four frames is all but exact."""
    frames, truth = scene([0, 0.05, 0.1, 0.15]), scene([0.075])
    assert metrics.psnr(truth, between(frames, 1, 0.5)) > 50


def test_gaps_of_other_scenes_are_not_looked_at() -> None:
    frames = scene([0, 2, 4, 6])
    other = frames.copy()
    other[0], other[3] = 255 - other[0], 255 - other[3]
    assert np.array_equal(between(frames, 1, 0.5, [1]), between(other, 1, 0.5, [1]))
    assert not np.array_equal(between(frames, 1, 0.5), between(other, 1, 0.5))


@pytest.mark.parametrize("shape", [(9, 8), (8, 33), (21, 11)])
def test_small_and_odd_frames(shape: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, *shape, 3), dtype=np.uint8)
    assert between(frames, 1, 0.5).shape == (1, *shape, 3)
    still = np.repeat(frames[:1], 3, 0)
    assert np.array_equal(between(still, 0, 0.3), still[:1])
