"""Which pixels a step looks at."""

from __future__ import annotations

import pytest
import torch

from fiftyone_latent_inr.fitting.sampling import MotionSampler, PixelSampler
from fiftyone_latent_inr.frames.motion import Motion
from fiftyone_latent_inr.model.patch import middles


def sampler(frames: torch.Tensor, max_frames: int = 4, points: int = 64, seed: int = 0) -> PixelSampler:
    return PixelSampler(frames, max_frames, points, torch.Generator().manual_seed(seed))


def noise(count: int, height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8)


@pytest.mark.parametrize("shape", [(3, 17, 23), (6, 1, 40), (2, 40, 1), (1, 1, 1), (5, 143, 175)])
def test_samples_are_pixels_of_their_frames(shape: tuple[int, int, int]) -> None:
    frames = noise(*shape)
    index, points, colours = sampler(frames).draw()
    _, height, width = shape
    col = ((points[..., 0] + 1) * width - 1) / 2
    row = ((points[..., 1] + 1) * height - 1) / 2
    torch.testing.assert_close(col, col.round(), atol=1e-3, rtol=0)
    found = frames[index[:, None], row.round().long(), col.round().long()]
    assert torch.equal((colours * 255).round().to(torch.uint8), found)


@pytest.mark.parametrize("shape", [(2, 17, 23), (2, 9, 31)])
def test_every_pixel_gets_its_turn_borders_included(shape: tuple[int, int, int]) -> None:
    frames = noise(*shape)
    draw = sampler(frames)
    seen = torch.zeros(shape[1:], dtype=torch.long)
    for _ in range(400):
        _, points, _ = draw.draw()
        col = (((points[..., 0] + 1) * shape[2] - 1) / 2).round().long()
        row = (((points[..., 1] + 1) * shape[1] - 1) / 2).round().long()
        seen.view(-1).index_add_(0, (row * shape[2] + col).flatten(), torch.ones(row.numel(), dtype=torch.long))
    assert seen.min() > 0.3 * seen.float().mean()


def test_frames_come_in_whole_passes() -> None:
    draw = sampler(noise(8, 4, 4), max_frames=4)
    for _ in range(3):
        passes = torch.cat([draw.draw()[0], draw.draw()[0]])
        assert sorted(passes.tolist()) == list(range(8))


@pytest.mark.parametrize("patch", [2, 3, 4])
@pytest.mark.parametrize("shape", [(3, 17, 23), (6, 1, 40), (1, 2, 2)])
def test_patches_are_pixels_around_their_middles(shape: tuple[int, int, int], patch: int) -> None:
    frames = noise(*shape)
    draw = PixelSampler(frames, 4, 256, torch.Generator().manual_seed(0), patch)
    index, where, colours = draw.draw()
    _, height, width = shape
    assert where.abs().max() <= 1
    found = (colours * 255).round().to(torch.uint8).view(*where.shape[:2], patch, patch, 3)
    for b in range(len(index)):
        for n in range(where.shape[1]):
            x, y = where[b, n].tolist()
            for i in range(patch):
                for j in range(patch):
                    row = round((y + 1) / 2 * height - patch / 2 + i)  # top edges of pixels are whole numbers
                    col = round((x + 1) / 2 * width - patch / 2 + j)
                    held = min(max(row, 0), height - 1), min(max(col, 0), width - 1)
                    assert torch.equal(found[b, n, i, j], frames[index[b], held[0], held[1]])


@pytest.mark.parametrize("patch", [2, 3, 4])
def test_every_patch_of_a_frame_gets_its_turn_and_no_other(patch: int) -> None:
    draw = PixelSampler(noise(2, 9, 11), 2, 64, torch.Generator().manual_seed(0), patch)
    places = middles((9, 11), patch).view(-1, 2)
    seen = torch.zeros(len(places))
    for _ in range(300):
        apart = (draw.draw()[1].view(-1, 1, 2) - places).abs().sum(-1)
        nearest = apart.min(1)
        assert nearest.values.max() < 1e-5
        seen += nearest.indices.bincount(minlength=len(places))
    assert seen.min() > 0.5 * seen.mean()


def test_a_seed_gives_the_same_samples() -> None:
    frames = noise(5, 20, 20)
    first, second, other = sampler(frames), sampler(frames), sampler(frames, seed=1)
    for _ in range(3):
        one, same, different = first.draw(), second.draw(), other.draw()
        assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
        assert not torch.equal(one[1], different[1])


def test_between_frames_each_instant_is_drawn_with_its_colours() -> None:
    """Frames that grow brighter steadily: the colour tells the time."""
    frames = torch.arange(0, 160, 20, dtype=torch.uint8)[:, None, None, None].expand(8, 16, 24, 3).contiguous()
    gaps = torch.tensor([0, 1, 2, 4, 5, 6])  # a cut before frame 4
    motion = Motion(frames, gaps, torch.zeros(6, 2, 2, 8, 12, dtype=torch.float16))
    draw = MotionSampler(motion, 4, 64, torch.Generator().manual_seed(0))
    seen = set()
    for _ in range(20):
        times, points, colours = draw.draw()
        assert times.shape == (4,) and points.shape[:2] == colours.shape[:2] and points.abs().max() < 1
        torch.testing.assert_close(colours * 255, (20 * times)[:, None, None].expand_as(colours), atol=0.02, rtol=0)
        seen |= set(times.floor().long().tolist())
    assert seen == {0, 1, 2, 4, 5, 6}


def test_between_frames_patches_are_drawn_whole() -> None:
    frames = (8 * torch.arange(24, dtype=torch.uint8))[:, None].expand(2, 16, 24, 3).contiguous()  # columns tell x
    motion = Motion(frames, torch.tensor([0]), torch.zeros(1, 2, 2, 8, 12, dtype=torch.float16))
    times, where, colours = MotionSampler(motion, 4, 96, torch.Generator().manual_seed(0), 2).draw()
    right = (where[0, :, 0] + 1) * 12  # the column on the right of the middle, and its neighbour before
    expected = 8 * torch.stack([right - 1, right] * 2, -1).clamp(0, 23)
    assert times.shape == (1,) and colours.shape == (1, 4 * where.shape[1], 3)
    found = colours.view(1, -1, 4, 3)[0] * 255
    torch.testing.assert_close(found, expected[..., None].expand_as(found), atol=0.02, rtol=0)
