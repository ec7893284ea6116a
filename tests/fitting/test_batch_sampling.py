"""Samples of many videos at once: pixels of the right frames of the right video, frames in whole passes."""

from __future__ import annotations

import pytest
import torch

from fiftyone_latent_inr.fitting.batch_sampling import JointMotion, JointPixels
from fiftyone_latent_inr.frames.motion import Motion

COUNTS = [5, 3, 8]


def videos() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (n, 17, 23, 3), dtype=torch.uint8, generator=generator) for n in COUNTS]


def joint(patch: int = 1, max_frames: int = 4) -> JointPixels:
    generator = torch.Generator().manual_seed(1)
    return JointPixels(torch.cat(videos()), COUNTS, max_frames, 64, generator, patch)


def test_samples_are_pixels_of_their_own_videos_frames() -> None:
    index, points, colours = joint().draw()
    assert index.shape == (3, 4) and points.shape[:2] == colours.shape[:2] == (3, 4)
    for n, frames in enumerate(videos()):
        assert index[n].max() < COUNTS[n]
        col = (((points[n, ..., 0] + 1) * 23 - 1) / 2).round().long()
        row = (((points[n, ..., 1] + 1) * 17 - 1) / 2).round().long()
        assert torch.equal((colours[n] * 255).round().to(torch.uint8), frames[index[n][:, None], row, col])


def test_patches_have_all_their_pixels() -> None:
    _, points, colours = joint(patch=2).draw()
    assert colours.shape == (*points.shape[:2], 4 * points.shape[2], 3)


@pytest.mark.parametrize("max_frames", [2, 8])
def test_each_videos_frames_come_in_whole_passes(max_frames: int) -> None:
    draw = joint(max_frames=max_frames)
    drawn = torch.cat([draw.draw()[0] for _ in range(60)], 1)
    for n, count in enumerate(COUNTS):
        for k in range(drawn.shape[1] // count - 1):
            # runs are put together from several shuffles, each of which may end within a pass
            if k < 16 * min(COUNTS) // count:
                assert sorted(drawn[n, k * count : (k + 1) * count].tolist()) == list(range(count))
        assert drawn[n].bincount().min() > 0.8 * drawn.shape[1] / count
    assert not torch.equal(drawn[2, :8], drawn[2, 8:16])


def test_instants_are_seen_as_each_videos_own_motion_shows_them() -> None:
    generator = torch.Generator().manual_seed(0)
    motions = []
    for frames in videos():
        gaps = torch.arange(len(frames) - 1)
        flows = 0.1 * torch.randn(len(gaps), 2, 2, 9, 12, generator=generator).half()
        motions.append(Motion(frames, gaps, flows))
    draw = JointMotion(motions, torch.cat(videos()), 4, 64, torch.Generator().manual_seed(1))
    times, points, colours = draw.draw()
    assert times.shape == (3, 4)
    for n, motion in enumerate(motions):
        gap = times[n].floor().long()
        assert gap.max() <= COUNTS[n] - 2
        col = (((points[n, ..., 0] + 1) * 23 - 1) / 2).round().long()
        row = (((points[n, ..., 1] + 1) * 17 - 1) / 2).round().long()
        alone = motion.colours(gap, times[n] - gap, row, col)
        torch.testing.assert_close(colours[n], alone, rtol=0, atol=2e-3)
