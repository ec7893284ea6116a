"""The model against a plain reference of itself, and the properties that everything else builds on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fiftyone_latent_inr.model import Architecture, LatentINR, Level, pixel_grid

ARCHITECTURE = Architecture(levels=(Level(8, 4, 3), Level(3, 2)), latent_dim=6, semantic_dim=4, bottleneck=5, hidden=12)


def model(num_frames: int = 7, embedding_dim: int = 16, seed: int = 0) -> LatentINR:
    torch.manual_seed(seed)
    made = LatentINR(ARCHITECTURE.for_video(num_frames, 24, 32, embedding_dim))
    with torch.no_grad():  # away from the quiet start, so that every part matters
        made.latents.normal_()
        for grid in made.field.grids:
            grid.normal_()
        made.hypernetwork.offsets.normal_(std=0.3)
    return made


def plain(made: LatentINR, latent: Tensor, points: Tensor) -> Tensor:
    """One frame as the papers write it: its own mixed grids, its own weights, then an ordinary network."""
    config, field = made.config, made.field
    predicted = {name: value[0] for name, value in made.hypernetwork(latent[None]).items()}
    features = []
    start = 0
    control = predicted["warp"].view(config.planes, 2, config.warp_rows, config.warp_cols)
    for grid, level in zip(field.grids, config.levels, strict=True):
        for p in range(config.planes):
            moved = F.grid_sample(control[p][None], points[None, None], align_corners=True, padding_mode="border")
            where = points + config.warp_scale * moved[0, :, 0].T
            size = level.channels * level.copies
            mix = 1 + predicted["mix"][start + p * size : start + (p + 1) * size]
            own = (grid[p] * mix[:, None, None]).view(level.channels, level.copies, level.rows, level.cols).sum(1)
            read = F.grid_sample(own[None], where[None, None], align_corners=True, padding_mode="border")
            features.append(read[0, :, 0])
        start += config.planes * size
    x = torch.cat(features).T
    for k, (weight, bias) in enumerate(zip(field.weights, field.biases, strict=True)):
        rows, cols = 1 + predicted[f"out{k}"], 1 + predicted[f"in{k}"] if k else torch.ones(weight.shape[1])
        x = x @ (weight * torch.outer(rows, cols)).T + bias + predicted[f"shift{k}"]
        if k < config.layers - 1:
            x = x.relu()
    return x


def test_render_equals_the_plain_reference() -> None:
    made, points = model(), torch.rand(50, 2) * 2 - 1
    drawn = made.render(made.latents[[4, 1]], points)
    for k, frame in enumerate((4, 1)):
        torch.testing.assert_close(drawn[k], plain(made, made.latents[frame], points), rtol=1e-4, atol=1e-4)


def test_one_frame_alone_is_the_same_frame() -> None:
    made, points = model(), pixel_grid(24, 32)
    together = made.render(made.latents, points)
    torch.testing.assert_close(made.render(made.latents[3:4], points)[0], together[3], rtol=1e-4, atol=1e-4)


def test_points_of_their_own_in_every_frame() -> None:
    made, points = model(), torch.rand(2, 40, 2) * 2 - 1
    drawn = made.render(made.latents[:2], points)
    torch.testing.assert_close(drawn[1], made.render(made.latents[1:2], points[1])[0], rtol=1e-4, atol=1e-4)


def test_any_size_covers_the_same_picture() -> None:
    """Pixels of a coarse drawing are where those of one three times as dense are, every third."""
    coarse, fine = pixel_grid(8, 10).view(8, 10, 2), pixel_grid(24, 30).view(24, 30, 2)
    torch.testing.assert_close(coarse, fine[1::3, 1::3])
    assert coarse.abs().max() < 1


def test_drawings_are_continuous_in_the_latent() -> None:
    made, points = model(), pixel_grid(24, 32)
    middle = made.render(made.latents_at(torch.tensor([2.5])), points)
    steps = [
        (made.render(made.latents_at(torch.tensor([2.5 + step])), points) - middle).abs().max().item()
        for step in (1e-1, 1e-2, 1e-3)
    ]
    assert steps[0] > 0 and steps[1] < steps[0] / 4 and steps[2] < steps[1] / 4


def test_latents_at_whole_times_are_the_dictionary() -> None:
    made = model()
    assert torch.equal(made.latents_at(torch.arange(7.0)), made.latents)
    assert torch.equal(made.latents_at(torch.arange(7.0), cuts=[2, 3]), made.latents)


def test_latents_in_between_follow_a_curve_through_the_dictionary() -> None:
    made = model()
    t = torch.arange(7.0)[:, None]
    made.latents.data[:] = 3 - 2 * t + 0.5 * t**2
    times = torch.tensor([1.25, 2.5, 4.75])
    expected = 3 - 2 * times + 0.5 * times**2  # a parabola is met exactly, away from the ends
    torch.testing.assert_close(made.latents_at(times), expected[:, None].expand(-1, made.config.latent_dim))
    made.latents.data[:] = 3 - 2 * t
    ends = torch.tensor([0.5, 5.5])
    torch.testing.assert_close(made.latents_at(ends)[:, 0], 3 - 2 * ends)  # and a straight line everywhere


def test_latents_of_two_scenes_are_never_mixed() -> None:
    made = model()
    made.latents.data[:3], made.latents.data[3:] = 1.0, 100.0
    times = torch.tensor([0.5, 1.9, 2.1, 2.49, 2.5, 2.9, 3.1, 5.5])
    drawn = made.latents_at(times, cuts=[3])[:, 0]
    assert drawn.tolist() == [1, 1, 1, 1, 100, 100, 100, 100]
    assert not torch.isin(made.latents_at(times)[2:6, 0], torch.tensor([1.0, 100.0])).any()


def test_alignment_starts_at_the_best_linear_head() -> None:
    targets = F.normalize(torch.randn(7, 16, generator=torch.Generator().manual_seed(1)), dim=-1)
    made = model()
    made.align_to(targets)
    left, scale, right = torch.linalg.svd(targets - targets.mean(0), full_matrices=False)
    best = targets.mean(0) + left[:, :4] * scale[:4] @ right[:4]  # Eckart-Young, rank 4
    torch.testing.assert_close(made.embed(made.latents, normalise=False), best, rtol=1e-4, atol=1e-5)


def test_a_video_of_one_frame_and_a_still_one() -> None:
    for targets in (torch.ones(1, 16), torch.ones(7, 16)):
        made = model(num_frames=len(targets))
        made.align_to(targets / 4)
        assert torch.isfinite(made.embed(made.latents)).all()
        torch.testing.assert_close(made.embed(made.latents), targets / 4)
