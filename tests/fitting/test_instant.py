"""What is found without an optimiser step: key frames as they are, motion, files of the size that was asked for."""

from __future__ import annotations

from dataclasses import replace

import media
import numpy as np
import pytest
import torch

import fiftyone_latent_inr as linr
from fiftyone_latent_inr.fitting import PRESETS, GroupTask, Rate
from fiftyone_latent_inr.fitting.instant import fit_at_once
from fiftyone_latent_inr.fitting.pyramid import nodes_of, pyramid, read_plane
from fiftyone_latent_inr.model import pixel_grid

INSTANT = PRESETS["instant"]


def drawn_at(frames: np.ndarray, weight: float) -> np.ndarray:
    """Frames drawn by networks whose steps follow from a weight alone, not clamped."""
    ((model, _),) = fit_at_once(GroupTask.of(torch.from_numpy(frames), INSTANT), [Rate(weight)])
    points = pixel_grid(*frames.shape[1:3])
    with torch.no_grad():
        return model.render(model.latents, points).view(frames.shape).numpy()


def test_smooth_pictures_come_back_through_their_nodes() -> None:
    y, x = torch.meshgrid(torch.linspace(0, 3, 30), torch.linspace(0, 4, 44), indexing="ij")
    picture = torch.stack([y.sin(), x.cos(), (x + y).sin()]) / 3
    nodes = nodes_of(picture, 31, 45)
    points = pixel_grid(30, 44)[None]
    assert (read_plane([nodes], points)[0].view(3, 30, 44) - picture).abs().max() < 0.01


def test_a_pyramid_draws_what_it_was_made_of_up_to_its_steps() -> None:
    y, x = torch.meshgrid(torch.linspace(0, 5, 24), torch.linspace(0, 6, 32), indexing="ij")
    picture = torch.stack([(x + y).sin(), x.cos(), y.sin()]) / 2
    levels = INSTANT.architecture.for_video(8, 24, 32).levels
    fine, rough = ([torch.full((level.channels,), step) for level in levels] for step in (0.001, 0.5))
    points = pixel_grid(24, 32)[None]
    errors = [
        float((read_plane(pyramid(picture, levels, steps), points)[0].view(3, 24, 32)[0] - picture[0]).square().mean())
        for steps in (fine, rough)
    ]
    assert errors[0] < errors[1] / 4
    assert all(torch.equal(grid, (grid / 0.5).round() * 0.5) for grid in pyramid(picture, levels, rough))


def test_a_still_picture_is_the_same_in_all_frames() -> None:
    frame = media.moving_square(num=1, height=32, width=48)
    drawn = drawn_at(frame.repeat(6, 0), 1e-6)
    assert np.abs(drawn - drawn[:1]).max() < 0.01
    assert np.abs(drawn - frame / 255).mean() < 0.03


def test_light_that_changes_is_followed() -> None:
    frame = media.moving_square(num=1, height=32, width=48)[0] / 255
    lights = np.linspace(0.4, 1, 7)
    frames = np.stack([np.round(255 * light * frame) for light in lights]).astype(np.uint8)
    drawn = drawn_at(frames, 1e-6)
    means = drawn.mean((1, 2, 3))
    np.testing.assert_allclose(means, frames.mean((1, 2, 3)) / 255, atol=0.01)


def test_a_higher_weight_takes_fewer_bytes() -> None:
    frames = media.moving_square(num=8, height=32, width=48)
    sizes = [
        linr.fit(frames, preset="instant", quality=quality, device="cpu", progress=False).metrics["bytes"]
        for quality in (20, 80)
    ]
    assert sizes[0] < sizes[1]


def test_bits_that_are_asked_for_are_about_kept() -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 255, (1, 96, 128, 3), np.uint8), 8, 0)  # noise: as many bits as one likes
    for bpp in (0.6, 1.2):
        fitted = linr.fit(frames, preset="instant", bpp=bpp, device="cpu", progress=False)
        assert fitted.metrics["bpp"] == pytest.approx(bpp, rel=0.35)


def test_other_architectures_are_refused() -> None:
    config = replace(PRESETS["fast"], steps=0)
    with pytest.raises(linr.InputError, match=r"steps=0.*instant"):
        linr.fit(
            media.moving_square(num=3, height=16, width=16), config=config, device="cpu", progress=False, prior="none"
        )


def test_motion_is_found_without_opencv_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ImportError("cv2")

    monkeypatch.setattr("fiftyone_latent_inr.fitting.instant.flow_view", missing)
    frames = media.moving_square(num=5, height=32, width=48)
    assert np.abs(drawn_at(frames, 1e-6) - frames / 255).mean() < 0.1
