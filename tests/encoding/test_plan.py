"""Where a long video is cut into groups of frames, and which earlier group each may start from."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scenes import scene, scenes

from fiftyone_latent_inr.encoding.plan import GroupPlanner, Plan, fingerprint, most_frames, plan_groups


def counts(plan: Plan) -> list[int]:
    return [span.count for span in plan.spans]


def parents(plan: Plan) -> list[int | None]:
    return [span.parent for span in plan.spans]


@pytest.mark.parametrize("num", [1, 2, 9, 18])
@pytest.mark.parametrize("speed", [0.0, 3.0])
def test_a_short_clip_of_one_scene_is_one_group_however_restless(num: int, speed: float) -> None:
    plan = plan_groups(scene(1, num, speed), 8)
    assert counts(plan) == [num] and plan.num_frames == num and parents(plan) == [None]


def test_one_frame_more_is_two_groups() -> None:
    assert len(plan_groups(scene(1, 19), 8).spans) == 2


def test_a_new_scene_starts_a_group() -> None:
    plan = plan_groups(scenes((1, 6), (2, 7)), 8)
    assert counts(plan) == [6, 7] and plan.cuts == (6,)


def test_a_new_scene_does_not_while_a_group_has_few_frames() -> None:
    plan = plan_groups(scenes((1, 3), (2, 6)), 16)
    assert counts(plan) == [9] and plan.cuts == (3,)
    assert counts(plan_groups(scenes((1, 4), (2, 6)), 16)) == [4, 6]  # a quarter of the usual number is enough


def test_a_cut_back_to_a_scene_that_was_seen_does_not() -> None:
    back = plan_groups(scenes((1, 3), (2, 4), (1, 5), (2, 4)), 16)
    assert counts(back) == [16] and back.cuts == (3, 7, 12)
    assert counts(plan_groups(scenes((1, 3), (2, 4), (5, 5), (2, 4)), 16))[0] == 7  # so that this can fail


def test_a_group_that_is_full_ends_at_a_cut_near_its_end() -> None:
    """Its frames are of scenes that it has seen, so that the cut alone would not end it."""
    video = scenes((1, 3), (2, 3), (1, 8), (2, 30))
    plan = plan_groups(video, 16, most=16)
    assert counts(plan)[0] == 14 and 14 in plan.cuts


def test_restless_content_gives_shorter_groups() -> None:
    still, usual, restless = (plan_groups(scene(1, 96, speed), 8) for speed in (0.0, 1.0, 4.0))
    assert len(restless.spans) > 1.5 * len(usual.spans) > 1.5 * 1.3 * len(still.spans)
    # up to twice as many frames as usual, down to half of them
    assert set(counts(still)[1:-1]) == {16} and set(counts(restless)[1:-1]) == {4}


@pytest.mark.parametrize("most", [3, 5, 100])
def test_no_group_has_more_frames_than_it_may(most: int) -> None:
    limit = min(most, 18)
    assert GroupPlanner(8, most).most == limit
    for video in (scene(1, 50), scene(1, 50, 2.0), scenes((1, 20), (2, 20)), scene(1, limit + 1)):
        plan = plan_groups(video, 8, most=most)
        assert max(counts(plan)) <= limit and sum(counts(plan)) == len(video)


def test_spans_follow_each_other_and_cover_all_frames() -> None:
    rng = np.random.default_rng(3)
    for _ in range(25):
        parts = [
            (seed, rng.integers(1, 14), rng.choice([0, 0.5, 3])) for seed in rng.integers(0, 9, rng.integers(1, 6))
        ]
        video, usual = scenes(*parts), int(rng.integers(4, 12))
        most = rng.choice([None, 3, 7])
        plan = plan_groups(video, usual, most=most)
        firsts = [span.first for span in plan.spans]
        assert firsts == [0, *np.cumsum(counts(plan))[:-1]] and plan.num_frames == len(video)
        assert min(counts(plan)) >= 1
        for span, prints, frames in zip(plan.spans, plan.prints, plan.frames, strict=True):
            assert len(prints) == len(frames) <= 24 and frames[0] == 0
            assert (np.diff(frames) > 0).all() and frames[-1] == span.count - 1
            for k in (0, -1):  # others are of frames nearby where a span was opened again
                np.testing.assert_array_equal(prints[k], fingerprint(video[span.first + frames[k]]))


def test_a_tail_that_is_too_short_joins_the_last_group() -> None:
    assert counts(plan_groups(scene(1, 66), 16)) == [31, 35]  # 31, 32 and 3
    assert counts(plan_groups(scene(1, 67), 16)) == [31, 32, 4]
    assert counts(plan_groups(scene(1, 65), 16, most=32))[-1] < 4  # there is no room for it


# --- parents


def test_what_comes_back_gets_a_parent() -> None:
    plan = plan_groups(scenes((1, 6), (2, 6), (1, 6), (5, 6)), 8)
    assert parents(plan) == [None, None, 0, None]
    assert [span.depth for span in plan.spans] == [0, 0, 1, 0]


def test_without_a_limit_of_likeness_there_are_none() -> None:
    assert parents(plan_groups(scenes((1, 6), (2, 6), (1, 6)), 8, similar=None)) == [None] * 3


def test_how_alike_they_must_be() -> None:
    """PSNR of 25 dB: a constant difference of 255 / 10 ** (25 / 20) = 14.3 levels."""
    ground = scenes((1, 6), (2, 6))
    lighter = np.clip(ground[:6].astype(int) + 14, 0, 255).astype(np.uint8)
    error = ((lighter.astype(float) - ground[:6]) ** 2).mean()
    psnr = 10 * np.log10(255**2 / error)
    video = np.concatenate([ground, lighter])
    assert parents(plan_groups(video, 8, similar=psnr - 0.5)) == [None, None, 0]
    assert parents(plan_groups(video, 8, similar=psnr + 0.5)) == [None] * 3


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_chains_are_no_longer_than_they_may_be(depth: int) -> None:
    plan = plan_groups(scene(1, 130), 8, max_depth=depth)
    assert len(plan.spans) > 6
    depths = [span.depth for span in plan.spans]
    assert max(depths) == depth
    for span in plan.spans:
        assert span.depth == (0 if span.parent is None else depths[span.parent] + 1)


def test_of_equals_the_latest_is_the_parent() -> None:
    plan = plan_groups(scenes((1, 6), (2, 6), (1, 6), (2, 6), (1, 6)), 8, max_depth=3)
    assert parents(plan) == [None, None, 0, 1, 2]
    # at the depth that is allowed those of less depth are left
    assert parents(plan_groups(scenes((1, 6), (2, 6), (1, 6), (2, 6), (1, 6)), 8, max_depth=1)) == [None, None, 0, 1, 0]


def test_the_most_alike_is_the_parent() -> None:
    first = scenes((1, 6))
    near, far = (np.clip(first.astype(int) + by, 0, 255).astype(np.uint8) for by in (2, 9))
    video = np.concatenate([near, scenes((2, 6)), far, scenes((5, 6)), first])
    assert parents(plan_groups(video, 8, max_depth=4))[4] == 0


def test_the_frames_of_a_parent_that_are_nearest() -> None:
    moving = scene(1, 6, 1.0)
    again = moving[[4, 0, 2, 2, 5, 1]]
    plan = plan_groups(np.concatenate([moving, scene(2, 6), again]), 8)
    assert parents(plan) == [None, None, 0]
    assert plan.nearest(2, again).tolist() == [4, 0, 2, 2, 5, 1]


def test_nearest_frames_of_a_long_parent_are_among_those_that_are_kept() -> None:
    moving = scene(1, 60, 0.25)
    plan = plan_groups(np.concatenate([moving, scene(2, 12), moving[10:50]]), 40)
    assert counts(plan) == [60, 12, 40] and parents(plan)[2] == 0
    found = plan.nearest(2, moving[10:50])
    assert set(found) <= set(plan.frames[0]) and np.abs(found - np.arange(10, 50)).max() <= 2


# --- memory


def test_memory_hardly_grows_with_length() -> None:
    frame = scene(1, 1, height=180, width=320)[0]

    def peak(num: int) -> float:
        tracemalloc.start()
        planner = GroupPlanner(16, similar=None)
        for k in range(num):
            planner.add(np.roll(frame, k, 1))
        plan = planner.finish()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert all(len(prints) <= 24 for prints in plan.prints) and plan.num_frames == num
        return found / 1e6

    few, many = peak(60), peak(180)
    assert many - few < 120 * 18 * 32 * 3 / 1e6 + 0.1  # fingerprints, where frames would take 21 MB


def test_fingerprints_are_points_of_the_frame() -> None:
    one, other = scene(1, 1, height=90, width=160)[0], scene(2, 1, height=90, width=160)[0]
    a, b = (fingerprint(frame).astype(float) for frame in (one, other))
    assert a.shape == (18 * 32 * 3,)
    error = ((one.astype(float) - other) ** 2).mean()
    assert ((a - b) ** 2).mean() == pytest.approx(error, rel=0.03)
    assert fingerprint(scene(1, 1, height=1, width=1)[0]).shape == a.shape


@pytest.mark.parametrize(("size", "frames"), [((90, 160), 9320), ((1080, 1920), 64), ((16_384, 16_384), 2)])
def test_frames_that_fit_in_memory(size: tuple[int, int], frames: int) -> None:
    assert most_frames(*size) == frames


def test_a_plan_as_data() -> None:
    plan = plan_groups(scenes((1, 6), (2, 6), (1, 6)), 8)
    data: dict[str, Any] = plan.to_json()
    assert data == {"spans": [[0, 6, None, 0], [6, 6, None, 0], [12, 6, 0, 1]], "cuts": [6, 12]}
