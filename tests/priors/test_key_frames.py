"""Key frames: a shift that is known is found, what is alike is taken off, what is unlike does not count."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scenes import cloud

from fiftyone_latent_inr.priors.key_frames import choose_keys, differences, motion_to, nearness


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.08, 0.0), (0.0, -0.1), (-0.12, 0.07)])
@pytest.mark.parametrize("size", [(90, 160), (61, 77)])
def test_a_known_shift_is_found(shift: tuple[float, float], size: tuple[int, int]) -> None:
    """The frame is the key frame moved by `shift`: its point p is the key frame's p - shift."""
    found = motion_to(cloud(*size, shift), cloud(*size), 4, 6)
    assert found.shape == (1, 2, 4, 6)
    inner = found[0, :, 1:-1, 1:-1].mean((1, 2))  # what enters at the border was not there before
    assert torch.allclose(inner, -torch.tensor(shift), atol=0.015), inner


def test_moving_the_key_frame_leaves_little() -> None:
    frame, key = cloud(60, 100, (0.1, -0.06)), cloud(60, 100)
    motion = F.interpolate(motion_to(frame, key, 4, 6), (60, 100), mode="bilinear", align_corners=True)
    rest = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 60, 100], False)
    moved = F.grid_sample(key, rest + motion.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
    before, after = ((picture - frame).square().mean() for picture in (key, moved))
    assert after < 0.05 * before


def test_without_texture_nothing_moves() -> None:
    flat = torch.full((1, 1, 40, 60), 0.5)
    assert motion_to(flat, flat, 3, 3).abs().max() == 0


def test_key_frames_are_those_that_the_others_are_like() -> None:
    levels = torch.tensor([0.1, 0.1, 0.12, 0.8, 0.1, 0.82, 0.8, 0.8, 0.1])  # two scenes, interleaved
    frames = levels[:, None, None, None].expand(-1, 3, 30, 40)
    first, second = choose_keys(frames, 2)
    assert {round(float(levels[first]), 1), round(float(levels[second]), 1)} == {0.1, 0.8} and first < second
    assert choose_keys(frames[:1], 3) == [0, 0, 0]
    assert choose_keys(torch.linspace(0, 1, 9)[:, None, None, None].expand(-1, 3, 30, 40), 2) in (
        [2, 6],
        [2, 7],
        [1, 6],
    )


def test_nearness_is_linear_in_time_where_the_difference_is() -> None:
    frames = (0.02 * torch.arange(11))[:, None, None, None].expand(-1, 3, 24, 40)
    share = nearness(frames, frames[[0, 10]]) + 0.5
    assert torch.allclose(share[:, 1], torch.arange(11) / 10, atol=0.02)
    assert torch.allclose(share.sum(1), torch.ones(11))
    still = nearness(frames[:1].expand(4, -1, -1, -1), frames[[0, 0]])
    assert torch.allclose(still, torch.zeros(4, 2))


def test_what_a_moved_key_frame_shows_already_is_taken_off_the_others() -> None:
    """All but the new thing is gone from the second picture; where nothing is alike all of it stays."""
    first, second = (cloud(90, 160, shift).expand(1, 3, -1, -1) for shift in ((0.0, 0.0), (0.06, 0.03)))
    thing = torch.zeros_like(second)
    thing[..., 20:40, 30:60] = 0.3
    keys = torch.cat([first, second + thing])
    planes, taken = differences(keys, 5, 8)
    torch.testing.assert_close(planes[0], keys[0] - 0.5)
    assert float(taken[0]) == 0 and 0.7 < float(taken[1]) <= 1
    elsewhere = thing[0] == 0
    assert planes[1][elsewhere].square().mean() < 0.1 * (keys[1] - 0.5)[elsewhere].square().mean()
    assert float(planes[1][~elsewhere].mean()) > 0.1  # of .3; motion is drawn towards it a little
    torch.manual_seed(0)
    noise = torch.rand(2, 3, 90, 160)
    planes, taken = differences(noise, 5, 8)
    assert float(taken[1]) < 0.1
    torch.testing.assert_close(planes[1], noise[1] - 0.5, atol=0.06, rtol=0)


def test_one_key_frame_has_nothing_to_differ_from() -> None:
    keys = torch.rand(1, 3, 20, 30)
    planes, taken = differences(keys, 2, 2)
    torch.testing.assert_close(planes, keys - 0.5)
    assert taken.tolist() == [0]
